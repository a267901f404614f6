//! Admins see which mails reached no customer, and send them again.

use std::collections::HashSet;

use journeys::{Method, PASSWORD, TestShop, TestSmtp, UNKNOWN_ID, Visitor, euros, wait_for};
use serde_json::{Value, json};

/// Waits until the list of a status has a mail to this address, and returns its page.
async fn mail_in(visitor: &Visitor, status: &str, email: &str) -> journeys::Response {
    wait_for(&format!("a mail among those that are {status}"), async || {
        let page = visitor.open(&format!("/en/admin/mails?status={status}")).await.expect_status(200);
        if page.has_text(email) { Ok(page) } else { Err(page) }
    })
    .await
}

#[tokio::test]
async fn an_admin_sees_the_mails_of_an_order() {
    let shop = TestShop::start().await;
    let visitor = shop.admin_visitor().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, order) = shop.customer_with_order(&tea, 1).await;
    shop.wait_for_mail(&ana.email, "received").await;
    mail_in(&visitor, "sent", &ana.email).await.expect_text("Order received");
    let page = visitor.open(&format!("/en/admin/orders/{}", order.id())).await.expect_text("Mails about this order");
    let link = format!("/en/admin/mails?order={}", order.id());
    assert!(page.html().contains(&format!("href=\"{link}\"")), "{page}");
    let mails = visitor.open(&link).await.expect_status(200);
    assert!(mails.has_text("Order received") && !mails.has_text("Confirm the e-mail address"), "{mails}");
    visitor.open(&link.replace("/en/", "/de/")).await.expect_status(200).expect_text("Bestellung eingegangen");
    visitor.open("/en/admin/mails?status=failed").await.expect_status(200).expect_text("There are no such mails.");
    visitor.open("/en/admin").await.expect_status(200).expect_text("0 Mails that failed");
    visitor.open("/en/admin/mails?after=x").await.expect_status(404);

    let admin = shop.admin().await;
    let sent = admin.get(&format!("/mail?order={}", order.id())).await.expect_status(200);
    let id = sent["items"][0]["id"].as_str().unwrap();
    assert_eq!((sent["items"].as_array().unwrap().len(), &sent["items"][0]["status"]), (1, &"sent".into()));
    let again = admin.request(Method::POST, &format!("/mail/{id}/retry")).await.expect_status(409);
    assert!(again["type"].as_str().unwrap().ends_with("mail-sent"), "{again}");
    admin.get(&format!("/mail/{UNKNOWN_ID}")).await.expect_status(404);
    admin.get("/mail?status=lost").await.expect_status(422);
    let csrf = visitor.open("/en/account/email").await.form("/email").value("csrf").to_owned();
    let retry = format!("/en/admin/mails/{id}/retry");
    visitor.post(&retry, "csrf=forged").await.expect_status(403);
    visitor.post(&retry, &format!("csrf={csrf}")).await.expect_status(409).expect_text("Nothing was done");

    for path in ["/mail", "/mail/summary", &format!("/mail/{id}")] {
        ana.get(path).await.expect_status(403);
        shop.client().get(path).await.expect_status(401);
    }
    let customer = shop.visitor();
    customer.sign_in(&ana.email, PASSWORD).await;
    customer.open("/en/admin/mails").await.expect_status(403);
}

/// Waits until this many mails about an order are sent, and returns them, newest first.
async fn sent_mails(shop: &TestShop, order: &str, count: usize) -> Vec<Value> {
    let admin = shop.admin().await;
    wait_for(&format!("{count} mails that are sent"), async || {
        let mails = admin.get(&format!("/mail?order={order}&status=sent")).await.expect_status(200);
        if mails.items().len() == count { Ok(mails.items().to_vec()) } else { Err(mails) }
    })
    .await
}

