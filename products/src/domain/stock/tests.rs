use souk_contract::shopping::OrderId;
use souk_types::{EntityTags, Integer, Quantity};

use super::*;

fn quantity(number: u64) -> Quantity {
    Quantity::try_from(number).unwrap()
}

fn stock(available: i64) -> Stock {
    Stock::new(AvailableQuantity::try_from(available).unwrap())
}

pub(crate) fn hold_request(pieces: u64) -> HoldRequest {
    let expires_at = Timestamp::now().after(Duration::from_mins(15));
    HoldRequest { order: OrderId::new(), quantity: quantity(pieces), expires_at, expires_at_if_scarce: expires_at }
}

/// Available, reserved and sold.
fn levels(stock: &Stock) -> (u32, u64, u64) {
    let levels = stock.levels();
    assert_eq!(u64::from(levels.available) + levels.reserved + levels.sold, stock.stocked());
    (levels.available, levels.reserved, levels.sold)
}

/// Places a hold and returns its id.
fn held(stock: &mut Stock, reservation: ReservationId, pieces: u64) -> HoldId {
    stock.hold(reservation, &hold_request(pieces)).unwrap().0
}

#[test]
fn a_quantity_moves_from_available_to_reserved_to_sold_and_back() {
    let (mut stock, reservation) = (stock(10), ReservationId::new());
    let hold = held(&mut stock, reservation, 4);
    assert_eq!(levels(&stock), (6, 4, 0));
    for _ in 0..2 {
        stock.settle(reservation, Some(hold));
        assert_eq!(levels(&stock), (6, 0, 4));
    }
    stock.restock(reservation, hold, 1);
    assert_eq!(levels(&stock), (7, 0, 3));
    stock.restock(reservation, hold, 3);
    assert_eq!(levels(&stock), (10, 0, 0));
}

#[test]
fn a_hold_is_shorter_while_more_of_the_stock_is_reserved() {
    let mut stock = stock(200);
    for (ordered, minutes) in [(1, 15), (19, 15), (40, 10), (40, 5), (100, 5)] {
        let soon = Timestamp::now().after(Duration::from_mins(5));
        let request = HoldRequest {
            expires_at: soon.after(Duration::from_mins(10)),
            expires_at_if_scarce: soon,
            ..hold_request(ordered)
        };
        let (_, expires_at) = stock.hold(ReservationId::new(), &request).unwrap();
        assert_eq!(expires_at, soon.after(Duration::from_mins(minutes - 5)), "after {ordered}");
    }
    for (part, whole, percent) in [(1, 200, 1), (20, 200, 10), (21, 200, 11), (200, 200, 100), (0, 0, 0)] {
        assert_eq!(percent_of(part, whole), percent, "{part} of {whole}");
    }
}

#[test]
fn a_hold_beyond_the_available_quantity_fails() {
    let mut stock = stock(3);
    for (pieces, refused) in [(4, Some(3)), (3, None), (1, Some(0))] {
        let outcome = stock.hold(ReservationId::new(), &hold_request(pieces));
        assert_eq!(outcome.err(), refused.map(|available| InsufficientStock { available }), "{pieces}");
    }
    assert_eq!(levels(&stock), (0, 3, 0));
}

#[test]
fn a_hold_is_released_once() {
    let (mut stock, reservation) = (stock(3), ReservationId::new());
    held(&mut stock, reservation, 2);
    for _ in 0..2 {
        stock.settle(reservation, None);
        assert_eq!(levels(&stock), (3, 0, 0));
    }
}

#[test]
fn a_hold_placed_after_the_sale_is_not_sold_again() {
    let (mut stock, reservation) = (stock(5), ReservationId::new());
    let sold = held(&mut stock, reservation, 2);
    stock.settle(reservation, Some(sold));
    held(&mut stock, reservation, 2);
    stock.settle(reservation, Some(sold));
    assert_eq!(levels(&stock), (3, 0, 2));
}

#[test]
fn restocking_before_the_sale_is_applied_frees_the_hold() {
    let (mut stock, reservation) = (stock(5), ReservationId::new());
    let hold = held(&mut stock, reservation, 2);
    stock.restock(reservation, hold, 2);
    assert_eq!(levels(&stock), (5, 0, 0));
}

#[test]
fn the_background_job_checks_the_oldest_hold() {
    let (mut stock, [first, second]) = (stock(5), [ReservationId::new(), ReservationId::new()]);
    let due =
        |stock: &Stock, reservation| stock.holds()[&reservation].id.created_at().map(|at| at.after(SETTLEMENT_LEASE));
    assert_eq!(stock.due, None);
    held(&mut stock, second, 1);
    held(&mut stock, first, 1);
    assert_eq!(stock.due, due(&stock, second));
    stock.settle(second, None);
    assert_eq!(stock.due, due(&stock, first));
    stock.settle(first, None);
    assert_eq!(stock.due, None);
}

#[test]
fn setting_the_available_quantity_keeps_holds_and_sales() {
    let (mut stock, reservation) = (stock(5), ReservationId::new());
    held(&mut stock, reservation, 2);
    stock.set_available(AvailableQuantity::try_from(50).unwrap());
    assert_eq!(levels(&stock), (50, 2, 0));
}

