//! The client's part of a quote.

use serde::{Deserialize, Serialize};
use souk_contract::shopping::{MAX_CODES, MAX_METHOD_ID};
use souk_types::input::{Fields, Input};
use souk_types::{Address, Email, Text};

use crate::domain::discount::Code;
use crate::domain::tax::VatNumber;

/// What the client says about an order. All fields are optional in a quote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuoteRequest {
    pub(crate) email: Option<Email>,
    pub(crate) shipping_address: Option<Address>,
    /// The shipping address when it is missing.
    pub(crate) billing_address: Option<Address>,
    pub(crate) shipping_method: Option<MethodId>,
    #[serde(default)]
    pub(crate) codes: Vec<Code>,
    pub(crate) vat_number: Option<VatNumber>,
}

impl Input for QuoteRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.optional("email");
        let shipping_address = optional_object(fields, "shipping_address");
        let billing_address = optional_object(fields, "billing_address");
        let shipping_method = fields.optional("shipping_method");
        let codes: Vec<Code> = fields.optional("codes").unwrap_or_default();
        let vat_number = fields.optional("vat_number");
        if codes.len() > MAX_CODES {
            return fields.refuse("codes", &format!("must have at most {MAX_CODES} codes"));
        }
        Some(Self { email, shipping_address, billing_address, shipping_method, codes, vat_number })
    }
}

/// Takes a nested object that may be missing or null.
pub(crate) fn optional_object<T: Input>(fields: &mut Fields, name: &str) -> Option<T> {
    if fields.is_given(name) {
        return fields.optional_object(name);
    }
    fields.take_raw(name);
    None
}

/// The id of a shipping method: lower-case letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct MethodId(Text<1, MAX_METHOD_ID>);

impl TryFrom<String> for MethodId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !text.bytes().all(is_allowed) {
            return Err("must have lower-case letters, digits and hyphens only".to_owned());
        }
        Text::try_from(text).map(Self)
    }
}

impl std::fmt::Display for MethodId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
