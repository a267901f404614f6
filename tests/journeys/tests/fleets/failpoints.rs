//! An instance dies at each failpoint of an order, one after another, while customers order, and
//! restarts. Then the fleet's data must match the responses that the customers got. Each service
//! has a fleet of its own: these mostly wait for leases of dead instances to expire, at the same
//! time.

use std::collections::BTreeSet;
use std::time::Instant;

use journeys::{Buyers, TestFleet, failpoints};

async fn crash_at_each_failpoint_of(service: &str) {
    let fleet = TestFleet::start().await;
    let admin = fleet.admin().await;
    let mut buyers = Buyers::sign_up(&fleet, &admin, 4).await.with_account_deletions(&fleet);
    let instance = format!("{service}-1");
    for (_, failpoint) in failpoints::ALL.iter().filter(|(of, _)| *of == service) {
        let started = Instant::now();
        fleet.kill_component(&instance).await;
        fleet.start_with_failpoint(&instance, failpoint).await;
        let running = buyers.start();
        fleet.wait_for_failpoint(&instance, failpoint).await;
        let died = started.elapsed();
        fleet.start_component(&instance).await;
        buyers = running.stop().await;
        let (stopped, reconciled) = (started.elapsed(), buyers.reconcile(&admin).await);
        println!(
            "{instance} at {failpoint}: died after {died:.1?}, final after {stopped:.1?}, reconciled in {reconciled:.1?}"
        );
    }
    println!("{} orders", buyers.count_orders().await);
    let dead_letters = fleet.run_souk(&["dlq", "list", "--amqp-url", fleet.amqp_url()]).await;
    assert_eq!(dead_letters.stdout, "no dead letters\n", "{dead_letters:?}");
    fleet.expect_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_order_survives_a_crash_at_each_failpoint_of_shopping() {
    crash_at_each_failpoint_of("shopping").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_order_survives_a_crash_at_each_failpoint_of_products() {
    crash_at_each_failpoint_of("products").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_order_survives_a_crash_at_each_failpoint_of_mail() {
    crash_at_each_failpoint_of("mail").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_order_survives_a_crash_at_each_failpoint_of_customer() {
    crash_at_each_failpoint_of("customer").await;
}

#[test]
fn each_service_with_failpoints_has_a_test() {
    let services: BTreeSet<&str> = failpoints::ALL.iter().map(|(service, _)| *service).collect();
    assert_eq!(services, BTreeSet::from(["customer", "mail", "products", "shopping"]), "add a test to this file");
}
