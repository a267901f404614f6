//! A visitor buys on the pages, without JavaScript: as a guest, with mistakes, and twice.

use futures_util::future::join_all;
use journeys::{HtmlForm, Method, Product, Response, Shop, Stock, Visitor, euros, money, new_email, product_json};
use serde_json::json;

/// The button that places the order.
const ORDER: &str = "Order with obligation to pay";

/// Puts pieces of a product into the cart, from the product's page.
pub(crate) async fn fill_cart(visitor: &Visitor, product: &Product, quantity: &str) -> Response {
    let page = visitor.open(&format!("/en/p/{}", product.id)).await.expect_status(200);
    let cart = visitor.send_form(&page.form("/cart/add").set("quantity", quantity)).await.expect_status(200);
    assert_eq!(cart.address(), "/en/cart");
    cart
}

async fn guest_with_tea(shop: &Shop, pieces: &str) -> (Visitor, Product) {
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let visitor = shop.visitor();
    fill_cart(&visitor, &tea, pieces).await;
    (visitor, tea)
}

/// Fills in an address in the shop's home country.
pub(crate) fn with_address(form: HtmlForm) -> HtmlForm {
    form.set("shipping-country", "DE")
        .set("shipping-name", "Ana \"Sá\" & Söhne")
        .set("shipping-line1", "Hauptstraße 1")
        .set("shipping-postal_code", "10115")
        .set("shipping-city", "Berlin")
}

#[tokio::test]
async fn a_guest_buys_and_cancels_by_the_link() {
    let shop = Shop::shared().await;
    let (visitor, tea) = guest_with_tea(&shop, "2").await;
    let email = new_email("guest");
    let page = visitor.open("/en/checkout").await.expect_status(200).expect_text("Order with obligation to pay");
    assert!(page.header("Cache-Control").contains("no-store"), "{}", page.header("Cache-Control"));
    let form = with_address(page.form("/checkout")).set("email", &email).set("note", "Ring twice.\r\nThanks");
    let express = visitor.send_form(&form.clone().set("shipping_method", "express").press("action", "update")).await;
    // The address and the note are still there, and the total has the price of express.
    let express = express.expect_status(200).expect_text("€22.88");
    let form = express.form("/checkout");
    assert_eq!((form.value("shipping-name"), form.value("note")), ("Ana \"Sá\" & Söhne", "Ring twice.\nThanks"));
    assert!(express.invalid_fields().is_empty());

    let order = visitor.send_form(&form.press("action", "order")).await.expect_status(200);
    let order = order.expect_text("Thank you for your order").expect_text("Confirmed").expect_text("€22.88");
    assert!(order.address().contains("?key=") && order.has_text("Ana \"Sá\" & Söhne"), "{}", order.address());
    assert!(order.has_text(&email) && order.has_text("Express"));
    visitor.open("/en/cart").await.expect_text("Your cart is empty.");

    // Anyone with the link of the mail sees and cancels the order, in the language of the browser.
    let path = order.address().strip_prefix("/en").unwrap().replace("&placed=true", "");
    let friend = shop.visitor();
    let order = friend.open(&path).await.expect_status(200).expect_text("Confirmed");
    assert!(!order.has_text("Thank you for your order"));
    friend.open(&path.replace("?key=", "?key=x")).await.expect_status(404);
    let cancelled = friend.send_form(&order.form("/cancel")).await.expect_status(200);
    cancelled.expect_text("Cancelled and refunded").expect_text("You cancelled the order.");
    assert_eq!(shop.admin().await.stock(&tea).await, Stock { available: 100, reserved: 0, sold: 0 });
}

