//! Marks several orders of the list at once as sent or as delivered.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use rocket::http::Status;
use rocket::post;
use serde_json::json;
use souk_bus::CALL_TIMEOUT;
use souk_contract::api::REQUEST_TIMEOUT;
use souk_contract::role::Permission;
use souk_contract::shopping::OrderId;
use tokio::time::{Instant, timeout_at};

use super::list::{self, Shown};
use super::{Admin, confirm};
use crate::api::Result;
use crate::fields::FormState;
use crate::form::Form;
use crate::idempotency::key_of;
use crate::links::encode;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

/// Orders that are changed at once: a page of the list. A form can have more, because orders that
/// were not reached stay selected.
const MAX_ORDERS: usize = 50;
/// Orders that are changed at the same time.
const CONCURRENCY: usize = 8;
/// Time for all changes. Reading the list takes up to [`CALL_TIMEOUT`] more, and rendering it the
/// rest of [`REQUEST_TIMEOUT`].
const TIMEOUT: Duration = REQUEST_TIMEOUT.saturating_sub(CALL_TIMEOUT).saturating_sub(Duration::from_millis(500));
/// The longest query of the list that the form keeps, in characters.
const MAX_QUERY: usize = 500;
/// The hidden field of the page that asks whether orders are to be marked as sent.
pub(super) const CONFIRMED: &str = "confirmed";

/// What is done with each of the orders.
#[derive(Debug, Clone, Copy)]
enum BulkAction {
    /// Sends all pieces that are left, in one parcel without a tracking number.
    Ship,
    /// Records that everything that was sent has arrived.
    Deliver,
}

/// The button that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Button {
    Ship,
    /// Sends all orders of the page that are to be sent.
    ShipPage,
    Deliver,
}

impl Button {
    fn of(form: &Form) -> Option<Self> {
        Some(match form.get("action") {
            "ship" => Self::Ship,
            "ship-page" => Self::ShipPage,
            "deliver" => Self::Deliver,
            _ => return None,
        })
    }

    const fn action(self) -> BulkAction {
        match self {
            Self::Ship | Self::ShipPage => BulkAction::Ship,
            Self::Deliver => BulkAction::Deliver,
        }
    }

    /// Returns the name of the fields that have the orders.
    const fn field(self) -> &'static str {
        match self {
            Self::Ship | Self::Deliver => "order",
            Self::ShipPage => "listed",
        }
    }

    /// Whether a page asks first: each order that is sent is a mail to a customer.
    const fn asks(self, orders: usize) -> bool {
        match self {
            Self::Ship => orders > 1,
            Self::ShipPage => true,
            Self::Deliver => false,
        }
    }
}

/// An order that was selected in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) id: OrderId,
    pub(super) number: String,
}

impl Selected {
    /// Reads the value of a check box: the id, and the number for messages.
    fn of(value: &str) -> Option<Self> {
        let (id, number) = value.split_once(':').unwrap_or((value, ""));
        let id: OrderId = id.parse().ok()?;
        let number = if is_number(number) { number.to_owned() } else { id.to_string().chars().take(8).collect() };
        Some(Self { id, number })
    }
}

/// Returns the orders that are changed, and those above the limit.
fn read_selected<'a>(values: impl Iterator<Item = &'a str>) -> (Vec<Selected>, Vec<Selected>) {
    let mut selected: Vec<Selected> = values.filter_map(Selected::of).collect();
    let above = selected.split_off(selected.len().min(MAX_ORDERS));
    (selected, above)
}

/// What has become of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Changed,
    /// Its state does not allow the change, or it does not exist.
    Refused,
    /// `shopping` did not answer. The order may be changed nevertheless.
    Unreached,
}

