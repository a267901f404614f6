//! Attempts with a password are limited by the client's address, which nginx tells the services.

use fleet::Service;
use journeys::{PASSWORD, TestFleet};

/// Attempts of one minute.
const LIMIT: u8 = 10;
/// Attempts that two instances let through as well, because one has not told the other yet, and
/// those that the limit allows again while the test runs.
const MARGIN: usize = 6;

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn guesses_from_many_addresses_do_not_lock_the_customer_out() {
    let fleet = TestFleet::start_with(|options| {
        for limit in ["PASSWORD_ATTEMPTS_PER_MINUTE_PER_NETWORK", "PASSWORD_ATTEMPTS_PER_MINUTE_PER_ACCOUNT"] {
            options.environment.push((Service::Customer, limit.to_owned(), String::new()));
        }
    })
    .await;
    let ana = fleet.new_customer().await;
    let mut statuses = Vec::new();
    for host in 2..4 * LIMIT {
        let attacker = fleet.client_at([127, 0, 0, host]);
        let guess = attacker.sign_in(&ana.email, "wrong password").header("X-Forwarded-For", "127.0.0.1");
        statuses.push(guess.retry_while_busy().await.status);
    }
    let (begin, guesses) = (usize::from(LIMIT), statuses.iter().filter(|status| **status == 401).count());
    assert!(statuses[..begin].iter().all(|status| *status == 401), "{statuses:?}");
    assert!(guesses <= begin + MARGIN && statuses.contains(&429), "both instances count together: {statuses:?}");
    ana.sign_in(&ana.email, PASSWORD).await.expect_status(200);
}