#[tokio::test]
async fn an_order_with_mistakes_keeps_what_was_typed() {
    let shop = Shop::shared().await;
    let (visitor, tea) = guest_with_tea(&shop, "1").await;
    let page = visitor.open("/de/checkout").await.expect_status(200).expect_text("Zahlungspflichtig bestellen");
    let form = page.form("/checkout").set("email", "ana@example").set("shipping-line1", "Hauptstraße 1");
    let refused = visitor.send_form(&form.press("action", "order")).await.expect_status(422);
    let mut invalid = refused.invalid_fields();
    invalid.sort_unstable();
    assert_eq!(invalid, ["email", "shipping-city", "shipping-name", "shipping-postal_code"]);
    let refused = refused.expect_text("Bitte prüfen Sie 4 Felder").expect_text("eine Postleitzahl für Deutschland");
    assert!(
        refused.html().contains("href=\"#shipping-city\"")
            && refused.html().contains("aria-describedby=\"email-hint email-error\"")
    );
    let form = refused.form("/checkout");
    assert_eq!((form.value("email"), form.value("shipping-line1")), ("ana@example", "Hauptstraße 1"));

    // A country with other rules: while the visitor types, an empty field is no error.
    let form = form.set("email", "").set("shipping-country", "US").press("action", "update");
    let page = visitor.send_form(&form).await.expect_status(200).expect_text("dann wählen Sie „Aktualisieren“");
    assert!(page.invalid_fields().is_empty(), "{:?}", page.invalid_fields());
    assert!(page.html().contains("<select id=\"shipping-region\""));
    assert!(!page.has_text("Zahlungspflichtig bestellen"), "the total is that of another country: {page}");

    // A declined payment leaves the cart and the form.
    let form = with_address(page.form("/checkout")).set("email", "ana@example.com").press("action", "update");
    let form = visitor.send_form(&form).await.form("/checkout");
    let key = form.value("key").to_owned();
    let declined = visitor.send_form(&form.set("demo_token", "demo_declined").press("action", "order")).await;
    let form = declined.expect_status(402).expect_text("Die Zahlung wurde abgelehnt.").form("/checkout");
    assert_ne!(form.value("key"), key, "the key belongs to the declined order");
    let order = visitor.send_form(&form.set("demo_token", "demo_ok").press("action", "order")).await;
    order.expect_status(200).expect_text("Vielen Dank für Ihre Bestellung");
    assert_eq!(shop.admin().await.stock(&tea).await.sold, 1);
}

#[tokio::test]
async fn a_changed_price_is_shown_before_it_is_charged() {
    let shop = Shop::shared().await;
    let (visitor, tea) = guest_with_tea(&shop, "1").await;
    let page = visitor.open("/en/checkout").await.expect_text("€9.89");
    let form = with_address(page.form("/checkout")).set("email", &new_email("guest"));
    let admin = shop.admin().await;
    let price = json!({"price": euros(699)});
    admin.request(Method::PATCH, &tea.path()).json(price).await.expect_status(200);
    let changed = visitor.send_form(&form.press("action", "order")).await.expect_status(409);
    let changed = changed.expect_text("The total has changed.").expect_text("€11.89");
    let order = visitor.send_form(&changed.form("/checkout").press("action", "order")).await;
    order.expect_status(200).expect_text("Confirmed").expect_text("€11.89");
}

#[tokio::test]
async fn what_is_out_of_stock_is_named() {
    let shop = Shop::shared().await;
    let (visitor, tea) = guest_with_tea(&shop, "3").await;
    let form = with_address(visitor.open("/en/checkout").await.form("/checkout")).set("email", &new_email("guest"));
    let admin = shop.admin().await;
    admin.request(Method::PATCH, &format!("{}/stock", tea.path())).json(json!({"add": -98})).await.expect_status(200);
    let refused = visitor.send_form(&form.press("action", "order")).await.expect_status(409);
    refused
        .expect_text("Not everything is in stock any more.")
        .expect_text("only 2 left")
        .expect_text("Change the cart");
}

