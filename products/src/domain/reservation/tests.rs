use super::*;

fn cause() -> Cause {
    Cause { at: Timestamp::now(), request: None }
}

fn line(product: ProductId, quantity: u64) -> ReservationLine {
    ReservationLine { product, quantity: Quantity::try_from(quantity).unwrap() }
}

/// A request to confirm ten pieces of a product, and its line with a hold.
fn confirmation() -> (Confirm, SoldLine) {
    let lines = vec![line(ProductId::new(), 10)];
    let held = SoldLine::new(&lines[0], HoldId::new());
    (Confirm { reservation: ReservationId::new(), order: OrderId::new(), lines, holds: Vec::new() }, held)
}

fn confirmed() -> (Reservation, ProductId) {
    let (request, held) = confirmation();
    let mut slot = None;
    Reservation::confirm(&mut slot, &request, Some(&[held]), &cause());
    (slot.unwrap(), request.lines[0].product)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    ConfirmHeld,
    ConfirmNotHeld,
    OutOfStock,
    Release,
    Restock,
    RestockPart,
}

/// Sends a request to a reservation. Returns its reply as text.
fn send(slot: &mut Option<Reservation>, request: Request) -> String {
    let (confirm, held) = confirmation();
    let (id, order, lines) = (confirm.reservation, confirm.order, confirm.lines.clone());
    match request {
        Request::ConfirmHeld => format!("{:?}", Reservation::confirm(slot, &confirm, Some(&[held]), &cause())),
        Request::ConfirmNotHeld => format!("{:?}", Reservation::confirm(slot, &confirm, None, &cause())),
        Request::OutOfStock => {
            let shortage = Shortage { product_id: lines[0].product, name: None, requested: 10, available: 0 };
            Reservation::out_of_stock(slot, id, order, &[shortage], &cause());
            String::new()
        }
        Request::Release => format!("{:?}", Reservation::release(slot, id, order, &cause())),
        Request::Restock => restock(slot, &RestockedPieces::Rest),
        Request::RestockPart => restock(slot, &RestockedPieces::Part { refund: RefundId::new(), lines }),
    }
}

fn restock(slot: &mut Option<Reservation>, pieces: &RestockedPieces) -> String {
    slot.as_mut().map_or_else(String::new, |reservation| format!("{:?}", reservation.restock(pieces, &cause())))
}

#[test]
fn every_request_in_every_state_has_one_new_state_and_reply() {
    use Request::{ConfirmHeld, ConfirmNotHeld, OutOfStock, Release, Restock, RestockPart};
    use State::{Confirmed, Released, Restocked};
    for (state, request, new_state, reply) in [
        (None, ConfirmHeld, Some(Confirmed), "Sold"),
        (None, ConfirmNotHeld, Some(Released), "Released"),
        (None, OutOfStock, Some(Released), ""),
        (None, Release, Some(Released), "Released"),
        (None, Restock, None, ""),
        (None, RestockPart, None, ""),
        (Some(Confirmed), ConfirmHeld, Some(Confirmed), "Sold"),
        // The sale is applied to the products.
        (Some(Confirmed), ConfirmNotHeld, Some(Confirmed), "Sold"),
        (Some(Confirmed), OutOfStock, Some(Confirmed), ""),
        (Some(Confirmed), Release, Some(Confirmed), "Sold"),
        (Some(Confirmed), Restock, Some(Restocked), "Restocked"),
        (Some(Confirmed), RestockPart, Some(Confirmed), "Restocked"),
        (Some(Released), ConfirmHeld, Some(Released), "Released"),
        (Some(Released), ConfirmNotHeld, Some(Released), "Released"),
        (Some(Released), OutOfStock, Some(Released), ""),
        (Some(Released), Release, Some(Released), "Released"),
        (Some(Released), Restock, Some(Released), "NotSold"),
        (Some(Released), RestockPart, Some(Released), "NotSold"),
        (Some(Restocked), ConfirmHeld, Some(Restocked), "Released"),
        (Some(Restocked), ConfirmNotHeld, Some(Restocked), "Released"),
        (Some(Restocked), OutOfStock, Some(Restocked), ""),
        (Some(Restocked), Release, Some(Restocked), "Sold"),
        (Some(Restocked), Restock, Some(Restocked), "Restocked"),
        (Some(Restocked), RestockPart, Some(Restocked), "Restocked"),
    ] {
        let path: &[Request] = match state {
            None => &[],
            Some(Confirmed) => &[ConfirmHeld],
            Some(Released) => &[Release],
            Some(Restocked) => &[ConfirmHeld, Restock],
        };
        let mut slot = None;
        for request in path {
            send(&mut slot, *request);
        }
        assert_eq!(slot.as_ref().map(Reservation::state), state);
        let replied = send(&mut slot, request);
        assert_eq!((slot.map(|slot| slot.state()), replied.as_str()), (new_state, reply), "{state:?}, {request:?}");
    }
}

