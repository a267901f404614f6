//! The states of a reservation that is decided, and the replies that follow from them.
//!
//! | state | confirm | release, out of stock | restock the rest | restock a part |
//! |---|---|---|---|---|
//! | undecided | confirmed if all lines are held, otherwise released | released | | |
//! | confirmed | | | restocked | confirmed |
//! | released | | | | |
//! | restocked | | | | |
//!
//! An empty cell leaves the state as it is, so a repeated request gets the first one's reply.

use serde::{Deserialize, Serialize};
use souk_contract::products::{Confirmed, Released, Restocked};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// The order is paid; its lines are sold.
    Confirmed,
    /// Nothing is held.
    Released,
    /// The order was confirmed and cancelled; all its pieces are available again.
    Restocked,
}

impl State {
    pub(crate) fn confirm_reply(self) -> Confirmed {
        match self {
            Self::Confirmed => Confirmed::Sold,
            Self::Released | Self::Restocked => Confirmed::Released,
        }
    }

    pub(crate) fn release_reply(self) -> Released {
        match self {
            Self::Confirmed | Self::Restocked => Released::Sold,
            Self::Released => Released::Released,
        }
    }

    pub(crate) fn restock_reply(self) -> Restocked {
        match self {
            Self::Confirmed | Self::Restocked => Restocked::Restocked,
            Self::Released => Restocked::NotSold,
        }
    }

    /// The name in the log.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Confirmed => "sold",
            Self::Released => "released",
            Self::Restocked => "restocked",
        }
    }
}
