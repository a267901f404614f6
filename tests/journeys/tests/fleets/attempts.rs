//! Attempts with a password are limited by the client's address, which nginx tells the services.

use fleet::Service;
use journeys::{PASSWORD, TestFleet};

/// Attempts of one minute that two instances let through, each by its own count.
const MAX_ATTEMPTS: u8 = 2 * 10;

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn guesses_from_many_addresses_do_not_lock_the_customer_out() {
    let fleet = TestFleet::start_with(|options| {
        for limit in ["ATTEMPTS_PER_ADDRESS", "ATTEMPTS_PER_ACCOUNT"] {
            options.environment.push((Service::Customer, limit.to_owned(), String::new()));
        }
    })
    .await;
    let ana = fleet.new_customer().await;
    let mut statuses = Vec::new();
    // The limiter allows more attempts while the later passwords are hashed.
    for host in 2..3 * MAX_ATTEMPTS {
        let attacker = fleet.client_at([127, 0, 0, host]);
        let guess = attacker.sign_in(&ana.email, "wrong password").header("X-Forwarded-For", "127.0.0.1");
        statuses.push(guess.retry_while_busy().await.status);
    }
    assert!(statuses.starts_with(&[401; 10]) && statuses.contains(&429), "{statuses:?}");
    ana.sign_in(&ana.email, PASSWORD).await.expect_status(200);
}
