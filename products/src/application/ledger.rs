//! The ledger of this service, which `souk audit` and `souk order` read from the database.

use std::collections::HashSet;

use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ReservationId};
use souk_contract::shopping::{OrderId, TimelineEntry};
use souk_http::auth::TokenRevocations;
use souk_store::Database;
use souk_types::Result;

use crate::domain::hold::Hold;
use crate::domain::reservation::Reservation;
use crate::domain::reservation_state::State;
use crate::domain::stock::StockLevels;
use crate::repositories::{Products, Reservations};

/// The stock of one product.
#[derive(Debug, Clone)]
pub struct StockRecord {
    /// The product.
    pub product: ProductId,
    /// The stock levels.
    pub levels: StockLevels,
    /// The sum that the stock levels must have.
    pub stocked: u64,
    /// The holds on the product.
    pub holds: Vec<HoldRecord>,
}

/// Pieces of a product that are kept for an order.
#[derive(Debug, Clone, Copy)]
pub struct HoldRecord {
    /// The reservation.
    pub reservation: ReservationId,
    /// The order that it is for.
    pub order: OrderId,
}

/// One reservation that is decided.
#[derive(Debug, Clone)]
pub struct ReservationRecord {
    /// The reservation.
    pub reservation: ReservationId,
    /// The order that it is for.
    pub order: OrderId,
    /// Its status.
    pub status: ReservationStatus,
    /// The pieces of each product that are not sold any more.
    pub returned: Vec<(ProductId, u32)>,
}

/// The status of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationStatus {
    /// Its quantities are sold.
    Sold,
    /// It is released, or restocked as a whole after it was sold.
    Ended,
}

impl From<State> for ReservationStatus {
    fn from(state: State) -> Self {
        match state {
            State::Confirmed => Self::Sold,
            State::Released | State::Restocked => Self::Ended,
        }
    }
}

/// Returns the stock of every product.
pub async fn stock(database: &Database) -> Result<Vec<StockRecord>> {
    let mut records = Vec::new();
    Products::open(database)?
        .for_each(|product| {
            let (levels, stocked) = (product.stock.levels(), product.stock.stocked());
            let record = |(reservation, hold): (&ReservationId, &Hold)| HoldRecord {
                reservation: *reservation,
                order: hold.order,
            };
            let holds = product.stock.holds().iter().map(record).collect();
            records.push(StockRecord { product: product.id, levels, stocked, holds });
        })
        .await?;
    Ok(records)
}

/// Returns every reservation that is decided.
pub async fn reservations(database: &Database) -> Result<Vec<ReservationRecord>> {
    let mut records = Vec::new();
    Reservations::open(database)?
        .for_each(|reservation| {
            records.push(ReservationRecord {
                reservation: reservation.id,
                order: reservation.order,
                status: reservation.state().into(),
                returned: reservation.returned(),
            });
        })
        .await?;
    Ok(records)
}

/// Returns the customers whose accounts are erased in this service.
pub async fn erased_customers(database: &Database) -> Result<HashSet<CustomerId>> {
    TokenRevocations::open(database)?.erased_customers().await
}

/// Returns the log of an order's reservations.
pub async fn stock_log(database: &Database, order: OrderId) -> Result<Vec<TimelineEntry>> {
    stock_log_of(&Reservations::open(database)?, order).await
}

pub(crate) async fn stock_log_of(reservations: &Reservations, order: OrderId) -> Result<Vec<TimelineEntry>> {
    Ok(reservations.of_order(order).await?.iter().flat_map(Reservation::timeline).collect())
}
