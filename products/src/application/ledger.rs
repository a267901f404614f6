//! The books of this service, as an audit reads them: every product's numbers, and what orders claim of them.

use std::collections::HashSet;

use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ReservationId};
use souk_contract::shopping::{OrderId, TimelineEntry};
use souk_http::auth::ClosedAccounts;
use souk_store::Database;
use souk_types::Result;

use crate::domain::reservation::Reservation;
pub use crate::domain::reservation::{Claim, Claimed};
use crate::domain::stock::StockLevels;
use crate::repositories::{Products, Reservations};

/// One product's numbers.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// Which product.
    pub product: ProductId,
    /// Where its pieces are.
    pub books: StockLevels,
    /// How many there ever were.
    pub stocked: u64,
    /// Whose holds are on it now.
    pub holds: Vec<ReservationId>,
}

/// Every product's numbers.
pub async fn shelves(database: &Database) -> Result<Vec<Shelf>> {
    let mut shelves = Vec::new();
    Products::open(database)?
        .0
        .scan(|_, product| {
            let (books, stocked) = (product.stock.books(), product.stock.stocked());
            shelves.push(Shelf { product: product.id, books, stocked, holds: product.stock.holds() });
        })
        .await?;
    Ok(shelves)
}

/// Every claim.
pub async fn claims(database: &Database) -> Result<Vec<Claimed>> {
    let mut claims = Vec::new();
    let tell = |_: &str, reservation: Reservation| claims.push(reservation.claimed());
    Reservations::open(database)?.0.scan(tell).await?;
    Ok(claims)
}

/// Whose data was erased here.
pub async fn erased(database: &Database) -> Result<HashSet<CustomerId>> {
    ClosedAccounts::open(database)?.erased_customers().await
}

/// What was done with the stock that an order claimed.
pub async fn happened(database: &Database, order: OrderId) -> Result<Vec<TimelineEntry>> {
    Ok(Reservations::open(database)?.of(order).await?.iter().flat_map(Reservation::told).collect())
}
