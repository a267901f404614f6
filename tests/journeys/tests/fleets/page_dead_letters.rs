//! An admin shows, replays and drops dead letters on the pages.

use journeys::{PASSWORD, Response, TestFleet, Visitor, wait_for};
use uuid::Uuid;

use crate::support::publish_deletion;

const LIST: &str = "/en/admin/dead-letters";

/// Waits until the page lists this many dead letters.
async fn wait_for_letters(visitor: &Visitor, count: usize) -> Response {
    wait_for(&format!("{count} dead letters on the page"), async || {
        let page = visitor.open(LIST).await;
        let listed = page.html().matches("<span lang=\"en\">").count();
        if page.status == 200 && listed == count { Ok(page) } else { Err(page) }
    })
    .await
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_admin_replays_and_drops_dead_letters() {
    let fleet = TestFleet::start().await;
    let visitor = fleet.admin_visitor().await;
    visitor.open(LIST).await.expect_status(200).expect_text("There are no dead letters.");

    let poison = Uuid::now_v7().to_string();
    publish_deletion(&fleet, "customer.events", "", &poison, "{\"id\": \"ana@example.com\"}").await;
    let list = wait_for_letters(&visitor, 3).await.expect_text("customer.deleted").expect_text("cannot be read");
    // The overview reads the queues every five seconds.
    wait_for("the number on the overview", async || {
        let page = visitor.open("/en/admin").await.expect_status(200);
        if page.has_text("3 Dead letters") { Ok(()) } else { Err(page) }
    })
    .await;
    let path = format!("{LIST}/shopping.customer/{poison}");
    let letter = visitor.open(&path).await.expect_status(200).expect_text(&poison).expect_text("shopping.customer");
    assert!(letter.has_text("•••") && !letter.has_text("ana@example.com"), "personal data are masked: {letter}");
    visitor.open(&format!("{LIST}/shopping.customer/{}", Uuid::now_v7())).await.expect_status(404);
    visitor.open(&format!("{LIST}?queue=no.such")).await.expect_status(404);

    visitor.send_form(&letter.form("/drop")).await.expect_status(200).expect_text("It is dropped.");
    wait_for_letters(&visitor, 2).await;
    visitor.send_form(&letter.form("/drop")).await.expect_status(200).expect_text("it is not here any more");
    // What still fails comes back.
    visitor.send_form(&list.form("/replay")).await.expect_status(200).expect_text("It is replayed.");
    wait_for_letters(&visitor, 2).await;
    for queue in ["mail.customer", "products.customer"] {
        let page = visitor.open(&format!("{LIST}?queue={queue}")).await.expect_status(200);
        visitor.send_form(&page.form("/drop")).await.expect_status(200).expect_text("It is dropped.");
    }
    wait_for_letters(&visitor, 0).await;

    // A replayed event reaches the service that had failed.
    let ana = fleet.new_customer().await;
    let deletion = Uuid::now_v7().to_string();
    publish_deletion(&fleet, "", "shopping.customer.dead", &deletion, &format!("{{\"id\": \"{}\"}}", ana.id)).await;
    wait_for_letters(&visitor, 1).await;
    let letter = visitor.open(&format!("{LIST}/shopping.customer/{deletion}")).await.expect_text(&ana.id);
    visitor.send_form(&letter.form("/replay")).await.expect_status(200).expect_text("It is replayed.");
    ana.get_cart().until_status(401).await;

    let bo = fleet.new_customer().await;
    let customer = fleet.visitor();
    customer.sign_in(&bo.email, PASSWORD).await;
    customer.open(LIST).await.expect_status(403);
}
