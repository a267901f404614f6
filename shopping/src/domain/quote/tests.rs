//! Tables of examples with their amounts, worked out by hand. [`properties`] has what holds for
//! every quote.

mod properties;

use serde_json::{Value, json};
use souk_contract::products::ProductId;
use souk_types::{Address, Price, TaxClass};

use super::*;
use crate::domain::discount::{Discount, Terms};
use crate::domain::settings::Settings;
use crate::domain::shipping::Shipping;
use crate::domain::tax::VatNumber;
use crate::domain::tax_rates::TaxRates;

fn now() -> Timestamp {
    serde_json::from_value(json!("2026-03-01T12:00:00Z")).unwrap()
}

fn euros(cents: u64) -> Value {
    json!({"amount": cents, "currency": "EUR"})
}

/// A German shop: 19 % and 7 %; France has 20 % and 5.5 %. It ships by weight, free from 50.00, and
/// to other countries for 10.00.
fn shop(changes: Value) -> ShopConfig {
    let mut settings = serde_json::to_value(Settings::sample().unwrap()).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let rate = |country: &str, class: &str, rate_bp: u32| json!({"country": country, "class": class, "rate_bp": rate_bp, "from": "2025-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"});
    let taxes = json!({"rates": [
        rate("DE", "standard", 1900), rate("DE", "reduced", 700), rate("FR", "standard", 2000), rate("FR", "reduced", 550),
    ]});
    let days = json!({"from": 1, "to": 3});
    let shipping = json!({"zones": [
        {"name": "Germany", "countries": ["DE"], "methods": [
            {"id": "parcel", "name": "Parcel", "free_from": euros(5000), "days": days, "price": {"kind": "by-weight", "brackets": [
                {"up_to_grams": 1000, "price": euros(500)}, {"up_to_grams": 20_000, "price": euros(900)}]}},
            {"id": "pickup", "name": "Pickup", "days": days, "price": {"kind": "pickup"}}]},
        {"name": "World", "countries": ["FR", "US"], "methods": [
            {"id": "world", "name": "World", "days": days, "price": {"kind": "flat", "price": euros(1000)}}]},
    ]});
    ShopConfig {
        settings: serde_json::from_value(settings).unwrap(),
        taxes: serde_json::from_value::<TaxRates>(taxes).unwrap(),
        shipping: serde_json::from_value::<Shipping>(shipping).unwrap(),
        discounts: Vec::new(),
    }
}

fn discount(terms: Value) -> Discount {
    Discount::new(serde_json::from_value::<Terms>(terms).unwrap())
}

fn item(cents: u64, quantity: u64, class: TaxClass) -> Item {
    let product = ProductSnapshot {
        id: ProductId::new(),
        name: "Tea".to_owned(),
        price: Price::new(cents, Currency::EUR).unwrap(),
        image: None,
        category: "tea".to_owned(),
        tax_class: class,
        weight_grams: 100,
        digital: false,
    };
    Item { product, quantity: Quantity::try_from(quantity).unwrap() }
}

fn digital(cents: u64) -> Item {
    let mut item = item(cents, 1, TaxClass::Standard);
    item.product.digital = true;
    item
}

fn address(country: &str) -> Address {
    let (region, postal_code) = match country {
        "DE" => (None, "10115"),
        "FR" => (None, "75001"),
        "US" => (Some("CA"), "90001"),
        "JP" => (Some("Tokyo"), "100-0001"),
        country => panic!("no address in {country}"),
    };
    let address = json!({
        "name": "Ana", "line1": "1 High Street", "city": "City", "region": region, "postal_code": postal_code,
        "country": country
    });
    souk_types::input::from_json(address).unwrap()
}

fn request(fields: Value) -> QuoteRequest {
    souk_types::input::from_json(fields).unwrap()
}

fn to(country: &str, method: &str) -> QuoteRequest {
    QuoteRequest { shipping_address: Some(address(country)), ..request(json!({"shipping_method": method})) }
}

fn input(items: Vec<Item>, request: QuoteRequest) -> QuoteInput {
    QuoteInput { items, request, ..QuoteInput::default() }
}

/// Returns net, tax and gross of a line.
fn amounts(line: &QuoteLine) -> [u64; 3] {
    [line.net.amount(), line.tax.amount(), line.gross.amount()]
}

fn taxes(quote: &Quote) -> Vec<(u32, u64, u64)> {
    quote.taxes.iter().map(|tax| (tax.rate_bp, tax.net.amount(), tax.tax.amount())).collect()
}

