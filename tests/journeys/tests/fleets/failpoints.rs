//! An instance dies at each step of an order, one after the other, while people order; then the books are looked at.

use std::time::Instant;

use journeys::{Market, OwnFleet, failpoints};
use tokio::task::spawn_blocking;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_instance_may_die_at_any_step_of_an_order() {
    let fleet = OwnFleet::open().await;
    let admin = fleet.admin().await;
    let mut market = Market::opens(&fleet, &admin, 4).await.with_people_who_leave(&fleet);
    for (service, at) in failpoints::ALL {
        let (instance, begun) = (format!("{service}-1"), Instant::now());
        fleet.kills(&instance).await;
        fleet.starts_failing(&instance, at).await;
        let day = market.day();
        fleet.has_died(&instance, at).await;
        let died = begun.elapsed();
        fleet.starts(&instance).await;
        market = day.ends().await;
        let (back, settled) = (begun.elapsed(), market.settles(&admin).await);
        println!(
            "{instance} at {at}: dead after {died:.1?}, back and all told after {back:.1?}, settled in {settled:.1?}"
        );
    }
    println!("{} orders", market.orders().await);
    let letters = journeys::souk(&["dlq", "list", "--amqp-url", fleet.amqp_url()]).await;
    assert_eq!(letters.stdout, "no dead letters\n", "{letters:?}");
    let mut souk = fleet.souk();
    let audit = spawn_blocking(move || souk.args(["audit", "--within", "60"]).output().unwrap()).await.unwrap();
    assert!(audit.status.success(), "{audit:?}");
}
