//! The price of an order that is being typed: of the parts that are complete.

use serde_json::{Map, Value};
use souk_types::FieldError;

use crate::api::quote::Quote;
use crate::api::{Api, Problem, Result, Token};

/// The price of the complete parts of an order.
#[derive(Default)]
pub(super) struct Priced {
    /// `None` when nothing has a price now.
    pub(super) quote: Option<Quote>,
    /// Whether the service says why nothing has a price, and waiting does not help.
    pub(super) is_refused: bool,
    /// The fields that could not be used.
    pub(super) refused: Vec<FieldError>,
}

impl Priced {
    /// Whether the address that decides about shipping and taxes is not complete. The price is then
    /// that of an order to the home country.
    pub(super) fn lacks_address(&self) -> bool {
        let is_address = |field: &str| field.starts_with("shipping_address") || field.starts_with("billing_address");
        self.refused.iter().any(|refused| is_address(&refused.field))
    }

    /// Whether nothing ships to the address.
    pub(super) fn has_no_method(&self) -> bool {
        self.quote.as_ref().is_some_and(|quote| quote.shipping.options.is_empty())
    }
}

/// Prices an order. Parts that the service refuses are left out, and the first method of shipping
/// is chosen until the visitor chooses one: each page shows the total that an order would have.
///
/// Errors: those of the service which no part of the request explains.
pub(super) async fn price(api: Api<'_>, token: &Token, mut terms: Map<String, Value>) -> Result<Priced> {
    let mut refused: Vec<FieldError> = Vec::new();
    // Each further request lacks a part of the one before, or has a method in addition.
    loop {
        match api.quote(token, &terms).await {
            Ok(quote) => {
                let first = quote.shipping.options.first().filter(|_| quote.shipping.chosen.is_none());
                let Some(first) = first.filter(|_| !terms.contains_key("shipping_method")) else {
                    return Ok(Priced { quote: Some(quote), refused, is_refused: false });
                };
                terms.insert("shipping_method".to_owned(), first.id.as_str().into());
            }
            Err(Problem::Refused(refusal)) if refusal.code() == "validation" => {
                let parts = refusal.fields.iter().map(|refused| refused.field.split('.').next().unwrap_or_default());
                // All parts are removed, also those after the first one.
                let removed = parts.filter(|part| terms.remove(*part).is_some()).count();
                if removed == 0 {
                    return Err(Problem::Refused(refusal));
                }
                refused.extend(refusal.fields);
            }
            Err(problem) => return Err(problem),
        }
    }
}