#[test]
fn prices_with_and_without_tax_are_taxed_by_line() {
    use TaxClass::{Reduced, Standard, Zero};
    let items = || vec![item(1190, 2, Standard), item(107, 3, Reduced), item(500, 1, Zero)];
    let with = quote(&input(items(), to("DE", "parcel")), &shop(json!({})), now()).unwrap();
    assert_eq!(with.lines.iter().map(amounts).collect::<Vec<_>>(), [[2000, 380, 2380], [300, 21, 321], [500, 0, 500]]);
    // 5.00 of shipping for goods of 23.80, 3.21 and 5.00: 3.72, 0.50 and 0.78.
    assert_eq!((with.shipping.price.amount(), with.shipping.tax.amount()), (500, 59 + 3));
    assert_eq!(taxes(&with), [(1900, 2000 + 313, 380 + 59), (700, 300 + 47, 21 + 3), (0, 500 + 78, 0)]);
    assert_eq!((with.total.amount(), with.prices_include_tax), (2380 + 321 + 500 + 500, true));
    let without = shop(json!({"prices_include_tax": false}));
    let without = quote(&input(items(), to("DE", "parcel")), &without, now()).unwrap();
    assert_eq!(
        without.lines.iter().map(amounts).collect::<Vec<_>>(),
        [[2380, 452, 2832], [321, 22, 343], [500, 0, 500]]
    );
    assert_eq!((without.shipping.price.amount(), without.shipping.tax.amount()), (500, 71 + 4));
    assert_eq!(without.total.amount(), 2832 + 343 + 500 + 575);
}

#[test]
fn the_place_decides_the_rate() {
    let items = vec![item(1190, 1, TaxClass::Standard)];
    let vat = |country: &str, number: &str, check| {
        let vat_number = Some(VatNumber::try_from(number.to_owned()).unwrap());
        QuoteInput {
            vat_check: Some(check),
            ..input(items.clone(), QuoteRequest { vat_number, ..to(country, "world") })
        }
    };
    let (home, oss) = (shop(json!({})), shop(json!({"one_stop_shop": true})));
    let french = "FRXX123456789";
    for (input, shop, scheme, unit_price, line, total) in [
        (input(items.clone(), to("FR", "world")), &home, Scheme::Home, 1190, [1000, 190, 1190], 2190),
        (input(items.clone(), to("FR", "world")), &oss, Scheme::OneStopShop, 1190, [992, 198, 1190], 2190),
        // 10.00 of shipping have 1.60 of German tax.
        (input(items.clone(), to("US", "world")), &oss, Scheme::Export, 1000, [1000, 0, 1000], 1840),
        (vat("FR", french, VatCheck::Verified), &oss, Scheme::ReverseCharge, 1000, [1000, 0, 1000], 1840),
        (vat("FR", french, VatCheck::Invalid), &oss, Scheme::OneStopShop, 1190, [992, 198, 1190], 2190),
    ] {
        let quote = quote(&input, shop, now()).unwrap();
        assert_eq!(quote.tax_basis.scheme, scheme);
        assert_eq!(quote.prices_include_tax, !scheme.is_untaxed(), "{scheme:?}");
        assert_eq!((quote.lines[0].unit_price.amount(), amounts(&quote.lines[0])), (unit_price, line), "{scheme:?}");
        assert_eq!(quote.total.amount(), total, "{scheme:?}");
        assert_eq!(quote.shipping.options[0].price, quote.shipping.price);
    }
}

