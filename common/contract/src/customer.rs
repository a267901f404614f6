//! What `customer` answers and announces.

use jsonwebtoken::jwk::Jwk;
use serde::{Deserialize, Serialize};

use crate::{Event, Request};
use souk_types::Id;

/// Names the type of a customer's id; `customer` has the real thing.
pub enum Customer {}

/// The id of an account.
pub type CustomerId = Id<Customer>;

/// Asks for the public keys that verify access tokens.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetKeys {}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Debug, Serialize, Deserialize)]
pub struct Keys {
    /// Every key that may have signed a token which is still valid.
    pub keys: Vec<Jwk>,
}

impl Request for GetKeys {
    const NAME: &'static str = "customer.keys";
    type Reply = Keys;
}

/// An account was deleted; whoever knows something about this person forgets it and says so, with a `customer-erased` of its own. Until
/// all have, this is announced again: one erasure may be several of these events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomerDeleted {
    /// Whose account it was.
    pub id: CustomerId,
}

impl Event for CustomerDeleted {
    const NAME: &'static str = "customer.deleted";
    const LISTENERS: &'static [&'static str] = &["products", "shopping"];
}
