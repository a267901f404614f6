//! Background jobs. A run without due documents costs one look-up in an index each.

use std::time::Duration;

use souk_store::jobs::{self, Job};
use souk_types::Result;

use crate::App;
use crate::application::settlement;
use crate::domain::product::Product;
use crate::domain::reservation::Reservation;

/// Settles the holds of a product: releases expired ones, and applies decisions that an instance
/// did not apply.
const HOLDS: Job = Job { name: "holds", every: Duration::from_secs(2), concurrency: 16 };

/// Restocks returned pieces that an instance did not restock, and deletes released reservations. A
/// transaction that restocks a product in high demand may wait for a second, so the job handles
/// several reservations at the same time.
const RESERVATIONS: Job = Job { name: "reservations", every: Duration::from_secs(2), concurrency: 16 };

pub(crate) fn start(app: &App) {
    jobs::run(HOLDS, app.products.due(), app.clone(), settle);
    jobs::run(RESERVATIONS, app.reservations.due(), app.clone(), handle);
}

async fn settle(app: App, product: Product) -> Result<()> {
    settlement::settle_product(&app, &product).await
}

async fn handle(app: App, reservation: Reservation) -> Result<()> {
    settlement::handle_due(&app, &reservation).await
}

#[cfg(test)]
mod tests {
    use souk_contract::products::{HoldId, ProductId, ReservationId, RestockedPieces};
    use souk_contract::shopping::OrderId;
    use souk_types::Timestamp;

    use super::*;
    use crate::application::reservations::tests::{Service, cause, confirm_request, line};
    use crate::domain::hold::HoldRequest;
    use crate::domain::reservation::SoldLine;
    use crate::domain::stock::tests::hold_request;

    async fn run_jobs(service: &Service, at: Timestamp) {
        let (app, products, reservations) = (&service.app, service.app.products.due(), service.app.reservations.due());
        jobs::run_once(HOLDS, &products, at, app, settle).await.unwrap();
        jobs::run_once(RESERVATIONS, &reservations, at, app, handle).await.unwrap();
        assert!(reservations.page(at, None).await.unwrap().items.is_empty());
    }

    async fn hold(service: &Service, product: ProductId, id: ReservationId, request: HoldRequest) -> HoldId {
        let hold = move |product: &mut Product| Ok(product.hold(id, &request).unwrap().0.hold.unwrap());
        service.app.products.update(product, hold).await.unwrap()
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Decision {
        None,
        Released,
        Sold,
        /// Sold, and two of three pieces are returned.
        PartlyReturned,
        Returned,
    }

    /// In each case, the instance crashed after it held three pieces and stored a decision, and
    /// before it changed the product again.
    #[tokio::test]
    async fn the_jobs_finish_reservations_after_a_crash() {
        // (decision, whether the hold has expired, pieces reserved and sold in the end)
        for (decision, is_expired, reserved, sold) in [
            (Decision::None, false, 3, 0),
            (Decision::None, true, 0, 0),
            (Decision::Released, false, 0, 0),
            (Decision::Sold, false, 0, 3),
            (Decision::Sold, true, 0, 3),
            (Decision::PartlyReturned, false, 0, 1),
            (Decision::Returned, true, 0, 0),
        ] {
            let (service, id, order) = (Service::start(), ReservationId::new(), OrderId::new());
            let (tea, other) = (service.add_product(10).await, service.add_product(10).await);
            let past = Timestamp::now().before(Duration::from_secs(1));
            let request = if is_expired {
                HoldRequest { expires_at: past, expires_at_if_scarce: past, ..hold_request(3) }
            } else {
                hold_request(3)
            };
            let lines = [line(tea, 3), line(other, 3)];
            let mut held = Vec::new();
            for line in &lines {
                held.push(SoldLine::new(line, hold(&service, line.product, id, request).await));
            }
            let mut slot = None;
            match decision {
                Decision::None => {}
                Decision::Released => drop(Reservation::release(&mut slot, id, order, &cause())),
                Decision::Sold | Decision::PartlyReturned | Decision::Returned => {
                    Reservation::confirm(&mut slot, &confirm_request(id, &lines), Some(&held), &cause());
                }
            }
            let returned = lines.iter().map(|sold| line(sold.product, 2)).collect();
            match decision {
                Decision::PartlyReturned => {
                    let pieces =
                        RestockedPieces::Part { refund: souk_contract::shopping::RefundId::new(), lines: returned };
                    slot.as_mut().unwrap().restock(&pieces, &cause());
                }
                Decision::Returned => drop(slot.as_mut().unwrap().restock(&RestockedPieces::Rest, &cause())),
                _ => {}
            }
            if let Some(reservation) = slot {
                service.insert(reservation).await;
            }
            run_jobs(&service, Timestamp::now().after(Duration::from_mins(1))).await;
            for product in [tea, other] {
                let available = 10 - u32::try_from(reserved + sold).unwrap();
                let levels = service.stored_levels(product).await;
                assert_eq!(levels, (available, reserved, sold), "{decision:?}, expired: {is_expired}");
            }
        }
    }

    #[tokio::test]
    async fn a_hold_of_a_late_attempt_is_released() {
        let (service, id) = (Service::start(), ReservationId::new());
        let tea = service.add_product(10).await;
        let sold = SoldLine::new(&line(tea, 3), hold(&service, tea, id, hold_request(3)).await);
        let mut slot = None;
        Reservation::confirm(&mut slot, &confirm_request(id, &[line(tea, 3)]), Some(&[sold]), &cause());
        service.insert(slot.unwrap()).await;
        let later = Timestamp::now().after(Duration::from_mins(1));
        run_jobs(&service, later).await;
        hold(&service, tea, id, hold_request(3)).await;
        run_jobs(&service, later).await;
        assert_eq!(service.stored_levels(tea).await, (7, 0, 3));
    }

    #[tokio::test]
    async fn a_released_reservation_is_kept_for_two_days() {
        let service = Service::start();
        for (age, is_kept) in [(Duration::from_hours(47), true), (Duration::from_hours(49), false)] {
            let id = ReservationId::new();
            let mut slot = None;
            let released = crate::domain::reservation_log::Cause { at: Timestamp::now().before(age), request: None };
            Reservation::release(&mut slot, id, OrderId::new(), &released);
            service.insert(slot.unwrap()).await;
            run_jobs(&service, Timestamp::now()).await;
            assert_eq!(service.app.reservations.get(id).await.unwrap().is_some(), is_kept, "{age:?}");
        }
    }
}
