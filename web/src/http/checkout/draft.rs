//! An order before it is placed: what the visitor has typed, and the requests that it becomes.

use serde_json::{Map, Value, json};
use souk_types::{Country, Currency, Error, FieldError, Money};

use super::buyer::Buyer;
use super::pricing::Priced;
use crate::fields::address::AddressForm;
use crate::fields::{FormState, refuse_fields};
use crate::form::Form;
use crate::idempotency::{key_of, new_key};
use crate::visit::Visit;

/// The address to which the goods are sent, or the billing address of digital goods.
pub(super) const MAIN: AddressForm<'static> = AddressForm { prefix: "shipping-", section: "shipping", countries: None };
/// The billing address, if it is another one.
pub(super) const BILLING: AddressForm<'static> =
    AddressForm { prefix: "billing-", section: "billing", countries: None };

/// The value of `address_id` for an address that is typed.
pub(super) const NEW_ADDRESS: &str = "new";

/// An order before it is placed.
pub(super) struct CheckoutDraft {
    pub(super) state: FormState,
    /// The key of the order, which makes a repeated request the same order.
    pub(super) key: String,
    /// The discount codes of the session.
    codes: Vec<String>,
    /// The total that the page has shown.
    shown_total: Option<Money>,
}

impl CheckoutDraft {
    /// Returns the form of the first visit. Errors: the operating system has no random numbers.
    pub(super) fn first(visit: &Visit<'_>, buyer: &Buyer) -> Result<Self, Error> {
        let mut state = FormState::default();
        let (shop, _) = visit.app.shop.cached();
        let default = buyer.addresses().iter().find(|saved| saved.default);
        state.set("address_id", default.map_or_else(|| NEW_ADDRESS.to_owned(), |saved| saved.id.to_string()));
        for address in [MAIN, BILLING] {
            if let Some(home) = &shop.home_country {
                state.set(&format!("{}country", address.prefix), home.as_str());
            }
        }
        Ok(Self { state, key: new_key()?, codes: visit.session.codes(), shown_total: None })
    }

    /// Returns the form that was sent. Errors: the operating system has no random numbers.
    pub(super) fn sent(visit: &Visit<'_>, form: &Form, buyer: &Buyer) -> Result<Self, Error> {
        let mut state = FormState::of(form);
        if buyer.chosen_address(&state).is_none() {
            state.set("address_id", NEW_ADDRESS);
        }
        let key = key_of(form)?;
        Ok(Self { state, key, codes: visit.session.codes(), shown_total: parse_total(form.get("expected_total")) })
    }

    /// Adds or removes a discount code, if a button of the form says so.
    pub(super) fn change_codes(&mut self, visit: &Visit<'_>, form: &Form) {
        if let Some(removed) = form.optional("remove-code") {
            visit.session.remove_code(removed);
        } else if let Some(code) = form.optional("code") {
            visit.session.add_code(code);
        }
        self.state.set("code", "");
        self.codes = visit.session.codes();
    }

    /// Uses another key: the last one belongs to an order that was refused.
    pub(super) fn renew_key(&mut self) -> Result<(), Error> {
        self.key = new_key()?;
        Ok(())
    }

    /// Whether the billing address is another one than the shipping address.
    pub(super) fn has_billing_address(&self) -> bool {
        self.state.value("billing") == "other"
    }

    /// Returns the body of a request for a quote. It leaves out what does not change the price.
    /// Another country than `home` is a place, even before the rest of the address is typed.
    pub(super) fn quote_terms(&self, buyer: &Buyer, home: Option<&Country>) -> Map<String, Value> {
        let mut terms = self.terms(buyer);
        let field = if buyer.is_digital { "billing_address" } else { "shipping_address" };
        if let Some(saved) = buyer.chosen_address(&self.state) {
            terms.insert(field.to_owned(), json!(saved.address));
        } else if !MAIN.has_no_place(&self.state, home) {
            terms.insert(field.to_owned(), MAIN.json_of_place(&self.state));
        }
        terms
    }

    /// Returns the body of the order; `None` when the page has shown no total.
    pub(super) fn order(&self, buyer: &Buyer) -> Option<Value> {
        let mut terms = self.terms(buyer);
        let saved = buyer.chosen_address(&self.state);
        let (field, address) = match saved {
            Some(saved) if buyer.is_digital => ("billing_address", json!(saved.address)),
            Some(saved) => ("shipping_address_id", json!(saved.id)),
            None if buyer.is_digital => ("billing_address", MAIN.json(&self.state)),
            None => ("shipping_address", MAIN.json(&self.state)),
        };
        terms.insert(field.to_owned(), address);
        if self.has_billing_address() && !buyer.is_digital {
            terms.insert("billing_address".to_owned(), BILLING.json(&self.state));
        }
        if let Some(note) = self.state.optional("note") {
            terms.insert("note".to_owned(), note.into());
        }
        if let Some(payment) = self.payment() {
            terms.insert("payment".to_owned(), payment);
        }
        terms.insert("expected_total".to_owned(), json!(self.shown_total?));
        Some(terms.into())
    }