#[tokio::test]
async fn five_clicks_order_once() {
    let shop = Shop::shared().await;
    let (visitor, tea) = guest_with_tea(&shop, "2").await;
    let form = with_address(visitor.open("/en/checkout").await.form("/checkout")).set("email", &new_email("guest"));
    let form = form.press("action", "order");
    let pages = join_all((0..5).map(|_| visitor.send_form(&form))).await;
    let mut orders: Vec<&str> = pages.iter().map(Response::address).collect();
    orders.dedup();
    assert_eq!(orders.len(), 1, "{orders:?}");
    let again = visitor.send_form(&form).await.expect_status(200).expect_text("Confirmed");
    assert_eq!(again.address(), orders[0]);
    assert_eq!(shop.admin().await.stock(&tea).await, Stock { available: 98, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn a_forged_form_changes_nothing() {
    let shop = Shop::shared().await;
    let (visitor, tea) = guest_with_tea(&shop, "1").await;
    let form = with_address(visitor.open("/en/checkout").await.form("/checkout")).set("email", &new_email("guest"));
    let form = form.press("action", "order");
    for forged in [form.clone().forge("csrf", ""), form.clone().forge("csrf", "AAAA")] {
        visitor.send_form(&forged).await.expect_status(403).expect_text("This form has expired");
    }
    // Another visitor's token does not help, nor does a form of another site.
    let other = shop.visitor().open("/en/account/sign-in").await.form("/sign-in");
    visitor.send_form(&form.clone().forge("csrf", other.value("csrf"))).await.expect_status(403);
    assert_eq!(shop.admin().await.stock(&tea).await, Stock { available: 100, reserved: 0, sold: 0 });
    visitor.send_form(&form).await.expect_status(200).expect_text("Confirmed");
}

#[tokio::test]
async fn an_empty_cart_cannot_be_checked_out() {
    let shop = Shop::shared().await;
    let visitor = shop.visitor();
    assert_eq!(visitor.open("/en/checkout").await.address(), "/en/cart");
}

#[tokio::test]
async fn another_country_alone_changes_the_price() {
    let shop = Shop::shared().await;
    let (visitor, _) = guest_with_tea(&shop, "1").await;
    let form = visitor.open("/en/checkout").await.expect_text("€9.89").form("/checkout");
    let update = |country: &str| form.clone().set("shipping-country", country).press("action", "update");
    // Irish addresses need no postal code.
    let irish = visitor.send_form(&update("IE")).await.expect_status(200).expect_text("€14.89").expect_text(ORDER);
    assert!(irish.has_text("are an estimate until your address is complete"), "{irish}");
    let swiss = visitor.send_form(&update("CH")).await.expect_status(200).expect_text("we show the total");
    assert!(!swiss.has_text(ORDER) && !swiss.has_text("Includes") && !swiss.has_text("€4.90"), "{swiss}");
    // A total that was not shown is shown before it is charged.
    let address = with_address(swiss.form("/checkout")).set("email", &new_email("guest"));
    let shown = visitor.send_form(&address.press("action", "order")).await.expect_status(200).expect_text("€9.89");
    visitor.send_form(&shown.form("/checkout").press("action", "order")).await.expect_text("Confirmed");
}

#[tokio::test]
async fn an_order_that_nothing_ships_cannot_be_placed() {
    let shop = Shop::shared().await;
    let mut anvil = product_json("anvil", &euros(9_900), 10);
    anvil["weight_grams"] = 40_000.into();
    let anvil = Product::from_json(&shop.admin().await.create_product(anvil).await.expect_status(201).body);
    let visitor = shop.visitor();
    fill_cart(&visitor, &anvil, "1").await;
    let form = visitor.open("/en/checkout").await.expect_text(ORDER).form("/checkout");
    let page = visitor.send_form(&form.set("shipping-country", "IE").press("action", "update")).await;
    let page = page.expect_status(200).expect_text("We do not ship these items to this address.");
    assert!(!page.has_text(ORDER) && !page.has_text("Includes") && !page.has_text("Total"), "{page}");
}

#[tokio::test]
async fn a_product_in_another_currency_is_named() {
    let shop = Shop::shared().await;
    let jeans = shop.new_product("jeans", &money(5_999, "USD"), 10).await;
    let visitor = shop.visitor();
    let reason = format!("{} is priced in USD, and this shop sells in EUR. Remove it to order.", jeans.name);
    let cart = fill_cart(&visitor, &jeans, "1").await.expect_text(&reason);
    assert!(!cart.has_text("right now"), "{cart}");
    let page = visitor.open("/en/checkout").await.expect_status(200).expect_text(&reason);
    assert!(!page.has_text(ORDER) && !page.has_text("right now"), "{page}");
}

#[tokio::test]
async fn an_order_without_a_parcel_speaks_of_none() {
    let shop = Shop::shared().await;
    let mut book = product_json("ebook", &euros(999), 10);
    book["digital"] = true.into();
    let book = Product::from_json(&shop.admin().await.create_product(book).await.expect_status(201).body);
    let visitor = shop.visitor();
    assert!(!fill_cart(&visitor, &book, "1").await.has_text("Shipping and taxes"));
    let page = visitor.open("/en/checkout").await.expect_status(200).expect_text(ORDER);
    for word in ["parcel", "carrier", "Shipping and taxes"] {
        assert!(!page.has_text(word), "{word}: {page}");
    }
}

#[tokio::test]
async fn the_cart_leads_to_an_order_that_waits() {
    let shop = Shop::shared().await;
    let (visitor, _) = guest_with_tea(&shop, "1").await;
    let email = new_email("guest");
    let form = with_address(visitor.open("/en/checkout").await.form("/checkout")).set("email", &email);
    let order = visitor.send_form(&form.set("demo_token", "demo_review").press("action", "order")).await;
    let order =
        order.expect_status(200).expect_text(&format!("We write to {email} as soon as your order is confirmed."));
    let order = order.expect_text("Keep this page’s link");
    let cart = visitor.open("/en/cart").await.expect_text("An order of this cart waits").expect_text("Open that order");
    let path = order.address().replace("&placed=true", "");
    assert!(cart.links().contains(&path), "{path}: {cart}");

    // The money was authorized, and not captured.
    let cancelled =
        visitor.send_form(&order.form("/cancel")).await.expect_status(200).expect_text("Nothing was charged.");
    assert!(!cancelled.has_text("on its way back"), "{cancelled}");
    assert!(!visitor.open("/en/cart").await.has_text("An order of this cart waits"));
}
