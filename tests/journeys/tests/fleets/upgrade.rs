//! A fleet is upgraded under load, instance by instance, and goes back.

use std::path::{Path, PathBuf};

use journeys::{Load, TestFleet};

use crate::support::{
    ALL_SERVICES, SERVICES, STOP_TIMEOUT, expect_no_failure, new_load_customers, new_plentiful_product,
};

/// Requests in each mixture of releases.
const REQUESTS: usize = 400;
/// Every twelfth request is an order; some meet an empty cart or an order under way.
const MIN_ORDERS: usize = 4 * REQUESTS / 24;

/// Replaces the program of an instance as a deployment does.
async fn replace(fleet: &TestFleet, instance: &str, programs: &Path) {
    let stopped = fleet.restart_with(instance, programs).await;
    assert_eq!(stopped.status.code(), Some(0), "{instance}");
    assert!(stopped.took < STOP_TIMEOUT, "{instance} took {:?}", stopped.took);
    if SERVICES.iter().any(|service| instance.starts_with(service)) {
        // Otherwise nginx would use no instance when the next one stops.
        fleet.wait_until_routed(instance).await;
    }
    println!("{instance}: stopped in {:?}", stopped.took);
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB, nginx and the previous release: cargo xtask test"]
async fn a_rolling_upgrade_from_the_previous_release_and_back_fails_no_request() {
    let previous = std::env::var_os("SOUK_PREVIOUS").map(PathBuf::from);
    let previous = previous.expect("SOUK_PREVIOUS is not set: the folder of the programs of the previous release");
    let new = fleet::target_dir().join("debug");
    let fleet = TestFleet::prepare().await;
    let instances: Vec<String> = ALL_SERVICES.iter().flat_map(|service| fleet.instances(service)).collect();
    for instance in &instances {
        fleet.use_programs_of(instance, &previous).await;
    }
    fleet.start_components("").await;
    fleet.wait_until_ready().await;

    let tea = new_plentiful_product(&fleet).await;
    // A rate that two processors serve although one instance is away.
    let load = Load::start(80, new_load_customers(&fleet).await, vec![tea]);
    load.wait_for_requests(REQUESTS).await;
    // First one instance of each service, so that all pairs of services meet in both releases.
    let (first, second): (Vec<&String>, Vec<&String>) = instances.iter().partition(|name| name.ends_with("-1"));
    for instance in &first {
        replace(&fleet, instance, &new).await;
    }
    load.wait_for_requests(REQUESTS).await;
    for instance in &second {
        replace(&fleet, instance, &new).await;
    }
    load.wait_for_requests(REQUESTS).await;
    // Back, with the data that the new release has written.
    for instance in first.iter().chain(&second) {
        replace(&fleet, instance, &previous).await;
    }
    load.wait_for_requests(REQUESTS).await;
    let outcomes = load.stop().await;
    expect_no_failure(&outcomes);
    let orders = outcomes.iter().filter(|outcome| outcome.status() == Some(201)).count();
    println!("{orders} orders");
    assert!(orders >= MIN_ORDERS, "{orders} orders");

    let letters = fleet.run_souk(&["dlq", "list", "--amqp-url", fleet.amqp_url()]).await;
    assert_eq!(letters.expect_success(), "no dead letters\n");
    fleet.expect_clean_audit().await;
}
