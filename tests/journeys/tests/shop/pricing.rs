//! A customer or a guest sees what an order costs: taxes, shipping, discounts. Admins set the
//! rules. Other journeys use the same shop, so these change no rule for others.

use std::time::{Duration, Instant};

use journeys::{Admin, Client, Method, Response, Shop, euros, run_concurrently, unique};
use serde_json::{Value, json};

/// Every instance sees a change within a second (docs/api.md); with a margin for a busy machine.
const SEEN_EVERYWHERE: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const DOCUMENTS: [&str; 3] = ["/shopping/admin/settings", "/shopping/admin/taxes", "/shopping/admin/shipping"];

fn to(country: &str) -> Value {
    let code = if country == "CH" { "8001" } else { "75001" };
    json!({"name": "Ana Silva", "line1": "1 High Street", "city": "City", "postal_code": code, "country": country})
}

async fn quote(buyer: &Client, request: Value) -> Response {
    buyer.request(Method::POST, "/shopping/quote").json(request).await
}

/// Returns a discount's amount and reason in a quote.
fn code(quote: &Response) -> (u64, &Value) {
    let [discount] = &quote["discounts"].as_array().unwrap()[..] else { panic!("{}", quote["discounts"]) };
    (discount["amount"]["amount"].as_u64().unwrap(), &discount["reason"])
}

async fn create_discount(admin: &Admin, terms: Value) -> Response {
    admin.request(Method::POST, "/shopping/admin/discounts").json(terms).await
}

#[tokio::test]
async fn an_admin_replaces_a_document_that_they_have_read() {
    let shop = Shop::shared().await;
    let (admin, customer) = (shop.admin().await, shop.new_customer().await);
    for path in DOCUMENTS {
        shop.client().get(path).await.expect_unauthenticated();
        customer.get(path).await.expect_problem(403, "forbidden");
        let read = admin.get(path).await.expect_status(200);
        let put = |body: &Value| admin.request(Method::PUT, path).json(body.clone());
        put(&read.body).await.expect_problem(428, "precondition-required");
        put(&read.body).header("If-Match", "\"none\"").await.expect_problem(412, "precondition-failed");
        let stored = put(&read.body).header("If-Match", read.header("ETag")).await.expect_status(200);
        assert_eq!(stored.body, read.body, "{path}");
        put(&read.body).header("If-Match", read.header("ETag")).await.expect_problem(412, "precondition-failed");
        let again = admin.get(path).await.expect_status(200);
        assert_eq!((again.header("ETag"), &again.body), (stored.header("ETag"), &stored.body), "{path}");
    }
}

#[tokio::test]
async fn a_bad_document_is_refused() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [settings, taxes, shipping] = DOCUMENTS;
    let rate = |country: &str, class: &str, rate_bp: u64| json!({"rates": [{"country": country, "class": class, "rate_bp": rate_bp, "from": "2025-01-01T00:00:00Z"}]});
    for (path, field, bad) in [
        (settings, "name", json!("")),
        (settings, "address", json!({"name": "n", "line1": "l", "city": "c", "country": "DE"})),
        (settings, "vat_number", json!("DE123")),
        (settings, "email", json!("nobody")),
        (settings, "home_country", json!("Germany")),
        (settings, "currency", json!("euro")),
        (settings, "prices_include_tax", json!("yes")),
        (settings, "order_numbers", json!({"prefix": "S1", "first": 1})),
        (settings, "reverse_charge", json!("always")),
        (settings, "tax_registrations", json!(["EU"])),
        (settings, "colour", json!("red")),
        (taxes, "rates", json!("none")),
        (shipping, "zones", json!([{"name": "z", "methods": [{"id": "Not An Id"}]}])),
        (shipping, "zones", json!([{"name": "z", "countries": ["XX"], "methods": []}])),
    ] {
        let mut document = admin.get(path).await.expect_status(200).body;
        document[field] = bad.clone();
        let put = admin.request(Method::PUT, path).header("If-Match", "*").json(document).await;
        let refused = put.expect_problem(422, "validation");
        let named = refused["errors"][0]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{path} {bad}: {refused}");
    }
    for (bad, field) in [
        (rate("XX", "standard", 1), "rates.0.country"),
        (rate("DE", "luxury", 1), "rates.0.class"),
        (rate("DE", "standard", 10_001), "rates.0.rate_bp"),
        (rate("DE", "zero", 1), "rates.0.rate_bp"),
    ] {
        let put = admin.request(Method::PUT, taxes).header("If-Match", "*").json(bad).await;
        put.expect_bad_fields(&[field]);
    }
    let pickup =
        json!({"id": "m", "name": "M", "price": {"kind": "pickup", "price": euros(1)}, "days": {"from": 0, "to": 366}});
    let put = admin.request(Method::PUT, shipping).header("If-Match", "*");
    let refused = put.json(json!({"zones": [{"name": "z", "methods": [pickup]}]})).await;
    refused.expect_bad_fields(&["zones.0.methods.0.days.to", "zones.0.methods.0.price.price"]);
}

