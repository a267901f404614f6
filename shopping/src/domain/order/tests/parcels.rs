//! Parcels and notes.

use super::*;

fn view(order: &Order) -> serde_json::Value {
    serde_json::to_value(order.view_for_admin()).unwrap()
}

#[test]
fn an_order_follows_its_parcels() {
    let now = Timestamp::now();
    let mut order = in_state(OrderStatus::Confirmed);
    let Shipped::New(first) = ship(&mut order, Some(1)).unwrap() else { panic!("not sent") };
    assert_eq!(order.status(), OrderStatus::PartiallyShipped);
    assert_eq!(ship(&mut order, Some(2)).unwrap_err().code(), "not-left");
    assert!(order.deliver(Some(first), now).unwrap() && !order.deliver(Some(first), now).unwrap());
    assert_eq!(order.status(), OrderStatus::PartiallyShipped, "a piece is left");
    let Shipped::New(second) = ship(&mut order, None).unwrap() else { panic!("not sent") };
    assert_eq!(order.status(), OrderStatus::Shipped, "the second parcel is on its way");
    assert_eq!(order.deliver(Some(ShipmentId::new()), now).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(order.deliver(Some(second), now).unwrap());
    assert_eq!(order.status(), OrderStatus::Delivered);
    let fulfilment = &view(&order)["fulfilment"][0];
    assert_eq!(
        (&fulfilment["ordered"], &fulfilment["shipped"], &fulfilment["left"]),
        (&2.into(), &2.into(), &0.into())
    );
}

#[test]
fn digital_goods_need_no_parcel() {
    let mut order = in_state(OrderStatus::Confirmed);
    order.items[0].product.digital = true;
    assert_eq!(ship(&mut order, None).unwrap_err().code(), "order-state");
    assert_eq!(ship(&mut order, Some(1)).unwrap_err().code(), "not-left");
    assert!(order.deliver(None, Timestamp::now()).unwrap());
    assert_eq!(order.status(), OrderStatus::Delivered);
}

#[test]
fn the_same_key_ships_one_parcel() {
    let (mut order, now, admin) = (in_state(OrderStatus::Confirmed), Timestamp::now(), CustomerId::new());
    let key: IdempotencyKey = "parcel".parse().unwrap();
    let new = |carrier: &str| {
        let lines = Some(vec![ShippedLine { product_id: order.items[0].product.id, quantity: pieces_of(1) }]);
        NewShipment { lines, carrier: Some(carrier.to_owned().try_into().unwrap()), tracking: None }
    };
    let (dhl, ups) = (new("DHL"), new("UPS"));
    assert!(matches!(order.ship(&dhl, Some(&key), admin, now).unwrap(), Shipped::New(_)));
    assert_eq!(order.ship(&dhl, Some(&key), admin, now).unwrap(), Shipped::Before);
    assert_eq!(order.ship(&ups, Some(&key), admin, now).unwrap_err().code(), "key-reused");
    assert_eq!(order.shipments.len(), 1);
    assert!(matches!(order.ship(&dhl, None, admin, now).unwrap(), Shipped::New(_)), "another parcel");
}

#[test]
fn the_request_of_a_parcel_is_stored_as_a_pair() {
    let (mut order, now, admin) = (in_state(OrderStatus::PartiallyShipped), Timestamp::now(), CustomerId::new());
    let key: IdempotencyKey = "parcel".parse().unwrap();
    let new = NewShipment { lines: None, carrier: None, tracking: None };
    order.ship(&new, Some(&key), admin, now).unwrap();
    let stored = serde_json::to_value(&order).unwrap();
    assert_eq!(stored["shipments"][0].get("request"), None, "it had no key");
    let pair = serde_json::json!(["parcel", "Y5AqN8UWj5aoqMSx2sByVHAzfNmkD3gcusWhJgI5LVw"]);
    assert_eq!(stored["shipments"][1]["request"], pair, "as in the previous release");

    let mut read: Order = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), stored);
    assert_eq!(read.ship(&new, Some(&key), admin, now).unwrap(), Shipped::Before);
}

#[test]
fn an_order_whose_money_is_refunded_is_not_shipped() {
    let mut order = in_state(OrderStatus::PartiallyShipped);
    apply(&mut order, &refunded(TOTAL, TOTAL));
    assert_eq!(order.status(), OrderStatus::PartiallyShipped);
    assert_eq!(ship(&mut order, None).unwrap_err().code(), "order-state");
}

#[test]
fn customers_see_parcels_and_no_notes() {
    let (mut order, now, admin) = (in_state(OrderStatus::Confirmed), Timestamp::now(), CustomerId::new());
    let new = NewShipment {
        lines: None,
        carrier: Some("DHL".to_owned().try_into().unwrap()),
        tracking: Some("00 1".to_owned().try_into().unwrap()),
    };
    order.ship(&new, None, admin, now).unwrap();
    order.add_note("fragile".to_owned().try_into().unwrap(), None, admin, now).unwrap();
    let customers = serde_json::to_value(order.view_for_customer()).unwrap();
    let parcel = &customers["shipments"][0];
    assert_eq!((&parcel["carrier"], &parcel["tracking"]), (&"DHL".into(), &"00 1".into()));
    assert_eq!(parcel["tracking_url"], "https://www.dhl.com/global-en/home/tracking.html?tracking-id=00+1");
    assert!(!customers.to_string().contains("fragile") && !customers.to_string().contains(&admin.to_string()));
    let admins = view(&order);
    assert_eq!(
        (&admins["notes"][0]["text"], &admins["notes"][0]["by"]),
        (&"fragile".into(), &admin.to_string().into())
    );
    assert_eq!(admins["shipments"][0]["by"], admin.to_string());
}

#[test]
fn the_same_key_adds_one_note() {
    let (mut order, now, admin) = (in_state(OrderStatus::Confirmed), Timestamp::now(), CustomerId::new());
    let mut add = |text: &str, key: Option<&str>| {
        let key = key.map(|key| key.parse().unwrap());
        order.add_note(text.to_owned().try_into().unwrap(), key, admin, now).map_err(|error| error.code().to_owned())
    };
    for (text, key, expected) in [
        ("fragile", Some("a"), Ok(true)),
        ("fragile", Some("a"), Ok(false)),
        ("fragile", Some("b"), Ok(true)),
        ("other", Some("a"), Err("key-reused".to_owned())),
        ("fragile", None, Ok(true)),
        ("fragile", None, Ok(true)),
    ] {
        assert_eq!(add(text, key), expected, "{text} {key:?}");
    }
    let admins = view(&order);
    assert_eq!(admins["notes"].as_array().map(Vec::len), Some(4));
    assert!(!admins.to_string().contains("fingerprint"), "admins see no keys");
}

#[test]
fn an_erased_admin_is_on_no_order() {
    let (mut order, now, admin) = (in_state(OrderStatus::Confirmed), Timestamp::now(), CustomerId::new());
    order.ship(&NewShipment { lines: None, carrier: None, tracking: None }, None, admin, now).unwrap();
    order.add_note("x".to_owned().try_into().unwrap(), None, admin, now).unwrap();
    order.log(log_entry().by(admin));
    let stored = |order: &Order| serde_json::to_string(&(order, order.list_fields())).unwrap();
    assert!(stored(&order).contains(&admin.to_string()));
    order.erase_admin(CustomerId::new());
    assert!(stored(&order).contains(&admin.to_string()));
    order.erase_admin(admin);
    assert!(!stored(&order).contains(&admin.to_string()));
}
