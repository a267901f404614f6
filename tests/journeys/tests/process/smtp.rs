//! Mails of a shop with an SMTP server that refuses them, goes away and comes back. Each sign-up
//! sends one mail.

use journeys::{Customer, TestShop, TestSmtp, new_email, wait_for};
use serde_json::Value;

const SUBJECT: &str = "Verify";

async fn shop_with(smtp: &TestSmtp) -> TestShop {
    let environment = smtp.environment();
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    TestShop::start_in(&["--no-demo"], &environment).await
}

/// Waits until the mail to a customer has this status, and returns what the shop lists.
async fn mail_in_status(shop: &TestShop, customer: &Customer, status: &str) -> Value {
    wait_for(&format!("a mail in status {status}"), async || {
        let arguments = ["mail", "list", "--json", "--to", &customer.email, "--status", status];
        let list: Value = serde_json::from_str(&shop.run_souk(&arguments).await.expect_success()).unwrap();
        // A queued mail has an error after its first attempt.
        let is_wanted = |mail: &&Value| status != "queued" || mail["error"].is_string();
        list["items"].as_array().unwrap().iter().find(is_wanted).cloned().ok_or_else(|| list.to_string())
    })
    .await
}

#[tokio::test]
#[ignore = "needs aiosmtpd: cargo xtask test"]
async fn a_server_that_was_away_gets_each_mail_once() {
    let smtp = TestSmtp::start().await;
    let shop = shop_with(&smtp).await;
    let ana = shop.new_customer().await;
    let mails = smtp.wait_for_mails(&ana.email, SUBJECT, 1).await;
    assert_eq!((mails[0].to.as_str(), mails[0].header("Auto-Submitted")), (&*ana.email, vec!["auto-generated"]));
    let message_id = mails[0].header("Message-ID");
    assert!(message_id.len() == 1 && message_id[0].ends_with("@souk.example>"), "{message_id:?}");

    smtp.stop().await;
    let mut customers = shop.new_customers(4).await;
    let waiting = mail_in_status(&shop, &customers[0], "queued").await;
    assert!(waiting["error"].as_str().unwrap().contains("not available"), "{waiting}");
    assert!(shop.stop().await.success());
    shop.restart().await;
    smtp.restart().await;
    customers.push(ana);
    for customer in &customers {
        smtp.wait_for_mails(&customer.email, SUBJECT, 1).await;
        mail_in_status(&shop, customer, "sent").await;
    }
    for customer in &customers {
        assert_eq!(smtp.mails_to(&customer.email, "").len(), 1);
    }
    let shown = shop.run_souk(&["mail", "show", waiting["id"].as_str().unwrap()]).await.expect_success();
    assert!(shown.contains("sent") && shown.contains("is not stored") && !shown.contains("token="), "{shown}");
}

#[tokio::test]
#[ignore = "needs aiosmtpd: cargo xtask test"]
async fn a_temporary_refusal_is_retried_and_a_permanent_one_is_not() {
    let smtp = TestSmtp::start().await;
    let shop = shop_with(&smtp).await;
    for line in ["450 4.2.0 greylisted, come back later", "421 4.3.2 shutting down"] {
        smtp.answer(Some(line));
        let ana = shop.new_customer().await;
        let waiting = mail_in_status(&shop, &ana, "queued").await;
        assert!(waiting["error"].as_str().unwrap().contains(&line[..3]), "{waiting}");
        smtp.answer(None);
        smtp.wait_for_mails(&ana.email, SUBJECT, 1).await;
    }

    smtp.answer(Some("550 5.1.1 no such mailbox"));
    let bob = shop.new_customer().await;
    let failed = mail_in_status(&shop, &bob, "failed").await;
    assert!(failed["error"].as_str().unwrap().contains("550"), "{failed}");
    assert!(failed["next_attempt"].is_null() && failed["attempts"] == 1, "{failed}");
    assert!(!shop.log().contains(&bob.email), "the log names a recipient");

    smtp.answer(None);
    shop.run_souk(&["mail", "retry", failed["id"].as_str().unwrap()]).await.expect_success();
    smtp.wait_for_mails(&bob.email, SUBJECT, 1).await;
    mail_in_status(&shop, &bob, "sent").await;
    assert_eq!(smtp.mails_to(&bob.email, "").len(), 1);
}

#[tokio::test]
#[ignore = "needs aiosmtpd: cargo xtask test"]
async fn a_mail_that_is_sent_again_after_a_crash_has_the_same_message_id() {
    const FAILPOINT: &str = "mail.delivered";
    let smtp = TestSmtp::start().await;
    let shop = shop_with(&smtp).await;
    assert!(shop.stop().await.success());
    shop.restart_with_failpoint(FAILPOINT).await;
    let ana = shop.new_customer().await;
    shop.wait_for_failpoint(FAILPOINT).await;
    shop.restart().await;
    let mails = smtp.wait_for_mails(&ana.email, SUBJECT, 2).await;
    let ids: Vec<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids[0], ids[1]);
    mail_in_status(&shop, &ana, "sent").await;
    assert_eq!(smtp.mails_to(&ana.email, "").len(), 2);
}

#[tokio::test]
#[ignore = "needs aiosmtpd: cargo xtask test"]
async fn a_mail_to_an_erased_customer_is_not_sent() {
    let smtp = TestSmtp::start().await;
    let shop = shop_with(&smtp).await;
    smtp.answer(Some("450 4.2.0 greylisted, come back later"));
    let ana = shop.new_customer().await;
    mail_in_status(&shop, &ana, "queued").await;
    let receipt = ana.delete_account().await.expect_status(202);
    shop.client().wait_for_erasure(receipt.id()).await;
    smtp.answer(None);
    // The notice follows the event of the erasure, and the mail to verify the address was earlier.
    smtp.wait_for_mails(&ana.email, "erased", 1).await;
    assert_eq!(smtp.mails_to(&ana.email, "").len(), 1);
    let audit = shop.run_souk(&["audit", "--erased", &ana.id, "--word", &ana.email]).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");
    let other = new_email("nobody");
    let listed = shop.run_souk(&["mail", "list", "--to", &other]).await.expect_success();
    assert_eq!(listed, "no mails\n");
}
