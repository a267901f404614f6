//! Sign-in, refresh tokens, sign-out, and changes of the credentials.

use journeys::{Customer, Method, PASSWORD, Response, Shop, euros, new_email, run_concurrently};
use serde_json::json;

const NEW_PASSWORD: &str = "battery staple";

#[tokio::test]
async fn sign_in_ignores_case_and_spaces_of_the_email() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for written in [ana.email.clone(), ana.email.to_uppercase(), format!("  {}\t", ana.email)] {
        let sign_in = shop.client().sign_in(&written, PASSWORD).await.expect_status(200);
        assert_eq!(sign_in.id(), ana.id, "{written:?}");
        assert_eq!(sign_in["expires_in"], 600);
    }
}

#[tokio::test]
async fn sign_in_compares_the_password_exactly() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for other in [PASSWORD.to_uppercase(), format!(" {PASSWORD}"), PASSWORD[..PASSWORD.len() - 1].to_owned()] {
        shop.client().sign_in(&ana.email, &other).await.expect_unauthenticated();
    }
}

#[tokio::test]
async fn a_refresh_token_gives_new_tokens() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let refreshed = shop.client().refresh_session(&ana.refresh_token).await.expect_status(200);
    assert_eq!(refreshed.id(), ana.id);
    assert_ne!(refreshed["refresh_token"], *ana.refresh_token);
    let ana = ana.with_token_of(&refreshed);
    ana.get("/customer/profile").await.expect_status(200);
    ana.refresh_session(refreshed["refresh_token"].as_str().unwrap()).await.expect_status(200);
}

/// Two tabs may refresh at once, and a response may be lost.
#[tokio::test]
async fn concurrent_refreshes_get_the_same_refresh_token() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let tabs = run_concurrently((0..16).map(|_| ana.refresh_session(&ana.refresh_token))).await;
    for tab in &tabs {
        assert_eq!((tab.status, &tab["refresh_token"]), (200, &tabs[0]["refresh_token"]), "{tab}");
        ana.with_token_of(tab).get("/customer/profile").await.expect_status(200);
    }
    let repeated = ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    assert_eq!(repeated["refresh_token"], tabs[0]["refresh_token"]);
    let successor = tabs[0]["refresh_token"].as_str().unwrap();
    ana.refresh_session(successor).await.expect_status(200);
}

#[tokio::test]
async fn a_refresh_token_used_after_the_grace_period_ends_the_session() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let refreshed = ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    ana.refresh_session(&ana.refresh_token).until_status(401).await;
    let latest = refreshed["refresh_token"].as_str().unwrap();
    ana.refresh_session(latest).await.expect_unauthenticated();
}

/// Refreshes twice, so that the first token is a replaced one whose successor is used.
async fn refresh_twice(ana: &Customer) -> Response {
    let second = ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    ana.refresh_session(second["refresh_token"].as_str().unwrap()).await.expect_status(200)
}

#[tokio::test]
async fn a_refresh_token_used_after_its_successor_ends_the_session() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let latest = refresh_twice(&ana).await;
    ana.refresh_session(&ana.refresh_token).await.expect_unauthenticated();
    // The service cannot tell the thief from the customer, so it ends the session for both.
    ana.refresh_session(latest["refresh_token"].as_str().unwrap()).await.expect_unauthenticated();
}

#[tokio::test]
async fn a_reused_refresh_token_leaves_other_sessions_alone() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let other_session = ana.sign_in_again().await;
    refresh_twice(&ana).await;
    ana.refresh_session(&ana.refresh_token).await.expect_unauthenticated();
    ana.refresh_session(&other_session.refresh_token).await.expect_status(200);
}

/// The session's id is not secret.
#[tokio::test]
async fn a_wrong_secret_ends_no_session() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let (session, secret) = ana.refresh_token.split_once('.').unwrap();
    let first = if secret.starts_with('A') { "B" } else { "A" };
    for wrong in [format!("{session}.{}", "A".repeat(43)), format!("{session}.{first}{}", &secret[1..])] {
        ana.sign_out(&wrong).await.expect_status(204);
        ana.refresh_session(&wrong).await.expect_unauthenticated();
    }
    ana.refresh_session(&ana.refresh_token).await.expect_status(200);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    ana.sign_out(&ana.refresh_token).await.expect_status(204);
    ana.refresh_session(&ana.refresh_token).await.expect_unauthenticated();
}

#[tokio::test]
async fn signing_out_twice_succeeds() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    ana.sign_out(&ana.refresh_token).await.expect_status(204);
    ana.sign_out(&ana.refresh_token).await.expect_status(204);
}

#[tokio::test]
async fn signing_out_leaves_the_other_sessions_alone() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let other_session = ana.sign_in_again().await;
    ana.sign_out(&ana.refresh_token).await.expect_status(204);
    ana.refresh_session(&other_session.refresh_token).await.expect_status(200);
}