#[tokio::test]
async fn a_guest_sees_taxes_shipping_and_what_is_missing() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let guest = shop.client().create_guest_cart().await;
    let cart = guest.add_to_cart(&tea, 2).await.expect_status(200);
    assert_eq!(cart["taxes"], json!([{"rate_bp": 1900, "net": euros(839), "tax": euros(159)}]));
    assert_eq!(cart["tax_basis"], json!({"country": "DE", "scheme": "domestic", "is_estimate": true}));
    assert_eq!((&cart["total"], &cart["prices_include_tax"]), (&euros(998), &json!(true)));

    let empty = quote(&guest, json!({})).await.expect_status(200);
    assert_eq!(empty["missing"], json!(["email", "shipping_address", "shipping_method"]));
    assert_eq!(
        empty["lines"],
        json!([{"product_id": tea.id, "name": tea.name, "quantity": 2, "unit_price": euros(499), "discount": euros(0),
            "net": euros(839), "tax": euros(159), "gross": euros(998), "tax_rate_bp": 1900}])
    );
    assert_eq!((&empty["taxes"], &empty["total"]), (&cart["taxes"], &cart["total"]));
    let options = empty["shipping"]["options"].as_array().unwrap();
    assert!(options.iter().any(|option| option["id"] == "standard" && option["price"] == euros(490)), "{empty}");

    let request = json!({"email": "ana@example.com", "shipping_address": to("DE"), "shipping_method": "standard"});
    let complete = quote(&guest, request).await.expect_status(200);
    assert_eq!((&complete["missing"], &complete["total"]), (&json!([]), &euros(998 + 490)));
    assert_eq!(complete["shipping"]["tax"], euros(78));
    assert_eq!(complete["taxes"], json!([{"rate_bp": 1900, "net": euros(839 + 412), "tax": euros(159 + 78)}]));

    let export = quote(&guest, json!({"shipping_address": to("CH"), "shipping_method": "standard"})).await;
    let export = export.expect_status(200);
    assert_eq!((&export["tax_basis"]["scheme"], &export["prices_include_tax"]), (&json!("export"), &json!(false)));
    assert_eq!((&export["lines"][0]["unit_price"], &export["lines"][0]["gross"]), (&euros(419), &euros(838)));
    let business = json!({"shipping_address": to("FR"), "vat_number": "FR XX 123456789"});
    let business = quote(&guest, business).await.expect_status(200);
    let basis = json!({"country": "FR", "scheme": "reverse-charge", "is_estimate": false, "vat_number": "format"});
    assert_eq!(business["tax_basis"], basis);
}

#[tokio::test]
async fn a_request_that_cannot_be_quoted_is_refused() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 1).await.expect_status(200);
    for (request, field) in [
        (json!({"shipping_method": "pigeon"}), "shipping_method"),
        (json!({"shipping_method": "express", "shipping_address": to("FR")}), "shipping_method"),
        (json!({"shipping_method": "Not An Id"}), "shipping_method"),
        (json!({"shipping_address": to("XX")}), "shipping_address.country"),
        (
            json!({"shipping_address": {"name": "n", "line1": "l", "city": "c", "region": "Bavaria", "postal_code": "90001", "country": "US"}}),
            "shipping_address.region",
        ),
        (json!({"billing_address": "here"}), "billing_address"),
        (json!({"email": "nobody"}), "email"),
        (json!({"codes": "TEN"}), "codes"),
        (json!({"codes": vec!["x"; 11]}), "codes"),
        (json!({"vat_number": "GB123456789"}), "vat_number"),
        (json!({"total": euros(1)}), "total"),
    ] {
        quote(&guest, request).await.expect_bad_fields(&[field]);
    }
    shop.client().request(Method::POST, "/shopping/quote").json(json!({})).await.expect_unauthenticated();
    let dollars = shop.new_product("tea", &journeys::money(499, "USD"), 10).await;
    let customer = shop.customer_with_cart(&dollars, 1).await;
    quote(&customer, json!({})).await.expect_problem(409, "currency-mixed");
}