#[test]
fn what_is_missing_is_named() {
    use Missing::{BillingAddress, Email, ShippingAddress, ShippingMethod};
    let tea = || item(500, 1, TaxClass::Standard);
    let billing = |country: &str| QuoteRequest { billing_address: Some(address(country)), ..QuoteRequest::default() };
    let pickup = || request(json!({"shipping_method": "pickup"}));
    for (items, request, has_account, missing, country, is_estimate) in [
        (vec![tea()], QuoteRequest::default(), false, vec![Email, ShippingAddress, ShippingMethod], "DE", true),
        (vec![tea()], QuoteRequest::default(), true, vec![ShippingAddress, ShippingMethod], "DE", true),
        (
            vec![tea()],
            request(json!({"email": "ana@example.com"})),
            false,
            vec![ShippingAddress, ShippingMethod],
            "DE",
            true,
        ),
        (vec![tea()], to("DE", "parcel"), true, vec![], "DE", false),
        (vec![tea()], to("DE", "pickup"), true, vec![], "DE", false),
        (vec![tea()], pickup(), true, vec![BillingAddress], "DE", false),
        (vec![tea(), digital(500)], billing("DE"), true, vec![ShippingAddress, ShippingMethod], "DE", false),
        (vec![digital(500)], QuoteRequest::default(), true, vec![BillingAddress], "DE", true),
        (vec![digital(500)], billing("FR"), true, vec![], "FR", false),
        (
            vec![digital(500)],
            QuoteRequest { shipping_address: Some(address("DE")), ..billing("FR") },
            true,
            vec![],
            "FR",
            false,
        ),
    ] {
        let is_digital = items.iter().all(|item| item.product.digital);
        let input = QuoteInput { has_account, ..input(items, request) };
        let quote = quote(&input, &shop(json!({"one_stop_shop": true})), now()).unwrap();
        assert_eq!(quote.missing, missing, "{input:?}");
        assert_eq!(
            (quote.tax_basis.country.as_str(), quote.tax_basis.is_estimate),
            (country, is_estimate),
            "{input:?}"
        );
        assert_eq!(quote.shipping.options.is_empty(), is_digital);
    }
}

#[test]
fn an_amount_is_spread_over_its_lines_by_the_largest_remainder() {
    let items =
        || vec![item(1000, 1, TaxClass::Standard), item(1000, 1, TaxClass::Standard), item(1000, 1, TaxClass::Reduced)];
    let mut shop = shop(json!({}));
    shop.discounts = vec![discount(json!({"code": "TEN", "kind": "amount", "value": euros(1000)}))];
    let with_code = QuoteRequest { codes: request(json!({"codes": ["ten"]})).codes, ..to("DE", "pickup") };
    let ten = quote(&input(items(), with_code.clone()), &shop, now()).unwrap();
    assert_eq!(ten.lines.iter().map(|line| line.discount.amount()).collect::<Vec<_>>(), [334, 333, 333]);
    assert_eq!((ten.total.amount(), ten.discounts[0].amount.amount()), (2000, 1000));
    let cheap = quote(&input(vec![item(300, 1, TaxClass::Standard)], with_code), &shop, now()).unwrap();
    assert_eq!(
        (cheap.total.amount(), cheap.discounts[0].amount.amount(), amounts(&cheap.lines[0])),
        (0, 300, [0, 0, 0])
    );
}

#[test]
fn the_best_set_of_discounts_applies() {
    let tea = item(1000, 2, TaxClass::Standard);
    let mut mug = item(2000, 1, TaxClass::Standard);
    mug.product.category = "mugs".to_owned();
    let (percent, amount, free) = ("percent", "amount", "free_shipping");
    let combining = json!([
        {"code": "A", "kind": amount, "value": euros(500), "combines": true},
        {"code": "B", "kind": percent, "value": 1000, "combines": true},
        {"code": "C", "kind": percent, "value": 2000},
        {"code": "D", "kind": free},
        {"code": "E", "kind": percent, "value": 5000, "categories": ["mugs"]},
        {"code": "F", "kind": amount, "value": euros(700), "products": [tea.product.id]},
        {"code": "G", "kind": free, "combines": true},
    ]);
    for (codes, used, total) in [
        (vec![], vec![], 4500),
        // 10 % of 40.00, then 5.00 of 36.00; shipping costs 5.00.
        (vec!["A", "B"], vec![("B", 400), ("A", 500)], 3600),
        (vec!["A", "B", "G"], vec![("B", 400), ("A", 500), ("G", 500)], 3100),
        (vec!["A", "B", "C"], vec![("B", 400), ("A", 500)], 3600),
        (vec!["A", "C"], vec![("C", 800)], 3700),
        (vec!["C", "D"], vec![("C", 800)], 3700),
        (vec!["D"], vec![("D", 500)], 4000),
        (vec!["D", "A"], vec![("A", 500)], 4000),
        (vec!["E"], vec![("E", 1000)], 3500),
        (vec!["F"], vec![("F", 700)], 3800),
    ] {
        let mut shop = shop(json!({}));
        shop.discounts = combining.as_array().unwrap().iter().cloned().map(discount).collect();
        let request = QuoteRequest { codes: request(json!({"codes": codes})).codes, ..to("DE", "parcel") };
        let quote = quote(&input(vec![tea.clone(), mug.clone()], request), &shop, now()).unwrap();
        let applied = quote.discounts.iter().filter(|discount| discount.reason.is_none());
        let applied: Vec<_> = applied.map(|d| (d.code.clone().unwrap(), d.amount.amount())).collect();
        let used: Vec<_> = used.into_iter().map(|(code, amount)| (code.to_owned(), amount)).collect();
        assert_eq!(applied, used, "{codes:?}");
        assert_eq!(quote.total.amount(), total, "{codes:?}");
        let refused =
            quote.discounts.iter().filter(|discount| discount.reason == Some(DiscountRefusal::NotCombinable)).count();
        assert_eq!(used.len() + refused, codes.len(), "{codes:?}");
    }
}

