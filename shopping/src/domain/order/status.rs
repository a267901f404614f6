//! Where an order stands, and where it may go from there.

use serde::{Deserialize, Serialize};

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Written down; nothing is held for it yet.
    Pending,
    /// Its goods are held; the payment is under way.
    Reserved,
    /// The money has come; the goods are still held, not sold.
    Paid,
    /// Its goods are sold.
    Confirmed,
    /// They are on their way to the customer.
    Shipped,
    /// Nothing came of it, and no money has moved.
    Rejected,
    /// Taken back, by the customer, the shop or the clock. Goods return, and so does money that had come.
    Cancelled,
    /// The money has gone back.
    Refunded,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Reserved,
        Self::Paid,
        Self::Confirmed,
        Self::Shipped,
        Self::Rejected,
        Self::Cancelled,
        Self::Refunded,
    ];

    /// Where it may go next. Money that comes when all is over makes a cancelled order paid once more, or a rejected one cancelled,
    /// so that it is given back.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Reserved, Self::Rejected],
            Self::Reserved => &[Self::Paid, Self::Rejected, Self::Cancelled],
            Self::Paid => &[Self::Confirmed, Self::Cancelled],
            Self::Confirmed => &[Self::Shipped, Self::Cancelled],
            Self::Rejected => &[Self::Cancelled],
            Self::Cancelled => &[Self::Refunded, Self::Paid],
            Self::Shipped | Self::Refunded => &[],
        }
    }
}
