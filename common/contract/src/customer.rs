//! The requests and events of `customer`.

use jsonwebtoken::jwk::Jwk;
use serde::{Deserialize, Serialize};

use crate::{Event, Request};
use souk_types::Id;

/// Marks ids of accounts; the type itself is private to `customer`.
pub enum Customer {}

/// The id of an account.
pub type CustomerId = Id<Customer>;

/// The role of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Orders products.
    Customer,
    /// Orders products and manages the shop.
    Admin,
}

/// Returns the public keys that verify access tokens.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetKeys {}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Debug, Serialize, Deserialize)]
pub struct Keys {
    /// All keys that may have signed an unexpired token.
    pub keys: Vec<Jwk>,
}

impl Request for GetKeys {
    const NAME: &'static str = "customer.keys";
    type Reply = Keys;
}

/// An account was deleted. Each subscriber erases the customer's personal data and publishes a
/// `customer-erased` of its own. `customer` publishes this event again until every subscriber has
/// responded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomerDeleted {
    /// The deleted account.
    pub id: CustomerId,
}

impl Event for CustomerDeleted {
    const NAME: &'static str = "customer.deleted";
    const LISTENERS: &'static [&'static str] = &["products", "shopping"];
}