#[test]
fn a_code_that_does_not_apply_has_a_reason() {
    let day = |day: &str| format!("2026-{day}T00:00:00Z");
    for (terms, reason) in [
        (json!({}), None),
        (json!({"from": day("03-01"), "until": day("03-02")}), None),
        (json!({"from": day("03-02")}), Some(DiscountRefusal::NotStarted)),
        (json!({"until": "2026-03-01T12:00:00Z"}), Some(DiscountRefusal::Expired)),
        (json!({"minimum": euros(1000)}), None),
        (json!({"minimum": euros(1001)}), Some(DiscountRefusal::BelowMinimum)),
        (json!({"minimum": {"amount": 1, "currency": "USD"}}), Some(DiscountRefusal::OtherCurrency)),
        (json!({"categories": ["mugs"]}), Some(DiscountRefusal::NoProduct)),
        (json!({"products": [ProductId::new()]}), Some(DiscountRefusal::NoProduct)),
        (json!({"categories": ["mugs", "tea"]}), None),
    ] {
        let mut shop = shop(json!({}));
        let mut all = json!({"code": "Été 10", "kind": "percent", "value": 1000});
        all.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        shop.discounts = vec![discount(all)];
        let codes = request(json!({"codes": ["ÉTÉ10", "été 10", "gone"]})).codes;
        let request = QuoteRequest { codes, ..to("DE", "pickup") };
        let input = input(vec![item(1000, 1, TaxClass::Standard)], request);
        let quote = quote(&input, &shop, now()).unwrap();
        let reasons: Vec<_> = quote.discounts.iter().map(|discount| discount.reason).collect();
        match reason {
            None => assert_eq!(reasons, [None, Some(DiscountRefusal::Unknown)], "{terms}"),
            Some(reason) => assert_eq!(reasons, [Some(reason), Some(DiscountRefusal::Unknown)], "{terms}"),
        }
        assert_eq!(quote.total.amount(), if reason.is_none() { 900 } else { 1000 }, "{terms}");
        let exhausted = vec![(shop.discounts[0].id, DiscountRefusal::LimitReached)];
        let used_up = super::quote(&QuoteInput { exhausted, ..input }, &shop, now()).unwrap();
        assert_eq!(used_up.discounts[0].reason, Some(reason.unwrap_or(DiscountRefusal::LimitReached)));
    }
}

#[test]
fn automatic_discounts_apply_without_a_code() {
    let mut shop = shop(json!({}));
    shop.discounts = vec![
        discount(json!({"kind": "percent", "value": 1000, "minimum": euros(1001)})),
        discount(json!({"kind": "free_shipping", "minimum": euros(1000)})),
    ];
    for (cents, discounts, total) in [(999, 0, 1499), (1000, 1, 1000), (6000, 1, 5400)] {
        let quote = quote(&input(vec![item(cents, 1, TaxClass::Standard)], to("DE", "parcel")), &shop, now()).unwrap();
        assert_eq!((quote.discounts.len(), quote.total.amount()), (discounts, total), "{cents}");
        assert!(quote.discounts.iter().all(|discount| discount.code.is_none() && discount.id.is_some()));
    }
}

#[test]
fn a_discount_that_would_make_the_order_dearer_is_not_used() {
    let mut shop = shop(json!({}));
    shop.discounts = vec![discount(json!({"code": "ONE", "kind": "percent", "value": 100}))];
    let request = QuoteRequest { codes: request(json!({"codes": ["one"]})).codes, ..to("DE", "parcel") };
    // Shipping is free from 50.00 and costs 5.00 below.
    for (cents, reason, total) in
        [(5000, Some(DiscountRefusal::NoGain), 5000), (4999, None, 4949 + 500), (6000, None, 5940)]
    {
        let quote = quote(&input(vec![item(cents, 1, TaxClass::Standard)], request.clone()), &shop, now()).unwrap();
        assert_eq!((quote.discounts[0].reason, quote.total.amount()), (reason, total), "{cents}");
    }
}

