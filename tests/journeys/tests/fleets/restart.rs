//! An instance is told to stop. It finishes what it has in hand, and its clients are answered by another one.

use std::time::Duration;

use journeys::{Load, OwnFleet};

use crate::support::plenty;

/// What an orchestrator gives a process before it kills it.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_rolling_restart_fails_nobody() {
    let fleet = OwnFleet::open().await;
    let tea = plenty(&fleet).await;
    let mut customers = Vec::new();
    for name in ["Ana", "Ben", "Cem", "Dia"] {
        customers.push(fleet.new_customer(name).await);
    }
    let load = Load::of(200, customers, vec![tea]);
    for service in ["customer", "products", "shopping"] {
        for instance in fleet.instances(service) {
            let stopped = fleet.stops(&instance).await;
            assert_eq!(stopped.status.code(), Some(0), "{instance}");
            assert!(stopped.took < STOPPED_WITHIN, "{instance} took {:?}", stopped.took);
            fleet.starts(&instance).await;
            fleet.is_ready().await;
            // Before the other one goes, this one must have its share again.
            fleet.is_asked(&instance).await;
            println!("{instance}: stopped in {:?}", stopped.took);
        }
    }
    let outcomes = load.ends().await;
    let failed: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.status().is_none_or(|status| status >= 500)).collect();
    println!("{} requests, {} failed", outcomes.len(), failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Nothing has to be there for a process to be able to stop.
#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_instance_stops_in_good_order_without_broker_and_database() {
    let fleet = OwnFleet::open().await;
    fleet.kills("rabbitmq").await;
    fleet.kills("mongodb").await;
    for instance in ["customer-1", "products-1", "shopping-1"] {
        let stopped = fleet.stops(instance).await;
        assert_eq!(stopped.status.code(), Some(0), "{instance}");
        assert!(stopped.took < STOPPED_WITHIN, "{instance} took {:?}", stopped.took);
    }
}
