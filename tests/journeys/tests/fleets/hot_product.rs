//! A thousand customers order a product of which a hundred units are in stock, at the same moment.

use std::time::Duration;

use journeys::{Stock, TestFleet, euros, run_concurrently};

const BUYERS: usize = 1_000;
const UNITS: u64 = 100;

/// Longest time of one request: nginx's timeout of 5.5 s, and the time in which a busy machine
/// opens a thousand connections.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
const RETRY_TIMEOUT: Duration = Duration::from_mins(2);
/// Customers that fill their carts at the same time, before they all order at once.
const CART_BATCH: usize = 50;

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_thousand_buyers_order_a_hundred_units() {
    let fleet = TestFleet::start().await;
    let admin = fleet.admin().await;
    let vase = admin.new_product("vase", &euros(9_900), UNITS).await;
    let buyers = fleet.customers_without_accounts(BUYERS).await;
    for batch in buyers.chunks(CART_BATCH) {
        for response in run_concurrently(batch.iter().map(|buyer| buyer.add_to_cart(&vase, 1))).await {
            response.expect_status(200);
        }
    }

    let orders = buyers.iter().map(|buyer| buyer.place_order("key").with_retries(RETRY_TIMEOUT));
    let attempts = run_concurrently(orders).await;
    let outcomes = || attempts.iter().flatten();
    let longest = outcomes().map(|outcome| outcome.elapsed).max().unwrap();
    let retried = attempts.iter().filter(|attempts| attempts.len() > 1).count();
    println!("{} requests, the longest took {longest:?}; {retried} buyers retried", outcomes().count());
    for outcome in outcomes() {
        assert!(matches!(outcome.status(), Some(201 | 202 | 409 | 502..=504)), "{outcome:?}");
    }
    assert!(longest < REQUEST_TIMEOUT, "{longest:?}");

    let mut confirmed = Vec::new();
    for (buyer, attempts) in buyers.iter().zip(attempts) {
        let mut response = attempts.into_iter().next_back().unwrap().response.unwrap();
        if response.status == 202 {
            // An earlier request under this key, whose answer came too late, is charging the
            // payment.
            response = buyer.place_order("key").until_status(201).await;
        }
        if response["type"] == "urn:souk:problem:order-state" {
            // A checkout that is interrupted on a busy machine is cancelled, and the client must
            // order under a new key.
            let attempts = buyer.place_order("second-key").with_retries(RETRY_TIMEOUT).await;
            response = attempts.into_iter().next_back().unwrap().response.unwrap();
        }
        if response.status == 201 {
            assert_eq!(response["status"], "confirmed", "{response}");
            confirmed.push(response.id().to_owned());
        } else {
            let response = response.expect_problem(409, "out-of-stock");
            let detail = "Some products are out of stock; change the cart and order under a new key.";
            assert_eq!(response["detail"], detail, "{response}");
            assert_eq!(response["items"][0]["product_id"], *vase.id, "{response}");
            assert_eq!(response["items"][0]["requested"], 1, "{response}");
        }
    }
    assert_eq!(u64::try_from(confirmed.len()).unwrap(), UNITS);
    confirmed.sort_unstable();
    confirmed.dedup();
    assert_eq!(u64::try_from(confirmed.len()).unwrap(), UNITS, "two buyers got the same order");
    assert_eq!(admin.stock(&vase).await, Stock { available: 0, reserved: 0, sold: UNITS });
}
