//! What a page says about a form that was sent empty, or with nonsense.

use journeys::{HtmlForm, Response, Shop, Visitor, euros};

const LANGUAGES: [&str; 2] = ["en", "de"];

/// Texts that say nothing, and words of the API's messages, which are in English.
const VAGUE: [&str; 2] = ["Please check this field", "Bitte prüfen Sie dieses Feld"];
const ENGLISH: [&str; 5] = [" must ", "is required", "Enter ", "Please ", "Choose "];

/// Returns the texts between `begin` and `end`.
fn texts(html: &str, begin: &str, end: &str) -> Vec<String> {
    let parts = html.split(begin).skip(1);
    let text = |part: &str| part.split_once('>')?.1.split(end).next().map(str::to_owned);
    parts.filter_map(text).collect()
}

/// Expects messages that say what to enter, the same at the field and in the summary.
#[track_caller]
fn expect_clear_words(page: &Response, language: &str, case: &str) {
    assert!(matches!(page.status, 401 | 409 | 422), "{case}: {page}");
    let summary = page.html().split("id=\"errors\"").nth(1).and_then(|rest| rest.split("</div>").next());
    let summary = texts(summary.unwrap_or_default(), "<li><a ", "</a>");
    let fields = texts(page.html(), "<p class=\"field-error\"", "</p>");
    let notice = texts(page.html(), "<p class=\"notice error\"", "</p>");
    let messages: Vec<&String> = summary.iter().chain(&fields).chain(&notice).collect();
    assert!(!messages.is_empty(), "{case} says nothing: {page}");
    for message in messages {
        assert!(!VAGUE.iter().any(|vague| message.contains(vague)), "{case}: {message}");
        let has_english = || ENGLISH.iter().any(|word| message.contains(word));
        assert!(language == "en" || !has_english(), "{case} is not in German: {message}");
    }
    if !summary.is_empty() {
        // The summary may name the field before its message.
        let is_same = summary.len() == fields.len() && summary.iter().zip(&fields).all(|(one, of)| one.ends_with(of));
        assert!(is_same, "{case}: the summary and the fields differ: {summary:?} {fields:?}");
    }
}

/// Sends the form of a page empty, and then with nonsense.
async fn send_badly(visitor: &Visitor, path: &str, form: impl Fn(&Response) -> HtmlForm) {
    for language in LANGUAGES {
        for nonsense in ["", "?!"] {
            let page = visitor.open(&format!("/{language}{path}")).await.expect_status(200);
            let refused = visitor.send_form(&form(&page).fill(nonsense)).await;
            expect_clear_words(&refused, language, &format!("/{language}{path} with {nonsense:?}"));
        }
    }
}

#[tokio::test]
async fn forms_of_visitors_say_what_to_enter() {
    let shop = Shop::shared().await;
    let visitor = shop.visitor();
    for (path, action) in [
        ("/account/sign-in", "/sign-in"),
        ("/account/sign-up", "/sign-up"),
        ("/account/forgot-password", "/forgot-password"),
        ("/account/reset-password", "/reset-password"),
        ("/account/verify", "/verify"),
    ] {
        send_badly(&visitor, path, |page| page.form(action)).await;
    }
}

#[tokio::test]
async fn forms_of_customers_say_what_to_enter() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let visitor = shop.visitor();
    visitor.sign_in(&ana.email, &ana.password).await;
    for (path, action) in [
        ("/account/email", "/email"),
        ("/account/password", "/password"),
        ("/account/addresses/new", "/addresses/new"),
        ("/account/delete", "/delete"),
    ] {
        send_badly(&visitor, path, |page| page.form(action)).await;
    }
    for language in LANGUAGES {
        let page = visitor.open(&format!("/{language}/account/phone")).await;
        let refused = visitor.send_form(&page.form("/phone").fill("?!")).await;
        expect_clear_words(&refused, language, "the phone number");
    }
}

#[tokio::test]
async fn the_checkout_says_what_to_enter() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let visitor = shop.visitor();
    let page = visitor.open(&format!("/en/p/{}", tea.id)).await.expect_status(200);
    visitor.send_form(&page.form("/cart/add")).await.expect_status(200);
    for language in LANGUAGES {
        for nonsense in ["", "?!"] {
            let page = visitor.open(&format!("/{language}/checkout")).await.expect_status(200);
            let mut form = page.form("/checkout");
            for name in ["email", "shipping-name", "shipping-line1", "shipping-postal_code", "shipping-city"] {
                form = form.set(name, nonsense);
            }
            let refused = visitor.send_form(&form.set("shipping-phone", nonsense).press("action", "order")).await;
            expect_clear_words(&refused, language, &format!("/{language}/checkout with {nonsense:?}"));
        }
    }
}

#[tokio::test]
async fn forms_of_admins_say_what_to_enter() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let order = shop.customer_with_cart(&tea, 2).await.place_order("key").await.expect_status(201);
    let (product, order) = (format!("/admin/products/{}", tea.id), format!("/admin/orders/{}", order.id()));
    for (path, action) in [
        ("/admin/products/new", "/products/new"),
        ("/admin/discounts/new", "/discounts/new"),
        ("/admin/settings", "/settings"),
        ("/admin/staff", "/staff/new"),
        (&product, product.as_str()),
        (&product, "/stock/add"),
        (&product, "/stock/count"),
        (&order, "/ship"),
        (&order, "/refund"),
    ] {
        send_badly(&visitor, path, |page| page.form(action)).await;
    }
    for language in LANGUAGES {
        let page = visitor.open(&format!("/{language}{order}")).await;
        let refused = visitor.send_form(&page.form("/note").fill("")).await;
        expect_clear_words(&refused, language, "an empty note");
        let page = visitor.open(&format!("/{language}/admin/products/import")).await;
        let refused = visitor.send_form(&page.form("/import").set("text", "name,category\nTea,tea\n")).await;
        expect_clear_words(&refused, language, "columns that are missing");
        assert_eq!(refused.invalid_fields(), ["file"]);
        let refused = visitor.send_form(&page.form("/import").set("text", " ")).await;
        expect_clear_words(&refused, language, "no file");
        let file = "key,name,category,price,currency,available\nk1,Tea,tea,x,EUR,-1\n";
        let refused = visitor.send_form(&page.form("/import").set("text", file)).await.expect_status(422);
        if language == "de" {
            let refused = refused
                .expect_text("Geben Sie den Preis wie unten gewählt ein")
                .expect_text("Es wurde nichts importiert.");
            assert!(!refused.has_text(" must "), "the page explains in its language only: {refused}");
        }
    }
}
