//! Structured data for search engines (<https://schema.org>), as JSON-LD.

use serde_json::{Value, json};
use souk_types::Money;

use crate::api::catalogue::Product;
use crate::page::Frame;

/// Returns the way from the home page to this page: names and paths below the language's prefix.
pub(super) fn breadcrumbs(page: &Frame, steps: &[(String, String)]) -> Value {
    let home = (page.shop.name.clone(), String::new());
    let items = std::iter::once(&home).chain(steps).zip(1..).map(|((name, path), position)| {
        json!({"@type": "ListItem", "position": position, "name": name, "item": page.absolute(&page.url(path))})
    });
    json!({"@context": "https://schema.org", "@type": "BreadcrumbList", "itemListElement": items.collect::<Vec<_>>()})
}

/// Returns a product with its offer.
pub(super) fn product(page: &Frame, product: &Product) -> Value {
    let availability = if product.available > 0 { "InStock" } else { "OutOfStock" };
    let mut data = json!({
        "@context": "https://schema.org",
        "@type": "Product",
        "name": product.name,
        "description": product.description,
        "category": product.category,
        "sku": product.id,
        "offers": {
            "@type": "Offer",
            "url": page.canonical(),
            "price": decimal(product.price),
            "priceCurrency": product.price.currency(),
            "availability": format!("https://schema.org/{availability}"),
            "itemCondition": "https://schema.org/NewCondition",
            "seller": {"@type": "Organization", "name": page.shop.name},
        },
    });
    if let Some(image) = &product.image {
        data["image"] = page.absolute(image).into();
    }
    if let Some(supplier) = &product.supplier {
        data["brand"] = json!({"@type": "Brand", "name": supplier});
    }
    data
}

/// Returns the shop as an organisation.
pub(super) fn organization(page: &Frame) -> Value {
    let mut data = json!({
        "@context": "https://schema.org",
        "@type": "OnlineStore",
        "name": page.shop.name,
        "legalName": page.shop.legal_name,
        "url": page.absolute(&page.url("")),
    });
    for (name, value) in [("email", &page.shop.email), ("vatID", &page.shop.vat_number)] {
        if let Some(value) = value {
            data[name] = value.as_str().into();
        }
    }
    data
}

/// Writes an amount with a point before its decimals: `12.90`.
fn decimal(money: Money) -> String {
    let exponent = money.currency().exponent();
    let factor = 10u64.pow(exponent);
    let (whole, rest) = (money.amount() / factor, money.amount() % factor);
    if exponent == 0 { whole.to_string() } else { format!("{whole}.{rest:0width$}", width = exponent as usize) }
}

#[cfg(test)]
mod tests {
    use souk_types::Currency;

    use super::*;

    #[test]
    fn prices_have_the_decimals_of_their_currency() {
        for (amount, currency, expected) in [(1_290, "EUR", "12.90"), (5, "EUR", "0.05"), (1_500, "JPY", "1500")] {
            let money = Money::new(amount, Currency::try_from(currency).unwrap()).unwrap();
            assert_eq!(decimal(money), expected);
        }
    }
}
