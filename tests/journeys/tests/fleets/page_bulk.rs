//! Several orders are marked at once while `shopping` is away.

use journeys::{TestFleet, Visitor, euros};

/// The ids of the orders whose check boxes are checked.
fn checked(page: &journeys::Response) -> Vec<String> {
    let checked = page.check_boxes("order").into_iter().filter(|(_, is_checked)| *is_checked);
    checked.map(|(value, _)| value.split(':').next().unwrap_or_default().to_owned()).collect()
}

async fn is_shipped(visitor: &Visitor, order: &str) -> bool {
    visitor.open(&format!("/en/admin/orders/{order}")).await.expect_status(200).has_text("Confirm the arrival")
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn orders_that_a_bulk_change_has_not_reached_stay_selected() {
    let fleet = TestFleet::start().await;
    let visitor = fleet.admin_visitor().await;
    let tea = fleet.new_product("tea", &euros(499), 100).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(fleet.customer_with_order(&tea, 1).await.1.id().to_owned());
    }
    let page = visitor.open("/en/admin/orders?status=confirmed&sort=oldest").await.expect_status(200);
    let form = page.form("/orders/bulk");
    let (key, query) = (form.value("key").to_owned(), form.value("query").to_owned());
    let values: Vec<String> = page.check_boxes("order").into_iter().map(|(value, _)| value).collect();
    assert_eq!(values.len(), 3);
    let fields = |values: &[String]| -> Vec<(String, String)> {
        let selected = values.iter().map(|value| ("order".to_owned(), value.clone()));
        let others = [("key", key.as_str()), ("query", query.as_str()), ("action", "ship"), ("confirmed", "true")];
        selected.chain(others.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
    };
    let send = async |values: &[String]| {
        let fields = fields(values);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        visitor.submit(&page, "/en/admin/orders/bulk", &fields).await
    };
    send(&values[..1]).await.expect_status(200).expect_text("One order was changed.");

    fleet.stop_components("shopping").await;
    let rest = &values[1..];
    let unreached = send(rest).await.expect_status(503).expect_text("No order was changed.");
    let unreached = unreached.expect_text("2 orders were not reached").expect_text("They are still selected");
    assert_eq!(checked(&unreached), orders[1..], "{unreached}");
    for value in rest {
        assert!(unreached.has_text(value.split(':').nth(1).unwrap()), "the page names the order: {unreached}");
    }
    assert_eq!(unreached.form("/orders/bulk").value("key"), key, "what was done is not done twice");

    fleet.start_components("shopping").await;
    send(rest).await.expect_status(200).expect_text("2 orders were changed.");
    for order in &orders {
        assert!(is_shipped(&visitor, order).await, "{order}");
    }
}