#[tokio::test]
async fn a_mail_that_was_sent_is_sent_again_as_a_new_mail() {
    let shop = TestShop::start().await;
    let visitor = shop.admin_visitor().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, order) = shop.customer_with_order(&tea, 1).await;
    let first = sent_mails(&shop, order.id(), 1).await.remove(0);

    // A double click on the page of the order.
    let page = visitor.open(&format!("/en/admin/orders/{}", order.id())).await.expect_text("Order received");
    let form = page.form("/resend");
    for _ in 0..2 {
        visitor.send_form(&form).await.expect_status(200).expect_text("A new mail is on its way.");
    }
    let mails = sent_mails(&shop, order.id(), 2).await;
    assert_eq!((&mails[0]["resend_of"], &mails[1]["resend_of"]), (&first["id"], &json!(null)));
    for part in ["to", "subject", "kind"] {
        assert_eq!(mails[0][part], first[part]);
    }
    assert_ne!(mails[0]["message_id"], first["message_id"]);
    let received: Vec<_> =
        shop.mails_to(&ana.email).into_iter().filter(|mail| mail.subject == first["subject"]).collect();
    let ids: HashSet<_> = received.iter().map(|mail| mail.header("Message-ID")[0].to_owned()).collect();
    assert_eq!((received.len(), ids.len()), (2, 2));

    // From the list, and by the command.
    let list = visitor.open(&format!("/de/admin/mails?order={}", order.id())).await.expect_text("erneut gesendet");
    visitor.send_form(&list.form("/resend")).await.expect_status(200).expect_text("Eine neue Mail ist unterwegs.");
    sent_mails(&shop, order.id(), 3).await;
    shop.run_souk(&["mail", "resend", first["id"].as_str().unwrap()]).await.expect_success();
    sent_mails(&shop, order.id(), 4).await;

    let resend = format!("/mail/{}/resend", first["id"].as_str().unwrap());
    let admin = shop.admin().await;
    admin.request(Method::POST, &resend).header("Idempotency-Key", "a b").await.expect_status(400);
    let keyed = async || admin.request(Method::POST, &resend).header("Idempotency-Key", "key").await.expect_status(202);
    let (queued, again) = (keyed().await, keyed().await);
    assert_eq!((again.id(), again.header("Idempotent-Replayed")), (queued.id(), "true"));
    assert_eq!(queued.header("Idempotent-Replayed"), "");
    admin.request(Method::POST, &format!("/mail/{UNKNOWN_ID}/resend")).await.expect_status(404);
    ana.request(Method::POST, &resend).await.expect_status(403);
    visitor
        .post(&format!("/en/admin/mails/{}/resend", first["id"].as_str().unwrap()), "csrf=forged")
        .await
        .expect_status(403);
}

#[tokio::test]
async fn a_mail_that_waits_says_why() {
    // Nothing listens on this port.
    let environment = [("SMTP_URL", "smtp://127.0.0.1:1"), ("MAIL_FROM", "shop@souk.example")];
    let shop = TestShop::start_in(&["--no-demo"], &environment).await;
    let visitor = shop.admin_visitor().await;
    let ana = shop.new_customer().await;
    let page = mail_in(&visitor, "queued", &ana.email).await;
    assert!(page.has_text("Waiting") && page.has_text("Next attempt:"), "{page}");
    let retried = visitor.send_form(&page.form("/retry")).await.expect_status(200);
    assert!(retried.address().contains("status=queued"), "{}", retried.address());
    retried.expect_text("The mail is tried again within a second.");
    let admin = shop.admin().await;
    let queued = admin.get("/mail?status=queued").await.expect_status(200);
    let id = queued.items()[0]["id"].as_str().unwrap();
    admin.request(Method::POST, &format!("/mail/{id}/resend")).await.expect_problem(409, "mail-not-sent");
    let resend = format!("/en/admin/mails/{id}/resend");
    let refused = visitor.submit(&page, &resend, &[("key", "key")]).await.expect_status(409);
    assert_eq!(refused.form("/retry").value("key"), "key", "the form can be sent again without sending two mails");
}

#[tokio::test]
#[ignore = "needs aiosmtpd: cargo xtask test"]
async fn a_mail_that_failed_is_sent_again() {
    let smtp = TestSmtp::start().await;
    let environment = smtp.environment();
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let shop = TestShop::start_in(&["--no-demo"], &environment).await;
    let visitor = shop.admin_visitor().await;
    smtp.answer(Some("550 5.1.1 no such mailbox"));
    let ana = shop.new_customer().await;
    let page = mail_in(&visitor, "failed", &ana.email).await.expect_text("550");
    visitor.open("/en/admin").await.expect_status(200).expect_text("Mails that failed");
    smtp.answer(None);
    visitor.send_form(&page.form("/retry")).await.expect_status(200).expect_text("tried again within a second");
    mail_in(&visitor, "sent", &ana.email).await;
    smtp.wait_for_mails(&ana.email, "Verify", 1).await;
}
