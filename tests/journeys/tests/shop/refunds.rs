//! An admin refunds a part of an order: pieces, or a free amount. The customer sees it, and gets
//! never more than was captured.

use journeys::{Admin, Customer, Method, Product, Shop, Stock, UNKNOWN_ID, euros, run_concurrently};
use serde_json::{Value, json};

/// Returns a customer's order of two pieces at 4.99, paid with this token.
async fn paid_order(shop: &Shop, token: &str) -> (Customer, Product, String) {
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order_paying("key", token).await.expect_status(201);
    let id = order.id().to_owned();
    (ana, tea, id)
}

fn amount(cents: u64) -> Value {
    json!({"amount": euros(cents), "reason": "late"})
}

fn pieces(product: &Product, quantity: u32) -> Value {
    json!({"lines": [{"product_id": product.id, "quantity": quantity}], "reason": "broken"})
}

#[track_caller]
fn expect_refunded(order: &Value, payment: &str, cents: u64) {
    assert_eq!((&order["payment"]["status"], &order["refunded"]), (&payment.into(), &euros(cents)), "{order}");
}

#[tokio::test]
async fn pieces_are_refunded_one_after_the_other() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea, order) = paid_order(&shop, "demo_ok").await;
    let first = admin.refund(&order, "1", pieces(&tea, 1)).await.expect_status(201);
    assert_eq!(
        (&first["amount"], &first["status"], &first["reason"]),
        (&euros(499), &"succeeded".into(), &"broken".into())
    );
    assert!(first["by"].is_string() && first["taxes"].is_array(), "{first:?}");
    let again = admin.refund(&order, "1", pieces(&tea, 1)).await.expect_status(201);
    assert_eq!((&again["id"], again.header("Idempotent-Replayed")), (&first["id"], "true"));
    admin.refund(&order, "1", pieces(&tea, 2)).await.expect_problem(422, "key-reused");

    let shown = ana.get_order(&order).await.expect_status(200);
    expect_refunded(&shown.body, "partially-refunded", 499);
    assert_eq!(shown["refunds"][0]["lines"][0]["quantity"], 1);
    assert!(shown["refunds"][0].get("by").is_none(), "the customer need not know the admin: {shown:?}");

    let left = admin.refund(&order, "2", pieces(&tea, 2)).await.expect_problem(409, "refund-limit");
    assert_eq!(left["left"], 1);
    admin.refund(&order, "3", pieces(&tea, 1)).await.expect_status(201);
    expect_refunded(&ana.get_order(&order).await.body, "refunded", 998);
    assert_eq!(ana.get_order(&order).await["status"], "confirmed");
    admin.ship_order(&order).await.expect_problem(409, "order-state");
    let cancelled = admin.cancel_order(&order).await.expect_status(200);
    assert_eq!((&cancelled["status"], &cancelled["refunded"]), (&"refunded".into(), &euros(998)));
}

/// The sample shop is in Germany: 19 % are included, also in the shipping.
#[tokio::test]
async fn refunds_of_pieces_and_shipping_add_up_to_the_order_and_its_taxes() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = shop.new_product("tea", &euros(333), 10).await;
    let ana = shop.customer_with_cart(&tea, 3).await;
    let order = ana.place_order_with("key", json!({"shipping_method": "standard"})).await.expect_status(201);
    assert_eq!(order["total"], euros(3 * 333 + 490));
    let mut refunds = Vec::new();
    for key in ["1", "2", "3"] {
        refunds.push(admin.refund(order.id(), key, pieces(&tea, 1)).await.expect_status(201));
    }
    let shipping = json!({"shipping": true, "reason": "too late"});
    refunds.push(admin.refund(order.id(), "4", shipping.clone()).await.expect_status(201));
    assert_eq!((&refunds[3]["shipping"], &refunds[3]["amount"]), (&euros(490), &euros(490)));
    admin.refund(order.id(), "5", shipping).await.expect_bad_fields(&["shipping"]);
    let sum = |part: &dyn Fn(&Value) -> &Value| {
        refunds.iter().map(|refund| part(&refund.body)["amount"].as_u64().unwrap()).sum::<u64>()
    };
    let tax = &order["quote"]["taxes"][0];
    assert_eq!((&refunds[0]["taxes"][0]["rate_bp"], &tax["rate_bp"]), (&1900.into(), &1900.into()));
    assert_eq!(sum(&|refund| &refund["taxes"][0]["tax"]), tax["tax"]["amount"].as_u64().unwrap());
    assert_eq!(sum(&|refund| &refund["taxes"][0]["net"]), tax["net"]["amount"].as_u64().unwrap());
    expect_refunded(&ana.get_order(order.id()).await.body, "refunded", 3 * 333 + 490);
}

#[tokio::test]
async fn refunded_pieces_go_back_on_sale_when_the_admin_says_so() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    for (restock, after_refund, after_cancellation) in [
        (true, Stock { available: 9, reserved: 0, sold: 1 }, Stock { available: 10, reserved: 0, sold: 0 }),
        // The piece is lost, or stays with the customer.
        (false, Stock { available: 8, reserved: 0, sold: 2 }, Stock { available: 9, reserved: 0, sold: 1 }),
    ] {
        let (ana, tea, order) = paid_order(&shop, "demo_ok").await;
        let line = json!({"product_id": tea.id, "quantity": 1, "restock": restock});
        for _ in 0..2 {
            let refund = json!({"lines": [&line], "reason": "sent back"});
            admin.refund(&order, "key", refund).await.expect_status(201);
        }
        assert_eq!(admin.stock(&tea).await, after_refund);
        assert_eq!(ana.cancel_order(&order).await.expect_status(200)["status"], "refunded");
        assert_eq!(admin.stock(&tea).await, after_cancellation);
    }
}