fn precondition(if_match: &str) -> Precondition {
    Precondition::new(EntityTags::parse(if_match))
}

fn add(number: i64) -> StockChange {
    StockChange::Add(Integer::try_from(number).unwrap().try_into().unwrap())
}

fn set(number: i64) -> StockChange {
    StockChange::Set(number.try_into().unwrap())
}

#[test]
fn every_change_counts_and_a_repetition_does_not() {
    type Step<'s> = (&'s dyn Fn(&mut Stock), u64);
    let (mut stock, [sold, released]) = (stock(10), [ReservationId::new(), ReservationId::new()]);
    let hold = held(&mut stock, sold, 2);
    let steps: [Step<'_>; 10] = [
        (&|stock| assert!(stock.hold(released, &hold_request(99)).is_err()), 2),
        (&|stock| assert!(stock.hold(released, &hold_request(3)).is_ok()), 3),
        (&|stock| stock.settle(released, None), 4),
        (&|stock| stock.settle(released, None), 4),
        (&|stock| stock.settle(sold, Some(hold)), 5),
        (&|stock| stock.settle(sold, Some(hold)), 5),
        (&|stock| stock.restock(sold, hold, 2), 6),
        (&|stock| stock.change(add(1), &Precondition::default()).unwrap(), 7),
        (&|stock| stock.change(set(15), &precondition("*")).unwrap(), 8),
        (&|stock| stock.change(set(15), &precondition("*")).unwrap(), 8),
    ];
    for (at, (step, version)) in steps.iter().enumerate() {
        step(&mut stock);
        assert_eq!(stock.levels().version, *version, "step {at}");
    }
}

#[test]
fn an_admin_sets_the_quantity_that_they_have_seen_or_adds_to_the_current_one() {
    // 10 pieces, of which 2 are held since the admin read version 1.
    for (change, if_match, expected) in [
        (set(15), None, Err("precondition-required")),
        (set(15), Some("\"1\""), Err("precondition-failed")),
        (set(15), Some("W/\"2\""), Err("precondition-failed")),
        (set(15), Some("\"1\", \"2\""), Ok((15, 2, 0))),
        (set(15), Some("*"), Ok((15, 2, 0))),
        (add(5), None, Ok((13, 2, 0))),
        (add(-8), None, Ok((0, 2, 0))),
        (add(0), None, Ok((8, 2, 0))),
        (add(-9), None, Err("stock-out-of-range")),
        (add(1_000_000_000), None, Err("stock-out-of-range")),
        (add(5), Some("\"1\""), Err("precondition-failed")),
        (add(5), Some("\"2\""), Ok((13, 2, 0))),
    ] {
        let mut stock = stock(10);
        held(&mut stock, ReservationId::new(), 2);
        let before = stock.levels();
        let outcome = stock.change(change, &if_match.map(precondition).unwrap_or_default());
        match (outcome, expected) {
            (Ok(()), Ok(expected)) => assert_eq!(levels(&stock), expected, "{change:?} {if_match:?}"),
            (Err(error), Err(code)) => {
                assert_eq!((error.code(), &error.members()["stock"]), (code, &json!(before)));
                assert_eq!(stock.levels(), before, "{change:?} {if_match:?}");
            }
            (outcome, _) => panic!("{change:?} {if_match:?}: {outcome:?}"),
        }
    }
}

#[test]
fn a_difference_is_added_as_far_as_possible() {
    for (difference, added) in [(5, 5), (-10, -10), (-11, -10), (0, 0), (2_000_000_000, 999_999_990)] {
        let mut stock = stock(10);
        assert_eq!(stock.add_up_to(difference), added, "{difference}");
        assert_eq!(i64::from(levels(&stock).0), 10 + added, "{difference}");
    }
}

#[test]
fn the_same_key_adds_once() {
    let mut stock = stock(10);
    let mut add_once = |key: Option<&str>, number: i64| {
        let StockChange::Add(difference) = add(number) else { unreachable!() };
        let request = key.map(|key| KeyedRequest::new(key.parse().unwrap(), &difference).unwrap());
        let replayed = stock.add_once(difference, request, &Precondition::default());
        (replayed.map_err(|error| error.code().to_owned()), stock.available())
    };
    for (key, number, replayed, available) in [
        (Some("a"), 5, Ok(false), 15),
        (Some("a"), 5, Ok(true), 15),
        (Some("a"), 6, Err("key-reused".to_owned()), 15),
        (Some("b"), 5, Ok(false), 20),
        (None, 5, Ok(false), 25),
        (None, 5, Ok(false), 30),
        (Some("c"), -31, Err("stock-out-of-range".to_owned()), 30),
        (Some("c"), -30, Ok(false), 0),
    ] {
        assert_eq!(add_once(key, number), (replayed, available), "{key:?} {number}");
    }
    for number in 0..20 {
        add_once(Some(&number.to_string()), 1).0.unwrap();
    }
    assert_eq!(stock.additions.len(), MAX_ADDITIONS);
}
