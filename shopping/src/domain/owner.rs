//! The owner of a cart, and of the orders that are placed from it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;

use super::guest_cart::GuestId;

/// A customer or a guest. In text: `customer:ID` or `guest:ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Owner {
    Customer(CustomerId),
    Guest(GuestId),
}

impl Owner {
    pub(crate) fn customer(self) -> Option<CustomerId> {
        match self {
            Self::Customer(id) => Some(id),
            Self::Guest(_) => None,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "customer:{id}"),
            Self::Guest(id) => write!(f, "guest:{id}"),
        }
    }
}

impl FromStr for Owner {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const INVALID: &str = "is not customer:ID or guest:ID";
        match text.split_once(':') {
            Some(("customer", id)) => id.parse().map(Self::Customer).map_err(|_| INVALID),
            Some(("guest", id)) => id.parse().map(Self::Guest).map_err(|_| INVALID),
            _ => Err(INVALID),
        }
    }
}

impl TryFrom<String> for Owner {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_from_its_text() {
        for owner in [Owner::Customer(CustomerId::new()), Owner::Guest(GuestId::new())] {
            assert_eq!(owner.to_string().parse(), Ok(owner));
        }
        for bad in ["", "customer", "customer:", "customer:1", "admin:01890a5d-ac96-774b-bcce-b302099a8057"] {
            assert!(bad.parse::<Owner>().is_err(), "{bad}");
        }
    }
}
