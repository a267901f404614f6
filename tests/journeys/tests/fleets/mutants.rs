//! The audit is itself tested: in each fleet one rule does not hold (`common/types/src/mutant.rs`), one customer orders, the instance dies where that
//! rule matters, and comes back sound. `souk audit` must see it; where every rule holds, the same death leaves nothing to see.

use journeys::{OwnFleet, Product};
use tokio::task::spawn_blocking;

use crate::support::plenty;

/// The breaches that `souk audit` sees; nothing, when there is none.
async fn breaches(fleet: &OwnFleet) -> String {
    let mut souk = fleet.souk();
    let audit = spawn_blocking(move || souk.args(["audit", "--within", "5"]).output().unwrap()).await.unwrap();
    let breaches = String::from_utf8(audit.stdout).unwrap();
    assert_eq!(
        audit.status.code(),
        Some(i32::from(!breaches.is_empty())),
        "{}",
        String::from_utf8_lossy(&audit.stderr)
    );
    breaches
}

/// One instance of each service is enough: the other would do the work of the one that is broken.
async fn small_fleet() -> (OwnFleet, Product) {
    let fleet = OwnFleet::open_with(|options| options.instances = 1).await;
    let tea = plenty(&fleet).await;
    (fleet, tea)
}

/// Somebody orders; the instance breaks a rule, if any, dies at a place, and is started anew, sound.
async fn dies_once(fleet: &OwnFleet, tea: &Product, instance: &str, mutant: &'static str, at: &'static str) {
    let ana = fleet.new_customer("Ana").await;
    ana.adds(tea, 1).await.expect_status(200);
    fleet.kills(instance).await;
    fleet.starts_broken(instance, mutant, Some(at)).await;
    fleet.is_ready().await;
    // Whoever asks the instance that dies gets no answer, and asks again.
    let _ = ana.orders("key").outcome().await;
    fleet.has_died(instance, at).await;
    fleet.starts(instance).await;
    fleet.is_ready().await;
    ana.orders("key").until(201).await;
}

async fn is_noticed(instance: &str, mutant: &'static str, at: &'static str, breach: &str) {
    let (fleet, tea) = small_fleet().await;
    dies_once(&fleet, &tea, instance, "none", at).await;
    assert_eq!(breaches(&fleet).await, "", "every rule holds, and {instance} dies at {at}");
    dies_once(&fleet, &tea, instance, mutant, at).await;
    let said = breaches(&fleet).await;
    assert!(said.contains(breach), "{mutant}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn it_is_noticed_when_events_are_acknowledged_before_the_commit() {
    // The failpoint stands before the commit of the one, and after that of the other.
    let (mutant, at) = ("ack-before-commit", "ack.shopping.order-confirmed.after");
    is_noticed("customer-1", mutant, at, "has counted 0 orders, 1 were confirmed").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn it_is_noticed_when_an_event_that_comes_again_has_its_effect_again() {
    let at = "ack.shopping.order-confirmed.before";
    is_noticed("customer-1", "no-inbox", at, "has counted 2 orders, 1 were confirmed").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn it_is_noticed_when_an_event_is_published_without_the_outbox() {
    let at = "publish.shopping.order-confirmed.before";
    is_noticed("shopping-1", "no-outbox", at, "has counted 0 orders, 1 were confirmed").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn it_is_noticed_when_more_is_sold_than_there_is() {
    let (fleet, _) = small_fleet().await;
    let admin = fleet.admin().await;
    let last = admin.sells("the last two", &journeys::euros(499), 2).await;
    let buys_three = async |name: &str| {
        let customer = fleet.new_customer(name).await;
        customer.adds(&last, 3).await.expect_status(200);
        customer.orders("key").outcome().await.status()
    };
    assert_eq!(buys_three("Ana").await, Some(409));
    assert_eq!(breaches(&fleet).await, "");
    fleet.kills("products-1").await;
    fleet.starts_broken("products-1", "no-stock-guard", None).await;
    fleet.is_ready().await;
    assert_eq!(buys_three("Bea").await, Some(201));
    let said = breaches(&fleet).await;
    assert!(said.contains("are 3 of 2 stocked"), "{said}");
}
