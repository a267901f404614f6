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
    visitor.open("/de/admin/system").await.expect_status(200).expect_text("Queues des Brokers");
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

#[tokio::test]
async fn an_admin_looks_into_documents_and_sees_no_personal_data() {
    let shop = Shop::shared().await;
    let (visitor, customer) = (shop.admin_visitor().await, shop.new_customer().await);
    let page = visitor.open("/en/admin/system/documents").await.expect_status(200).expect_text("Choose a service");
    assert!(["customer", "mail", "products", "shopping"].iter().all(|service| page.has_text(service)));
    visitor.open("/en/admin/system/documents?service=products").await.expect_status(200).expect_text("reservations");
    let mut address = "/en/admin/system/documents?service=customer&collection=accounts".to_owned();
    let mut seen = String::new();
    loop {
        let page = visitor.open(&address).await.expect_status(200);
        seen.push_str(page.html());
        let Some((_, rest)) = page.html().split_once("rel=\"next\"") else { break };
        let before = page.html().len() - rest.len();
        let link = page.html()[..before].rsplit_once("href=\"").unwrap().1;
        address = link.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    }
    assert!(seen.contains(&customer.id) && seen.contains("•••"));
    assert!(!seen.contains(&customer.email) && !seen.contains("$argon2"));
    for unknown in ["service=nothing", "service=shopping&collection=keys", "service=customer&collection=nothing"] {
        visitor.open(&format!("/en/admin/system/documents?{unknown}")).await.expect_status(404);
    }
    customer.get("/customer/admin/documents").await.expect_problem(403, "forbidden");
}