#[test]
fn a_quote_that_cannot_be_made_says_why() {
    let late: Timestamp = serde_json::from_value(json!("2027-01-01T00:00:00Z")).unwrap();
    let tea = || vec![item(1000, 1, TaxClass::Standard)];
    let mut dollars = item(1000, 1, TaxClass::Standard);
    dollars.product.price = Price::new(1000, Currency::try_from("USD").unwrap()).unwrap();
    let huge = || (0..1000).map(|_| item(Price::MAX_AMOUNT, 999, TaxClass::Standard)).collect::<Vec<_>>();
    let heavy = || vec![item(1, 201, TaxClass::Standard)];
    for (items, request, now, code, field) in [
        (tea(), to("DE", "pigeon"), now(), "validation", Some("shipping_method")),
        (tea(), to("FR", "parcel"), now(), "validation", Some("shipping_method")),
        (tea(), to("JP", "world"), now(), "validation", Some("shipping_method")),
        (heavy(), to("DE", "parcel"), now(), "validation", Some("shipping_method")),
        (vec![dollars], to("DE", "parcel"), now(), "currency-mixed", None),
        (tea(), to("DE", "parcel"), late, "tax-rate-missing", None),
        (huge(), to("DE", "pickup"), now(), "total-too-large", None),
    ] {
        let error = quote(&input(items, request.clone()), &shop(json!({})), now).unwrap_err();
        assert_eq!(error.code(), code, "{request:?}: {error}");
        assert_eq!(error.fields().first().map(|bad| &*bad.field), field, "{request:?}");
    }
    // A place that no zone contains has no options, and the method is missing.
    let nowhere = QuoteRequest { shipping_address: Some(address("JP")), ..QuoteRequest::default() };
    let quote = quote(&input(tea(), nowhere), &shop(json!({})), now()).unwrap();
    assert!(quote.shipping.options.is_empty() && quote.missing.contains(&Missing::ShippingMethod));
}

#[test]
fn the_json_is_the_one_of_the_api() {
    let quote =
        quote(&input(vec![item(1190, 1, TaxClass::Standard)], to("DE", "parcel")), &shop(json!({})), now()).unwrap();
    let json = serde_json::to_value(&quote).unwrap();
    let line = &quote.lines[0];
    assert_eq!(
        json,
        json!({
            "lines": [{"product_id": line.product_id, "name": "Tea", "quantity": 1, "unit_price": euros(1190),
                "discount": euros(0), "net": euros(1000), "tax": euros(190), "gross": euros(1190), "tax_rate_bp": 1900}],
            "shipping": {"options": [
                {"id": "parcel", "name": "Parcel", "price": euros(500), "days": {"from": 1, "to": 3}},
                {"id": "pickup", "name": "Pickup", "price": euros(0), "days": {"from": 1, "to": 3}}],
                "chosen": "parcel", "price": euros(500), "tax": euros(80)},
            "discounts": [],
            "taxes": [{"rate_bp": 1900, "net": euros(1420), "tax": euros(270)}],
            "tax_basis": {"country": "DE", "scheme": "domestic", "is_estimate": false},
            "total": euros(1690),
            "prices_include_tax": true,
            "missing": ["email"],
        })
    );
    assert_eq!(serde_json::from_value::<Quote>(json).unwrap(), quote);
}

#[test]
fn a_use_is_counted_when_something_is_taken_off() {
    let mut shop = shop(json!({}));
    let limits = [json!({"limit": 1, "per_customer": 1}), json!({"limit": 1}), json!({"per_customer": 1}), json!({})];
    for (terms, counted) in limits.into_iter().zip([(true, true), (true, false), (false, true), (false, false)]) {
        let mut all = json!({"code": "FREE", "kind": "free_shipping"});
        all.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        shop.discounts = vec![discount(all)];
        for (method, counted) in [("parcel", counted), ("pickup", (false, false))] {
            let request = QuoteRequest { codes: request(json!({"codes": ["free"]})).codes, ..to("DE", method) };
            let quote = quote(&input(vec![item(1000, 1, TaxClass::Standard)], request), &shop, now()).unwrap();
            let found = &quote.discounts[0];
            assert_eq!((found.is_counted, found.is_counted_for_customer), counted, "{terms} {method}");
            assert_eq!(quote.used_discounts().count(), usize::from(method == "parcel"), "{terms} {method}");
        }
    }
}
