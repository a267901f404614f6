//! Mutation tests of `souk audit`: an instance breaks one rule (`common/types/src/mutant.rs`) and
//! dies at a failpoint where the rule matters. The audit must report it. After the same crash
//! without a mutation the audit must report nothing.

use journeys::{Product, TestFleet, euros};

use crate::support::new_plentiful_product;

async fn audit(fleet: &TestFleet) -> String {
    let audit = fleet.run_souk(&["audit", "--within", "5"]).await;
    assert_eq!(audit.code, Some(i32::from(!audit.stdout.is_empty())), "{}", audit.stderr);
    audit.stdout
}

/// Starts one instance of each service. A second instance would take over the work of a dead one.
async fn start_small_fleet() -> (TestFleet, Product) {
    let fleet = TestFleet::start_with(|options| options.instances = 1).await;
    let tea = new_plentiful_product(&fleet).await;
    (fleet, tea)
}

/// Places an order while an instance dies; restarts it without mutation and failpoint.
async fn order_with_crash(
    fleet: &TestFleet,
    tea: &Product,
    instance: &str,
    mutant: &'static str,
    failpoint: &'static str,
) {
    let ana = fleet.customer_with_cart(tea, 1).await;
    fleet.kill_component(instance).await;
    fleet.start_with_mutant(instance, mutant, Some(failpoint)).await;
    fleet.wait_until_ready().await;
    // The instance may die before it responds.
    let _ = ana.place_order("key").outcome().await;
    fleet.wait_for_failpoint(instance, failpoint).await;
    fleet.start_component(instance).await;
    fleet.wait_until_ready().await;
    ana.place_order("key").until_status(201).await;
}

async fn expect_finding(instance: &str, mutant: &'static str, failpoint: &'static str, finding: &str) {
    let (fleet, tea) = start_small_fleet().await;
    order_with_crash(&fleet, &tea, instance, "none", failpoint).await;
    fleet.expect_clean_audit().await;
    order_with_crash(&fleet, &tea, instance, mutant, failpoint).await;
    let findings = audit(&fleet).await;
    assert!(findings.contains(finding), "{mutant}: {findings}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_audit_finds_an_event_acknowledged_before_the_commit() {
    // The failpoint is before the mutated commit and after the correct one.
    let (mutant, failpoint) = ("ack-before-commit", "ack.shopping.order-confirmed.after");
    expect_finding("mail-1", mutant, failpoint, "was confirmed and has no mail").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_audit_finds_an_event_published_without_the_outbox() {
    let failpoint = "publish.shopping.order-confirmed.before";
    expect_finding("shopping-1", "no-outbox", failpoint, "was confirmed and has no mail").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_audit_finds_more_sold_than_stocked() {
    let (fleet, _) = start_small_fleet().await;
    let admin = fleet.admin().await;
    let scarce = admin.new_product("tea", &euros(499), 2).await;
    let order_three = async || fleet.customer_with_cart(&scarce, 3).await.place_order("key").outcome().await.status();
    assert_eq!(order_three().await, Some(409));
    fleet.expect_clean_audit().await;
    fleet.kill_component("products-1").await;
    fleet.start_with_mutant("products-1", "no-stock-guard", None).await;
    fleet.wait_until_ready().await;
    assert_eq!(order_three().await, Some(201));
    let findings = audit(&fleet).await;
    assert!(findings.contains("are 3 of 2 stocked"), "{findings}");
}
