//! Domain-named queries. No rule lives here.

use souk_contract::products::{ProductId, ReservationId};
use souk_contract::shopping::OrderId;
use souk_store::{Collection, Database, Direction, Document, Due, Find, Index};
use souk_types::{Page, Paging, Result};

use crate::application::catalogue::Sort;
use crate::domain::product::{ImportKey, Product};
use crate::domain::reservation::Reservation;

static NEWEST: Index = Index::sorted("newest", &[], "listing.since");
static BY_NAME: Index = Index::sorted("by_name", &[], "listing.sort_name");
static BY_PRICE: Index = Index::sorted("by_price", &[], "listing.details.price.amount");
static CATEGORY_NEWEST: Index = Index::sorted("category_newest", &["listing.details.category"], "listing.since");
static CATEGORY_BY_NAME: Index = Index::sorted("category_by_name", &["listing.details.category"], "listing.sort_name");
static CATEGORY_BY_PRICE: Index =
    Index::sorted("category_by_price", &["listing.details.category"], "listing.details.price.amount");
static BY_KEY: Index = Index::unique("by_key", &["imported.key"]);
static BY_DUE: Index = Index::sorted("by_due", &[], "due");
static BY_ORDER: Index = Index::by("by_order", &["order"]);

impl Document for Product {
    type Id = ProductId;
    const COLLECTION: &'static str = "products";
    const NOUN: &'static str = "product";
    const INDEXES: &'static [Index] =
        &[NEWEST, BY_NAME, BY_PRICE, CATEGORY_NEWEST, CATEGORY_BY_NAME, CATEGORY_BY_PRICE, BY_KEY];
    const SEARCHED: &'static [&'static str] =
        &["listing.details.name", "listing.details.description", "listing.details.category"];
}

impl Document for Reservation {
    type Id = ReservationId;
    const COLLECTION: &'static str = "reservations";
    const INDEXES: &'static [Index] = &[BY_DUE, BY_ORDER];
}

/// The products, those no longer sold included.
#[derive(Clone)]
pub(crate) struct Products(pub(crate) Collection<Product>);

impl Products {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    /// A page of what is sold.
    pub(crate) async fn list(
        &self,
        category: Option<&str>,
        words: Option<&str>,
        sort: Sort,
        paging: Paging,
    ) -> Result<Page<Product>> {
        let (all, in_category, direction) = match sort {
            Sort::Newest => (&NEWEST, &CATEGORY_NEWEST, Direction::Descending),
            Sort::Name => (&BY_NAME, &CATEGORY_BY_NAME, Direction::Ascending),
            Sort::NameDescending => (&BY_NAME, &CATEGORY_BY_NAME, Direction::Descending),
            Sort::Price => (&BY_PRICE, &CATEGORY_BY_PRICE, Direction::Ascending),
            Sort::PriceDescending => (&BY_PRICE, &CATEGORY_BY_PRICE, Direction::Descending),
        };
        let find: Find = match category {
            Some(category) => in_category.find([category]),
            None => all.all(),
        };
        self.0.find(find.in_direction(direction).matching(words.unwrap_or_default()).page(paging)).await
    }

    /// The categories in which something is sold, and how many products each has.
    pub(crate) async fn categories(&self) -> Result<Vec<(String, i64)>> {
        self.0.count_by("listing.details.category").await
    }

    /// The products that were imported under these keys.
    pub(crate) async fn by_keys<'k>(&self, keys: impl Iterator<Item = &'k ImportKey>) -> Result<Vec<Product>> {
        self.0.get_many_by(&BY_KEY, keys.map(ToString::to_string).collect()).await
    }
}

/// What orders claim of the stock.
#[derive(Clone)]
pub(crate) struct Reservations(pub(crate) Collection<Reservation>);

impl Reservations {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    /// Those of an order: one, or some more when it claimed its stock anew.
    pub(crate) async fn of(&self, order: OrderId) -> Result<Vec<Reservation>> {
        Ok(self.0.find(BY_ORDER.find([order.to_string()])).await?.items)
    }

    /// Reservations that have expired or are not settled.
    pub(crate) fn due(&self) -> Due<Reservation> {
        self.0.due(&BY_DUE)
    }
}
