//! The timeline of an order across services, for admins.

use serde::Serialize;
use souk_contract::products::GetStockLog;
use souk_contract::shopping::{OrderId, TimelineEntry};
use souk_types::Result;

use super::order;
use crate::App;
use crate::domain::order::OrderView;

#[derive(Debug, Serialize)]
pub(crate) struct Timeline {
    pub(super) order: OrderView,
    /// Oldest first.
    pub(super) entries: Vec<TimelineEntry>,
    /// Services that are down, so that their entries are missing.
    pub(super) missing: Vec<&'static str>,
}

pub(crate) async fn get(app: &App, id: OrderId) -> Result<Timeline> {
    let order = order::get_any(app, id).await?;
    let mut entries = order.timeline();
    let mut missing = Vec::new();
    match app.bus.call(GetStockLog { order: id }).await {
        Ok(stock) => entries.extend(stock.entries),
        Err(error) if error.is_outage() => {
            tracing::warn!(order = %id, %error, "the timeline is returned without the stock log");
            missing.push("products");
        }
        Err(error) => return Err(error),
    }
    // The sort is stable: entries with the same time keep the order in which they were written.
    entries.sort_by_key(|entry| entry.at);
    Ok(Timeline { order: order.view_for_admin(), entries, missing })
}
