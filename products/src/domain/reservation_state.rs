//! The states of a reservation, its transitions, and the replies that follow from a state.
//!
//! | state | all lines held | out of stock | confirm | release | restock |
//! |---|---|---|---|---|---|
//! | holding | held | released | | released | |
//! | held | | | confirmed | released | |
//! | confirmed | | | | | restocked |
//! | released | | | | | |
//! | restocked | | | | | |
//!
//! An empty cell leaves the state as it is, so a repeated request gets the first one's reply.

use serde::{Deserialize, Serialize};
use souk_contract::products::{Confirmed, Released, Restocked};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// An attempt places holds on the products.
    Holding,
    Held,
    /// The order is paid; its lines are sold.
    Confirmed,
    /// Nothing is held.
    Released,
    /// The order was confirmed and cancelled; all its pieces are available again.
    Restocked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    AllHeld,
    OutOfStock,
    Confirm,
    Release,
    Restock,
}

impl State {
    pub(crate) fn after(self, trigger: Trigger) -> Self {
        match (self, trigger) {
            (Self::Holding, Trigger::AllHeld) => Self::Held,
            (Self::Holding, Trigger::OutOfStock) | (Self::Holding | Self::Held, Trigger::Release) => Self::Released,
            (Self::Held, Trigger::Confirm) => Self::Confirmed,
            (Self::Confirmed, Trigger::Restock) => Self::Restocked,
            (unchanged, _) => unchanged,
        }
    }

    /// Whether the holds on the products follow this state.
    pub(crate) fn is_decided(self) -> bool {
        matches!(self, Self::Confirmed | Self::Released | Self::Restocked)
    }

    pub(crate) fn confirm_reply(self) -> Confirmed {
        match self {
            Self::Confirmed => Confirmed::Sold,
            Self::Holding | Self::Held | Self::Released | Self::Restocked => Confirmed::Released,
        }
    }

    pub(crate) fn release_reply(self) -> Released {
        match self {
            Self::Confirmed | Self::Restocked => Released::Sold,
            Self::Holding | Self::Held | Self::Released => Released::Released,
        }
    }

    pub(crate) fn restock_reply(self) -> Restocked {
        match self {
            Self::Confirmed | Self::Restocked => Restocked::Restocked,
            Self::Holding | Self::Held | Self::Released => Restocked::NotSold,
        }
    }

    /// The name in the log.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Holding => "holding",
            Self::Held => "held",
            Self::Confirmed => "sold",
            Self::Released => "released",
            Self::Restocked => "restocked",
        }
    }
}
