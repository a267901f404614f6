//! The components of a fleet start in any order. No component needs a restart because another one
//! came late.

use std::time::Duration;

use journeys::{TestFleet, time_until};

use crate::support::{RECOVERY_TIMEOUT, buy_with_retries, new_plentiful_product};

/// How long the last component is missing: several retries of the others.
const MISSING_FOR: Duration = Duration::from_secs(3);

async fn start_last(last: &'static str) {
    let fleet = TestFleet::prepare().await;
    fleet.start_all_except(last).await;
    tokio::time::sleep(MISSING_FOR).await;
    fleet.start_components(last).await;
    let elapsed = time_until("every instance to be ready", async || fleet.is_ready().await).await;
    println!("{last} started last: all instances ready after {elapsed:?}");
    assert!(elapsed < RECOVERY_TIMEOUT, "{elapsed:?}");
    let tea = new_plentiful_product(&fleet).await;
    buy_with_retries(&fleet, &tea).await;
    let ana = fleet.new_customer().await;
    ana.delete_account().await.expect_status(202);
    ana.wait_until_rejected().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_broker_may_start_last() {
    start_last("rabbitmq").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_database_may_start_last() {
    start_last("mongodb").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn customer_may_start_last() {
    start_last("customer").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn products_may_start_last() {
    start_last("products").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn shopping_receives_a_deletion_from_before_its_first_start() {
    let fleet = TestFleet::prepare().await;
    fleet.start_all_except("shopping").await;
    let ana = fleet.new_customer().await;
    ana.delete_account().await.expect_status(202);
    fleet.start_components("shopping").await;
    ana.wait_until_rejected().await;
    let tea = new_plentiful_product(&fleet).await;
    buy_with_retries(&fleet, &tea).await;
}
