//! Paying. There is one method so far, `demo`, which moves no money: its tokens say how it ends, so that a client can try out
//! every ending. It has no outside world and therefore nothing that a crash could leave half done.

use common::error::{Error, Result};
use common::input::{Fields, Input};
use serde::{Deserialize, Serialize};

/// How an order is to be paid: `{"method": "demo", "token": "demo_ok"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Means {
    method: Method,
    token: DemoToken,
}

/// Who moves the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Nobody.
    Demo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum DemoToken {
    #[serde(rename = "demo_ok")]
    Ok,
    #[serde(rename = "demo_declined")]
    Declined,
}

impl Default for Means {
    /// Without a word about it, an order is paid by `demo`, and well.
    fn default() -> Self {
        Self { method: Method::Demo, token: DemoToken::Ok }
    }
}

impl Input for Means {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (method, token) = (fields.required("method"), fields.required("token"));
        Some(Self { method: method?, token: token? })
    }
}

/// What became of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Who moved the money.
    pub method: Method,
    /// Where it is.
    pub status: Status,
}

/// Where the money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// With the shop.
    Captured,
    /// With the customer again.
    Refunded,
    /// Where it was.
    Declined,
}

impl Means {
    /// Takes the money. Errors: `payment-declined`.
    pub fn charge(self) -> Result<Payment> {
        match self.token {
            DemoToken::Ok => Ok(Payment { method: self.method, status: Status::Captured }),
            DemoToken::Declined => Err(Error::payment_declined("The payment was declined; nothing was ordered.")),
        }
    }

    /// The payment of an order that was declined.
    #[must_use]
    pub fn declined(self) -> Payment {
        Payment { method: self.method, status: Status::Declined }
    }
}

impl Payment {
    /// Gives the money back.
    #[must_use]
    pub fn refunded(self) -> Self {
        Self { status: Status::Refunded, ..self }
    }
}
