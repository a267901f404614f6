//! The pages of the storefront, without JavaScript: finding a product, and filling the cart.

use journeys::{PASSWORD, Product, Shop, UNKNOWN_ID, euros, unique, wait_for};
use serde_json::json;

/// The largest page, in bytes, without pictures.
const MAX_PAGE: usize = 60_000;

fn product_page(product: &Product, language: &str) -> String {
    format!("/{language}/p/{}", product.id)
}

#[tokio::test]
async fn a_visitor_finds_a_product_and_puts_it_into_the_cart() {
    let shop = Shop::shared().await;
    let word = unique("sencha");
    let tea = shop.new_product(&format!("{word} tea"), &euros(1_290), 3).await;
    let visitor = shop.visitor();

    let found = visitor.open(&format!("/en/search?q={word}")).await.expect_status(200);
    assert!(found.html().contains(&tea.id) && found.html().contains("€12.90"), "{found}");
    let category = visitor.open(&format!("/en/c/{}?sort=price", tea.category)).await.expect_status(200);
    assert!(category.html().contains(&tea.id), "{category}");

    let page = visitor.open(&product_page(&tea, "en")).await.expect_status(200);
    assert!(page.html().contains("Only 3 left"), "{page}");
    let cart = visitor.submit(&page, "/en/cart/add", &[("product", &tea.id), ("quantity", "2")]).await;
    let cart = cart.expect_status(200);
    assert!(cart.html().contains("€25.80") && cart.html().contains("value=\"2\""), "{cart}");
    assert_eq!(visitor.cookie("cart").as_deref(), Some("2"), "every page shows the number of pieces");

    let line = format!("/en/cart/lines/{}", tea.id);
    let changed = visitor.submit(&cart, &line, &[("quantity", "5")]).await.expect_status(200);
    assert!(changed.html().contains("Only 3 left") && !changed.html().contains("/en/checkout"), "{changed}");
    let changed = visitor.submit(&changed, &line, &[("quantity", "1")]).await.expect_status(200);
    assert!(changed.html().contains("/en/checkout"), "{changed}");
    let empty = visitor.submit(&changed, &line, &[("quantity", "1"), ("action", "remove")]).await.expect_status(200);
    assert!(empty.html().contains("Your cart is empty"), "{empty}");
}

#[tokio::test]
async fn a_quantity_that_cannot_be_added_is_shown_again() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let visitor = shop.visitor();
    let page = visitor.open(&product_page(&tea, "en")).await.expect_status(200).expect_text("Delivered in");
    for wrong in ["0", "5000", "two"] {
        let refused = visitor.send_form(&page.form("/cart/add").set("quantity", wrong)).await.expect_status(422);
        let refused = refused.expect_text(&tea.name).expect_text("Please enter a quantity from 1 to 999.");
        assert_eq!(
            (refused.invalid_fields(), refused.form("/cart/add").value("quantity")),
            (vec!["quantity".to_owned()], wrong)
        );
    }
    visitor.open("/en/cart").await.expect_text("Your cart is empty.");
}

#[tokio::test]
async fn a_product_that_is_out_of_stock_names_no_time_until_delivery() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 0).await;
    let page = shop.visitor().open(&product_page(&tea, "en")).await.expect_text("out of stock right now");
    assert!(!page.has_text("Delivered in"), "{page}");
}

#[tokio::test]
async fn the_language_of_the_last_page_is_remembered() {
    let shop = Shop::shared().await;
    let visitor = shop.visitor();
    visitor.open("/en").await.expect_status(200);
    assert_eq!(visitor.cookie("language"), None, "it is the browser's");
    for home in ["/de", "/en"] {
        visitor.open(home).await.expect_status(200);
        assert_eq!(visitor.get("/").await.expect_status(303).header("Location"), home);
    }
    assert_eq!(visitor.cookie("language").as_deref(), Some("en"));
}

#[tokio::test]
async fn an_error_of_an_admin_page_speaks_to_staff() {
    let shop = Shop::shared().await;
    let (visitor, ana) = (shop.visitor(), shop.new_customer().await);
    visitor.sign_in(&ana.email, PASSWORD).await;
    let page = visitor.open("/en/admin/nothing").await.expect_status(404);
    let page = page.expect_text("Go to the overview of the admin pages");
    assert!(!page.has_text("no longer sold"), "{page}");
    visitor
        .open("/en/admin/products")
        .await
        .expect_status(403)
        .expect_text("needs one of these roles: Catalogue, Admin");
    visitor.open("/en/admin").await.expect_status(403).expect_text("does not have a role that may do this");
}

