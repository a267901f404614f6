//! The events of `mail`.

use serde::{Deserialize, Serialize};

use crate::Event;
use crate::customer::CustomerId;

/// `mail` has erased the mails to a customer. Published for each `customer.deleted`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomerErased {
    /// The deleted account.
    pub id: CustomerId,
}

impl Event for CustomerErased {
    const NAME: &'static str = "mail.customer-erased";
    const LISTENERS: &'static [&'static str] = &["customer"];
}
