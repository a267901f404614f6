//! What protects the visitors of the pages: cookies, forged forms, headers, sessions.

use journeys::{PASSWORD, Response, Shop, Visitor, euros, wait_for};

#[tokio::test]
async fn a_forged_form_changes_nothing() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let visitor = shop.visitor();
    let page = visitor.open(&format!("/en/p/{}", tea.id)).await.expect_status(200);
    let body = format!("product={}&quantity=1", tea.id);
    for forged in [body.clone(), format!("csrf=&{body}"), format!("csrf={}&{body}", "A".repeat(86))] {
        let refused = visitor.post("/en/cart/add", &forged).await.expect_status(403);
        assert!(refused.html().contains("This form has expired"), "{refused}");
    }
    assert_eq!(visitor.cookie("guest"), None);
    visitor.submit(&page, "/en/cart/add", &[("product", &tea.id), ("quantity", "1")]).await.expect_status(200);
    assert!(visitor.cookie("guest").is_some());
}

#[tokio::test]
async fn cookies_are_hidden_from_scripts_and_pages_contain_no_token() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    let visitor = shop.visitor();
    let page = visitor.open(&format!("/en/p/{}", tea.id)).await.expect_status(200);
    expect_hidden_cookies(&page, &["csrf"]);
    let form = page.form("/cart/add");
    let added = visitor.post(&form.action, &form.encode()).await.expect_status(303);
    expect_hidden_cookies(&added, &["guest"]);
    let cart = visitor.open("/en/cart").await.expect_status(200);
    assert_eq!(cart.header("Cache-Control"), "no-store", "a cart is personal");
    expect_no_token(&visitor, &cart, &["guest", "csrf"]);

    let page = visitor.open("/en/account/sign-in").await.expect_status(200);
    let form = page.form("/sign-in").set("email", &ana.email).set("password", PASSWORD);
    let signed_in = wait_for("a shop that is not busy", async || {
        let response = visitor.post(&form.action, &form.encode()).await;
        if response.status == 503 { Err(response) } else { Ok(response) }
    })
    .await
    .expect_status(303);
    expect_hidden_cookies(&signed_in, &["access", "refresh"]);
    for path in [
        "/en",
        "/en/cart",
        "/en/checkout",
        "/en/wishlist",
        "/en/account",
        "/en/account/addresses",
        "/en/account/orders",
        "/en/account/sessions",
    ] {
        let page = visitor.open(path).await.expect_status(200);
        expect_no_token(&visitor, &page, &["access", "refresh"]);
    }
}

/// Fails unless the response sets these cookies, and hides all of its cookies from scripts and from
/// requests of other sites.
#[track_caller]
fn expect_hidden_cookies(response: &Response, names: &[&str]) {
    let cookies = response.headers("Set-Cookie");
    for name in names {
        let is_set = cookies.iter().any(|cookie| cookie.starts_with(&format!("{name}=")));
        assert!(is_set, "{name} is missing: {cookies:?}");
    }
    for cookie in cookies {
        for attribute in ["; HttpOnly", "; SameSite=Lax", "; Path=/"] {
            assert!(cookie.contains(attribute), "{cookie} without {attribute}");
        }
    }
}

/// Fails when a page contains the secret part of one of these cookies of the visitor.
#[track_caller]
fn expect_no_token(visitor: &Visitor, page: &Response, names: &[&str]) {
    for name in names {
        let token = visitor.cookie(name).unwrap_or_else(|| panic!("no cookie {name} at {page}"));
        let secret = token.rsplit('.').next().unwrap_or_default();
        assert!(secret.len() > 20 && !page.html().contains(secret), "{name} in {page}");
    }
}

#[tokio::test]
async fn a_page_runs_no_inline_script_and_loads_nothing_from_elsewhere() {
    let shop = Shop::shared().await;
    let page = shop.visitor().get("/en").await.expect_status(200);
    let policy = page.header("Content-Security-Policy");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("Referrer-Policy"), "same-origin");
    assert!(!page.html().contains(" style=") && !page.html().contains(" onclick="), "{page}");
    let assets = page.html().split("=\"/assets/").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut count = 0;
    for asset in assets {
        let file = shop.visitor().get(&format!("/assets/{asset}")).await.expect_status(200);
        assert!(file.header("Cache-Control").ends_with("immutable"), "{file}");
        let (_, name) = asset.split_once('/').unwrap();
        let of_another_release = shop.visitor().get(&format!("/assets/0123456789abcdef/{name}")).await;
        assert_eq!(of_another_release.expect_status(200).header("Cache-Control"), "no-store");
        count += 1;
    }
    assert_eq!(count, 3, "icon, styles, script");
}

#[tokio::test]
async fn an_expired_access_token_is_refreshed() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    ana.add_to_cart(&tea, 2).await.expect_status(200);
    let sign_in = shop.client().sign_in(&ana.email, PASSWORD).retry_while_busy().await.expect_status(200);
    let visitor = shop.visitor();
    visitor.set_cookie("refresh", sign_in["refresh_token"].as_str().unwrap());
    let cart = visitor.open("/en/cart").await.expect_status(200);
    assert!(cart.html().contains(&tea.id), "{cart}");
    assert!(visitor.cookie("access").is_some());
    assert_ne!(visitor.cookie("refresh").as_deref(), sign_in["refresh_token"].as_str());

    ana.sign_out_everywhere().await.expect_status(204);
    visitor.set_cookie("access", "no-token");
    let page = visitor.get("/en/wishlist").await.expect_status(303);
    assert!(page.header("Location").starts_with("/en/account/sign-in?next="), "{page}");
    assert_eq!(visitor.cookie("access"), None, "the refused token is dropped");
    visitor.open("/en/cart").await.expect_status(200);
    assert_eq!(visitor.cookie("refresh"), None, "the session has ended");
}
