//! Marks several orders of the list at once as sent or as delivered.

use futures_util::StreamExt;
use futures_util::stream;
use rocket::post;
use serde_json::json;
use souk_contract::role::Permission;
use souk_contract::shopping::OrderId;

use super::Admin;
use crate::api::{Problem, Result};
use crate::form::Form;
use crate::idempotency::key_of;
use crate::links::encode;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

/// Orders that are changed at once: a page of the list.
const MAX_ORDERS: usize = 50;
/// Orders that are changed at the same time.
const CONCURRENCY: usize = 8;
/// The longest query of the list that the form keeps, in characters.
const MAX_QUERY: usize = 500;

/// What is done with each of the orders.
#[derive(Clone, Copy)]
enum BulkAction {
    /// Sends all pieces that are left, in one parcel without a tracking number.
    Ship,
    /// Records that everything that was sent has arrived.
    Deliver,
}

/// A form that is sent twice changes each order once: the key of the form is a part of each order's
/// key.
#[post("/admin/orders/bulk", data = "<form>")]
pub(super) async fn change(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ViewOrders).await?;
    let action = match form.get("action") {
        "ship" => BulkAction::Ship,
        "deliver" => BulkAction::Deliver,
        _ => return Err(PageError::not_found()),
    };
    let key = key_of(&form)?;
    let ids = form.fields().filter(|(name, _)| *name == "order").take(MAX_ORDERS);
    let ids: Vec<OrderId> = ids.filter_map(|(_, id)| id.parse().ok()).collect();
    let requests = ids.into_iter().map(|id| change_one(&visit, &admin, action, &key, id));
    let outcomes: Vec<Result<Option<String>>> = stream::iter(requests).buffered(CONCURRENCY).collect().await;
    let (mut changed, mut unchanged) = (0u32, Vec::new());
    for outcome in outcomes {
        match outcome? {
            None => changed += 1,
            Some(name) => unchanged.push(name),
        }
    }
    // The filters of the list stay as they are.
    let query = form.get("query").trim_start_matches('?');
    let kept = if query.len() <= MAX_QUERY && !query.is_empty() { format!("{query}&") } else { String::new() };
    let unchanged = encode(&unchanged.join(" "));
    let address = visit.url(&format!("/admin/orders?{kept}changed={changed}&unchanged={unchanged}"));
    Ok(Answer::SeeOther(address))
}

/// Returns the name of the order when its state does not allow the change. Errors: any other
/// problem.
async fn change_one(
    visit: &Visit<'_>,
    admin: &Admin,
    action: BulkAction,
    key: &str,
    id: OrderId,
) -> Result<Option<String>> {
    let (api, token) = (visit.api, &admin.token);
    let outcome = match action {
        BulkAction::Ship => api.ship_order(token, id, &format!("{key}-{id}"), &json!({})).await,
        BulkAction::Deliver => api.deliver_order(token, id, None).await,
    };
    match outcome {
        Ok(()) => Ok(None),
        Err(Problem::Refused(refusal)) if refusal.status == 409 => {
            Ok(Some(api.any_order(token, id).await?.order.name()))
        }
        Err(problem) => Err(problem),
    }
}

/// Returns what the list says after a change of several orders: `(class, text)`.
pub(super) fn report(visit: &Visit<'_>, changed: Option<u32>, unchanged: &str) -> Option<(&'static str, String)> {
    let changed = changed?;
    // The numbers come back in the address, which anyone can write.
    let is_number =
        |name: &&str| name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let names: Vec<&str> =
        unchanged.split(' ').filter(|name| !name.is_empty()).filter(is_number).take(MAX_ORDERS).collect();
    let done = visit.text(Key("orders-bulk-changed")).arg("orders", changed).to_string();
    if names.is_empty() {
        return Some(("success", done));
    }
    let not_done = visit.text(Key("orders-bulk-unchanged")).arg("numbers", names.join(", "));
    Some(("warning", format!("{done} {not_done}")))
}
