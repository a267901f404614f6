//! An admin looks at the running instances on the page, without JavaScript.

use journeys::{Shop, wait_for};

#[tokio::test]
async fn an_admin_sees_what_runs_and_how_it_does() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let page = wait_for("an instance on the page", async || {
        let page = visitor.open("/en/admin/system").await.expect_status(200);
        if page.has_text("Running") { Ok(page) } else { Err(page) }
    })
    .await;
    page.expect_text("Instances").expect_text("Events in the outbox").expect_text("shopping");
    visitor.open("/de/admin/system").await.expect_status(200).expect_text("Warteschlangen des Brokers");
}

#[tokio::test]
async fn the_monitor_is_for_admins_only() {
    let shop = Shop::shared().await;
    let customer = shop.new_customer().await;
    let visitor = shop.visitor();
    for path in ["/en/admin/system", "/en/admin/system/events"] {
        assert!(visitor.open(path).await.expect_status(200).address().contains("/account/sign-in"), "{path}");
    }
    visitor.sign_in(&customer.email, journeys::PASSWORD).await;
    for path in ["/en/admin/system", "/en/admin/system/events"] {
        visitor.open(path).await.expect_status(403);
    }
}
