//! An account is deleted while a service is down. The receipt lists the service as pending and
//! becomes complete after the service has started again.

use journeys::{CommandOutput, Customer, TestFleet, time_until, wait_for};
use lapin::BasicProperties;
use lapin::options::QueuePurgeOptions;

use crate::support::{RECOVERY_TIMEOUT, new_plentiful_product, publish, with_channel};

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_stopped_service_erases_after_its_return() {
    let fleet = TestFleet::start().await;
    let tea = new_plentiful_product(&fleet).await;
    let (ana, _) = fleet.customer_with_order(&tea, 2).await;
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    ana.add_to_wishlist(&tea).await.expect_status(200);

    fleet.stop_components("shopping").await;
    let rejected = ana.export_data().await.expect_problem(503, "unavailable");
    assert_eq!(rejected["service"], "shopping", "{rejected}");
    let receipt = ana.delete_account().await.expect_status(202);
    assert!(receipt["services"]["customer"].is_string(), "{receipt}");
    assert!(receipt["services"]["products"].is_string(), "{receipt}");
    assert!(receipt["services"]["shopping"].is_null() && receipt["completed_at"].is_null(), "{receipt}");
    let pending = fleet.client().get_erasure_receipt(receipt.id()).await.expect_status(200);
    assert!(pending["services"]["shopping"].is_null() && pending["completed_at"].is_null(), "{pending}");

    fleet.start_components("shopping").await;
    let is_complete = async || fleet.client().get_erasure_receipt(receipt.id()).await["completed_at"].is_string();
    let elapsed = time_until("shopping to erase", is_complete).await;
    println!("shopping erased {elapsed:?} after its return");
    assert!(elapsed < RECOVERY_TIMEOUT, "{elapsed:?}");
    ana.wait_until_rejected().await;
    let audit = audit_erasure(&fleet, &ana).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");

    // A message with the address that no service can handle becomes a dead letter.
    let body = format!("to {}", ana.email);
    publish(&fleet, "", "shopping.customer", BasicProperties::default(), &body).await;
    let audit = wait_for("the audit to find the dead letter", async || {
        let audit = audit_erasure(&fleet, &ana).await;
        if audit.text().contains("dead letter") { Ok(audit) } else { Err(audit.text()) }
    })
    .await;
    assert!(audit.code == Some(1) && audit.text().contains("of shopping.customer"), "{audit:?}");
}

async fn audit_erasure(fleet: &TestFleet, ana: &Customer) -> CommandOutput {
    let logs = tempfile::tempdir().unwrap();
    fleet.copy_logs(logs.path());
    let folder = logs.path().to_str().unwrap();
    fleet.run_souk(&["audit", "--within", "10", "--erased", &ana.id, "--word", &ana.email, "--log", folder]).await
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_lost_deletion_event_is_published_again() {
    let fleet = TestFleet::start().await;
    let ana = fleet.new_customer().await;
    fleet.stop_components("shopping").await;
    let receipt = ana.delete_account().await.expect_status(202);
    assert!(receipt["services"]["shopping"].is_null(), "{receipt}");
    let purge = async |channel: &lapin::Channel| {
        channel.queue_purge("shopping.customer".into(), QueuePurgeOptions::default()).await.unwrap()
    };
    // At least once: the relay may have published it twice.
    let purged = with_channel(&fleet, purge).await;
    assert!(purged >= 1, "{purged}");
    fleet.start_components("shopping").await;
    fleet.client().wait_for_erasure(receipt.id()).await;
    ana.wait_until_rejected().await;
}
