//! The number of an order, for people: `S-10042`. Numbers are unique and rise; some are missing,
//! because a checkout may fail after it has taken one.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct OrderNumber(String);

impl OrderNumber {
    /// Returns a number in the format of the shop's settings.
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