#[tokio::test]
async fn a_discount_code_is_applied_or_explained() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(2_000), 10).await;
    let code = unique("code");
    let discount = json!({"code": code, "kind": "percent", "value": 1_000, "products": [tea.id]});
    let created = shop.admin().await.request(journeys::Method::POST, "/shopping/admin/discounts").json(discount).await;
    created.expect_status(201);
    let visitor = shop.visitor();
    let page = visitor.open(&product_page(&tea, "en")).await;
    let cart = visitor.submit(&page, "/en/cart/add", &[("product", &tea.id), ("quantity", "1")]).await;
    let refused = visitor.submit(&cart, "/en/cart/codes", &[("code", "no such code")]).await.expect_status(200);
    assert!(refused.html().contains("no such code: we do not know this code"), "{refused}");
    let removed = visitor.submit(&refused, "/en/cart/codes", &[("remove", "no such code")]).await;
    assert!(!removed.html().contains("no such code"), "{removed}");
    journeys::wait_for("the discount on every instance", async || {
        let cart = visitor.submit(&removed, "/en/cart/codes", &[("code", &code)]).await.expect_status(200);
        if cart.html().contains("€18.00") { Ok(()) } else { Err(cart) }
    })
    .await;
}

#[tokio::test]
async fn pages_exist_in_both_languages() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(123_450), 10).await;
    let visitor = shop.visitor();
    for (language, price, legal) in [("en", "€1,234.50", "Imprint"), ("de", "1.234,50\u{a0}€", "Impressum")] {
        let page = visitor.open(&product_page(&tea, language)).await.expect_status(200);
        assert!(page.html().contains(&format!("<html lang=\"{language}\">")), "{page}");
        assert!(page.html().contains(price) && page.html().contains(legal), "{page}");
        for path in ["", "/search", "/cart", "/legal/terms", "/legal/privacy", "/legal/returns", "/legal/imprint"] {
            let page = visitor.open(&format!("/{language}{path}")).await.expect_status(200);
            assert!(page.html().len() < MAX_PAGE, "{path} has {} bytes", page.html().len());
        }
    }
}

#[tokio::test]
async fn lists_are_paged_by_plain_links() {
    let shop = Shop::shared().await;
    let products = shop.admin().await.new_category(30).await;
    let visitor = shop.visitor();
    let first = visitor.open(&format!("/en/c/{}?sort=price", products[0].category)).await.expect_status(200);
    let shown = |page: &journeys::Response| products.iter().filter(|product| page.html().contains(&product.id)).count();
    assert_eq!(shown(&first), 24);
    let next = first.html().split("<a class=\"button\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let second = visitor.open(&next.replace("&amp;", "&").replace("&#38;", "&")).await.expect_status(200);
    assert_eq!(shown(&second), 6);
    assert!(second.html().contains("Back to the first page"), "{second}");
    for page in [&first, &second] {
        let (_, canonical) = page.html().split_once("rel=\"canonical\" href=\"").unwrap();
        let address = canonical.split('"').next().unwrap();
        let path = &address[address.find("/en/").unwrap()..];
        visitor.open(path).await.expect_status(200);
    }
}

#[tokio::test]
async fn an_address_without_a_page_is_explained() {
    let shop = Shop::shared().await;
    let visitor = shop.visitor();
    for path in ["/en/nothing", "/de/c/no-such-category", "/en/p/no-id", &format!("/en/p/{UNKNOWN_ID}"), "/en/legal/x"]
    {
        let page = visitor.open(path).await.expect_status(404);
        assert!(page.header("Content-Type").starts_with("text/html"), "{page}");
        assert!(page.html().contains("class=\"header\""), "{page}");
    }
}

#[tokio::test]
async fn a_product_has_one_address_and_structured_data() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("Grüner Tee & <b>mehr</b>", &euros(499), 3).await;
    let visitor = shop.visitor();
    let moved = visitor.get(&format!("/en/p/{}/old-name", tea.id)).await.expect_status(301);
    let address = moved.header("Location").to_owned();
    assert!(address.contains("/gruener-tee-b-mehr-b"), "{moved}");
    let page = visitor.get(&address).await.expect_status(200);
    assert!(page.html().contains("Grüner Tee &#38; &#60;b&#62;mehr&#60;/b&#62;"), "{page}");
    assert!(!page.html().contains("<b>mehr"), "{page}");
    for part in ["rel=\"canonical\"", "hreflang=\"de\"", "property=\"og:title\"", "\"@type\":\"Product\"", "\"4.99\""] {
        assert!(page.html().contains(part), "{part} is missing: {page}");
    }
    // It is built at the first request, which may time out.
    let sitemap = wait_for("the sitemap", async || {
        let sitemap = visitor.get("/sitemap.xml").await;
        if sitemap.status == 200 { Ok(sitemap) } else { Err(sitemap) }
    })
    .await;
    assert!(sitemap.html().contains("/en/search</loc>"), "{sitemap}");
    let robots = visitor.get("/robots.txt").await.expect_status(200);
    assert!(robots.html().contains("Disallow: /en/cart") && robots.html().contains("/sitemap.xml"), "{robots}");
}
