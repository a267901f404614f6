//! The personal data in an order, and what is left of it after an erasure.

use std::fmt;

use serde::{Deserialize, Serialize};
use souk_types::{Address, Country, Email, MultilineText};

use crate::domain::quote::QuoteRequest;

/// What the client said about an order: e-mail address, addresses, shipping method, codes, VAT
/// number and a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Buyer {
    /// The input of the quote. An erasure empties its personal data.
    pub(crate) request: QuoteRequest,
    /// The country of the shipping address, or else of the billing address.
    pub(crate) country: Option<Country>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<CustomerNote>,
}

impl Buyer {
    pub(crate) fn new(request: QuoteRequest, note: Option<CustomerNote>) -> Self {
        let address = request.shipping_address.as_ref().or(request.billing_address.as_ref());
        Self { country: address.map(|address| address.country().clone()), request, note }
    }

    pub(crate) fn email(&self) -> Option<&Email> {
        self.request.email.as_ref()
    }

    pub(crate) fn shipping_address(&self) -> Option<&Address> {
        self.request.shipping_address.as_ref()
    }

    /// Returns the address of the invoice: the shipping address, unless the buyer gave another.
    pub(crate) fn billing_address(&self) -> Option<&Address> {
        self.request.billing_address.as_ref().or(self.shipping_address())
    }

    /// Removes e-mail address, names, addresses, telephone numbers and the note. The country and a
    /// VAT number stay, because the shop must be able to justify the tax that it charged.
    pub(super) fn erase(&mut self) {
        (self.request.email, self.note) = (None, None);
        (self.request.shipping_address, self.request.billing_address) = (None, None);
    }
}

/// A note of the buyer to the shop.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CustomerNote(MultilineText<1, 500>);

impl fmt::Debug for CustomerNote {
    /// Hides the text, so that no log line can show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerNote(..)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_erased_buyer_has_a_country_and_no_personal_data() {
        let address = json!({"name": "Ana Silva", "line1": "Rua 1", "city": "Porto", "postal_code": "4050-265",
            "country": "PT", "phone": "+351912345678"});
        let request: QuoteRequest = serde_json::from_value(json!({
            "email": "ana@example.com", "shipping_address": address, "billing_address": null,
            "shipping_method": "standard", "codes": ["SUMMER"], "vat_number": null,
        }))
        .unwrap();
        let mut buyer = Buyer::new(request, serde_json::from_value(json!("for Ben")).unwrap());
        let debug = format!("{buyer:?}");
        buyer.erase();
        let stored = serde_json::to_string(&buyer).unwrap();
        for personal in ["ana", "Ana", "Rua", "Porto", "4050", "912345678", "Ben"] {
            assert!(!debug.contains(personal) && !stored.contains(personal), "{personal}: {debug} {stored}");
        }
        assert_eq!(serde_json::to_value(&buyer).unwrap()["country"], "PT");
        assert_eq!(serde_json::from_str::<Buyer>(&stored).unwrap(), buyer);
    }
}