    /// Takes over what the quote has decided, and shows what is wrong with the fields. While the
    /// visitor is still typing, an empty field is no error.
    pub(super) fn take_price(&mut self, visit: &Visit<'_>, priced: &Priced, is_refused: bool) {
        if let Some(quote) = &priced.quote {
            self.state.set("shipping_method", quote.shipping.chosen.as_deref().unwrap_or_default());
        }
        self.refuse(visit, &priced.refused);
        if priced.refused.iter().any(|refused| refused.field.starts_with("codes")) {
            // A text that cannot be a code, or too many: the order would be refused for them too.
            self.codes.clear();
            visit.session.set_codes(&[]);
        }
        if !is_refused {
            self.state.retain_errors(|state, field| state.optional(field).is_some());
        }
        let address = |form: AddressForm<'static>| {
            crate::fields::address::PARTS.iter().map(move |part| format!("{}{part}", form.prefix))
        };
        let order = ["email".to_owned(), "address_id".to_owned()];
        let rest = ["vat_number", "shipping_method", "note"].map(ToOwned::to_owned);
        let order: Vec<String> = order.into_iter().chain(address(MAIN)).chain(address(BILLING)).chain(rest).collect();
        self.state.sort_errors(order.iter().map(String::as_str));
    }

    /// Shows that a guest has left out the e-mail address. `shopping` refuses an address first.
    pub(super) fn require_email(&mut self, visit: &Visit<'_>, buyer: &Buyer) {
        if buyer.profile.is_none() && self.state.optional("email").is_none() {
            let missing = FieldError { field: "email".to_owned(), message: "is required".to_owned() };
            self.refuse(visit, &[missing]);
        }
    }

    /// Shows the fields that a service has refused. Returns whether the form has all of them.
    pub(super) fn refuse(&mut self, visit: &Visit<'_>, refused: &[FieldError]) -> bool {
        let has_billing_address = self.has_billing_address();
        refuse_fields(&mut self.state, visit.language, refused, |field| form_field(field, has_billing_address))
    }

    fn terms(&self, buyer: &Buyer) -> Map<String, Value> {
        let mut terms = Map::new();
        let email = self.state.optional("email").filter(|_| buyer.profile.is_none());
        let method = self.state.optional("shipping_method").filter(|_| !buyer.is_digital);
        let vat_number = self.state.optional("vat_number");
        for (name, value) in [("email", email), ("shipping_method", method), ("vat_number", vat_number)] {
            if let Some(value) = value {
                terms.insert(name.to_owned(), value.into());
            }
        }
        if !self.codes.is_empty() {
            terms.insert("codes".to_owned(), json!(self.codes));
        }
        terms
    }

    /// Returns the payment; `None` for the default method of the shop.
    fn payment(&self) -> Option<Value> {
        let method = self.state.optional("payment")?;
        let token = Some(self.state.optional("demo_token").unwrap_or("demo_ok")).filter(|_| method == "demo");
        Some(match token {
            Some(token) => json!({"method": method, "token": token}),
            None => json!({"method": method}),
        })
    }
}

/// Returns the field of the form for a field of a request.
fn form_field(field: &str, has_billing_address: bool) -> Option<String> {
    let billing = if has_billing_address { BILLING.prefix } else { MAIN.prefix };
    match field.split_once('.') {
        Some(("shipping_address", part)) => Some(format!("{}{part}", MAIN.prefix)),
        Some(("billing_address", part)) => Some(format!("{billing}{part}")),
        Some(_) => None,
        None => match field {
            "email" | "shipping_method" | "vat_number" | "note" => Some(field.to_owned()),
            "shipping_address_id" => Some("address_id".to_owned()),
            "shipping_address" => Some(format!("{}name", MAIN.prefix)),
            "billing_address" => Some(format!("{billing}name")),
            _ => None,
        },
    }
}

/// Writes a total into a field of the form.
pub(super) fn write_total(total: Money) -> String {
    format!("{} {}", total.amount(), total.currency().code())
}

fn parse_total(text: &str) -> Option<Money> {
    let (amount, currency) = text.split_once(' ')?;
    Money::new(amount.parse().ok()?, Currency::try_from(currency).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_field_is_found_in_the_form() {
        for (field, has_billing_address, expected) in [
            ("email", false, Some("email")),
            ("shipping_address.line1", false, Some("shipping-line1")),
            ("shipping_address", false, Some("shipping-name")),
            ("billing_address.city", false, Some("shipping-city")),
            ("billing_address.city", true, Some("billing-city")),
            ("shipping_address_id", false, Some("address_id")),
            ("payment.token", false, None),
            ("codes", false, None),
        ] {
            assert_eq!(form_field(field, has_billing_address).as_deref(), expected, "{field}");
        }
    }

    #[test]
    fn the_shown_total_comes_back() {
        let total = Money::new(1_290, Currency::try_from("EUR").unwrap()).unwrap();
        assert_eq!(parse_total(&write_total(total)), Some(total));
        for bad in ["", "1290", "1290 EURO", "-1 EUR", "x EUR"] {
            assert_eq!(parse_total(bad), None, "{bad}");
        }
    }
}
