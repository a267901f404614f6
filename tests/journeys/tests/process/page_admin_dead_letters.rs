//! A shop in one process has no broker, and so no dead letters.

use journeys::{PASSWORD, TestShop};

#[tokio::test]
async fn the_page_of_dead_letters_explains_that_one_process_has_none() {
    let shop = TestShop::start().await;
    let visitor = shop.admin_visitor().await;
    let page = visitor.open("/en/admin/dead-letters").await.expect_status(200);
    assert!(!page.expect_text("A shop in one process has no dead letters").html().contains("/replay"));
    visitor.open("/de/admin/dead-letters").await.expect_status(200).expect_text("in einem Prozess");
    visitor.open("/en/admin/dead-letters?queue=a%20b").await.expect_status(404);

    let ana = shop.new_customer().await;
    let customer = shop.visitor();
    customer.sign_in(&ana.email, PASSWORD).await;
    customer.open("/en/admin/dead-letters").await.expect_status(403);
    let guest = shop.visitor().open("/en/admin/dead-letters").await;
    assert!(guest.address().starts_with("/en/account/sign-in"), "{}", guest.address());
}
