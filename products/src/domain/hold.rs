//! Holds: pieces of a product that are kept for an order until its reservation is decided.

use serde::{Deserialize, Serialize};
use souk_contract::products::{HoldId, ProductSnapshot};
use souk_contract::shopping::OrderId;
use souk_types::{Quantity, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// Distinguishes the holds of one reservation on one product. A decision names the hold that it
    /// is about.
    pub(crate) id: HoldId,
    pub(crate) order: OrderId,
    pub(crate) quantity: Quantity,
    /// When the pieces are available again, unless the reservation is decided before.
    #[serde(rename = "until")]
    pub(crate) expires_at: Timestamp,
    /// The product as it was when it was held; `None` while it has not been edited since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) product: Option<Box<ProductSnapshot>>,
}

/// The request for a hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HoldRequest {
    pub(crate) order: OrderId,
    pub(crate) quantity: Quantity,
    /// When the hold expires while the product is plentiful.
    pub(crate) expires_at: Timestamp,
    /// When it expires while the product is scarce.
    pub(crate) expires_at_if_scarce: Timestamp,
}
