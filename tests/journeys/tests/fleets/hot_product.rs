//! Everybody wants the same thing at the same moment, and there is not nearly enough of it.

use std::time::Duration;

use journeys::{Books, OwnFleet, at_once, euros};

const BUYERS: usize = 1_000;
const PIECES: u64 = 100;

/// What one request may take, from the client's side: nginx gives up after 5.5 s, and a busy machine has a thousand connections to make.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
/// What a client puts up with in all.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many fill their carts at once; the rush comes later.
const STROLLING: usize = 50;

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_thousand_buyers_of_a_hundred_pieces() {
    let fleet = OwnFleet::open().await;
    let admin = fleet.admin().await;
    let vase = admin.sells("vase", &euros(9_900), PIECES).await;
    let buyers = fleet.crowd(BUYERS).await;
    for some in buyers.chunks(STROLLING) {
        for answer in at_once(some.iter().map(|buyer| buyer.adds(&vase, 1))).await {
            answer.expect_status(200);
        }
    }

    let stories = at_once(buyers.iter().map(|buyer| buyer.orders("mine").patiently(PATIENCE))).await;
    let outcomes = || stories.iter().flatten();
    let longest = outcomes().map(|outcome| outcome.took).max().unwrap();
    let repeated = stories.iter().filter(|attempts| attempts.len() > 1).count();
    println!("{} requests, the longest took {longest:?}; {repeated} buyers had to ask again", outcomes().count());
    for outcome in outcomes() {
        // Who is told to come again is told when.
        assert!(matches!(outcome.status(), Some(201 | 409 | 502..=504)), "{outcome:?}");
    }
    assert!(longest < ANSWERED_WITHIN, "{longest:?}");

    let mut orders = Vec::new();
    for (buyer, attempts) in buyers.iter().zip(stories) {
        let mut answer = attempts.into_iter().next_back().unwrap().answer.unwrap();
        if answer["type"] == "urn:souk:problem:order-state" {
            // On a machine that is too busy a checkout may be interrupted and undone; its buyer is told to order again under a new key.
            let attempts = buyer.orders("mine-again").patiently(PATIENCE).await;
            answer = attempts.into_iter().next_back().unwrap().answer.unwrap();
        }
        if answer.status == 201 {
            assert_eq!(answer["status"], "confirmed", "{answer}");
            orders.push(answer.id().to_owned());
        } else {
            let answer = answer.expect_problem(409, "out-of-stock");
            assert_eq!(answer["detail"], "Some products are out of stock.", "{answer}");
            assert_eq!(answer["items"][0]["product_id"], *vase.id, "{answer}");
            assert_eq!(answer["items"][0]["requested"], 1, "{answer}");
        }
    }
    assert_eq!(u64::try_from(orders.len()).unwrap(), PIECES);
    orders.sort_unstable();
    orders.dedup();
    assert_eq!(u64::try_from(orders.len()).unwrap(), PIECES, "an order was told to two buyers");
    assert_eq!(admin.books(&vase).await, Books { available: 0, reserved: 0, sold: PIECES });
}
