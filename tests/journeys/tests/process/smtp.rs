//! Mails of a shop with an SMTP server that refuses them, goes away and comes back.

use journeys::{Customer, TestShop, TestSmtp, euros, wait_for};
use serde_json::Value;

async fn shop_with(smtp: &TestSmtp) -> TestShop {
    let environment = smtp.environment();
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    TestShop::start_in(&["--no-demo"], &environment).await
}

/// Waits until the shop has tried to send the mail about an order, and returns what it lists.
async fn mail_in_status(shop: &TestShop, customer: &Customer, status: &str) -> Value {
    wait_for(&format!("a mail in status {status}"), async || {
        let arguments = ["mail", "list", "--json", "--to", &customer.email, "--status", status];
        let list: Value = serde_json::from_str(&shop.run_souk(&arguments).await.expect_success()).unwrap();
        let is_wanted =
            |mail: &&Value| mail["kind"] == "order-received" && (status != "queued" || mail["error"].is_string());
        list["items"].as_array().unwrap().iter().find(is_wanted).cloned().ok_or_else(|| list.to_string())
    })
    .await
}

#[tokio::test]
#[ignore = "needs aiosmtpd: cargo xtask test"]
async fn a_server_that_was_away_gets_each_mail_once() {
    let smtp = TestSmtp::start().await;
    let shop = shop_with(&smtp).await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let (ana, _) = shop.customer_with_order(&tea, 1).await;
    smtp.wait_for_mails(&ana.email, "received", 1).await;

    smtp.stop().await;
    let mut customers = Vec::new();
    for _ in 0..4 {
        customers.push(shop.customer_with_order(&tea, 1).await.0);
    }
    let waiting = mail_in_status(&shop, &customers[0], "queued").await;
    assert!(waiting["error"].as_str().unwrap().contains("not available"), "{waiting}");
    smtp.restart().await;
    for customer in customers.iter().chain([&ana]) {
        smtp.wait_for_mails(&customer.email, "received", 1).await;
        mail_in_status(&shop, customer, "sent").await;
    }
    for customer in customers.iter().chain([&ana]) {
        let mails = smtp.mails_to(&customer.email, "received");
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert_eq!(mails[0].header("From").len(), 1);
    }
}

#[tokio::test]
#[ignore = "needs aiosmtpd: cargo xtask test"]
async fn a_temporary_refusal_is_retried_and_a_permanent_one_is_not() {
    let smtp = TestSmtp::start().await;
    let shop = shop_with(&smtp).await;
    let tea = shop.new_product("tea", &euros(499), 100).await;

    smtp.answer(Some("450 4.2.0 greylisted, come back later"));
    let (ana, _) = shop.customer_with_order(&tea, 1).await;
    let waiting = mail_in_status(&shop, &ana, "queued").await;
    assert!(waiting["error"].as_str().unwrap().contains("450"), "{waiting}");
    smtp.answer(None);
    smtp.wait_for_mails(&ana.email, "received", 1).await;

    smtp.answer(Some("550 5.1.1 no such mailbox"));
    let (bob, _) = shop.customer_with_order(&tea, 1).await;
    let failed = mail_in_status(&shop, &bob, "failed").await;
    assert!(failed["error"].as_str().unwrap().contains("550 5.1.1"), "{failed}");
    assert!(failed["next_attempt"].is_null() && failed["attempts"] == 1, "{failed}");
    assert!(!shop.log().contains(&bob.email), "the log names a recipient");

    smtp.answer(None);
    shop.run_souk(&["mail", "retry", failed["id"].as_str().unwrap()]).await.expect_success();
    smtp.wait_for_mails(&bob.email, "received", 1).await;
    mail_in_status(&shop, &bob, "sent").await;
    assert_eq!(smtp.mails_to(&bob.email, "received").len(), 1);
}

/// The third write of a mail records that it was sent.
#[tokio::test]
#[ignore = "needs aiosmtpd: cargo xtask test"]
async fn a_mail_that_is_sent_again_after_a_crash_has_the_same_message_id() {
    const FAILPOINT: &str = "commit.mails.before@3";
    let smtp = TestSmtp::start().await;
    let shop = shop_with(&smtp).await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    wait_for("no mail to be queued", async || {
        let list = shop.run_souk(&["mail", "list", "--json", "--status", "queued"]).await.expect_success();
        if list.contains("\"id\"") { Err(list) } else { Ok(()) }
    })
    .await;
    assert!(shop.stop().await.success());
    shop.restart_with_failpoint(FAILPOINT).await;
    ana.place_order("first").await.expect_status(201);
    shop.wait_for_failpoint(FAILPOINT).await;
    shop.restart().await;
    let mails = smtp.wait_for_mails(&ana.email, "received", 2).await;
    let ids: Vec<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids[0], ids[1]);
    mail_in_status(&shop, &ana, "sent").await;
    assert_eq!(smtp.mails_to(&ana.email, "received").len(), 2);
}
