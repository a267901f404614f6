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

/// The access tokens of an account's earlier generations are revoked: its password or e-mail
/// address has changed, or the customer has ended all sessions. Each subscriber refuses them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokensRevoked {
    /// The account.
    pub id: CustomerId,
    /// The current generation: tokens of a lower one are refused.
    pub generation: u32,
}

impl Event for TokensRevoked {
    const NAME: &'static str = "customer.tokens-revoked";
    const LISTENERS: &'static [&'static str] = &["products", "shopping"];
}

impl Event for CustomerDeleted {
    const NAME: &'static str = "customer.deleted";
    const LISTENERS: &'static [&'static str] = &["products", "shopping"];
}
