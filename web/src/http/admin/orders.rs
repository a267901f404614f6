//! Orders: the list, one order with all that can be done with it, and what is printed of it.

mod act;
mod bulk;
mod confirm;
mod done;
mod draft;
mod events;
mod list;
mod print;
mod refusal;
mod show;
mod staff;
mod views;

use rocket::{Route, routes};
use souk_types::Timestamp;

use super::super::order::status_key;
use super::{Admin, Nav, Section, start_of_day};
use crate::api::admin_orders::OrderSummary;
use crate::api::order::OrderStatus;
use crate::fields::address::country_name;
use crate::locale::{Key, Language};

pub(super) fn routes() -> Vec<Route> {
    routes![list::list, bulk::change, views::save, views::remove, show::show, act::act, print::slip, print::order]
}

/// An order in a table, in words.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) number: String,
    pub(super) placed: String,
    pub(super) customer: String,
    pub(super) status: String,
    pub(super) tone: &'static str,
    pub(super) payment: String,
    pub(super) pieces: u32,
    pub(super) country: String,
    pub(super) total: String,
    pub(super) attention: Option<String>,
    /// Whether its check box is checked.
    pub(super) is_selected: bool,
    /// Whether pieces of it are left to send, by its status.
    pub(super) is_to_send: bool,
}

impl Row {
    pub(super) fn new(language: Language, order: &OrderSummary) -> Self {
        Self {
            id: order.id.to_string(),
            path: format!("{}{}", language.prefix(), order_path(&order.id)),
            number: order.short_name(),
            placed: moment(language, order.placed_at),
            customer: order.name.clone().or_else(|| order.email.clone()).unwrap_or_default(),
            status: language.text(status_key(order.status)).to_string(),
            tone: tone(order.status),
            payment: order.payment.as_deref().map(|status| payment_text(language, status)).unwrap_or_default(),
            pieces: order.pieces,
            country: order.country.as_ref().map(|country| country_name(language, country)).unwrap_or_default(),
            total: language.money(order.total),
            attention: order.attention.as_deref().map(|code| attention_text(language, code)),
            is_selected: false,
            is_to_send: matches!(order.status, OrderStatus::Confirmed | OrderStatus::PartiallyShipped),
        }
    }
}

/// Returns the path of an order's page below the prefix of a language.
pub(super) fn order_path(id: &impl std::fmt::Display) -> String {
    format!("/admin/orders/{id}")
}

/// Returns the class of a state's label.
const fn tone(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Refunded => "tone-off",
        OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Confirmed | OrderStatus::PartiallyShipped => {
            "tone-wait"
        }
        OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered => "tone-good",
    }
}

/// Returns the name of a payment's status.
fn payment_text(language: Language, status: &str) -> String {
    language.text_of_code("code-payment-", status).unwrap_or_else(|| status.to_owned())
}

/// Says why an order needs an admin.
fn attention_text(language: Language, code: &str) -> String {
    language.text_of_code("code-attention-", code).unwrap_or_else(|| code.to_owned())
}

/// Returns the name of the code of why an order has ended.
fn reason_text(language: Language, reason: &str) -> String {
    language.text_of_code("code-reason-", reason).unwrap_or_else(|| reason.to_owned())
}

/// Writes a moment to the minute, in UTC.
pub(super) fn moment(language: Language, moment: Timestamp) -> String {
    let time = moment.to_string().get(11..16).unwrap_or_default().to_owned();
    language.text(Key("orders-moment")).arg("date", language.date(moment)).arg("time", time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight() {
        let day = start_of_day("2026-11-29").unwrap();
        assert_eq!(day.to_string(), "2026-11-29T00:00:00.000Z");
        assert_eq!(moment(Language::English, day), "29 November 2026, 00:00 UTC");
        for bad in ["", "29.11.2026", "2026-02-30", "2026-11-29T00:00:00Z"] {
            assert!(start_of_day(bad).is_none(), "{bad}");
        }
    }
}
