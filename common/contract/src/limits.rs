//! The broadcast by which the instances of a service limit together.

use serde::{Deserialize, Serialize};

use crate::Broadcast;

/// Uses of rate limits that one instance has counted since its last broadcast. The other instances
/// of its service add them to their own counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUses {
    /// The service: `customer`.
    pub service: String,
    /// The name of the instance, unique within the shop.
    pub instance: String,
    /// At most [`LimitUses::MAX`].
    pub uses: Vec<LimitUse>,
}

impl LimitUses {
    /// The number of uses in one message.
    pub const MAX: usize = 500;
}

impl Broadcast for LimitUses {
    const NAME: &'static str = "souk.limit-uses";

    fn service(&self) -> Option<&str> {
        Some(&self.service)
    }
}

/// The uses of one limit by one client or account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUse {
    /// The name of the limit.
    pub limit: String,
    /// The hash of the client or account.
    pub key: u64,
    /// How often it was used.
    pub times: u32,
}
