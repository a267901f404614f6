//! Attempts with a password are limited, and the customer is not locked out. The clients of these
//! tests have loopback addresses of their own.

use journeys::{Client, Method, PASSWORD, TestShop, UNKNOWN_ID, euros, new_email, wait_for};
use serde_json::json;

/// Attempts in a minute in the shops of these tests. The limiter allows another one after 20 s,
/// much later than a test ends.
const LIMIT: u8 = 3;
const UNLIMITED: &str = "1000000";

async fn start(per_network: &str, per_account: &str) -> TestShop {
    let environment = [
        ("PASSWORD_ATTEMPTS_PER_MINUTE_PER_NETWORK", per_network),
        ("PASSWORD_ATTEMPTS_PER_MINUTE_PER_ACCOUNT", per_account),
    ];
    TestShop::start_in(&["--no-demo"], &environment).await
}

#[tokio::test]
async fn guesses_from_many_addresses_do_not_lock_the_customer_out() {
    let shop = start(UNLIMITED, &LIMIT.to_string()).await;
    let ana = shop.new_customer().await;
    // Whether an address has an account must not show.
    for email in [ana.email.clone(), new_email("unknown")] {
        for host in 0..LIMIT {
            let attacker = shop.client_at([127, 0, 1, host]);
            attacker.sign_in(&email, "wrong password").await.expect_unauthenticated();
        }
        let attacker = shop.client_at([127, 0, 1, 99]);
        for password in ["wrong password", PASSWORD] {
            let refused = attacker.sign_in(&email, password).await.expect_problem(429, "too-many-attempts");
            assert!((1..=20).contains(&refused.header("Retry-After").parse::<u64>().unwrap()), "{refused}");
            // Only a trusted proxy may name the client.
            let forged = attacker.sign_in(&email, password).header("X-Forwarded-For", "127.0.0.1");
            forged.await.expect_problem(429, "too-many-attempts");
        }
    }
    ana.sign_in(&ana.email, PASSWORD).await.expect_status(200);
    ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    // Wrong passwords from a known address are answered like those for no account, and the right
    // one works.
    for _ in 0..LIMIT {
        ana.sign_in(&ana.email, "wrong password").await.expect_unauthenticated();
    }
    ana.sign_in(&ana.email, "wrong password").await.expect_problem(429, "too-many-attempts");
    ana.sign_in(&ana.email, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn attempts_from_one_address_are_limited_on_every_route_that_takes_a_password() {
    let shop = start(&LIMIT.to_string(), UNLIMITED).await;
    let ana = shop.new_customer().await;
    let mut statuses = Vec::new();
    for _ in 0..LIMIT {
        statuses.push(ana.sign_in(&new_email("unknown"), PASSWORD).await.status);
    }
    assert_eq!(statuses, [401, 401, 429], "the sign-up counts");
    let change_email = json!({"email": new_email("customer"), "current": PASSWORD});
    for request in [
        ana.sign_in(&ana.email, PASSWORD),
        ana.sign_up(&new_email("customer"), PASSWORD),
        ana.change_password(PASSWORD, "battery staple"),
        ana.request(Method::PATCH, "/customer/profile").json(change_email),
        ana.request(Method::POST, "/customer/totp").json(json!({"current": PASSWORD})),
        ana.request(Method::DELETE, "/customer/totp").json(json!({"current": PASSWORD, "code": "123456"})),
        ana.request(Method::POST, "/customer/passkeys/options").json(json!({"current": PASSWORD})),
        ana.request(Method::DELETE, &format!("/customer/passkeys/{UNKNOWN_ID}")).json(json!({"current": PASSWORD})),
        ana.request(Method::POST, "/customer/login/passkey/options"),
        ana.delete_account(),
    ] {
        request.await.expect_problem(429, "too-many-attempts");
    }
    // A valid token works, and other addresses are not concerned.
    ana.get_profile().await.expect_status(200);
    ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    shop.client_at([127, 0, 1, 1]).sign_in(&ana.email, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn refused_refresh_tokens_are_limited_and_valid_ones_are_not() {
    let shop = start(&LIMIT.to_string(), UNLIMITED).await;
    let ana = shop.new_customer().await;
    let session = ana.refresh_token.split_once('.').unwrap().0;
    for wrong in [format!("{session}.{}", "A".repeat(43)), "x".to_owned(), String::new()] {
        ana.refresh_session(&wrong).await.expect_unauthenticated();
    }
    ana.refresh_session("x").await.expect_problem(429, "too-many-attempts");
    ana.refresh_session(&ana.refresh_token).await.expect_status(200);
}

#[tokio::test]
async fn the_limits_are_on_by_default() {
    let shop = start("", "").await;
    let client = shop.client();
    wait_for("the limit of an address", async || match client.sign_in(&new_email("unknown"), PASSWORD).await {
        refused if refused.status == 429 => Ok(()),
        other => Err(other),
    })
    .await;
    let other = shop.client_at([127, 0, 1, 1]);
    other.sign_in(&new_email("unknown"), PASSWORD).await.expect_unauthenticated();
}

#[tokio::test]
async fn requests_of_one_network_are_limited() {
    let shop = TestShop::start_in(&["--no-demo"], &[("REQUESTS_PER_MINUTE_PER_NETWORK", "30")]).await;
    let busy = shop.client_at([127, 0, 1, 1]);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(busy.get("/products").await.status);
    }
    // One use may come back while the requests are made.
    assert!(statuses.starts_with(&[200; 5]) && statuses.ends_with(&[429]), "{statuses:?}");
    let refused = busy.get("/products").await.expect_problem(429, "too-many-requests");
    let wait: u64 = refused.header("Retry-After").parse().unwrap();
    assert!((1..=12).contains(&wait) && refused["retry_after"] == wait, "{refused}");
    assert!(refused["retry_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{refused}");
    let page = busy.get("/en/").await.expect_status(429);
    assert!(page.header("Content-Type").starts_with("text/html"), "{page}");
    assert!((1..=12).contains(&page.header("Retry-After").parse::<u64>().unwrap()), "{page}");
    busy.get("/health/ready").await.expect_status(200);
    // A page counts once, whatever it asks of the API.
    let visitor = shop.client_at([127, 0, 1, 2]);
    for _ in 0..5 {
        visitor.get("/en/").await.expect_status(200);
    }
}

#[tokio::test]
async fn guest_tokens_and_vat_numbers_of_one_network_are_limited() {
    let limits = [("GUEST_CARTS_PER_MINUTE_PER_NETWORK", "3"), ("VAT_CHECKS_PER_MINUTE_PER_NETWORK", "2")];
    let shop = TestShop::start_in(&["--no-demo"], &limits).await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let client = shop.client();
    let (ana, ben, _) =
        (client.create_guest_cart().await, client.create_guest_cart().await, client.create_guest_cart().await);
    client.request(Method::POST, "/shopping/guest").await.expect_problem(429, "too-many-guest-carts");
    shop.client_at([127, 0, 1, 1]).create_guest_cart().await;

    let quote = |guest: &Client, body| guest.request(Method::POST, "/shopping/quote").json(body);
    let with_number = || json!({"vat_number": "DE111111125"});
    for guest in [&ana, &ben] {
        guest.add_to_cart(&tea, 1).await.expect_status(200);
        quote(guest, with_number()).await.expect_status(200);
    }
    quote(&ana, with_number()).await.expect_problem(429, "too-many-vat-numbers");
    quote(&ana, json!({})).await.expect_status(200);
}
