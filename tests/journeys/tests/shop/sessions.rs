//! Sign-in, refresh tokens, sign-out and password changes.

use journeys::{PASSWORD, Shop, euros};

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

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_session() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let refreshed = ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    ana.refresh_session(&ana.refresh_token).await.expect_unauthenticated();
    // The service cannot tell the thief from the customer, so it ends the session for both.
    let latest = refreshed["refresh_token"].as_str().unwrap();
    ana.refresh_session(latest).await.expect_unauthenticated();
}

#[tokio::test]
async fn a_refresh_token_used_twice_leaves_other_sessions_alone() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let other_session = ana.sign_in_again().await;
    ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    ana.refresh_session(&ana.refresh_token).await.expect_unauthenticated();
    ana.refresh_session(&other_session.refresh_token).await.expect_status(200);
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
