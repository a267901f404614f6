//! What everyone may know of the shop: its name and address, and how it ships.

use serde::Serialize;
use souk_types::{Address, Country, Currency, Email, Money, Text};

use super::payment::PaymentMethod;
use super::shipping::DeliveryDays;
use super::shop::ShopConfig;
use super::vat_number::VatNumber;

/// The public part of the documents of the shop.
#[derive(Serialize)]
pub(crate) struct PublicShop {
    name: Text<1, 100>,
    legal_name: Text<1, 200>,
    address: Option<Address>,
    vat_number: Option<VatNumber>,
    email: Option<Email>,
    home_country: Country,
    currency: Currency,
    prices_include_tax: bool,
    /// The countries that the shop ships to; `None` for all.
    ships_to: Option<Vec<Country>>,
    /// The methods that ship to the home country.
    shipping: Vec<PublicMethod>,
    /// The methods that orders can be paid by. The first is the default.
    payment_methods: Vec<PaymentMethod>,
}

#[derive(Serialize)]
struct PublicMethod {
    name: Text<1, 100>,
    days: DeliveryDays,
    free_from: Option<Money>,
    pickup: bool,
}

impl PublicShop {
    /// Returns the public part of the documents of a shop with these payment methods.
    pub(crate) fn new(shop: &ShopConfig, payment_methods: &[PaymentMethod]) -> Self {
        let settings = shop.settings.clone();
        let methods = shop.shipping.methods(&settings.home()).iter();
        let shipping = methods.map(|method| PublicMethod {
            name: method.name.clone(),
            days: method.days,
            free_from: method.free_from(),
            pickup: method.is_pickup(),
        });
        Self {
            shipping: shipping.collect(),
            payment_methods: payment_methods.to_vec(),
            ships_to: shop.shipping.countries(),
            name: settings.name,
            legal_name: settings.legal_name,
            address: settings.address,
            vat_number: settings.vat_number,
            email: settings.email,
            home_country: settings.home_country,
            currency: settings.currency,
            prices_include_tax: settings.prices_include_tax,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_publishes_its_contact_data_and_its_shipping() {
        let shop =
            serde_json::to_value(PublicShop::new(&ShopConfig::sample().unwrap(), &[PaymentMethod::Demo])).unwrap();
        let mut fields: Vec<&str> = shop.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        let documented = [
            "address",
            "currency",
            "email",
            "home_country",
            "legal_name",
            "name",
            "payment_methods",
            "prices_include_tax",
            "shipping",
            "ships_to",
            "vat_number",
        ];
        assert_eq!(fields, documented);
        assert_eq!(shop["payment_methods"], serde_json::json!(["demo"]));
        assert!(
            shop["shipping"].as_array().is_some_and(|methods| methods.iter().any(|method| method["pickup"] == true))
        );
    }
}
