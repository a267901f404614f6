//! A fleet that sends mails through an SMTP server. Each sign-up sends one mail.

use fleet::Service;
use journeys::{Customer, TestFleet, TestSmtp, wait_for};

const SUBJECT: &str = "Verify";

async fn wait_until_recorded(fleet: &TestFleet, customer: &Customer) {
    wait_for("the mail to be recorded as sent", async || {
        let arguments = ["mail", "list", "--to", &customer.email, "--status", "sent"];
        let list = fleet.run_souk(&arguments).await.expect_success();
        if list.contains("verify-address") { Ok(()) } else { Err(list) }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB, nginx and aiosmtpd: cargo xtask test"]
async fn each_mail_is_sent_once_although_the_service_and_the_server_fail() {
    let smtp = TestSmtp::start().await;
    let environment = smtp.environment();
    let fleet = TestFleet::start_with(move |options| {
        let variables = environment.map(|(name, value)| (Service::Mail, name.to_owned(), value));
        options.environment.extend(variables);
    })
    .await;
    let mut customers = vec![fleet.new_customer().await];
    smtp.wait_for_mails(&customers[0].email, SUBJECT, 1).await;
    wait_until_recorded(&fleet, &customers[0]).await;

    // Events wait for the service, and mails for the server.
    fleet.kill_component("mail-1").await;
    customers.push(fleet.new_customer().await);
    smtp.stop().await;
    fleet.start_component("mail-1").await;
    customers.push(fleet.new_customer().await);
    fleet.expect_clean_audit().await;
    smtp.restart().await;
    for customer in &customers {
        smtp.wait_for_mails(&customer.email, SUBJECT, 1).await;
        wait_until_recorded(&fleet, customer).await;
    }

    let erased = &customers[1];
    let receipt = erased.delete_account().await.expect_status(202);
    fleet.client().wait_for_erasure(receipt.id()).await;
    smtp.wait_for_mails(&erased.email, "erased", 1).await;
    let listed = fleet.run_souk(&["mail", "list", "--to", &erased.email]).await.expect_success();
    assert_eq!(listed, "no mails\n");
    for customer in &customers {
        assert_eq!(smtp.mails_to(&customer.email, SUBJECT).len(), 1, "{}", customer.email);
    }
    fleet.expect_clean_audit().await;
    let audit = fleet.run_souk(&["audit", "--erased", &erased.id, "--word", &erased.email]).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");
}
