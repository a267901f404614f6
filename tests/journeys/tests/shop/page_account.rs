//! A customer uses the account on the pages: signs up, buys, cancels, and changes everything.

use journeys::{PASSWORD, Product, Shop, Visitor, euros, new_email, product_json};
use serde_json::json;

use super::page_checkout::{fill_cart, with_address};

const NEW_PASSWORD: &str = "battery staple horse";

async fn sign_up(visitor: &Visitor, email: &str) {
    let page = visitor.open("/en/account/sign-up").await.expect_status(200);
    let account = visitor.send_form(&page.form("/sign-up").set("email", email).set("password", PASSWORD)).await;
    assert_eq!(account.expect_status(200).expect_text("Your account").address(), "/en/account");
}

/// Returns the path of the page to which a mail links, without the fragment with its token.
fn page_in(mail: &str, page: &str) -> String {
    let link = mail.split_whitespace().find(|word| word.contains("://") && word.contains(page));
    let link = link.unwrap_or_else(|| panic!("no link to {page} in {mail}"));
    let (path, token) = link.split_once('#').unwrap();
    assert!(token.starts_with("token="), "{link}");
    let host = path.find("://").unwrap() + "://".len();
    path[host + path[host..].find('/').unwrap()..].to_owned()
}

#[tokio::test]
async fn a_guest_signs_up_and_buys_what_is_in_the_cart() {
    let shop = Shop::shared().await;
    let (visitor, email) = (shop.visitor(), new_email("ana"));
    let tea = shop.new_product("tea", &euros(499), 100).await;
    fill_cart(&visitor, &tea, "2").await;
    let token_before = visitor.open("/en/account/sign-in").await.form("/sign-in").value("csrf").to_owned();
    sign_up(&visitor, &email).await;
    assert!(visitor.cookie("guest").is_none(), "the cart was merged");

    // A form of the time before the sign-in does not work any more.
    let page = visitor.open("/en/checkout").await.expect_status(200).expect_text(&format!("Signed in as {email}"));
    let form = with_address(page.form("/checkout"));
    visitor.send_form(&form.clone().forge("csrf", &token_before)).await.expect_status(403);
    let order = visitor.send_form(&form.press("action", "order")).await;
    let order = order.expect_status(200).expect_text("Confirmed").expect_text("2 × €4.99");
    assert!(!order.address().contains("key="), "{}", order.address());
    visitor.open("/en/account/orders").await.expect_text("Confirmed").expect_text("€14.88");
    let cancelled = visitor.send_form(&order.form("/cancel")).await.expect_status(200);
    cancelled.expect_text("You cancelled the order.");
    visitor.open("/en/account").await.expect_text("Cancelled and refunded");

    // Another customer does not see the order.
    let other = shop.visitor();
    sign_up(&other, &new_email("ben")).await;
    other.open(order.address()).await.expect_status(404);
}

#[tokio::test]
async fn a_customer_keeps_an_address_book() {
    let shop = Shop::shared().await;
    let visitor = shop.visitor();
    sign_up(&visitor, &new_email("ana")).await;
    let form = visitor.open("/en/account/addresses/new").await.expect_status(200).form("/addresses/new");
    let form = form.set("country", "DE").set("name", "Ana Sá").set("line1", "Hauptstraße 1").set("postal_code", "1");
    let refused = visitor.send_form(&form).await.expect_status(422).expect_text("such as");
    assert_eq!(refused.invalid_fields(), ["postal_code", "city"]);
    let form = refused.form("/addresses/new").set("postal_code", "10115").set("city", "Berlin");
    visitor.send_form(&form).await.expect_status(200).expect_text("Hauptstraße 1").expect_text("Default");
    let second = visitor.open("/en/account/addresses/new").await.form("/addresses/new").set("country", "DE");
    let second = second.set("name", "Ana Sá").set("line1", "Gartenweg 2").set("postal_code", "20095");
    let list = visitor.send_form(&second.set("city", "Hamburg")).await.expect_text("Gartenweg 2");
    visitor.send_form(&list.form("/default")).await.expect_status(200);

    let tea = shop.new_product("tea", &euros(499), 100).await;
    fill_cart(&visitor, &tea, "1").await;
    let checkout = visitor.open("/en/checkout").await.expect_text("Gartenweg 2").expect_text("Hauptstraße 1");
    let order = visitor.send_form(&checkout.form("/checkout").press("action", "order")).await.expect_status(200);
    order.expect_text("Confirmed").expect_text("Gartenweg 2").expect_text("20095 Hamburg");

    let list = visitor.open("/en/account/addresses").await;
    visitor.send_form(&list.form("/delete")).await.expect_status(200);
    let list = visitor.open("/en/account/addresses").await;
    assert_ne!(list.has_text("Gartenweg 2"), list.has_text("Hauptstraße 1"), "one is left");
}

