//! Background jobs.

use std::time::Duration;

use souk_store::jobs::{self, Job};
use souk_types::Result;

use crate::App;
use crate::application::reservations;
use crate::domain::reservation::Reservation;

/// Releases expired reservations, and applies decisions that an instance did not apply. A run
/// without due reservations costs one look-up in an index. A transaction that restocks a product in
/// high demand may wait for a second, so the job handles several reservations at the same time.
const RESERVATIONS: Job = Job { name: "reservations", every: Duration::from_secs(1), concurrency: 16 };

pub(crate) fn start(app: &App) {
    jobs::run(RESERVATIONS, app.reservations.due(), app.clone(), handle);
}

async fn handle(app: App, reservation: Reservation) -> Result<()> {
    reservations::handle_due(&app, &reservation).await
}

#[cfg(test)]
mod tests {
    use souk_contract::products::{Confirmed, ProductSnapshot, Release, ReservationId, Restocked, RestockedPieces};
    use souk_contract::shopping::OrderId;
    use souk_types::{Currency, Price, Quantity, TaxClass, Timestamp};

    use super::*;
    use crate::application::reservations::tests::{Service, line, request};
    use crate::domain::product::Product;
    use crate::domain::reservation::PlacedHold;
    use crate::domain::reservation_log::Cause;
    use crate::domain::reservation_state::Trigger;

    /// In each case, the instance crashed after these triggers and before it applied the decision.
    #[tokio::test]
    async fn the_job_finishes_reservations_after_a_crash() {
        let service = Service::start();
        let tea = service.add_product(10).await;
        let past = Cause { at: Timestamp::now().before(Duration::from_mins(1)), request: None };
        let price = Price::new(499, Currency::EUR).unwrap();
        let hold = PlacedHold {
            attempt: 1,
            product: ProductSnapshot {
                id: tea,
                name: "Tea".into(),
                price,
                image: None,
                category: "tea".to_owned(),
                tax_class: TaxClass::Standard,
                weight_grams: 100,
                digital: false,
            },
        };
        // (triggers, whether the product has the hold, quantity sold in the end)
        let crashes: [(&[Trigger], bool, u64); 7] = [
            (&[], false, 0),
            (&[], true, 0),
            (&[Trigger::AllHeld], true, 0),
            (&[Trigger::AllHeld, Trigger::Confirm], true, 1),
            (&[Trigger::AllHeld, Trigger::Release], true, 0),
            (&[Trigger::Release], true, 0),
            (&[Trigger::AllHeld, Trigger::Confirm, Trigger::Restock], true, 0),
        ];
        let mut sold = 0;
        for (triggers, is_held, sells) in crashes {
            let id = ReservationId::new();
            if is_held {
                let hold = move |product: &mut Product| {
                    product.stock.hold(id, Quantity::try_from(1).unwrap(), 1).unwrap();
                    Ok(())
                };
                service.app.products.update(tea, hold).await.unwrap();
            }
            let mut slot = None;
            Reservation::reserve(&mut slot, &request(id, &[line(tea, 1)], past.at), &past);
            for trigger in triggers {
                let reservation = slot.as_mut().unwrap();
                match trigger {
                    Trigger::AllHeld => reservation.all_held(std::slice::from_ref(&hold), past.at, &past),
                    Trigger::OutOfStock => reservation.out_of_stock(&[], &past),
                    Trigger::Confirm => assert_eq!(reservation.confirm(&past), Confirmed::Sold),
                    Trigger::Restock => {
                        assert_eq!(reservation.restock(&RestockedPieces::Rest, &past), Restocked::Restocked);
                    }
                    Trigger::Release => {
                        let request = Release { reservation: id, order: OrderId::new() };
                        Reservation::release(&mut slot, &request, &past);
                    }
                }
            }
            service.insert(slot.unwrap()).await;
            sold += sells;
            let due = service.app.reservations.due();
            jobs::run_once(RESERVATIONS, &due, Timestamp::now(), &service.app, handle).await.unwrap();
            assert_eq!(service.levels(tea).await, (10 - u32::try_from(sold).unwrap(), 0, sold), "{triggers:?}");
            let due = due.page(Timestamp::now(), None).await.unwrap();
            assert!(due.items.is_empty(), "{triggers:?}");
        }
    }
}
