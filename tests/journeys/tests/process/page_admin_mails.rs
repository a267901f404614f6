//! Admins see which mails reached no customer, and send them again.

use journeys::{Method, PASSWORD, TestShop, TestSmtp, UNKNOWN_ID, Visitor, euros, wait_for};

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
