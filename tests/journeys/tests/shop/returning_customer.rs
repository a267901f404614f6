//! Somebody comes back: signs in, stays signed in, finds the cart as it was, changes the password, and signs out.

use journeys::{PASSWORD, Shop, euros};

const ANOTHER: &str = "battery staple";

#[tokio::test]
async fn signs_in_with_the_address_written_otherwise() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    for written in [ana.email.clone(), ana.email.to_uppercase(), format!("  {}\t", ana.email)] {
        let sign_in = shop.visitor().signs_in(&written, PASSWORD).await.expect_status(200);
        assert_eq!(sign_in.id(), ana.id, "{written:?}");
        assert_eq!(sign_in["expires_in"], 600);
    }
}

#[tokio::test]
async fn the_password_is_taken_as_it_is() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    for other in [PASSWORD.to_uppercase(), format!(" {PASSWORD}"), PASSWORD[..PASSWORD.len() - 1].to_owned()] {
        shop.visitor().signs_in(&ana.email, &other).await.expect_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn stays_signed_in_by_refreshing() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let refreshed = shop.visitor().refreshes(&ana.refresh_token).await.expect_status(200);
    assert_eq!(refreshed.id(), ana.id);
    assert_ne!(refreshed["refresh_token"], *ana.refresh_token);
    let ana = ana.presenting(refreshed["token"].as_str().unwrap());
    ana.gets("/customer/profile").await.expect_status(200);
    ana.refreshes(refreshed["refresh_token"].as_str().unwrap()).await.expect_status(200);
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_session() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let refreshed = ana.refreshes(&ana.refresh_token).await.expect_status(200);
    ana.refreshes(&ana.refresh_token).await.expect_problem(401, "unauthenticated");
    // Nobody can tell the thief from Ana, so neither stays.
    let latest = refreshed["refresh_token"].as_str().unwrap();
    ana.refreshes(latest).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_one_session_only() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let on_the_phone = ana.elsewhere().await;
    ana.refreshes(&ana.refresh_token).await.expect_status(200);
    ana.refreshes(&ana.refresh_token).await.expect_problem(401, "unauthenticated");
    ana.refreshes(&on_the_phone.refresh_token).await.expect_status(200);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    ana.logs_out(&ana.refresh_token).await.expect_status(204);
    ana.refreshes(&ana.refresh_token).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn signing_out_twice_does_no_harm() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    ana.logs_out(&ana.refresh_token).await.expect_status(204);
    ana.logs_out(&ana.refresh_token).await.expect_status(204);
}

#[tokio::test]
async fn signing_out_leaves_the_other_sessions_alone() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let on_the_phone = ana.elsewhere().await;
    ana.logs_out(&ana.refresh_token).await.expect_status(204);
    ana.refreshes(&on_the_phone.refresh_token).await.expect_status(200);
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    ana.changes_password(PASSWORD, ANOTHER).await.expect_status(204);
    ana.signs_in(&ana.email, PASSWORD).await.expect_problem(401, "unauthenticated");
    ana.signs_in(&ana.email, ANOTHER).await.expect_status(200);
}

#[tokio::test]
async fn a_new_password_ends_every_session() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let on_the_phone = ana.elsewhere().await;
    ana.changes_password(PASSWORD, ANOTHER).await.expect_status(204);
    for session in [&ana, &on_the_phone] {
        session.refreshes(&session.refresh_token).await.expect_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn only_who_knows_the_password_changes_it() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    ana.changes_password(ANOTHER, "a third password").await.expect_bad_fields(&["current"]);
    ana.refreshes(&ana.refresh_token).await.expect_status(200);
    ana.signs_in(&ana.email, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn the_cart_is_as_it_was_left() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    let cart = ana.adds(&tea, 3).await.expect_status(200);
    let wishlist = ana.wishes_for(&tea).await.expect_status(200);
    ana.logs_out(&ana.refresh_token).await.expect_status(204);
    let again = ana.elsewhere().await;
    assert_eq!(again.cart().await.expect_status(200).body, cart.body);
    assert_eq!(again.wishlist().await.expect_status(200).body, wishlist.body);
}