#[tokio::test]
async fn concurrent_refunds_never_exceed_what_was_captured() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, _, order) = paid_order(&shop, "demo_ok").await;
    let keys: Vec<String> = (0..32).map(|number| format!("key-{number}")).collect();
    let responses = run_concurrently(keys.iter().map(|key| admin.refund(&order, key, amount(100)))).await;
    let mut made = 0;
    for (key, mut response) in keys.iter().zip(responses) {
        if response.status == 503 {
            // What was not answered in time is repeated with its key, as clients do.
            response = admin.refund(&order, key, amount(100)).retry_while_busy().await;
        }
        if response.status == 201 {
            made += 1;
        } else {
            assert_eq!(response.expect_problem(409, "refund-limit")["left"], euros(98));
        }
    }
    assert_eq!(made, 9);
    expect_refunded(&ana.get_order(&order).await.body, "partially-refunded", 900);
    // The same key, at the same time, refunds once.
    for response in run_concurrently((0..8).map(|_| admin.refund(&order, "rest", amount(98)))).await {
        assert_eq!(response.expect_status(201)["amount"], euros(98));
    }
    let refunded = ana.get_order(&order).await.expect_status(200);
    expect_refunded(&refunded.body, "refunded", 998);
    assert_eq!(refunded["refunds"].as_array().map(Vec::len), Some(10));
    assert_eq!(refunded["payment"]["refunds"].as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn a_bad_refund_has_its_documented_answer() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea, order) = paid_order(&shop, "demo_ok").await;
    let other = shop.new_product("other", &euros(1), 1).await;
    for (refund, fields) in [
        (json!({"reason": "x"}), &["lines"][..]),
        (json!({"amount": euros(1)}), &["reason"]),
        (json!({"amount": euros(0), "reason": "x"}), &["amount.amount"]),
        (json!({"amount": {"amount": 1, "currency": "USD"}, "reason": "x"}), &["amount.currency"]),
        (json!({"lines": [{"product_id": other.id, "quantity": 1}], "reason": "x"}), &["lines.0.product_id"]),
        (json!({"lines": [{"product_id": tea.id, "quantity": 0}], "reason": "x"}), &["lines.0.quantity"]),
        (json!({"lines": [{"product_id": tea.id, "quantity": 1}], "amount": euros(1), "reason": "x"}), &["amount"]),
        (json!({"shipping": true, "reason": "x"}), &["shipping"]),
    ] {
        admin.refund(&order, "key", refund).await.expect_bad_fields(fields);
    }
    admin.refund(&order, "key", pieces(&tea, 3)).await.expect_problem(409, "refund-limit");
    admin.refund(&order, "key", amount(999)).await.expect_problem(409, "refund-limit");
    admin.refund(UNKNOWN_ID, "key", amount(1)).await.expect_not_found();
    let path = format!("/shopping/admin/orders/{order}/refunds");
    admin.request(Method::POST, &path).json(amount(1)).await.expect_problem(400, "malformed");
    for path in ["refunds", "refunds/retry", "capture", "cancel"] {
        let request = ana.request(Method::POST, &format!("/shopping/admin/orders/{order}/{path}"));
        request.header("Idempotency-Key", "key").json(amount(1)).await.expect_problem(403, "forbidden");
    }
    expect_refunded(&ana.get_order(&order).await.body, "captured", 0);
    admin.retry_refunds(&order).await.expect_problem(409, "order-state");

    let unpaid = shop.customer_with_cart(&tea, 1).await;
    let unpaid = unpaid.place_order_paying("key", "demo_review").await.expect_status(202);
    admin.refund(unpaid.id(), "key", amount(1)).await.expect_problem(409, "order-state");
    admin.cancel_order(&order).await.expect_status(200);
    admin.refund(&order, "key", amount(1)).await.expect_problem(409, "order-state");
}

async fn wait_for_refund(admin: &Admin, ana: &Customer, order: &str, key: &str) -> Value {
    let refund = admin.refund(order, key, amount(100)).await.expect_status(201);
    let shown = ana.get_order(order).await.expect_status(200);
    assert_eq!(shown["refunds"][0]["id"], refund["id"]);
    refund.body
}

#[tokio::test]
async fn a_refund_that_fails_is_retried() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, _, order) = paid_order(&shop, "demo_refund_failed").await;
    let failed = wait_for_refund(&admin, &ana, &order, "key").await;
    assert_eq!(failed["status"], "failed");
    expect_refunded(&ana.get_order(&order).await.body, "refund-failed", 0);
    // Its money is not free for another refund.
    admin.refund(&order, "other", amount(899)).await.expect_problem(409, "refund-limit");
    for _ in 0..2 {
        admin.retry_refunds(&order).await;
    }
    expect_refunded(&ana.get_order(&order).await.body, "partially-refunded", 100);
    assert_eq!(ana.get_order(&order).await["refunds"][0]["status"], "succeeded");
    // The refund of the rest is in the list too.
    let cancelled = ana.cancel_order(&order).await.expect_status(200);
    let refunds = cancelled["refunds"].as_array().unwrap();
    let amounts: Vec<&Value> = refunds.iter().map(|refund| &refund["amount"]).collect();
    assert_eq!(amounts, [&euros(100), &euros(898)]);
    assert_eq!((&refunds[1]["reason"], &cancelled["status"]), (&"by-customer".into(), &"refunded".into()));
}
