//! Parts come in any order, go and come back, and nobody else has to be started again.

use std::time::{Duration, Instant};

use journeys::{Load, OwnFleet, time_until};

use crate::support::{BACK_WITHIN, all_was_documented, is_forgotten_everywhere, plenty, somebody_buys};

/// Everything but `last` runs for a while; then it comes.
async fn comes_last(last: &str) {
    let fleet = OwnFleet::prepared().await;
    fleet.starts_all_but(last).await;
    // Long enough for everybody to have missed it several times.
    tokio::time::sleep(Duration::from_secs(3)).await;
    fleet.starts_all(last).await;
    let took = time_until("every instance to be ready", async || fleet.is_ready_now().await).await;
    println!("{last} came last: all ready after {took:?}");
    assert!(took < BACK_WITHIN, "{took:?}");
    let tea = plenty(&fleet).await;
    somebody_buys(&fleet, &tea).await;
    let ana = fleet.new_customer("Ana").await;
    ana.erases_the_account().await.expect_status(202);
    is_forgotten_everywhere(&ana).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_broker_comes_last() {
    comes_last("rabbitmq").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_database_comes_last() {
    comes_last("mongodb").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn customer_comes_last() {
    comes_last("customer").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn products_comes_last() {
    comes_last("products").await;
}

/// An account that is deleted before shopping has ever been there is closed there all the same.
#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn shopping_comes_last_and_has_missed_nothing() {
    let fleet = OwnFleet::prepared().await;
    fleet.starts_all_but("shopping").await;
    let ana = fleet.new_customer("Ana").await;
    ana.erases_the_account().await.expect_status(202);
    fleet.starts_all("shopping").await;
    is_forgotten_everywhere(&ana).await;
    let tea = plenty(&fleet).await;
    somebody_buys(&fleet, &tea).await;
}

/// Each part in turn is stopped while people are in the shop, and started again.
#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn each_part_goes_and_comes_back_while_people_shop() {
    let fleet = OwnFleet::open().await;
    let tea = plenty(&fleet).await;
    for part in ["rabbitmq", "mongodb", "customer", "products", "shopping"] {
        let customers = vec![fleet.new_customer("Ana").await, fleet.new_customer("Ben").await];
        let leaving = fleet.new_customer("Zoe").await;
        let load = Load::of(20, customers, vec![tea.clone()]);
        fleet.stops_all(part).await;
        // Whatever the answer is: when the account is gone, then everywhere.
        let left = leaving.erases_the_account().attempt().await.is_ok_and(|answer| answer.status == 202);
        tokio::time::sleep(Duration::from_secs(2)).await;
        fleet.starts_all(part).await;
        let back = Instant::now();
        somebody_buys(&fleet, &tea).await;
        let took = back.elapsed();
        let outcomes = load.ends().await;
        let failed = outcomes.iter().filter(|outcome| outcome.status().is_none_or(|status| status >= 500)).count();
        println!("{part}: a whole purchase {took:?} after its return; {failed} of {} requests failed", outcomes.len());
        assert!(took < BACK_WITHIN, "{part}: {took:?}");
        all_was_documented(&outcomes);
        if left {
            is_forgotten_everywhere(&leaving).await;
        }
    }
}

/// Three minutes are longer than any retry would last that gives up.
#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_broker_is_away_for_three_minutes() {
    let fleet = OwnFleet::open().await;
    let tea = plenty(&fleet).await;
    let (ana, ben) = (fleet.new_customer("Ana").await, fleet.new_customer("Ben").await);
    ben.adds(&tea, 1).await.expect_status(200);
    // In good order: a broker that is killed within seconds of a queue's birth may never find it again (ARCHITECTURE.md, limits).
    fleet.stops("rabbitmq").await;
    ana.erases_the_account().await.expect_status(202);
    tokio::time::sleep(Duration::from_mins(3)).await;
    let cart = ben.cart().await.expect_status(200);
    assert_eq!(cart["stale"], true, "{cart}");
    fleet.starts("rabbitmq").await;
    let back = Instant::now();
    somebody_buys(&fleet, &tea).await;
    is_forgotten_everywhere(&ana).await;
    println!("broker back after 3 minutes: a whole purchase, and the erasure heard, after {:?}", back.elapsed());
    assert!(back.elapsed() < BACK_WITHIN, "{:?}", back.elapsed());
}
