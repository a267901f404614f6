//! What protects the visitors of the pages: cookies, forged forms, headers, sessions.

use journeys::{PASSWORD, Response, Shop, euros};

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
    let visitor = shop.visitor();
    let page = visitor.get("/en/cart").await.expect_status(200);
    for cookie in page.headers("Set-Cookie") {
        assert!(
            cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax") && cookie.contains("; Path=/"),
            "{cookie}"
        );
    }
    let cart = visitor
        .submit(&page_with_form(&visitor, &tea.id).await, "/en/cart/add", &[("product", &tea.id), ("quantity", "1")])
        .await;
    assert!(!cart.html().contains(&visitor.cookie("guest").unwrap()), "{cart}");
    assert!(!cart.html().contains(&visitor.cookie("csrf").unwrap()), "{cart}");
    assert_eq!(cart.header("Cache-Control"), "no-store", "a cart is personal");
}

async fn page_with_form(visitor: &journeys::Visitor, product: &str) -> Response {
    visitor.open(&format!("/en/p/{product}")).await.expect_status(200)
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
