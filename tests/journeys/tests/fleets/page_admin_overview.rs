//! The admin pages on a fleet count what MongoDB stores, and reach `mail` over the bus.

use journeys::{TestFleet, euros, wait_for};
use serde_json::json;

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_overview_of_a_fleet_has_sales_numbers_and_mails() {
    let fleet = TestFleet::start().await;
    let (visitor, admin) = (fleet.admin_visitor().await, fleet.admin().await);
    let tea = fleet.new_product("tea", &euros(499), 7).await;
    fleet.new_product("coffee", &euros(499), 100).await;
    let (ana, order) = fleet.customer_with_order(&tea, 2).await;
    let summary = admin.get("/shopping/admin/summary").await.expect_status(200);
    let sales = &summary["days"][13]["sales"];
    assert_eq!(*sales, json!([{"orders": 1, "total": order["total"]}]));
    assert_eq!(summary["to_pack"], json!({"count": 1, "more": false}));
    let scarce = admin.get("/products/low-stock").await.expect_status(200);
    assert_eq!((scarce.items().len(), &scarce["items"][0]["id"]), (1, &json!(tea.id)));
    let page = visitor.open("/en/admin").await.expect_status(200);
    for text in ["0 Payments that need attention", "1 To pack", "1 Low in stock", "0 Mails that failed", "1 order"] {
        assert!(page.has_text(text), "{text} is missing in {page}");
    }
    wait_for("the mail of the order", async || {
        let page = visitor.open(&format!("/en/admin/mails?status=sent&order={}", order.id())).await;
        if page.has_text(&ana.email) && page.has_text("Order received") { Ok(()) } else { Err(page) }
    })
    .await;
    // nginx has no route to `mail`.
    admin.get("/mail").await.expect_status(404);
}
