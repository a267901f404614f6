//! An instance dies at each failpoint of an order, one after another, while customers order, and
//! restarts. Then the fleet's data must match the responses that the customers got.

use std::time::Instant;

use journeys::{Buyers, TestFleet, failpoints};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_order_survives_a_crash_at_each_failpoint() {
    let fleet = TestFleet::start().await;
    let admin = fleet.admin().await;
    let mut buyers = Buyers::sign_up(&fleet, &admin, 4).await.with_account_deletions(&fleet);
    for (service, failpoint) in failpoints::ALL {
        let (instance, started) = (format!("{service}-1"), Instant::now());
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