#[tokio::test]
async fn a_customer_verifies_and_resets_with_the_codes_of_mails() {
    let shop = Shop::shared().await;
    let (visitor, email) = (shop.visitor(), new_email("ana"));
    sign_up(&visitor, &email).await;
    let mail = shop.wait_for_mail(&email, "Verify").await;
    let code = mail.word_after("enter ").to_owned();
    assert_eq!(visitor.open("/verify").await.expect_status(200).address(), "/en/account/verify");
    let page = visitor.open(&page_in(&mail.text, "/account/verify")).await.expect_status(200);
    assert_eq!(page.address(), "/en/account/verify");
    let wrong = visitor.send_form(&page.form("/verify").set("token", "wrong")).await.expect_status(422);
    assert_eq!(wrong.invalid_fields(), ["token"]);
    let account = visitor.send_form(&wrong.form("/verify").set("token", &code)).await;
    account.expect_status(200).expect_text("Your e-mail address is confirmed.");
    visitor.send_form(&page.form("/verify").set("token", &code)).await.expect_status(409).expect_text("used before");

    let anyone = shop.visitor();
    let page = anyone.open("/en/account/forgot-password").await.expect_status(200);
    anyone.send_form(&page.form("/forgot-password").set("email", &email)).await.expect_text("the mail is on its way");
    let mail = shop.wait_for_mail(&email, "password").await;
    let code = mail.word_after("enter ").to_owned();
    let page = anyone.open(&page_in(&mail.text, "/account/reset-password")).await.expect_status(200);
    let weak = anyone.send_form(&page.form("/reset-password").set("token", &code).set("new", "password")).await;
    let weak = weak.expect_status(422);
    assert_eq!((weak.invalid_fields(), weak.form("/reset-password").value("new")), (vec!["new".to_owned()], ""));
    let form = weak.form("/reset-password").set("new", NEW_PASSWORD);
    let sign_in = anyone.send_form(&form).await.expect_status(200).expect_text("Your new password is set.");
    let form = sign_in.form("/sign-in").set("email", &email);
    anyone.send_form(&form.clone().set("password", PASSWORD)).await.expect_status(401).expect_text("is wrong");
    anyone.send_form(&form.set("password", NEW_PASSWORD)).await.expect_status(200).expect_text("Your account");
}

#[tokio::test]
async fn a_customer_changes_the_credentials_and_stays_signed_in() {
    let shop = Shop::shared().await;
    let (visitor, email) = (shop.visitor(), new_email("ana"));
    sign_up(&visitor, &email).await;
    let session = visitor.cookie("refresh");
    let page = visitor.open("/en/account/password").await.expect_status(200);
    let wrong = page.form("/password").set("current", "wrong").set("new", NEW_PASSWORD);
    let refused = visitor.send_form(&wrong).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["current"]);
    let form = refused.form("/password").set("current", PASSWORD).set("new", NEW_PASSWORD);
    visitor.send_form(&form).await.expect_status(200).expect_text("Your password is changed.");
    assert_ne!(visitor.cookie("refresh"), session, "the session is new");

    let new = new_email("ana");
    let form = visitor.open("/en/account/email").await.form("/email").set("email", &new).set("current", NEW_PASSWORD);
    visitor.send_form(&form).await.expect_status(200).expect_text(&new);
    let form = visitor.open("/en/account/phone").await.form("/phone").set("phone", "+49 30 123456");
    visitor.send_form(&form).await.expect_status(200).expect_text("+4930123456");

    let signed_out = visitor.send_form(&visitor.open("/en/account").await.form("/sign-out")).await;
    signed_out.expect_status(200).expect_text("You are signed out.");
    assert!(visitor.cookie("refresh").is_none() && visitor.cookie("access").is_none());
    assert!(visitor.open("/en/account").await.address().starts_with("/en/account/sign-in?next="));
}

