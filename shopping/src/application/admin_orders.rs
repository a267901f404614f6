//! The shop's orders, for admins: a list, and all that is known of one.

use serde::Serialize;
use souk_contract::shopping::{OrderId, TimelineEntry};
use souk_types::{Page, Result, Timestamp};

use super::timeline::{self, Timeline};
use crate::App;
use crate::domain::order::filters::{OrderFilters, OrderQuery};
use crate::domain::order::listing::OrderSummary;
use crate::domain::order::sales::{self, SalesSummary};
use crate::domain::order::{OrderStatus, OrderView};

/// Returns a page of all orders.
pub(crate) async fn list(app: &App, query: OrderQuery) -> Result<Page<OrderSummary>> {
    Ok(app.store.orders.list(query).await?.map(|order| order.summary()))
}

/// Returns the sales of the last days, and the number of orders that need an admin.
pub(crate) async fn summary(app: &App) -> Result<SalesSummary> {
    let (now, orders) = (Timestamp::now(), &app.store.orders);
    let first_day = sales::first_day(now);
    let [confirmed, partial] = [OrderStatus::Confirmed, OrderStatus::PartiallyShipped].map(OrderFilters::in_state);
    let needing_admin = OrderFilters::needing_admin();
    let (groups, to_pack, partially_shipped, attention) = tokio::try_join!(
        orders.sales(&first_day),
        orders.count(&confirmed),
        orders.count(&partial),
        orders.count(&needing_admin),
    )?;
    Ok(SalesSummary { days: sales::by_day(&groups, now), to_pack, partially_shipped, attention })
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
