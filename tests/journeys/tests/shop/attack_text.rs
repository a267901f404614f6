//! Text of customers and staff that wants to be code: in pages (XSS), in templates, in mails.

use journeys::{Method, PASSWORD, Shop, Visitor, euros, product_json, unique};
use serde_json::json;

/// Begins an attribute, ends an attribute, a tag and a script, and is a template of common engines.
const CODE: &str = "\" onfocus=x y=\"'></script><script>alert(1)</script>{{7*7}}${7*7}";
/// The same in fewer characters.
const SHORT: &str = "\"><b onload=a>{{7*7}}";

#[track_caller]
fn expect_no_code(html: &str, place: &str) {
    for code in ["<script>alert", "</script><script>", "<b onload", "49$"] {
        assert!(!html.contains(code), "{place} has {code}:\n{html}");
    }
    assert!(!has_attribute(html, "onfocus"), "{place} has a tag with the attribute of the text:\n{html}");
}

/// Returns whether a tag has the attribute: its name is in the tag and not in a quoted value.
fn has_attribute(html: &str, name: &str) -> bool {
    let outside_of_values = |tag: &str| {
        let (mut quote, mut outside) = (None::<char>, String::new());
        for letter in tag.chars() {
            match quote {
                Some(opening) if letter == opening => quote = None,
                Some(_) => {}
                None if letter == '>' => break,
                None if matches!(letter, '"' | '\'') => quote = Some(letter),
                None => outside.push(letter),
            }
        }
        outside
    };
    html.split('<').skip(1).any(|tag| outside_of_values(tag).contains(name))
}

#[test]
fn an_attribute_is_found_outside_of_values() {
    for (html, found) in [
        ("<input value=\"\" onfocus=x y=\"\">", true),
        ("<input value=\"&#34; onfocus=x y=&#34;\">", false),
        ("<p title='> onfocus=x'>onfocus=x</p>", false),
        ("<script>{\"name\": \"\\\" onfocus=x\"}</script>", false),
    ] {
        assert_eq!(has_attribute(html, "onfocus"), found, "{html}");
    }
}

async fn open(visitor: &Visitor, path: &str, shown: &str) {
    let page = visitor.open(path).await;
    assert!(page.status < 500, "{page}");
    expect_no_code(page.html(), path);
    assert!(shown.is_empty() || page.has_text(shown), "{path} does not show {shown}: {page}");
}

