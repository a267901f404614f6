//! The states of an order, the transitions between them, and the reasons for a transition.

use serde::{Deserialize, Serialize};

/// The state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderStatus {
    /// The order is stored; no stock is held yet.
    Pending,
    /// The stock is held; the payment is in progress.
    Reserved,
    /// The payment is captured; the stock is held, not sold.
    Paid,
    /// The stock is sold.
    Confirmed,
    /// A part of the pieces was sent to the customer; more are left to ship.
    PartiallyShipped,
    /// All pieces were sent to the customer, except refunded ones.
    Shipped,
    /// All that was sent has arrived.
    Delivered,
    /// The checkout failed before any money was captured.
    Rejected,
    /// Cancelled after its stock was held. Compensation returns the stock and the captured money.
    Cancelled,
    /// The order was cancelled, and its stock and money are returned.
    Refunded,
}

impl OrderStatus {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Reserved,
        Self::Paid,
        Self::Confirmed,
        Self::PartiallyShipped,
        Self::Shipped,
        Self::Delivered,
        Self::Rejected,
        Self::Cancelled,
        Self::Refunded,
    ];

    /// Whether the checkout has no outcome yet.
    #[must_use]
    pub fn is_in_checkout(self) -> bool {
        matches!(self, Self::Pending | Self::Reserved | Self::Paid)
    }

    /// Whether the order is sold: confirmed, and neither cancelled nor refunded as a whole.
    #[must_use]
    pub fn is_sold(self) -> bool {
        matches!(self, Self::Confirmed | Self::PartiallyShipped | Self::Shipped | Self::Delivered)
    }

    /// Whether a parcel was sent, so that the order cannot be cancelled as a whole.
    #[must_use]
    pub fn is_shipped(self) -> bool {
        matches!(self, Self::PartiallyShipped | Self::Shipped | Self::Delivered)
    }

    /// Returns the states that may follow. An order of digital goods is delivered without a parcel.
    /// When money arrives late, a cancelled order may become paid again, and a rejected one
    /// cancelled, so that the money is refunded. When a refund fails late, a refunded order is
    /// cancelled again.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Reserved, Self::Rejected],
            Self::Reserved => &[Self::Paid, Self::Rejected, Self::Cancelled],
            Self::Paid => &[Self::Confirmed, Self::Cancelled],
            Self::Confirmed => &[Self::PartiallyShipped, Self::Shipped, Self::Delivered, Self::Cancelled],
            Self::PartiallyShipped => &[Self::Shipped],
            Self::Shipped => &[Self::Delivered],
            Self::Rejected | Self::Refunded => &[Self::Cancelled],
            Self::Cancelled => &[Self::Refunded, Self::Paid],
            Self::Delivered => &[],
        }
    }
}

/// What the buyer must know about a change of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderEvent {
    /// The payment failed, or did not arrive in time: nothing was ordered. Not of an order that was
    /// refused before its stock was held: the client has the reason, and the order has no number.
    PaymentFailed,
    /// The payment takes longer.
    PaymentWaiting,
    /// The order was cancelled after it was paid.
    Cancelled,
}

impl OrderEvent {
    /// Returns the event of a transition, if it has one.
    pub(super) fn of(from: OrderStatus, to: OrderStatus, reason: Option<StatusReason>) -> Option<Self> {
        use OrderStatus::{Cancelled, Confirmed, Paid, Rejected, Reserved};
        let has_failed = matches!(
            reason,
            Some(
                StatusReason::PaymentDeclined
                    | StatusReason::PaymentRefused
                    | StatusReason::PaymentCancelled
                    | StatusReason::ReservationExpired
            )
        );
        match (from, to) {
            (Paid | Confirmed, Cancelled) => Some(Self::Cancelled),
            (Reserved, Rejected | Cancelled) if has_failed => Some(Self::PaymentFailed),
            _ => None,
        }
    }
}

/// The reason for a state outside the normal course of an order. Documented in `docs/api.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StatusReason {
    /// Products are out of stock, before or after the payment.
    OutOfStock,
    /// `products` refused the reservation for another reason.
    ReservationRefused,
    /// The products have another price than the client expects, or none that can be charged.
    QuoteChanged,
    /// The payment arrived after another order was placed from the same cart.
    OrderedAgain,
    /// The payment arrived after the last use of the order's discount was taken.
    DiscountUnavailable,
    /// The provider refused to create the payment or to charge it.
    PaymentRefused,
    PaymentDeclined,
    /// The payment was cancelled at the provider.
    PaymentCancelled,
    Interrupted,
    ReservationExpired,
    /// The payment arrived after the order had ended.
    PaidLate,
    /// All the money was refunded at the provider, for instance on its dashboard.
    RefundedAtProvider,
    /// A refund failed after it had succeeded.
    RefundFailed,
    ByCustomer,
    ByShop,
}
