//! Instances and servers restart under load.

use std::time::Instant;

use journeys::{Load, TestFleet};

use crate::support::{RECOVERY_TIMEOUT, STOP_TIMEOUT, buy_with_retries, expect_documented, new_plentiful_product};

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_instance_stops_without_broker_and_database() {
    let fleet = TestFleet::start().await;
    fleet.kill_component("rabbitmq").await;
    fleet.kill_component("mongodb").await;
    for instance in ["customer-1", "products-1", "shopping-1"] {
        let stopped = fleet.stop_component(instance).await;
        assert_eq!(stopped.status.code(), Some(0), "{instance}");
        assert!(stopped.took < STOP_TIMEOUT, "{instance} took {:?}", stopped.took);
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_fleet_recovers_when_each_part_returns() {
    const REQUESTS: usize = 40;
    let fleet = TestFleet::start().await;
    let tea = new_plentiful_product(&fleet).await;
    for component in ["rabbitmq", "mongodb", "customer", "products", "shopping"] {
        let customers = fleet.new_customers(2).await;
        let leaver = fleet.new_customer().await;
        let load = Load::start(20, customers, vec![tea.clone()]);
        fleet.stop_components(component).await;
        // The deletion may fail. After a success it must reach every service.
        let is_deleted = leaver.delete_account().try_send().await.is_ok_and(|response| response.status == 202);
        load.wait_for_requests(REQUESTS).await;
        fleet.start_components(component).await;
        let returned = Instant::now();
        buy_with_retries(&fleet, &tea).await;
        let elapsed = returned.elapsed();
        let outcomes = load.stop().await;
        let failed = outcomes.iter().filter(|outcome| outcome.is_failure()).count();
        println!(
            "{component}: an order succeeded {elapsed:?} after its return; {failed} of {} requests failed",
            outcomes.len()
        );
        assert!(elapsed < RECOVERY_TIMEOUT, "{component}: {elapsed:?}");
        expect_documented(&outcomes);
        if is_deleted {
            leaver.wait_until_rejected().await;
        }
    }
}
