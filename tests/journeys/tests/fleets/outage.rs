//! One component of a fleet is down. Requests that depend on it fail in time and with the
//! documented problem; the others succeed.

use std::time::{Duration, Instant};

use journeys::{Customer, PASSWORD, Product, Request, Response, TestFleet, time_until};

use crate::support::new_plentiful_product;

const FAILS_WITHIN: Duration = Duration::from_millis(2_500);
/// Longest time of a failure while the circuit breaker is open.
const FAILS_FAST_WITHIN: Duration = Duration::from_millis(100);

async fn timed(request: Request) -> (Response, Duration) {
    let started = Instant::now();
    (request.await, started.elapsed())
}

fn expect_unavailable(response: &Response, service: &str) {
    let response = response.clone().expect_problem(503, "unavailable");
    assert_eq!(response["title"], "MicroService connection is down", "{response}");
    assert_eq!(response["service"], service, "{response}");
    assert!(response.header("Retry-After").parse::<u32>().is_ok(), "{response}");
}

async fn fill_cart_and_wishlist(fleet: &TestFleet) -> (Customer, Product) {
    let tea = new_plentiful_product(fleet).await;
    let ana = fleet.customer_with_cart(&tea, 2).await;
    ana.add_to_wishlist(&tea).await.expect_status(200);
    (ana, tea)
}

async fn expect_stale_snapshots(ana: &Customer, tea: &Product) {
    let cart = ana.get_cart().await.expect_status(200);
    assert_eq!(cart["stale"], true, "{cart}");
    let line = cart.line(tea);
    assert_eq!((&line["product"]["name"], &line["status"]), (&tea.name.clone().into(), &"unknown".into()), "{cart}");
    assert_eq!(cart["total"]["amount"], 998, "{cart}");
    let wishlist = ana.get_wishlist().await.expect_status(200);
    assert_eq!((&wishlist["stale"], wishlist.items().len()), (&true.into(), 1), "{wishlist}");
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn carts_are_readable_while_products_is_stopped() {
    let fleet = TestFleet::start().await;
    let (ana, tea) = fill_cart_and_wishlist(&fleet).await;
    fleet.stop_components("products").await;
    for _ in 0..3 {
        let (response, elapsed) = timed(ana.add_to_cart(&tea, 1)).await;
        expect_unavailable(&response, "products");
        assert!(elapsed < FAILS_WITHIN, "{elapsed:?}");
    }
    let (response, elapsed) = timed(ana.add_to_cart(&tea, 1)).await;
    expect_unavailable(&response, "products");
    println!("products stopped: a request failed after {elapsed:?}");
    expect_stale_snapshots(&ana, &tea).await;
    ana.get_profile().await.expect_status(200);
    ana.sign_in_again().await;
    let response = ana.get("/products").await;
    assert!(matches!(response.status, 502 | 503), "{response}");
    assert_eq!(response.header("Content-Type"), "application/problem+json", "{response}");

    fleet.start_components("products").await;
    ana.place_order("after").until_status(201).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_circuit_breaker_opens_while_products_does_not_respond() {
    let fleet = TestFleet::start().await;
    let (ana, tea) = fill_cart_and_wishlist(&fleet).await;
    for instance in fleet.instances("products") {
        fleet.pause_component(&instance).await;
    }
    // Each request times out until the breaker has seen enough failures.
    let mut times = Vec::new();
    let fails_fast = async || {
        let (response, elapsed) = timed(ana.add_to_cart(&tea, 1)).await;
        expect_unavailable(&response, "products");
        assert!(elapsed < FAILS_WITHIN, "{elapsed:?}");
        times.push(elapsed);
        elapsed < FAILS_FAST_WITHIN
    };
    time_until("the breaker to open", fails_fast).await;
    println!("products paused: requests failed after {times:?}");
    expect_stale_snapshots(&ana, &tea).await;
    ana.get_profile().await.expect_status(200);

    for instance in fleet.instances("products") {
        fleet.resume_component(&instance).await;
    }
    ana.add_to_cart(&tea, 1).until_status(200).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn catalogue_and_sign_in_work_without_the_broker() {
    let fleet = TestFleet::start().await;
    let (ana, tea) = fill_cart_and_wishlist(&fleet).await;
    fleet.kill_component("rabbitmq").await;
    let (response, elapsed) = timed(ana.add_to_cart(&tea, 1)).await;
    expect_unavailable(&response, "products");
    assert!(elapsed < FAILS_WITHIN, "{elapsed:?}");
    expect_stale_snapshots(&ana, &tea).await;
    ana.get_product(&tea).await.expect_status(200);
    ana.get("/products?q=tea").await.expect_status(200);
    ana.sign_in_again().await.get_profile().await.expect_status(200);
    fleet.new_customer().await.get_profile().await.expect_status(200);
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn other_services_work_without_the_database_of_one() {
    let fleet = TestFleet::start_with(|options| options.mongodb_per_service = true).await;
    let (ana, tea) = fill_cart_and_wishlist(&fleet).await;

    fleet.kill_component("mongodb-products").await;
    let (response, elapsed) = timed(ana.get_product(&tea)).await;
    assert_eq!(response.status, 503, "{response}");
    assert!(elapsed < FAILS_WITHIN, "{elapsed:?}");
    expect_stale_snapshots(&ana, &tea).await;
    ana.sign_in_again().await.get_profile().await.expect_status(200);
    fleet.start_component("mongodb-products").await;
    ana.get_product(&tea).until_status(200).await;

    fleet.kill_component("mongodb-customer").await;
    let response = fleet.client().sign_in(&ana.email, PASSWORD).await;
    assert_eq!(response.status, 503, "{response}");
    ana.get_product(&tea).await.expect_status(200);
    // Services verify access tokens without `customer`.
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    ana.place_order("meanwhile").await.expect_status(201);
    fleet.start_component("mongodb-customer").await;
    fleet.client().sign_in(&ana.email, PASSWORD).until_status(200).await;
}
