//! The shop's staff find orders, pack parcels, write notes, and customers see what was sent.

use journeys::{
    Admin, Customer, Product, Response, Shop, UNKNOWN_ID, euros, product_json, run_concurrently, statuses, time_until,
    unique,
};
use serde_json::{Value, json};

/// A customer whose order has three packets of tea and one cup.
async fn customer_with_tea_and_cup(shop: &Shop) -> (Admin, Customer, Response, [Product; 2]) {
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 1_299, 10)]).await;
    let ana = shop.customer_with_cart(&tea, 3).await;
    ana.add_to_cart(&cup, 1).await.expect_status(200);
    let order = ana.place_order("key").await.expect_status(201);
    (admin, ana, order, [tea, cup])
}

fn line(product: &Product, quantity: u64) -> Value {
    json!({"product_id": product.id, "quantity": quantity})
}

fn ids(orders: &[Value]) -> Vec<&str> {
    orders.iter().map(|order| order["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_order_is_packed_in_two_parcels() {
    let shop = Shop::shared().await;
    let (admin, ana, order, [tea, cup]) = customer_with_tea_and_cup(&shop).await;

    let parcel = json!({"lines": [line(&tea, 2)], "carrier": "DHL Paket", "tracking": "00 34"});
    let sent = admin.ship_parcel(order.id(), parcel).await.expect_status(201);
    assert_eq!(sent["status"], "partially-shipped");
    let left: Vec<u64> =
        sent["fulfilment"].as_array().unwrap().iter().map(|pieces| pieces["left"].as_u64().unwrap()).collect();
    assert_eq!(left, [1, 1]);

    let seen = ana.get_order(order.id()).await.expect_status(200);
    let parcel = &seen["shipments"][0];
    assert_eq!(parcel["lines"], json!([line(&tea, 2)]));
    assert_eq!((&parcel["carrier"], &parcel["tracking"]), (&"DHL Paket".into(), &"00 34".into()));
    assert_eq!(parcel["tracking_url"], "https://www.dhl.com/global-en/home/tracking.html?tracking-id=00+34");

    let rest = json!({"carrier": "A friend on a bicycle"});
    let sent = admin.ship_parcel(order.id(), rest).await.expect_status(201);
    assert_eq!(sent["status"], "shipped");
    assert_eq!(sent["shipments"][1]["lines"], json!([line(&tea, 1), line(&cup, 1)]));
    assert_eq!(sent["shipments"][1]["tracking_url"], Value::Null);
    admin.ship_order(order.id()).await.expect_problem(409, "order-state");
    ana.cancel_order(order.id()).await.expect_problem(409, "order-state");

    let [first, second] = [0, 1].map(|at: usize| sent["shipments"][at]["id"].as_str().unwrap().to_owned());
    let delivered = admin.deliver_shipment(order.id(), &first).await.expect_status(200);
    assert_eq!(delivered["status"], "shipped");
    for _ in 0..2 {
        let delivered = admin.deliver_shipment(order.id(), &second).await.expect_status(200);
        assert_eq!(delivered["status"], "delivered");
    }
    admin.deliver_shipment(order.id(), UNKNOWN_ID).await.expect_not_found();
    let seen = ana.get_order(order.id()).await.expect_status(200);
    assert!(seen["shipments"].as_array().unwrap().iter().all(|parcel| parcel["delivered_at"].is_string()), "{seen}");
    let states = ["pending", "reserved", "paid", "confirmed", "partially-shipped", "shipped", "delivered"];
    assert_eq!(seen.states(), states);
}

#[tokio::test]
async fn a_parcel_has_only_pieces_that_are_left() {
    let shop = Shop::shared().await;
    let (admin, ana, order, [tea, cup]) = customer_with_tea_and_cup(&shop).await;
    let other = admin.new_product("other", &euros(1), 1).await;
    admin.ship_parcel(order.id(), json!({"lines": [line(&tea, 2)]})).await.expect_status(201);
    for (lines, items) in [
        (json!([line(&tea, 2)]), json!([{"product_id": tea.id, "requested": 2, "left": 1}])),
        (json!([line(&cup, 1), line(&other, 1)]), json!([{"product_id": other.id, "requested": 1, "left": 0}])),
    ] {
        let refused = admin.ship_parcel(order.id(), json!({"lines": lines})).await.expect_problem(409, "not-left");
        assert_eq!(refused["items"], items);
    }
    for (body, fields) in [
        (json!({"lines": []}), vec!["lines"]),
        (json!({"lines": [line(&tea, 1), line(&tea, 1)]}), vec!["lines"]),
        (json!({"lines": [{"product_id": "x", "quantity": 0}]}), vec!["lines.0.product_id", "lines.0.quantity"]),
        (
            json!({"lines": "all", "carrier": "", "tracking": "a\nb", "weight": 2}),
            vec!["lines", "carrier", "tracking", "weight"],
        ),
    ] {
        admin.ship_parcel(order.id(), body).await.expect_bad_fields(&fields);
    }
    admin.ship_order(UNKNOWN_ID).await.expect_not_found();

    let ben = shop.customer_with_cart(&tea, 1).await;
    let unpaid = ben.place_order_paying("key", "demo_review").await.expect_status(202);
    admin.ship_order(unpaid.id()).await.expect_problem(409, "order-state");
    admin.deliver_order(unpaid.id()).await.expect_problem(409, "order-state");
    assert!(unpaid["reserved_until"].is_string(), "{unpaid}");
    let cancelled = ben.cancel_order(unpaid.id()).await.expect_status(200);
    assert_eq!(cancelled["reserved_until"], Value::Null, "{cancelled}");
    admin.ship_order(unpaid.id()).await.expect_problem(409, "order-state");

    let path = format!("/shopping/admin/orders/{}", order.id());
    for request in [
        ana.get("/shopping/admin/orders"),
        ana.get(&path),
        ana.request(journeys::Method::POST, &format!("{path}/shipments")).json(json!({})),
        ana.request(journeys::Method::POST, &format!("{path}/deliver")).json(json!({})),
        ana.request(journeys::Method::POST, &format!("{path}/notes")).json(json!({"text": "x"})),
    ] {
        request.await.expect_problem(403, "forbidden");
    }
    assert_eq!(ana.get_order(order.id()).await["shipments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn requests_with_the_same_key_send_one_parcel() {
    let shop = Shop::shared().await;
    let (admin, _, order, [tea, _]) = customer_with_tea_and_cup(&shop).await;
    let parcel = json!({"lines": [line(&tea, 1)], "tracking": "1"});
    let send = || admin.ship_parcel(order.id(), parcel.clone()).header("Idempotency-Key", "parcel");
    let responses = run_concurrently((0..8).map(|_| send())).await;
    assert_eq!(statuses(&responses), [201; 8]);
    let replayed = responses.iter().filter(|response| response.header("Idempotent-Replayed") == "true").count();
    assert_eq!(replayed, 7);
    assert_eq!(send().await.expect_status(201)["shipments"].as_array().unwrap().len(), 1);
    let other = admin.ship_parcel(order.id(), json!({"tracking": "2"})).header("Idempotency-Key", "parcel");
    other.await.expect_problem(422, "key-reused");
    admin.ship_order(order.id()).header("Idempotency-Key", "a b").await.expect_problem(400, "malformed");
}

#[tokio::test]
async fn concurrent_parcels_never_have_more_than_was_ordered() {
    let shop = Shop::shared().await;
    let (admin, _, order, [tea, _]) = customer_with_tea_and_cup(&shop).await;
    let one = || admin.ship_parcel(order.id(), json!({"lines": [line(&tea, 1)]}));
    let responses = run_concurrently((0..8).map(|_| one())).await;
    assert_eq!(statuses(&responses), [201, 201, 201, 409, 409, 409, 409, 409]);
    let order = admin.get_any_order(order.id()).await.expect_status(200);
    assert_eq!(
        order["fulfilment"][0],
        json!({"product_id": tea.id, "ordered": 3, "shipped": 3, "refunded": 0, "left": 0})
    );
}

#[tokio::test]
async fn what_is_not_shipped_yet_is_cancelled() {
    let shop = Shop::shared().await;
    let (admin, ana, order, [tea, cup]) = customer_with_tea_and_cup(&shop).await;
    admin.ship_parcel(order.id(), json!({"lines": [line(&tea, 2)]})).await.expect_status(201);
    ana.cancel_order(order.id()).await.expect_problem(409, "order-state");
    assert_eq!(admin.cancel_order(order.id()).await.expect_status(200)["status"], "shipped");
    admin.cancel_order(order.id()).await.expect_problem(409, "order-state");
    let is_restocked = async || (admin.stock(&tea).await.sold, admin.stock(&cup).await.sold) == (2, 0);
    time_until("the pieces are back on sale", is_restocked).await;
    let seen = ana.get_order(order.id()).await.expect_status(200);
    assert_eq!((&seen["status"], &seen["refunded"]), (&"shipped".into(), &euros(499 + 1_299)));
    let pieces = &admin.get_any_order(order.id()).await["fulfilment"];
    assert_eq!(pieces[0], json!({"product_id": tea.id, "ordered": 3, "shipped": 2, "refunded": 1, "left": 0}));
    assert_eq!(pieces[1], json!({"product_id": cup.id, "ordered": 1, "shipped": 0, "refunded": 1, "left": 0}));
}

#[tokio::test]
async fn refunded_pieces_are_not_shipped() {
    let shop = Shop::shared().await;
    let (admin, _, order, [tea, cup]) = customer_with_tea_and_cup(&shop).await;
    let refund = json!({"lines": [line(&cup, 1)], "reason": "Broken."});
    admin.refund(order.id(), "cup", refund).await.expect_status(201);
    admin.ship_parcel(order.id(), json!({"lines": [line(&cup, 1)]})).await.expect_problem(409, "not-left");
    admin.ship_parcel(order.id(), json!({"lines": [line(&tea, 2)]})).await.expect_status(201);
    let refund = json!({"lines": [line(&tea, 1)], "reason": "Sold out."});
    admin.refund(order.id(), "tea", refund).await.expect_status(201);
    assert_eq!(admin.get_any_order(order.id()).await["status"], "shipped");
    // Goods that came back.
    let refund = json!({"lines": [line(&tea, 2)], "reason": "Returned."});
    admin.refund(order.id(), "more", refund).await.expect_status(201);
}

#[tokio::test]
async fn an_order_of_digital_goods_is_delivered_without_a_parcel() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let mut book = product_json("ebook", &euros(999), 10);
    book["digital"] = true.into();
    let book = Product::from_json(&admin.create_product(book).await.expect_status(201).body);
    let ana = shop.customer_with_cart(&book, 1).await;
    let order = ana.place_order("key").await.expect_status(201);
    admin.ship_order(order.id()).await.expect_problem(409, "order-state");
    admin.ship_parcel(order.id(), json!({"lines": [line(&book, 1)]})).await.expect_problem(409, "not-left");
    assert_eq!(admin.deliver_order(order.id()).await.expect_status(200)["status"], "delivered");
    assert_eq!(ana.get_order(order.id()).await["status"], "delivered");
}

#[tokio::test]
async fn notes_are_for_the_staff_only() {
    let shop = Shop::shared().await;
    let (admin, ana, order, _) = customer_with_tea_and_cup(&shop).await;
    for text in ["Ring twice.", "Called,\nwill call back."] {
        admin.add_note(order.id(), text).await.expect_status(201);
    }
    for text in ["", " ", &*"x".repeat(2_001)] {
        admin.add_note(order.id(), text).await.expect_bad_fields(&["text"]);
    }
    let all = admin.get_any_order(order.id()).await.expect_status(200);
    let texts: Vec<&Value> = all["notes"].as_array().unwrap().iter().map(|note| &note["text"]).collect();
    assert_eq!(texts, ["Ring twice.", "Called,\nwill call back."]);
    assert!(all["notes"][0]["by"].is_string() && all["notes"][0]["at"].is_string(), "{all}");
    let seen = [ana.get_order(order.id()).await, ana.list_orders().await];
    assert!(seen.iter().all(|seen| !seen.body.to_string().contains("Ring twice")));
}

#[tokio::test]
async fn one_order_shows_who_did_what() {
    let shop = Shop::shared().await;
    let (admin, _, order, _) = customer_with_tea_and_cup(&shop).await;
    admin.add_note(order.id(), "x").await.expect_status(201);
    admin.ship_order(order.id()).await.expect_status(201);
    admin.deliver_order(order.id()).await.expect_status(200);
    let all = admin.get_any_order(order.id()).await.expect_status(200);
    assert_eq!(all["timeline_missing"], json!([]));
    let timeline = all["timeline"].as_array().unwrap();
    let of_admin = timeline.iter().filter(|entry| entry["kind"] == "admin");
    let actions: Vec<&str> = of_admin.clone().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(actions, ["note", "ship", "deliver"]);
    let by = &all["shipments"][0]["by"];
    assert!(by.is_string() && of_admin.clone().all(|entry| entry["by"] == *by && entry["at"].is_string()), "{all}");
    let sent = timeline.iter().filter(|entry| entry["what"] == "shopping.parcel-sent").count();
    assert_eq!(sent, 1);
    assert!(timeline.iter().any(|entry| entry["service"] == "products"), "{all}");
}

#[tokio::test]
async fn staff_find_orders_by_state_words_and_time() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("\u{c9}arl-grey ", &euros(499), 100).await;
    // The name's last word is unique to this test.
    let name = tea.name.split(' ').next_back().unwrap().to_owned();
    let mut orders = Vec::new();
    for number in 0..5 {
        let ana = shop.customer_with_cart(&tea, 2).await;
        let token = if number == 4 { "demo_review" } else { "demo_ok" };
        orders.push(ana.place_order_paying("key", token).await.id().to_owned());
    }
    let [confirmed, partial, shipped, delivered, reserved] = &orders[..] else { panic!("five orders") };
    let tracking = unique("JJD");
    admin.ship_parcel(partial, json!({"lines": [line(&tea, 1)], "tracking": tracking})).await.expect_status(201);
    admin.ship_order(shipped).await.expect_status(201);
    admin.ship_order(delivered).await.expect_status(201);
    admin.deliver_order(delivered).await.expect_status(200);

    let find = async |filters: &[(&str, &str)]| {
        let query: Vec<(&str, &str)> = filters.iter().copied().chain([("q", &*name)]).collect();
        admin.list_all("/shopping/admin/orders", &query).await
    };
    let by_tracking = admin.list_all("/shopping/admin/orders", &[("q", &tracking)]).await;
    assert_eq!(ids(&by_tracking), [partial]);
    let newest_first: Vec<&str> = orders.iter().rev().map(String::as_str).collect();
    assert_eq!(ids(&find(&[]).await), newest_first);
    assert_eq!(ids(&find(&[("limit", "2")]).await), newest_first, "page by page");
    assert_eq!(
        ids(&find(&[("sort", "oldest"), ("limit", "2")]).await),
        orders.iter().map(String::as_str).collect::<Vec<_>>()
    );
    for (filters, expected) in [
        (vec![("status", "confirmed")], vec![confirmed]),
        (vec![("status", "partially-shipped")], vec![partial]),
        (vec![("fulfilment", "unfulfilled")], vec![confirmed]),
        (vec![("fulfilment", "partial")], vec![partial]),
        (vec![("fulfilment", "shipped")], vec![shipped]),
        (vec![("fulfilment", "delivered"), ("status", "delivered")], vec![delivered]),
        (vec![("fulfilment", "delivered"), ("status", "shipped")], vec![]),
        (vec![("payment", "authorized")], vec![reserved]),
        (vec![("payment", "captured"), ("status", "shipped"), ("fulfilment", "shipped")], vec![shipped]),
        (vec![("payment", "none")], vec![]),
        (vec![("country", "AQ")], vec![]),
    ] {
        assert_eq!(ids(&find(&filters).await), expected, "{filters:?}");
    }

    let summary = &find(&[("payment", "authorized")]).await[0];
    assert_eq!(
        (&summary["status"], &summary["payment"], &summary["attention"], &summary["pieces"]),
        (&"reserved".into(), &"authorized".into(), &"authorized".into(), &2.into())
    );
    assert_eq!(find(&[("status", "partially-shipped")]).await[0]["fulfilment"], "partial");

    let placed_at = async |order: &str| admin.get_any_order(order).await["created_at"].as_str().unwrap().to_owned();
    let (from, to) = (placed_at(partial).await, placed_at(delivered).await);
    assert_eq!(ids(&find(&[("from", &from), ("to", &to)]).await), [shipped, partial]);
    assert_eq!(find(&[("from", "2999-01-01T00:00:00Z")]).await.len(), 0);

    let words = async |q: &str| ids(&admin.list_all("/shopping/admin/orders", &[("q", q)]).await).len();
    assert_eq!(words(&format!("EARL {name} grey")).await, 5);
    assert_eq!(words(&format!("{name} coffee")).await, 0);
    assert_eq!((words("!!!").await, words("nobody@example.com").await), (0, 0));
}

#[tokio::test]
async fn every_bad_filter_is_named() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let query = [
        ("status", "sent"),
        ("payment", "paid"),
        ("fulfilment", "half"),
        ("country", "Germany"),
        ("from", "yesterday"),
        ("to", "tomorrow"),
        ("sort", "total"),
        ("after", "x"),
        ("limit", "101"),
        ("page", "2"),
    ];
    let fields = query.map(|(field, _)| field);
    admin.list_all_orders(&query).await.expect_bad_fields(&fields);
    // A cursor of another list.
    let after = admin.list_products(&[("limit", "1")]).await["next"].as_str().map(str::to_owned);
    if let Some(after) = after {
        admin.list_all_orders(&[("after", &after)]).await.expect_bad_fields(&["after"]);
    }
}

/// The rest of a partly shipped order is cancelled although no money of it is left: the order costs
/// nothing, or all its money is refunded.
#[tokio::test]
async fn the_rest_of_an_order_is_cancelled_without_money() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [gift, tea] = admin.new_products([("gift", 0, 10), ("tea", 499, 10)]).await;
    for (product, refunds) in [(gift, 1), (tea, 2)] {
        let (ana, order) = shop.customer_with_order(&product, 3).await;
        admin.ship_parcel(order.id(), json!({"lines": [line(&product, 1)]})).await.expect_status(201);
        if refunds == 2 {
            let all = json!({"amount": order["total"], "reason": "late"});
            admin.refund(order.id(), "all", all).await.expect_status(201);
            admin.ship_order(order.id()).await.expect_problem(409, "order-state");
        }
        let cancelled = admin.cancel_order(order.id()).await.expect_status(200);
        assert_eq!(cancelled["status"], "shipped");
        let rest = &cancelled["refunds"][refunds - 1];
        assert_eq!((&rest["amount"], &rest["status"]), (&euros(0), &json!("succeeded")));
        assert_eq!(rest["lines"][0]["quantity"], 2);
        assert_eq!(admin.stock(&product).await.available, 9);
        ana.wait_for_order(order.id(), "shipped").await;
    }
}