#[test]
fn a_request_to_reserve_gets_the_reply_that_follows_from_the_decision() {
    for (requests, reply) in [
        (&[Request::ConfirmHeld][..], "Sold"),
        (&[Request::ConfirmHeld, Request::Restock], "Released"),
        (&[Request::Release], "Released"),
        (&[Request::Release, Request::OutOfStock], "Released"),
        (&[Request::OutOfStock, Request::Release], "OutOfStock"),
    ] {
        let mut slot = None;
        for request in requests {
            send(&mut slot, *request);
        }
        let replied = format!("{:?}", slot.unwrap().reserve_reply());
        assert!(replied.starts_with(reply), "{requests:?}: {replied}");
    }
}

#[test]
fn only_the_hold_that_was_found_is_sold() {
    let (request, held) = confirmation();
    let mut slot = None;
    Reservation::confirm(&mut slot, &request, Some(std::slice::from_ref(&held)), &cause());
    let reservation = slot.unwrap();
    assert_eq!(reservation.sold_hold(held.product), Some(held.hold));
    assert_eq!(reservation.sold_hold(ProductId::new()), None);
    let what: Vec<String> = reservation.timeline().map(|entry| entry.what).collect();
    assert_eq!(what, ["held", "sold"]);
}

#[test]
fn a_released_reservation_is_outdated_after_its_retention() {
    let mut slot = None;
    let released = cause();
    Reservation::release(&mut slot, ReservationId::new(), OrderId::new(), &released);
    let reservation = slot.unwrap();
    assert!(!reservation.is_outdated(released.at));
    assert!(reservation.is_outdated(released.at.after(RELEASED_RETENTION)));
    assert!(!confirmed().0.is_outdated(released.at.after(RELEASED_RETENTION * 2)));
}

/// Ten pieces of a product are sold. Each step restocks some of them by a refund.
#[test]
fn a_refund_restocks_its_pieces_once_and_never_more_than_are_sold() {
    let (mut reservation, product) = confirmed();
    let refunds: Vec<RefundId> = (0..4).map(|_| RefundId::new()).collect();
    let line = |quantity| line(product, quantity);
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
        assert_eq!(reservation.products_to_restock().count(), usize::from(newly_restocked > 0), "{pieces:?}");
        assert_eq!(reservation.mark_restocked(product).map_or(0, |(_, pieces)| pieces), newly_restocked, "{pieces:?}");
        assert_eq!(reservation.due, None, "{pieces:?}");
    }
}

#[test]
fn a_cancellation_restocks_the_rest() {
    let (mut reservation, product) = confirmed();
    let part = RestockedPieces::Part { refund: RefundId::new(), lines: vec![line(product, 4)] };
    for (pieces, expected) in [(part, Some(4)), (RestockedPieces::Rest, Some(6)), (RestockedPieces::Rest, None)] {
        reservation.restock(&pieces, &cause());
        assert_eq!(reservation.mark_restocked(product).map(|(_, pieces)| pieces), expected, "{pieces:?}");
    }
}

#[test]
fn restocking_is_due_after_its_lease() {
    let (mut reservation, product) = confirmed();
    assert_eq!(reservation.due, None);
    let cause = cause();
    reservation.restock(&RestockedPieces::Rest, &cause);
    assert_eq!(reservation.due, Some(cause.at.after(RESTOCK_LEASE)));
    reservation.mark_restocked(product);
    assert_eq!(reservation.due, None);
}
