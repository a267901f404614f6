//! The pages, by their visitor.

use journeys::{PASSWORD, Shop, TestShop};
use serde_json::Value;

use crate::camera::{Camera, Folder};
use crate::sample::Sample;

/// Paths in the menu of the admin pages.
const MENU: &str = "return [...document.querySelectorAll('.categories a')].map(link => link.pathname)";

/// Takes the pages of a visitor without an account.
pub(crate) async fn of_visitors(shop: &Shop, sample: &Sample, folder: &Folder) -> Result<(), String> {
    let camera = Camera::start(shop, folder).await;
    let product = format!("/en/p/{}", sample.product.id);
    for (name, path) in [
        ("home", "/en"),
        ("home-german", "/de"),
        ("categories", "/en/categories"),
        ("category", &format!("/en/c/{}", sample.product.category)),
        ("search", "/en/search?q=tea"),
        ("search-nothing", "/en/search?q=xyzzy"),
        ("product", &product),
        ("cart-empty", "/en/cart"),
        ("sign-in", "/en/account/sign-in"),
        ("sign-up", "/en/account/sign-up"),
        ("forgot-password", "/en/account/forgot-password"),
        ("reset-password", "/en/account/reset-password"),
        ("verify", "/en/account/verify"),
        ("terms", "/en/legal/terms"),
        ("privacy", "/en/legal/privacy"),
        ("returns", "/en/legal/returns"),
        ("imprint", "/en/legal/imprint"),
        ("not-found", "/en/nothing"),
    ] {
        camera.take(name, path).await?;
    }
    if let Some(product) = &sample.sold_out {
        camera.take("product-sold-out", &format!("/en/p/{}", product.id)).await?;
    }
    for (name, order) in [("order-thanks", &sample.guest_order), ("order-waiting", &sample.waiting)] {
        camera.take(name, &format!("/en/order/{}?key={}&placed=true", order.id, order.key)).await?;
    }

    camera.browser.open(&product).await;
    camera.browser.follow(".add-to-cart button").await;
    camera.take("cart", "/en/cart").await?;
    camera.take("checkout", "/en/checkout").await?;
    camera.browser.open("/en/checkout").await;
    camera.browser.fill("#email", "paula@example.com").await;
    camera.browser.follow("#order").await;
    camera.take_open_page("checkout-errors").await
}

/// Takes the pages of a customer with orders and a cart.
pub(crate) async fn of_customers(shop: &Shop, sample: &Sample, folder: &Folder) -> Result<(), String> {
    let camera = Camera::start(shop, folder).await;
    sign_in(&camera, &sample.customer.email, &sample.customer.password).await;
    let order = |id: &str| format!("/en/order/{id}");
    for (name, path) in [
        ("account", "/en/account"),
        ("account-orders", "/en/account/orders"),
        ("account-addresses", "/en/account/addresses"),
        ("account-address-new", "/en/account/addresses/new"),
        ("account-email", "/en/account/email"),
        ("account-password", "/en/account/password"),
        ("account-phone", "/en/account/phone"),
        ("account-totp", "/en/account/totp"),
        ("account-passkeys", "/en/account/passkeys"),
        ("account-passkey-new", "/en/account/passkeys/new"),
        ("account-sessions", "/en/account/sessions"),
        ("account-delete", "/en/account/delete"),
        ("wishlist", "/en/wishlist"),
        ("cart-customer", "/en/cart"),
        ("checkout-customer", "/en/checkout"),
        ("order-paid", &order(&sample.orders.paid)),
        ("order-parcels", &order(&sample.orders.sent_in_parcels)),
        ("order-refunded", &order(&sample.orders.refunded)),
    ] {
        camera.take(name, path).await?;
    }
    Ok(())
}

/// Takes the pages of an admin: all in the menu, and those of one order, product and discount.
pub(crate) async fn of_admins(shop: &TestShop, sample: &Sample, folder: &Folder) -> Result<(), String> {
    let camera = Camera::start(shop, folder).await;
    let email = "merchant@example.com";
    shop.create_admin(email, PASSWORD).await.expect_success();
    sign_in(&camera, email, PASSWORD).await;
    camera.browser.open("/en/admin").await;
    for path in camera.browser.evaluate(MENU).await.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let name = match path.trim_start_matches("/en/").replace('/', "-") {
            overview if overview == "admin" => "admin-overview".to_owned(),
            name => name,
        };
        camera.take(&name, path).await?;
    }
    let order = |id: &str, step: &str| format!("/en/admin/orders/{id}{step}");
    let orders = &sample.orders;
    for (name, path) in [
        ("admin-orders-none", "/en/admin/orders?country=FR"),
        ("admin-order-paid", &order(&orders.paid, "")),
        ("admin-order-parcels", &order(&orders.sent_in_parcels, "")),
        ("admin-order-refunded", &order(&orders.refunded, "")),
        ("admin-order-waiting", &order(&sample.waiting.id, "")),
        ("admin-order-slip", &order(&orders.paid, "/slip")),
        ("admin-order-print", &order(&orders.paid, "/print")),
        ("admin-product", &format!("/en/admin/products/{}", sample.product.id)),
        ("admin-product-new", "/en/admin/products/new"),
        ("admin-products-import", "/en/admin/products/import"),
        ("admin-discount", &format!("/en/admin/discounts/{}", sample.discount)),
        ("admin-discount-new", "/en/admin/discounts/new"),
        ("admin-products-low", "/en/admin/products?stock=low"),
        ("admin-tax-rate", "/en/admin/taxes/rates/0"),
        ("admin-taxes-json", "/en/admin/taxes/json"),
        ("admin-shipping-zone", "/en/admin/shipping/zones/1"),
        ("admin-shipping-method", "/en/admin/shipping/zones/1/methods/0"),
    ] {
        camera.take(name, path).await?;
    }
    Ok(())
}

async fn sign_in(camera: &Camera<'_>, email: &str, password: &str) {
    camera.browser.open("/en/account/sign-in").await;
    camera.browser.fill("#email", email).await;
    camera.browser.fill("#password", password).await;
    camera.browser.follow("main form button").await;
}
