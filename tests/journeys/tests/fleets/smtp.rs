//! A fleet that sends mails through an SMTP server.

use fleet::Service;
use journeys::{TestFleet, TestSmtp, wait_for};

use crate::support::new_plentiful_product;

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB, nginx and aiosmtpd: cargo xtask test"]
async fn each_order_sends_one_mail_while_the_service_and_the_server_fail() {
    let smtp = TestSmtp::start().await;
    let environment = smtp.environment();
    let fleet = TestFleet::start_with(move |options| {
        let variables = environment.map(|(name, value)| (Service::Mail, name.to_owned(), value));
        options.environment.extend(variables);
    })
    .await;
    let tea = new_plentiful_product(&fleet).await;
    let mut customers = vec![fleet.customer_with_order(&tea, 1).await.0];
    smtp.wait_for_mails(&customers[0].email, "received", 1).await;

    wait_for("the mail to be recorded as sent", async || {
        let list = fleet.run_souk(&["mail", "list", "--to", &customers[0].email]).await.expect_success();
        if list.lines().any(|line| line.contains("sent") && line.contains("order-received")) {
            Ok(())
        } else {
            Err(list)
        }
    })
    .await;

    // Events wait for the service, and mails for the server.
    fleet.kill_component("mail-1").await;
    customers.push(fleet.customer_with_order(&tea, 1).await.0);
    smtp.stop().await;
    fleet.start_component("mail-1").await;
    customers.push(fleet.customer_with_order(&tea, 1).await.0);
    fleet.expect_clean_audit().await;
    smtp.restart().await;
    for customer in &customers {
        smtp.wait_for_mails(&customer.email, "received", 1).await;
    }
    let erased = &customers[1];
    let receipt = erased.delete_account().await.expect_status(202);
    fleet.client().wait_for_erasure(receipt.id()).await;
    smtp.wait_for_mails(&erased.email, "erased", 1).await;
    let listed = fleet.run_souk(&["mail", "list", "--to", &erased.email]).await.expect_success();
    assert_eq!(listed, "no mails\n");
    for customer in &customers {
        assert_eq!(smtp.mails_to(&customer.email, "received").len(), 1, "{}", customer.email);
    }
    fleet.expect_clean_audit().await;
    let audit = fleet.run_souk(&["audit", "--erased", &erased.id, "--word", &erased.email]).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");
}