#[tokio::test]
async fn a_sign_in_leads_to_pages_of_the_shop_only() {
    let shop = Shop::shared().await;
    let (visitor, email) = (shop.visitor(), new_email("ana"));
    sign_up(&visitor, &email).await;
    for (next, expected) in [
        ("/en/account/orders", "/en/account/orders"),
        ("/en/account/orders?after=x%20y", "/en/account/orders?after=x%20y"),
        ("https://evil.example/", "/en/account"),
        ("//evil.example/", "/en/account"),
        ("/\\evil.example/", "/en/account"),
        ("/%0d%0aLocation:evil", "/%0d%0aLocation:evil"),
        ("javascript:alert(1)", "/en/account"),
        ("/ä", "/en/account"),
        ("", "/en/account"),
    ] {
        let guest = shop.visitor();
        let form = guest.open("/en/account/sign-in").await.form("/sign-in").set("email", &email);
        let form = form.set("password", PASSWORD).forge("next", next);
        assert_eq!(guest.send_form(&form).await.address(), expected, "{next}");
    }
}

/// A response over the bus has at most 1 MiB.
#[tokio::test]
async fn the_page_exports_a_large_account() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let mut products = Vec::new();
    for _ in 0..20 {
        let mut product = product_json(&"Tea with a long name ".repeat(7), &euros(499), 1_000);
        product["image"] = format!("/{}", "x".repeat(450)).into();
        let created = admin.create_product(product).await.expect_status(201);
        products.push(Product::from_json(&created.body));
    }
    let ana = shop.new_customer().await;
    let mut size = 0;
    for number in 0.. {
        for product in &products {
            ana.add_to_cart(product, 1).await.expect_status(200);
        }
        let order = ana.place_order(&format!("key-{number}")).await.expect_status(201);
        size += order.body.to_string().len();
        if size > 1_200_000 {
            break;
        }
    }
    let visitor = shop.visitor();
    visitor.sign_in(&ana.email, &ana.password).await;
    let export = visitor.open("/en/account/export").await.expect_status(200);
    assert_eq!(export["shopping"]["orders"], json!(ana.list_all("/shopping/orders", &[]).await));
    let whole = ana.export_data().await.expect_status(200);
    assert_eq!(
        (&export["customer"]["profile"], &export["shopping"]),
        (&whole["customer"]["profile"], &whole["shopping"])
    );
    let head = ana.get("/customer/profile/export?orders=none").await.expect_status(200);
    assert_eq!((&head["shopping"]["orders"], &head["shopping"]["cart"]), (&json!([]), &whole["shopping"]["cart"]));
    ana.get("/customer/profile/export?orders=some").await.expect_status(422);
}

#[tokio::test]
async fn a_customer_takes_the_data_along_and_leaves() {
    let shop = Shop::shared().await;
    let (visitor, email) = (shop.visitor(), new_email("ana"));
    sign_up(&visitor, &email).await;
    let export = visitor.open("/en/account/export").await.expect_status(200);
    assert!(export.header("Content-Disposition").starts_with("attachment"));
    assert!(export.header("Cache-Control").contains("no-store"));
    assert_eq!(export["customer"]["profile"]["email"], email);
    let form = visitor.open("/en/account/delete").await.form("/delete");
    let refused = visitor.send_form(&form.clone().set("current", "wrong")).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["current"]);
    visitor.send_form(&form.set("current", PASSWORD)).await.expect_status(200).expect_text("Your account is deleted.");
    let form = visitor.open("/en/account/sign-in").await.form("/sign-in").set("email", &email);
    visitor.send_form(&form.set("password", PASSWORD)).await.expect_status(401);
}

#[tokio::test]
async fn a_customer_ends_a_session_on_the_page() {
    let shop = Shop::shared().await;
    let (laptop, phone, email) = (shop.visitor(), shop.visitor(), new_email("ana"));
    sign_up(&laptop, &email).await;
    phone.sign_in(&email, PASSWORD).await;
    let page = laptop.open("/en/account/sessions").await.expect_status(200).expect_text("This device");
    let page = laptop.send_form(&page.form("/end")).await.expect_status(200).expect_text("The session has ended.");
    assert!(!page.html().contains("/end\""), "only this session is left: {page}");
    // The phone's access token works until it expires; without it, the phone is signed out.
    phone.drop_cookie("access");
    assert!(phone.open("/en/account").await.address().contains("/account/sign-in"));
    laptop.open("/de/account/sessions").await.expect_status(200).expect_text("Dieses Gerät");

    laptop.send_form(&page.form("/sign-out-everywhere")).await.expect_status(200);
    assert!(laptop.open("/en/account").await.address().contains("/account/sign-in"));
}