#[tokio::test]
async fn text_in_pages_and_mails_is_no_code() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let category = format!("{SHORT}{}", &unique("")[20..]);
    let mut product = product_json("tea", &euros(499), 10);
    for (field, text) in [
        ("name", CODE),
        ("description", CODE),
        ("supplier", CODE),
        ("category", &category),
        ("unit", "\"><b onload=a>"),
    ] {
        product[field] = text.into();
    }
    let tea = journeys::Product::from_json(&admin.create_product(product).await.expect_status(201).body);
    let ana = shop.new_customer().await;
    let address = json!({
        "name": CODE, "company": CODE, "line1": CODE, "line2": CODE, "city": CODE, "postal_code": "10117",
        "country": "DE",
    });
    ana.add_address(address.clone()).await.expect_status(201);
    ana.add_to_wishlist(&tea).await.expect_status(200);
    ana.add_to_cart(&tea, 2).await.expect_status(200);
    let fields = json!({"shipping_address": address, "note": CODE});
    let order = ana.place_order_with("key", fields).await.expect_status(201).id().to_owned();
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    let line = json!([{"product_id": tea.id, "quantity": 1}]);
    let parcel = json!({"lines": line, "carrier": SHORT, "tracking": CODE});
    admin.ship_parcel(&order, parcel).await.expect_status(201);
    admin.add_note(&order, CODE).await.expect_status(201);
    let refund = json!({"lines": line, "reason": CODE});
    admin.refund(&order, &unique("key"), refund).await.expect_status(201);

    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let (code, path_of_category) = (encode(CODE), encode(&category));
    let visitor = shop.visitor();
    visitor.sign_in(&ana.email, PASSWORD).await;
    for (path, shown) in [
        (format!("/en/p/{}", tea.id), CODE),
        (format!("/en/p/{}/{code}", tea.id), ""),
        (format!("/en/c/{path_of_category}"), CODE),
        ("/en/categories".to_owned(), ""),
        (format!("/en/search?q={code}"), CODE),
        (format!("/en/search?q={code}&sort={code}&after={code}"), ""),
        ("/en/cart".to_owned(), CODE),
        (format!("/en/cart?problem={code}"), ""),
        ("/en/wishlist".to_owned(), CODE),
        ("/en/checkout".to_owned(), CODE),
        ("/en/account/addresses".to_owned(), CODE),
        (format!("/en/order/{order}"), CODE),
        (format!("/en/order/{order}?problem={code}&placed={code}&redirect_status={code}"), CODE),
        (format!("/en/account/orders?after={code}"), ""),
        (format!("/en/account?done={code}"), ""),
        (format!("/en/{code}"), ""),
        (format!("/en/legal/{code}"), ""),
    ] {
        open(&visitor, &path, shown).await;
    }
    let guest = shop.visitor();
    let sign_in = guest.open(&format!("/en/account/sign-in?next=/en/{code}&done={code}")).await.expect_status(200);
    expect_no_code(sign_in.html(), "sign-in");
    let form = sign_in.form("/sign-in").set("email", CODE).set("password", "x");
    expect_no_code(guest.send_form(&form).await.html(), "a refused sign-in");

    let staff = shop.admin_visitor().await;
    for (path, shown) in [
        (format!("/en/admin/products?q={code}"), CODE),
        (format!("/en/admin/products/{}", tea.id), ""),
        (format!("/en/admin/orders/{order}"), CODE),
        (format!("/en/admin/orders/{order}/print"), CODE),
        (format!("/en/admin/orders/{order}/slip"), CODE),
        (format!("/en/admin/orders?q={code}&status={code}&country={code}&from={code}"), ""),
        (format!("/en/admin/mails?order={order}"), ""),
        (format!("/en/admin/dead-letters?queue={code}"), ""),
        (format!("/en/admin/system/documents?service={code}&collection={code}"), ""),
        (format!("/en/admin/taxes?country={code}"), ""),
        ("/en/admin/orders".to_owned(), CODE),
    ] {
        open(&staff, &path, shown).await;
    }

    for subject in ["received", "on its way", "Refund"] {
        let mail = shop.wait_for_mail(&ana.email, subject).await;
        expect_no_code(&mail.html, subject);
        assert_eq!(mail.header("To"), [ana.email.as_str()], "{mail}");
        assert_eq!((mail.header("Bcc").len(), mail.header("Cc").len()), (0, 0), "{mail}");
    }
}

/// Line breaks would begin another header of a mail, or another line of a log.
#[tokio::test]
async fn text_cannot_begin_another_line() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let admin = shop.admin().await;
    for end in ["\r\n", "\n", "\r", "\u{2028}", "\u{85}", "\0"] {
        let text = format!("Ana{end}Bcc: eve@example.com");
        let email = format!("ana{end}bcc@example.com");
        shop.client().sign_up(&email, PASSWORD).await.expect_bad_fields(&["email"]);
        let mut address = journeys::address("1 Rose Lane");
        address["name"] = text.as_str().into();
        ana.add_address(address).await.expect_bad_fields(&["name"]);
        let mut settings = admin.get("/shopping/admin/settings").await.expect_status(200).body;
        settings["name"] = text.as_str().into();
        let change = admin.request(Method::PUT, "/shopping/admin/settings").header("If-Match", "*").json(settings);
        change.await.expect_bad_fields(&["name"]);
        let mut product = product_json("tea", &euros(499), 1);
        product["name"] = text.into();
        admin.create_product(product).await.expect_bad_fields(&["name"]);
    }
}
