//! One part is down. Clients of what depends on it are told so, in time and in the same words; the others do not notice.

use std::time::{Duration, Instant};

use journeys::{Answer, Ask, Customer, OwnFleet, Product};

use crate::support::plenty;

/// What a client has to wait at most for being told.
const TOLD_WITHIN: Duration = Duration::from_millis(2_500);
/// While nobody has answered for some time.
const TOLD_AT_ONCE: Duration = Duration::from_millis(100);

async fn timed(ask: Ask) -> (Answer, Duration) {
    let begun = Instant::now();
    (ask.await, begun.elapsed())
}

fn says_who_is_down(answer: &Answer, service: &str) {
    let answer = answer.clone().expect_problem(503, "unavailable");
    assert_eq!(answer["title"], "MicroService connection is down", "{answer}");
    assert_eq!(answer["service"], service, "{answer}");
    assert!(answer.header("Retry-After").parse::<u32>().is_ok(), "{answer}");
}

/// A fleet, a customer with two teas in the cart and one on the wishlist, and the tea.
async fn with_a_cart() -> (OwnFleet, Customer, Product) {
    let fleet = OwnFleet::open().await;
    let tea = plenty(&fleet).await;
    let ana = fleet.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.wishes_for(&tea).await.expect_status(200);
    (fleet, ana, tea)
}

async fn shows_what_was_last_seen(ana: &Customer, tea: &Product) {
    let cart = ana.cart().await.expect_status(200);
    assert_eq!(cart["stale"], true, "{cart}");
    let line = cart.line(tea);
    assert_eq!((&line["product"]["name"], &line["status"]), (&tea.name.clone().into(), &"unknown".into()), "{cart}");
    assert_eq!(cart["total"]["amount"], 998, "{cart}");
    let wishlist = ana.wishlist().await.expect_status(200);
    assert_eq!((&wishlist["stale"], wishlist.items().len()), (&true.into(), 1), "{wishlist}");
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn products_is_gone() {
    let (fleet, ana, tea) = with_a_cart().await;
    fleet.stops_all("products").await;
    for _ in 0..3 {
        let (answer, took) = timed(ana.adds(&tea, 1)).await;
        says_who_is_down(&answer, "products");
        assert!(took < TOLD_WITHIN, "{took:?}");
    }
    let (answer, took) = timed(ana.adds(&tea, 1)).await;
    says_who_is_down(&answer, "products");
    println!("products gone: told after {took:?}");
    shows_what_was_last_seen(&ana, &tea).await;
    ana.profile().await.expect_status(200);
    ana.elsewhere().await;
    // nginx has nobody to ask for the catalogue, and says so in the same words as everybody.
    let answer = ana.gets("/products").await;
    assert!(matches!(answer.status, 502 | 503), "{answer}");
    assert_eq!(answer.header("Content-Type"), "application/problem+json", "{answer}");

    fleet.starts_all("products").await;
    ana.orders("after").until(201).await;
}

/// It is there and does not answer: the worst that can happen to whoever waits for it.
#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn products_stands_still() {
    let (fleet, ana, tea) = with_a_cart().await;
    for instance in fleet.instances("products") {
        fleet.pauses(&instance).await;
    }
    // Until there were enough to know, each has to wait for itself.
    let mut waited = Vec::new();
    let told_at_once = async || {
        let (answer, took) = timed(ana.adds(&tea, 1)).await;
        says_who_is_down(&answer, "products");
        assert!(took < TOLD_WITHIN, "{took:?}");
        waited.push(took);
        took < TOLD_AT_ONCE
    };
    journeys::time_until("the breaker to open", told_at_once).await;
    println!("products stands still: told after {waited:?}");
    shows_what_was_last_seen(&ana, &tea).await;
    ana.profile().await.expect_status(200);

    for instance in fleet.instances("products") {
        fleet.resumes(&instance).await;
    }
    ana.adds(&tea, 1).until(200).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_broker_is_gone() {
    let (fleet, ana, tea) = with_a_cart().await;
    fleet.kills("rabbitmq").await;
    let (answer, took) = timed(ana.adds(&tea, 1)).await;
    says_who_is_down(&answer, "products");
    assert!(took < TOLD_WITHIN, "{took:?}");
    shows_what_was_last_seen(&ana, &tea).await;
    // The catalogue and sign-in go on.
    ana.gets(&tea.path()).await.expect_status(200);
    ana.gets("/products?q=tea").await.expect_status(200);
    ana.elsewhere().await.profile().await.expect_status(200);
    fleet.new_customer("Ben").await.profile().await.expect_status(200);
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_database_of_one_service_is_gone() {
    let fleet = OwnFleet::open_with(|options| options.mongodb_per_service = true).await;
    let tea = plenty(&fleet).await;
    let ana = fleet.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.wishes_for(&tea).await.expect_status(200);

    fleet.kills("mongodb-products").await;
    let (answer, took) = timed(ana.gets(&tea.path())).await;
    assert_eq!(answer.status, 503, "{answer}");
    assert!(took < TOLD_WITHIN, "{took:?}");
    shows_what_was_last_seen(&ana, &tea).await;
    ana.elsewhere().await.profile().await.expect_status(200);
    fleet.starts("mongodb-products").await;
    ana.gets(&tea.path()).until(200).await;

    fleet.kills("mongodb-customer").await;
    let answer = fleet.visitor().signs_in(&ana.email, journeys::PASSWORD).await;
    assert_eq!(answer.status, 503, "{answer}");
    ana.gets(&tea.path()).await.expect_status(200);
    // Her token needs nobody.
    ana.adds(&tea, 1).await.expect_status(200);
    ana.orders("meanwhile").await.expect_status(201);
    fleet.starts("mongodb-customer").await;
    fleet.visitor().signs_in(&ana.email, journeys::PASSWORD).until(200).await;
}
