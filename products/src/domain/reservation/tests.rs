use souk_types::{Currency, Price, TaxClass};

use super::*;

fn cause() -> Cause {
    Cause { at: Timestamp::now(), request: None }
}

fn shortages() -> Vec<Shortage> {
    vec![Shortage { product_id: ProductId::new(), name: None, requested: 1, available: 0 }]
}

struct Fixture {
    reserve: Reserve,
    slot: Option<Reservation>,
    refund: RefundId,
}

impl Fixture {
    fn absent() -> Self {
        let line = ReservationLine { product: ProductId::new(), quantity: Quantity::try_from(1).unwrap() };
        let until = Timestamp::now().after(Duration::from_mins(15));
        let (reservation, order) = (ReservationId::new(), OrderId::new());
        let reserve = Reserve { reservation, order, lines: vec![line], until, until_if_scarce: until };
        Self { reserve, slot: None, refund: RefundId::new() }
    }

    fn in_state(state: Option<State>) -> Self {
        let mut fixture = Self::absent();
        let path: &[Request] = match state {
            None => &[],
            Some(State::Holding) => &[Request::Reserve],
            Some(State::Held) => &[Request::Reserve, Request::AllHeld],
            Some(State::Confirmed) => &[Request::Reserve, Request::AllHeld, Request::Confirm],
            Some(State::Released) => &[Request::Reserve, Request::Release],
            Some(State::Restocked) => &[Request::Reserve, Request::AllHeld, Request::Confirm, Request::Restock],
        };
        for request in path {
            fixture.send(*request);
        }
        assert_eq!(fixture.state(), state);
        fixture
    }

    fn state(&self) -> Option<State> {
        self.slot.as_ref().map(Reservation::state)
    }

