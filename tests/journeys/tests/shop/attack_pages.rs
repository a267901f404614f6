//! Attacks on the browser of a visitor: every page that links reach has what protects it, and every
//! form of every page is refused without its token.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use journeys::{HtmlForm, PASSWORD, Response, Shop, Visitor, address, euros};
use serde_json::json;

/// More kinds of pages than the shop has. Ends a walk that finds no end.
const MAX_KINDS: usize = 200;

/// Returns the kind of a page: its path without the names of things.
fn kind(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let mut segments: Vec<&str> = path.split('/').collect();
    for at in 1..segments.len() {
        let is_name = segments[at - 1] == "c" || segments[at - 1] == "{p}" || segments[at - 1] == "assets";
        let is_id = segments[at].len() == 36 && segments[at].matches('-').count() == 4;
        let is_position = segments[at].parse::<u32>().is_ok();
        if is_id && segments[at - 1] == "p" {
            segments[at] = "{p}";
        } else if is_id || is_name || is_position {
            segments[at] = "{}";
        }
    }
    segments.join("/")
}

/// Opens a page of each kind that links reach from here.
async fn walk(visitor: &Visitor, start: &[&str]) -> BTreeMap<String, Response> {
    let mut found: BTreeMap<String, Response> = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut queue: VecDeque<String> = start.iter().map(|path| (*path).to_owned()).collect();
    while let Some(path) = queue.pop_front() {
        if !path.starts_with("/en") || path.contains("/export") || !seen.insert(kind(&path)) {
            continue;
        }
        assert!(found.len() < MAX_KINDS, "{seen:?}");
        let page = visitor.open(&path).await;
        assert!(page.status < 500, "{page}");
        if page.header("Content-Type").starts_with("text/html") {
            queue.extend(page.links());
            found.insert(kind(&path), page);
        }
    }
    found
}

/// Returns a visitor who has signed in as a customer with an order, an address and a full cart.
async fn customer(shop: &Shop) -> (Visitor, String) {
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, order) = shop.customer_with_order(&tea, 1).await;
    ana.add_address(address("Rua Augusta 1")).await.expect_status(201);
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    ana.add_to_wishlist(&tea).await.expect_status(200);
    let visitor = shop.visitor();
    visitor.sign_in(&ana.email, PASSWORD).await;
    (visitor, format!("/en/order/{}", order.id()))
}

/// Returns all kinds of pages as a visitor, a customer and an admin see them.
async fn all_pages(shop: &Shop) -> Vec<(&'static str, Visitor, BTreeMap<String, Response>)> {
    let (customer, order) = customer(shop).await;
    let admin = shop.admin().await;
    let discount = json!({"code": journeys::unique("code"), "kind": "free_shipping"});
    admin.request(journeys::Method::POST, "/shopping/admin/discounts").json(discount).await.expect_status(201);
    let (visitor, admin) = (shop.visitor(), shop.admin_visitor().await);
    let of_visitor = walk(&visitor, &["/en", "/en/cart", "/en/account/reset-password", "/en/account/verify"]).await;
    let of_customer = walk(&customer, &["/en/account", "/en/cart", "/en/checkout", "/en/wishlist", &order]).await;
    let of_admin = walk(&admin, &["/en/admin", "/en/admin/system", "/en/admin/staff", "/en/admin/mails"]).await;
    vec![("visitor", visitor, of_visitor), ("customer", customer, of_customer), ("admin", admin, of_admin)]
}

#[track_caller]
fn expect_protection(who: &str, kind: &str, page: &Response) {
    let policy = page.header("Content-Security-Policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{who} {kind}: {policy}");
    for rule in ["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{who} {kind}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http:"), "{who} {kind}: {policy}");
    for (name, value) in
        [("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "same-origin")]
    {
        assert_eq!(page.header(name), value, "{who} {kind}: {name}");
    }
    let cache = page.header("Cache-Control");
    assert!(matches!(cache, "no-store" | "private, no-cache"), "{who} {kind}: {cache}");
    let is_personal = ["/account", "/admin", "/checkout", "/order", "/cart"].iter().any(|part| kind.contains(part));
    assert!(!is_personal || cache == "no-store", "{who} {kind}: {cache}");
    let html = page.html();
    for script in html.split("<script").skip(1) {
        let tag = script.split('>').next().unwrap_or_default();
        assert!(tag.contains(" src=\"/assets/") || tag.contains("application/ld+json"), "{who} {kind}: <script{tag}");
    }
    for tag in html.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let names: String = tag.split('"').step_by(2).collect();
        let is_inline = |name: &str| name.starts_with("on") || name.starts_with("style=");
        assert!(!names.split_whitespace().skip(1).any(is_inline), "{who} {kind}: <{tag}>");
        assert!(!tag.contains("=\"javascript:") && !tag.contains("=\"data:text"), "{who} {kind}: <{tag}>");
        assert!(
            !["iframe", "object", "embed", "base"].iter().any(|name| names.starts_with(name)),
            "{who} {kind}: <{tag}>"
        );
    }
}

#[tokio::test]
async fn every_page_is_protected() {
    let shop = Shop::shared().await;
    let mut kinds = BTreeSet::new();
    for (who, _, pages) in all_pages(&shop).await {
        for (kind, page) in &pages {
            expect_protection(who, kind, page);
            kinds.insert(kind.clone());
        }
    }
    assert!(kinds.len() > 40, "{kinds:?}");
    let visitor = shop.visitor();
    for path in ["/en/nothing", "/en/p/x", "/en/order/x", "/en/admin/nothing"] {
        expect_protection("visitor", "an error", &visitor.open(path).await);
    }
}

#[tokio::test]
async fn every_form_needs_its_token() {
    let shop = Shop::shared().await;
    let mut actions = BTreeSet::new();
    for (who, visitor, pages) in all_pages(&shop).await {
        let other = shop.visitor().open("/en/account/sign-in").await.form("/sign-in").value("csrf").to_owned();
        let forms: Vec<(&String, HtmlForm)> =
            pages.iter().flat_map(|(kind, page)| page.forms().into_iter().map(move |form| (kind, form))).collect();
        for (page, form) in forms.into_iter().filter(|(_, form)| form.is_post) {
            if !actions.insert(format!("{who} {}", kind(&form.action))) {
                continue;
            }
            assert!(form.action.starts_with("/en/"), "{who} {page}: {}", form.action);
            assert!(form.value("csrf").len() > 60, "{who} {page}: {}", form.action);
            for forged in ["", "AAAA", &other] {
                let refused = visitor.send_form(&form.clone().forge("csrf", forged)).await;
                assert_eq!(refused.status, 403, "{who} {page}: {} with {forged:?}: {refused}", form.action);
            }
        }
    }
    assert!(actions.len() > 30, "{actions:?}");
}
