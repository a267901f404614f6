//! The broker is down for longer than a limited number of retries would last.

use std::time::{Duration, Instant};

use journeys::TestFleet;

use crate::support::{RECOVERY_TIMEOUT, buy_with_retries, new_plentiful_product};

/// The outage is the input of this test: there is no event to wait for.
const OUTAGE: Duration = Duration::from_mins(3);

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_fleet_recovers_from_a_broker_outage_of_three_minutes() {
    let fleet = TestFleet::start().await;
    let tea = new_plentiful_product(&fleet).await;
    let (ana, ben) = (fleet.new_customer().await, fleet.customer_with_cart(&tea, 1).await);
    // SIGTERM: a broker that is killed soon after it declared a queue may lose it (ARCHITECTURE.md,
    // limits).
    fleet.stop_component("rabbitmq").await;
    let receipt = ana.delete_account().await.expect_status(202);
    tokio::time::sleep(OUTAGE).await;
    let cart = ben.get_cart().await.expect_status(200);
    assert_eq!(cart["stale"], true, "{cart}");

    fleet.start_component("rabbitmq").await;
    let returned = Instant::now();
    buy_with_retries(&fleet, &tea).await;
    fleet.client().wait_for_erasure(receipt.id()).await;
    ana.wait_until_rejected().await;
    let elapsed = returned.elapsed();
    println!("after a broker outage of {OUTAGE:?}, an order and the erasure took {elapsed:?}");
    assert!(elapsed < RECOVERY_TIMEOUT, "{elapsed:?}");
}