    /// Returns the reply as text; empty for the outcomes of an attempt.
    fn send(&mut self, request: Request) -> String {
        let cause = cause();
        let release = Release { reservation: self.reserve.reservation, order: self.reserve.order };
        match (request, self.slot.as_mut()) {
            (Request::Reserve, _) => match Reservation::reserve(&mut self.slot, &self.reserve, &cause) {
                ReserveAction::PlaceHolds { attempt } => format!("attempt {attempt}"),
                ReserveAction::Reply(Reserved::Held { lines, .. }) => format!("held {}", lines.len()),
                ReserveAction::Reply(Reserved::OutOfStock { .. }) => "out of stock".to_owned(),
                ReserveAction::Reply(Reserved::Released) => "released".to_owned(),
            },
            (Request::Release, _) => format!("{:?}", Reservation::release(&mut self.slot, &release, &cause)),
            (Request::AllHeld, Some(reservation)) => {
                reservation.all_held(&[hold(self.reserve.lines[0].product)], self.reserve.until, &cause);
                String::new()
            }
            (Request::OutOfStock, Some(reservation)) => {
                reservation.out_of_stock(&shortages(), &cause);
                String::new()
            }
            (Request::Confirm, Some(reservation)) => format!("{:?}", reservation.confirm(&cause)),
            (Request::Restock, Some(reservation)) => {
                format!("{:?}", reservation.restock(&RestockedPieces::Rest, &cause))
            }
            (Request::RestockPart, Some(reservation)) => {
                let part = RestockedPieces::Part { refund: self.refund, lines: self.reserve.lines.clone() };
                format!("{:?}", reservation.restock(&part, &cause))
            }
            (_, None) => "no reservation".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Reserve,
    AllHeld,
    OutOfStock,
    Confirm,
    Release,
    Restock,
    RestockPart,
}

fn hold(id: ProductId) -> PlacedHold {
    let price = Price::new(499, Currency::EUR).unwrap();
    PlacedHold {
        attempt: 1,
        product: ProductSnapshot {
            id,
            name: "Tea".to_owned(),
            price,
            image: None,
            category: "tea".to_owned(),
            tax_class: TaxClass::Standard,
            weight_grams: 100,
            digital: false,
        },
    }
}

#[test]
fn every_request_in_every_state_has_one_new_state_and_reply() {
    use Request::{AllHeld, Confirm, OutOfStock, Release, Reserve, Restock, RestockPart};
    use State::{Confirmed, Held, Holding, Released, Restocked};
    let table = [
        (None, Reserve, Some(Holding), "attempt 1"),
        (None, AllHeld, None, "no reservation"),
        (None, OutOfStock, None, "no reservation"),
        (None, Confirm, None, "no reservation"),
        (None, Release, Some(Released), "Released"),
        (None, Restock, None, "no reservation"),
        (None, RestockPart, None, "no reservation"),
        (Some(Holding), Reserve, Some(Holding), "attempt 2"),
        (Some(Holding), AllHeld, Some(Held), ""),
        (Some(Holding), OutOfStock, Some(Released), ""),
        (Some(Holding), Confirm, Some(Holding), "Released"),
        (Some(Holding), Release, Some(Released), "Released"),
        (Some(Holding), Restock, Some(Holding), "NotSold"),
        (Some(Holding), RestockPart, Some(Holding), "NotSold"),
        (Some(Held), Reserve, Some(Held), "held 1"),
        (Some(Held), AllHeld, Some(Held), ""),
        (Some(Held), OutOfStock, Some(Held), ""),
        (Some(Held), Confirm, Some(Confirmed), "Sold"),
        (Some(Held), Release, Some(Released), "Released"),
        (Some(Held), Restock, Some(Held), "NotSold"),
        (Some(Held), RestockPart, Some(Held), "NotSold"),
        (Some(Confirmed), Reserve, Some(Confirmed), "held 1"),
        (Some(Confirmed), AllHeld, Some(Confirmed), ""),
        (Some(Confirmed), OutOfStock, Some(Confirmed), ""),
        (Some(Confirmed), Confirm, Some(Confirmed), "Sold"),
        (Some(Confirmed), Release, Some(Confirmed), "Sold"),
        (Some(Confirmed), Restock, Some(Restocked), "Restocked"),
        (Some(Confirmed), RestockPart, Some(Confirmed), "Restocked"),
        (Some(Released), Reserve, Some(Released), "released"),
        (Some(Released), AllHeld, Some(Released), ""),
        (Some(Released), OutOfStock, Some(Released), ""),
        (Some(Released), Confirm, Some(Released), "Released"),
        (Some(Released), Release, Some(Released), "Released"),
        (Some(Released), Restock, Some(Released), "NotSold"),
        (Some(Released), RestockPart, Some(Released), "NotSold"),
        (Some(Restocked), Reserve, Some(Restocked), "released"),
        (Some(Restocked), AllHeld, Some(Restocked), ""),
        (Some(Restocked), OutOfStock, Some(Restocked), ""),
        (Some(Restocked), Confirm, Some(Restocked), "Released"),
        (Some(Restocked), Release, Some(Restocked), "Sold"),
        (Some(Restocked), Restock, Some(Restocked), "Restocked"),
        (Some(Restocked), RestockPart, Some(Restocked), "Restocked"),
    ];
    for (state, request, new_state, reply) in table {
        let mut fixture = Fixture::in_state(state);
        let replied = fixture.send(request);
        assert_eq!((fixture.state(), replied.as_str()), (new_state, reply), "{state:?}, {request:?}");
    }
}

#[test]
fn an_out_of_stock_reservation_repeats_its_shortages() {
    let mut fixture = Fixture::in_state(Some(State::Holding));
    fixture.send(Request::OutOfStock);
    assert_eq!(fixture.send(Request::Reserve), "out of stock");
    assert_eq!(fixture.send(Request::Release), "Released");
}

#[test]
fn a_decision_is_due_after_its_lease_and_not_due_once_applied() {
    let mut reservation = Fixture::in_state(Some(State::Held)).slot.unwrap();
    let cause = cause();
    reservation.confirm(&cause);
    assert_eq!(reservation.due(), Some(cause.at.after(DECISION_LEASE)));
    reservation.mark_applied(&cause);
    assert_eq!(reservation.due(), None);
}

#[test]
fn a_reservation_released_during_an_attempt_stays_due_until_it_expires() {
    let mut fixture = Fixture::in_state(Some(State::Holding));
    fixture.send(Request::Release);
    let mut reservation = fixture.slot.unwrap();
    reservation.mark_applied(&cause());
    assert_eq!(reservation.due(), Some(fixture.reserve.until));
}

#[test]
fn a_restocked_reservation_is_applied_once_every_line_is_restocked() {
    let mut fixture = Fixture::in_state(Some(State::Restocked));
    let product = fixture.reserve.lines[0].product;
    let reservation = fixture.slot.as_mut().unwrap();
    reservation.mark_applied(&cause());
    assert!(reservation.due().is_some());
    assert!(reservation.mark_restocked(product).is_some());
    assert!(reservation.mark_restocked(product).is_none());
    reservation.mark_applied(&cause());
    assert_eq!(reservation.due(), None);
}

/// Ten pieces of a product are sold. Each step restocks some of them by a refund.
#[test]
fn a_refund_restocks_its_pieces_once_and_never_more_than_are_sold() {
    let mut fixture = Fixture::absent();
    let product = fixture.reserve.lines[0].product;
    let line = |quantity: u64| ReservationLine { product, quantity: Quantity::try_from(quantity).unwrap() };
    fixture.reserve.lines = vec![line(10)];
    for request in [Request::Reserve, Request::AllHeld, Request::Confirm] {
        fixture.send(request);
    }
    let mut reservation = fixture.slot.unwrap();
    let refunds: Vec<RefundId> = (0..4).map(|_| RefundId::new()).collect();
    let elsewhere = ReservationLine { product: ProductId::new(), ..line(1) };
    let part = |refund: usize, lines: &[ReservationLine]| RestockedPieces::Part {
        refund: refunds[refund],
        lines: lines.to_vec(),
    };
    for (pieces, newly_restocked, returned) in [
        (part(0, &[line(3)]), 3, 3),
        (part(0, &[line(3)]), 0, 3),
        (part(1, &[elsewhere]), 0, 3),
        (part(1, &[line(2), line(1)]), 3, 6),
        (part(2, &[line(9)]), 4, 10),
        (part(3, &[line(1)]), 0, 10),
        (RestockedPieces::Rest, 0, 10),
    ] {
        assert_eq!(reservation.restock(&pieces, &cause()), Restocked::Restocked, "{pieces:?}");
        assert_eq!(reservation.returned(), [(product, returned)], "{pieces:?}");
        assert_eq!(reservation.mark_restocked(product).map_or(0, |(_, pieces)| pieces), newly_restocked, "{pieces:?}");
    }
}

#[test]
fn a_cancellation_restocks_the_rest() {
    let mut fixture = Fixture::absent();
    let product = fixture.reserve.lines[0].product;
    fixture.reserve.lines[0].quantity = Quantity::try_from(5).unwrap();
    for request in [Request::Reserve, Request::AllHeld, Request::Confirm] {
        fixture.send(request);
    }
    let mut reservation = fixture.slot.unwrap();
    let lines = vec![ReservationLine { product, quantity: Quantity::try_from(2).unwrap() }];
    reservation.restock(&RestockedPieces::Part { refund: fixture.refund, lines }, &cause());
    assert_eq!(reservation.mark_restocked(product).map(|(_, pieces)| pieces), Some(2));
    reservation.restock(&RestockedPieces::Rest, &cause());
    assert_eq!(reservation.mark_restocked(product).map(|(_, pieces)| pieces), Some(3));
    assert_eq!(reservation.mark_restocked(product).map(|(_, pieces)| pieces), None);
}