/// Returns the quote in which the code has this amount and reason, when every instance of a fleet
/// has seen the change before this call.
async fn quote_with_code(buyer: &Client, request: &Value, amount: u64, reason: Value) -> Response {
    let begun = Instant::now();
    loop {
        let quote = quote(buyer, request.clone()).await.expect_status(200);
        let is_expected = code(&quote) == (amount, &reason);
        if is_expected && begun.elapsed() > SEEN_EVERYWHERE {
            return quote;
        }
        assert!(begun.elapsed() < 5 * SEEN_EVERYWHERE, "{amount} {reason}: {quote}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test]
async fn a_code_takes_its_amount_off_while_it_applies() {
    let shop = Shop::shared().await;
    let (admin, name) = (shop.admin().await, unique("tea"));
    let tea = shop.new_product("tea", &euros(1000), 10).await;
    let customer = shop.customer_with_cart(&tea, 3).await;
    let spelled = name.to_uppercase();
    let with_code = json!({"codes": [spelled]});
    let quoted = async |amount, reason| quote_with_code(&customer, &with_code, amount, reason).await;
    quoted(0, json!("unknown")).await;

    let terms = json!({"code": name, "kind": "percent", "value": 1000, "limit": 5, "products": [tea.id]});
    let created = create_discount(&admin, terms.clone()).await.expect_status(201);
    assert_eq!((&created["value"], &created["used"], &created["combines"]), (&json!(1000), &json!(0), &json!(false)));
    create_discount(&admin, json!({"code": spelled, "kind": "free_shipping"})).await.expect_problem(409, "code-taken");
    let discounted = quoted(300, Value::Null).await;
    assert_eq!((&discounted["lines"][0]["discount"], &discounted["total"]), (&euros(300), &euros(2700)));

    let path = format!("/shopping/admin/discounts/{}", created.id());
    let read = admin.get(&path).await.expect_status(200);
    assert_eq!(read.body, created.body);
    let change = |changes: Value| admin.request(Method::PATCH, &path).json(changes);
    let amount = json!({"kind": "amount", "value": euros(100_000)});
    let patched = change(amount).header("If-Match", read.header("ETag")).await.expect_status(200);
    assert_eq!((&patched["kind"], &patched["value"]), (&json!("amount"), &euros(100_000)));
    change(json!({"limit": null}))
        .header("If-Match", read.header("ETag"))
        .await
        .expect_problem(412, "precondition-failed");
    assert_eq!(quoted(3000, Value::Null).await["total"], euros(0), "never below zero");
    change(json!({"until": "2020-01-01T00:00:00Z"})).await.expect_status(200);
    quoted(0, json!("expired")).await;
    change(json!({"until": null, "minimum": euros(3001)})).await.expect_status(200);
    quoted(0, json!("below-minimum")).await;
    change(json!({"kind": "percent"})).await.expect_bad_fields(&["value"]);

    let all = admin.list_all("/shopping/admin/discounts", &[("limit", "2")]).await;
    assert!(all.iter().any(|discount| discount["id"] == created["id"]));
    customer.get("/shopping/admin/discounts").await.expect_problem(403, "forbidden");
    admin.request(Method::DELETE, &path).await.expect_status(204);
    admin.get(&path).await.expect_not_found();
    quoted(0, json!("unknown")).await;
}

#[tokio::test]
async fn sixty_four_buyers_use_a_code_with_a_limit_of_ten() {
    let shop = Shop::shared().await;
    let (admin, name) = (shop.admin().await, unique("tea"));
    let tea = admin.new_product("tea", &euros(1000), 100).await;
    let terms = json!({"code": name, "kind": "percent", "value": 5000, "limit": 10});
    let created = create_discount(&admin, terms).await.expect_status(201);
    let mut buyers = Vec::new();
    for _ in 0..64 {
        buyers.push(shop.customer_with_cart(&tea, 1).await);
    }
    let order = |key, code: bool| {
        let fields = if code { json!({"codes": [name], "expected_total": euros(500)}) } else { json!({}) };
        move |buyer: &journeys::Customer| buyer.place_order_with(key, fields.clone())
    };
    let responses = run_concurrently(buyers.iter().map(order("with-code", true))).await;
    let (placed, refused): (Vec<_>, Vec<_>) = responses.into_iter().partition(|response| response.status == 201);
    assert_eq!(placed.len(), 10, "{refused:#?}");
    for order in &placed {
        assert_eq!((&order["total"], &order["payment"]["captured"]), (&euros(500), &euros(500)), "{order}");
    }
    for refused in refused {
        let kind = refused["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        assert!(["discount-unavailable", "quote-changed"].contains(&&*kind), "{refused}");
        refused.expect_problem(409, &kind);
    }
    let path = format!("/shopping/admin/discounts/{}", created.id());
    assert_eq!(admin.get(&path).await["used"], 10);
    let late = shop.customer_with_cart(&tea, 1).await;
    assert_eq!(code(&quote(&late, json!({"codes": [name]})).await), (0, &json!("limit-reached")));
    order("without-code", false)(&late).await.expect_status(201);

    // An order that ends unpaid gives its use back.
    admin.request(Method::PATCH, &path).json(json!({"limit": 11})).await.expect_status(200);
    let ana = shop.customer_with_cart(&tea, 1).await;
    quote_with_code(&ana, &json!({"codes": [name]}), 500, Value::Null).await;
    let payment = json!({"method": "demo", "token": "demo_review"});
    let waiting = ana.place_order_with("key", json!({"codes": [name], "payment": payment})).await.expect_status(202);
    assert_eq!(admin.get(&path).await["used"], 11);
    ana.cancel_order(waiting.id()).await.expect_status(200);
    ana.wait_for_order(waiting.id(), "cancelled").await;
    assert_eq!(admin.get(&path).await["used"], 10);
}

#[tokio::test]
async fn a_code_counts_once_for_each_customer() {
    let shop = Shop::shared().await;
    let (admin, name) = (shop.admin().await, unique("tea"));
    let tea = admin.new_product("tea", &euros(1000), 100).await;
    let terms = json!({"code": name, "kind": "amount", "value": euros(100), "per_customer": 1});
    create_discount(&admin, terms).await.expect_status(201);
    let (ana, ben) = (shop.customer_with_cart(&tea, 1).await, shop.customer_with_cart(&tea, 1).await);
    quote_with_code(&ana, &json!({"codes": [name]}), 100, Value::Null).await;
    for customer in [&ana, &ben] {
        let placed = customer.place_order_with("first", json!({"codes": [name]})).await.expect_status(201);
        assert_eq!(placed["total"], euros(900));
    }
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    assert_eq!(code(&quote(&ana, json!({"codes": [name]})).await), (0, &json!("customer-limit-reached")));
    ana.place_order_with("second", json!({"codes": [name]})).await.expect_bad_fields(&["codes"]);
}

#[tokio::test]
async fn a_code_that_ends_between_quote_and_order_changes_the_quote() {
    let shop = Shop::shared().await;
    let (admin, name) = (shop.admin().await, unique("tea"));
    let tea = admin.new_product("tea", &euros(1000), 10).await;
    let customer = shop.customer_with_cart(&tea, 1).await;
    let created = create_discount(&admin, json!({"code": name, "kind": "percent", "value": 1000})).await;
    let with_code = json!({"codes": [name]});
    assert_eq!(quote_with_code(&customer, &with_code, 100, Value::Null).await["total"], euros(900));
    let path = format!("/shopping/admin/discounts/{}", created.id());
    admin.request(Method::PATCH, &path).json(json!({"until": "2020-01-01T00:00:00Z"})).await.expect_status(200);
    quote_with_code(&customer, &with_code, 0, json!("expired")).await;
    let expected = json!({"codes": [name], "expected_total": euros(900)});
    let refused = customer.place_order_with("key", expected).await.expect_problem(409, "quote-changed");
    assert_eq!(
        (&refused["quote"]["total"], &refused["quote"]["discounts"][0]["reason"]),
        (&euros(1000), &json!("expired"))
    );
    customer.place_order_with("other", json!({"codes": [name]})).await.expect_bad_fields(&["codes"]);
}

#[tokio::test]
async fn a_form_of_an_address_finds_its_countries_and_regions() {
    let shop = Shop::shared().await;
    let listed = shop.client().get("/shopping/countries").await.expect_status(200);
    let countries = listed["items"].as_array().unwrap();
    assert_eq!((countries.len(), &listed["next"]), (250, &Value::Null));
    let of = |code: &str| countries.iter().find(|country| country["code"] == code).unwrap();
    assert_eq!(
        of("DE"),
        &json!({"code": "DE", "name": "Germany", "requires_region": false, "requires_postal_code": true,
            "postal_code_example": "26133", "regions": []})
    );
    assert!(of("US")["regions"].as_array().unwrap().contains(&json!({"code": "CA", "name": "California"})));
    let place = |name: &str| countries.iter().position(|country| country["name"] == name).unwrap();
    assert!(place("Åland Islands") < place("Albania"));
}