/// A form that is sent twice changes each order once: the key of the form is a part of each order's
/// key.
#[post("/admin/orders/bulk", data = "<form>")]
pub(super) async fn change(visit: Visit<'_>, form: Form) -> PageResult {
    let deadline = Instant::now() + TIMEOUT;
    let admin = Admin::of(&visit, Permission::FulfilOrders).await?;
    let button = Button::of(&form).ok_or_else(PageError::not_found)?;
    let (key, action) = (key_of(&form)?, button.action());
    let filters = list::state_of(form.get("query"));
    let (selected, above) = read_selected(form.all(button.field()));
    if selected.is_empty() {
        return refuse_nothing(&visit, &admin, filters, &form, key).await;
    }
    if button.asks(selected.len() + above.len()) && form.optional(CONFIRMED).is_none() {
        let orders = selected.into_iter().chain(above).collect();
        return confirm::page(&visit, &admin, &filters, form.optional("after"), orders, key).await;
    }
    let ids: Vec<OrderId> = selected.iter().map(|order| order.id).collect();
    let requests = ids.into_iter().map(|id| {
        let change = timeout_at(deadline, change_one(&visit, &admin, action, &key, id));
        async { change.await.unwrap_or(Ok(Outcome::Unreached)) }
    });
    let outcomes: Vec<Result<Outcome>> = stream::iter(requests).buffered(CONCURRENCY).collect().await;
    let (mut changed, mut refused, mut unreached) = (0u32, Vec::new(), Vec::new());
    for (order, outcome) in selected.into_iter().zip(outcomes) {
        match outcome? {
            Outcome::Changed => changed += 1,
            Outcome::Refused => refused.push(order.number),
            Outcome::Unreached => unreached.push(order),
        }
    }
    unreached.extend(above);
    let refused = refused.join(" ");
    if !unreached.is_empty() {
        tracing::warn!(?action, changed, unreached = unreached.len(), "a bulk change did not reach all orders");
        let done = report(&visit, Some(changed), &refused).map(|(_, text)| text).unwrap_or_default();
        let rest = visit.text(Key("orders-bulk-unreached")).arg("orders", unreached.len());
        let notice = Some(("error", format!("{done} {rest}")));
        let shown = Shown { status: Status::ServiceUnavailable, notice, bulk_key: key, unreached, ..Shown::new()? };
        return list::page(&visit, &admin, filters, None, shown).await;
    }
    // The filters of the list stay as they are.
    let query = Some(list::address(&filters)).filter(|query| query.len() <= MAX_QUERY).unwrap_or_default();
    let done = format!("changed={changed}&unchanged={}", encode(&refused));
    Ok(Answer::SeeOther(list::url_with(&visit, &query, &done)))
}

/// Shows the same page of the list, which says that no order is selected.
async fn refuse_nothing(
    visit: &Visit<'_>,
    admin: &Admin,
    filters: FormState,
    form: &Form,
    bulk_key: String,
) -> PageResult {
    let notice = Some(("error", visit.text("orders-bulk-none").to_string()));
    let shown = Shown { status: Status::UnprocessableEntity, notice, bulk_key, ..Shown::new()? };
    list::page(visit, admin, filters, form.optional("after"), shown).await
}

/// Errors: the session has ended, or the account runs no shop any more.
async fn change_one(visit: &Visit<'_>, admin: &Admin, action: BulkAction, key: &str, id: OrderId) -> Result<Outcome> {
    let (api, token) = (visit.api, &admin.token);
    let outcome = match action {
        BulkAction::Ship => api.ship_order(token, id, &format!("{key}-{id}"), &json!({})).await,
        BulkAction::Deliver => api.deliver_order(token, id, None).await,
    };
    match outcome {
        Ok(()) => Ok(Outcome::Changed),
        Err(problem) => match problem.status() {
            401 | 403 => Err(problem),
            429 | 500.. => Ok(Outcome::Unreached),
            _ => Ok(Outcome::Refused),
        },
    }
}

/// Returns what the list says after a change of several orders: `(class, text)`.
pub(super) fn report(visit: &Visit<'_>, changed: Option<u32>, unchanged: &str) -> Option<(&'static str, String)> {
    let changed = changed?;
    // The numbers come back in the URL, which anyone can write.
    let names: Vec<&str> = unchanged.split(' ').filter(|name| is_number(name)).take(MAX_ORDERS).collect();
    let done = visit.text(Key("orders-bulk-changed")).arg("orders", changed).to_string();
    if names.is_empty() {
        return Some(("success", done));
    }
    let not_done = visit.text(Key("orders-bulk-unchanged")).arg("numbers", names.join(", "));
    Some(("warning", format!("{done} {not_done}")))
}

/// Whether a text can be the number of an order.
fn is_number(name: &str) -> bool {
    (1..=40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selected_order_has_a_number() {
        let id = OrderId::new().to_string();
        let number = |value: &str| Selected::of(value).map(|order| order.number);
        assert_eq!(number(&format!("{id}:S-10042")).as_deref(), Some("S-10042"));
        for value in [id.clone(), format!("{id}:<b>")] {
            assert_eq!(number(&value).as_deref(), id.get(..8), "{value}");
        }
        assert_eq!(number("S-10042"), None);
    }

    #[test]
    fn a_page_asks_before_several_orders_are_sent() {
        for (form, orders, asks) in [
            ("action=ship", 1, false),
            ("action=ship", 2, true),
            ("action=ship-page", 1, true),
            ("action=deliver", 2, false),
        ] {
            assert_eq!(Button::of(&Form::parse(form.as_bytes())).unwrap().asks(orders), asks, "{form} {orders}");
        }
        assert_eq!(Button::of(&Form::parse(b"action=delete")), None);
    }

    #[test]
    fn no_selected_order_is_lost_above_the_limit() {
        for (count, expected) in [(0, (0, 0)), (50, (50, 0)), (53, (50, 3))] {
            let values: Vec<String> = (0..count).map(|_| OrderId::new().to_string()).collect();
            let (selected, above) = read_selected(values.iter().map(String::as_str));
            assert_eq!((selected.len(), above.len()), expected);
            let ids: Vec<String> = selected.iter().chain(&above).map(|order| order.id.to_string()).collect();
            assert_eq!(ids, values);
        }
    }
}
