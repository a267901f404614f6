//! A fleet is upgraded under load, instance by instance, goes back, and rewrites its data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleet::{Service, UNLIMITED_RATES};
use journeys::{CommandOutput, Load, Outcome, TestFleet};

use crate::support::{ALL_SERVICES, SERVICES, STOP_TIMEOUT, new_load_customers, new_plentiful_product};

/// Requests in each mixture of releases.
const REQUESTS: usize = 400;
/// Every twelfth request is an order; some meet an empty cart or an order under way.
const MIN_ORDERS: usize = 4 * REQUESTS / 24;

/// The names of the variables for rate limits in the previous release.
const FORMER_RATES: [&str; 4] =
    ["ATTEMPTS_PER_ADDRESS", "ORDERS_PER_MINUTE", "REQUESTS_PER_ADDRESS", "UNVERIFIED_PIECES"];

/// Sets the variables of the previous release as well, as an operator does until the upgrade ends.
fn add_former_rates(options: &mut fleet::Options) {
    let (_, unlimited) = UNLIMITED_RATES[0];
    for service in Service::ALL {
        options.environment.extend(FORMER_RATES.map(|name| (service, name.to_owned(), unlimited.to_owned())));
    }
}

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

async fn migrate(fleet: &TestFleet, command: &str) -> CommandOutput {
    fleet.run_souk(&["migrate", command, "--amqp-url", fleet.amqp_url()]).await
}

/// Expects that each request was served, or was an order of an empty cart or beside another one.
/// Returns the number of orders.
fn expect_served(outcomes: &[Outcome]) -> usize {
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    for outcome in outcomes {
        let code = match &outcome.response {
            Ok(response) if response.status < 400 => String::new(),
            Ok(response) if response.status >= 500 => format!(" {response}"),
            Ok(response) => response["type"].as_str().unwrap_or_default().replace("urn:souk:problem:", " "),
            Err(error) => format!(" {error}"),
        };
        let method = outcome.request.split(' ').next().unwrap_or_default();
        let status = outcome.status().map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        *answers.entry(format!("{method} {status}{code}")).or_default() += 1;
    }
    println!("{answers:#?}");
    let is_served = |answer: &str| {
        matches!(answer, "GET 200" | "POST 200" | "POST 201" | "POST 409 cart-empty" | "POST 409 order-under-way")
    };
    let others: Vec<&String> = answers.keys().filter(|answer| !is_served(answer)).collect();
    assert!(others.is_empty(), "{others:?}");
    answers.get("POST 201").copied().unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB, nginx and the previous release: cargo xtask test"]
async fn a_rolling_upgrade_from_the_previous_release_and_its_migration_fail_no_request() {
    let previous = std::env::var_os("SOUK_PREVIOUS").map(PathBuf::from);
    let previous = previous.expect("SOUK_PREVIOUS is not set: the folder of the programs of the previous release");
    let new = fleet::target_dir().join("debug");
    let fleet = TestFleet::prepare_with(add_former_rates).await;
    let instances: Vec<String> = ALL_SERVICES.iter().flat_map(|service| fleet.instances(service)).collect();
    for instance in &instances {
        fleet.use_programs_of(instance, &previous).await;
    }
    fleet.start_components("").await;
    fleet.wait_until_ready().await;

    let tea = new_plentiful_product(&fleet).await;
    // A rate that two processors serve with debug builds, although one instance is away.
    let load = Load::start(40, new_load_customers(&fleet).await, vec![tea]);
    load.wait_for_requests(REQUESTS).await;
    // First one instance of each service, so that all pairs of services meet in both releases.
    let (first, second): (Vec<&String>, Vec<&String>) = instances.iter().partition(|name| name.ends_with("-1"));
    for instance in &first {
        replace(&fleet, instance, &new).await;
    }
    load.wait_for_requests(REQUESTS).await;
    let refused = migrate(&fleet, "run").await;
    let is_explained = ["upgrade these instances first", "products-2"].map(|part| refused.stderr.contains(part));
    assert_eq!((refused.code, is_explained), (Some(1), [true; 2]), "{refused:?}");
    for instance in &second {
        replace(&fleet, instance, &new).await;
    }
    load.wait_for_requests(REQUESTS).await;
    // Back, with the data that the new release has written.
    for instance in first.iter().chain(&second) {
        replace(&fleet, instance, &previous).await;
    }
    load.wait_for_requests(REQUESTS).await;
    // The fleet is upgraded again, and stays.
    for instance in first.iter().chain(&second) {
        replace(&fleet, instance, &new).await;
    }
    let status = migrate(&fleet, "status").await;
    assert!(status.stdout.contains("souk migrate run"), "{status:?}");
    println!("{}", migrate(&fleet, "run").await.expect_success());
    load.wait_for_requests(REQUESTS).await;
    let status = migrate(&fleet, "status").await;
    assert!(status.stdout.ends_with("nothing to do\n"), "{status:?}");
    let outcomes = load.stop().await;
    let orders = expect_served(&outcomes);
    assert!(orders >= MIN_ORDERS, "{orders} orders");

    let letters = fleet.run_souk(&["dlq", "list", "--amqp-url", fleet.amqp_url()]).await;
    assert_eq!(letters.expect_success(), "no dead letters\n");
    fleet.expect_clean_audit().await;
}