#[tokio::test]
async fn a_customer_ends_the_session_of_a_lost_phone() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let phone =
        "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36";
    let sign_in = ana.sign_in(&ana.email, PASSWORD).header("User-Agent", phone).await.expect_status(200);
    let token = sign_in["refresh_token"].as_str().unwrap();
    let sessions = ana.get("/customer/sessions").await.expect_status(200);
    let [lost, own] = sessions.items() else { panic!("{sessions}") };
    assert_eq!(lost["device"], json!({"browser": "Chrome", "system": "Android"}));
    assert_eq!(own["device"], json!({"browser": null, "system": null}));
    assert!(token.starts_with(lost["id"].as_str().unwrap()) && lost["opened_at"] == lost["last_used_at"], "{lost}");

    let path = format!("/customer/sessions/{}", lost["id"].as_str().unwrap());
    shop.new_customer().await.request(Method::DELETE, &path).await.expect_not_found();
    shop.client().request(Method::DELETE, &path).await.expect_unauthenticated();
    ana.request(Method::DELETE, &path).await.expect_status(204);
    ana.request(Method::DELETE, &path).await.expect_not_found();
    ana.request(Method::DELETE, "/customer/sessions/x").await.expect_bad_fields(&["id"]);
    ana.refresh_session(token).await.expect_unauthenticated();
    ana.refresh_session(&ana.refresh_token).await.expect_status(200);
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    ana.change_password(PASSWORD, NEW_PASSWORD).await.expect_status(204);
    ana.sign_in(&ana.email, PASSWORD).await.expect_unauthenticated();
    ana.sign_in(&ana.email, NEW_PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn a_new_password_ends_every_session() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let other_session = ana.sign_in_again().await;
    ana.change_password(PASSWORD, NEW_PASSWORD).await.expect_status(204);
    for session in [&ana, &other_session] {
        session.refresh_session(&session.refresh_token).await.expect_unauthenticated();
    }
}

#[tokio::test]
async fn a_new_password_needs_the_current_one() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    ana.change_password(NEW_PASSWORD, "a third password").await.expect_bad_fields(&["current"]);
    ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    ana.sign_in(&ana.email, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn new_credentials_revoke_every_token() {
    let shop = Shop::shared().await;
    for change in ["password", "e-mail address", "sign-out everywhere"] {
        let ana = shop.new_customer().await;
        let other_session = ana.sign_in_again().await;
        ana.get_cart().await.expect_status(200);
        let (mut email, mut password) = (ana.email.clone(), PASSWORD);
        match change {
            "password" => {
                password = NEW_PASSWORD;
                ana.change_password(PASSWORD, password).await.expect_status(204);
            }
            "e-mail address" => {
                email = new_email("customer");
                ana.change_email(&email).await.expect_status(200);
            }
            _ => drop(ana.sign_out_everywhere().await.expect_status(204)),
        }
        // The fresh tokens are issued in the same second.
        let fresh = Customer::from_sign_in(&ana, &email, password, &ana.sign_in(&email, password).await);
        for old in [&ana, &other_session] {
            old.get_profile().await.expect_unauthenticated();
            old.refresh_session(&old.refresh_token).await.expect_unauthenticated();
            old.wait_until_rejected().await;
        }
        fresh.get_profile().await.expect_status(200);
        fresh.get_cart().await.expect_status(200);
    }
}

#[tokio::test]
async fn a_token_alone_gives_no_account_away() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let thief = ana.with_token(ana.token());
    let new = new_email("customer");
    for body in [json!({}), json!({"current": NEW_PASSWORD}), json!({"current": ""}), json!({"current": null})] {
        let request = thief.request(Method::DELETE, "/customer/profile").json(body.clone());
        request.await.expect_bad_fields(&["current"]);
        let mut change = body;
        change["email"] = json!(new);
        let request = thief.request(Method::PATCH, "/customer/profile").json(change);
        request.await.expect_bad_fields(&["current"]);
    }
    thief.request(Method::DELETE, "/customer/profile").await.expect_problem(400, "malformed");
    // An unchanged address needs no password.
    ana.update_profile(json!({"email": ana.email.to_uppercase(), "phone": null})).await.expect_status(200);
    ana.refresh_session(&ana.refresh_token).await.expect_status(200);
}

#[tokio::test]
async fn cart_and_wishlist_survive_a_new_session() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    let cart = ana.add_to_cart(&tea, 3).await.expect_status(200);
    let wishlist = ana.add_to_wishlist(&tea).await.expect_status(200);
    ana.sign_out(&ana.refresh_token).await.expect_status(204);
    let again = ana.sign_in_again().await;
    assert_eq!(again.get_cart().await.expect_status(200).body, cart.body);
    assert_eq!(again.get_wishlist().await.expect_status(200).body, wishlist.body);
}
