//! One order on one line of time, across the services: its states, the calls, payments, events and retries that led to them, and
//! what was done with its stock. For admins, and for an operator with `souk order`.

use serde::Serialize;
use souk_contract::products::GetStockLog;
use souk_contract::shopping::{OrderId, TimelineEntry};
use souk_types::Result;

use crate::App;
use crate::domain::order::{self, OrderView};

/// All that is known of an order.
#[derive(Debug, Serialize)]
pub struct Timeline {
    /// As its customer sees it.
    pub order: OrderView,
    /// What happened, the first thing first.
    pub happened: Vec<TimelineEntry>,
    /// Services that could not be asked, so that something may be missing.
    pub missing: Vec<&'static str>,
}

/// Gathers what is known of an order.
pub async fn explain(app: &App, id: OrderId) -> Result<Timeline> {
    let order = order::any(app, id).await?;
    let mut happened = order.told();
    let mut missing = Vec::new();
    match app.bus.call(GetStockLog { order: id }).await {
        Ok(stock) => happened.extend(stock.entries),
        Err(error) if error.is_outage() => {
            tracing::warn!(order = %id, %error, "a timeline without its stock");
            missing.push("products");
        }
        Err(error) => return Err(error),
    }
    // Stable: what has one time stays as it was written down.
    happened.sort_by_key(|one| one.at);
    Ok(Timeline { order: order.view(), happened, missing })
}
