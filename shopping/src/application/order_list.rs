//! The shop's orders, for admins: a list, and all that is known of one.

use serde::Serialize;
use souk_contract::shopping::{OrderId, TimelineEntry};
use souk_types::{Page, Result};

use super::timeline::{self, Timeline};
use crate::App;
use crate::domain::order::OrderView;
use crate::domain::order::listing::{OrderQuery, OrderSummary};

/// Returns a page of all orders.
pub(crate) async fn list(app: &App, query: OrderQuery) -> Result<Page<OrderSummary>> {
    Ok(app.store.orders.list(query).await?.map(|order| order.summary()))
}

/// An order with its timeline.
#[derive(Debug, Serialize)]
pub(crate) struct OrderWithTimeline {
    #[serde(flatten)]
    order: OrderView,
    /// Oldest first.
    timeline: Vec<TimelineEntry>,
    /// Services that are down, so that their entries are missing.
    timeline_missing: Vec<&'static str>,
}

/// Returns any customer's order.
pub(crate) async fn get(app: &App, id: OrderId) -> Result<OrderWithTimeline> {
    let Timeline { order, entries, missing } = timeline::get(app, id).await?;
    Ok(OrderWithTimeline { order, timeline: entries, timeline_missing: missing })
}
