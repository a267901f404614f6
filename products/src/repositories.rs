//! Queries on the collections of this service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use souk_contract::image::ImageName;
use souk_contract::products::{ProductId, ReservationId};
use souk_contract::shopping::OrderId;
use souk_http::auth::TokenRevocations;
use souk_store::{Collection, Database, Direction, Document, Due, Find, Index, Tx};
use souk_types::{CappedCount, Error, IdempotencyKey, Page, Result, Timestamp};

use crate::domain::catalogue_query::{CatalogueQuery, Sort, Words};
use crate::domain::low_stock::{LowStockQuery, StockThreshold};
use crate::domain::product::{ImportKey, Product};
use crate::domain::reservation::Reservation;

static NEWEST: Index = Index::sorted("newest", &[], "listing.listed_at");
static BY_NAME: Index = Index::sorted("by_name", &[], "listing.sort_key");
static BY_PRICE: Index = Index::sorted("by_price", &[], "listing.details.price.amount");
static CATEGORY_NEWEST: Index = Index::sorted("category_newest", &["listing.details.category"], "listing.listed_at");
static CATEGORY_BY_NAME: Index = Index::sorted("category_by_name", &["listing.details.category"], "listing.sort_key");
static CATEGORY_BY_PRICE: Index =
    Index::sorted("category_by_price", &["listing.details.category"], "listing.details.price.amount");
static BY_IMPORT_KEY: Index = Index::unique("by_import_key", &["imported.key"]);
static BY_REQUEST: Index = Index::unique("by_request", &["request.key"]);
static BY_HOLD: Index = Index::sorted("by_hold", &[], "stock.due");
/// Listed products of which few pieces are available: see `Product::low_stock`.
static LOW_STOCK: Index = Index::sorted("low_stock", &[], "derived.low_stock");
static BY_DUE: Index = Index::sorted("by_due", &[], "due");
static BY_ORDER: Index = Index::by("by_order", &["order"]);

/// Opens all collections, for a command that works on every document.
pub fn open_collections(database: &Database) -> Result<()> {
    Products::open(database)?;
    Reservations::open(database)?;
    Images::open(database)?;
    TokenRevocations::open(database)?;
    Ok(())
}

impl Document for Product {
    type Id = ProductId;
    const COLLECTION: &'static str = "products";
    const NOUN: &'static str = "product";
    const INDEXES: &'static [Index] = &[
        NEWEST,
        BY_NAME,
        BY_PRICE,
        CATEGORY_NEWEST,
        CATEGORY_BY_NAME,
        CATEGORY_BY_PRICE,
        BY_IMPORT_KEY,
        BY_REQUEST,
        BY_HOLD,
        LOW_STOCK,
    ];
    const SEARCHED: &'static [&'static str] =
        &["listing.details.name", "listing.details.description", "listing.details.category"];

    fn derived(&self) -> Result<Option<Value>> {
        Ok(Some(json!({"low_stock": self.low_stock()})))
    }
}

impl Document for Reservation {
    type Id = ReservationId;
    const COLLECTION: &'static str = "reservations";
    const NOUN: &'static str = "reservation";
    const INDEXES: &'static [Index] = &[BY_DUE, BY_ORDER];
}

/// The products, discontinued ones included.
#[derive(Clone)]
pub(crate) struct Products(Collection<Product>);

impl Products {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn get(&self, id: ProductId) -> Result<Option<Product>> {
        self.0.get(id).await
    }

    /// Returns those of the products that exist, in no particular order.
    pub(crate) async fn get_many(&self, ids: &[ProductId]) -> Result<Vec<Product>> {
        self.0.get_many(ids).await
    }

    pub(crate) async fn list(&self, query: CatalogueQuery) -> Result<Page<Product>> {
        let CatalogueQuery { category, words, sort, paging } = query;
        let (all, in_category, direction) = match sort {
            Sort::Newest => (&NEWEST, &CATEGORY_NEWEST, Direction::Descending),
            Sort::Name => (&BY_NAME, &CATEGORY_BY_NAME, Direction::Ascending),
            Sort::NameDescending => (&BY_NAME, &CATEGORY_BY_NAME, Direction::Descending),
            Sort::Price => (&BY_PRICE, &CATEGORY_BY_PRICE, Direction::Ascending),
            Sort::PriceDescending => (&BY_PRICE, &CATEGORY_BY_PRICE, Direction::Descending),
        };
        let find = match category.as_deref() {
            Some(category) => in_category.find([category]),
            None => all.all(),
        };
        self.0.find(with_words(find, words).in_direction(direction).page(paging)).await
    }

    /// Returns a page of the listed products of which at most `threshold` pieces are available, the
    /// scarcest first.
    pub(crate) async fn low_stock(&self, query: LowStockQuery) -> Result<Page<Product>> {
        let LowStockQuery { threshold, words, paging } = query;
        let find = LOW_STOCK.all().up_to(threshold.get()).page(paging);
        self.0.find(with_words(find, words)).await
    }

    /// Counts the listed products of which at most `threshold` pieces are available.
    pub(crate) async fn count_low_stock(&self, threshold: StockThreshold) -> Result<CappedCount> {
        self.0.count_found(LOW_STOCK.all().up_to(threshold.get())).await
    }

    pub(crate) async fn count_by_category(&self) -> Result<Vec<(String, i64)>> {
        self.0.count_by("listing.details.category").await
    }

    pub(crate) async fn get_by_import_keys<'k>(
        &self,
        keys: impl Iterator<Item = &'k ImportKey>,
    ) -> Result<Vec<Product>> {
        self.0.get_many_by(&BY_IMPORT_KEY, keys.map(ToString::to_string).collect()).await
    }

    /// Returns the product that a request with this key has created.
    pub(crate) async fn by_request(&self, key: &IdempotencyKey) -> Result<Option<Product>> {
        Ok(self.0.find(BY_REQUEST.find([key.to_string()])).await?.items.pop())
    }

    /// The products whose oldest hold the background job is to check.
    pub(crate) fn due(&self) -> Due<Product> {
        self.0.due(&BY_HOLD)
    }

    /// Whether there is no product, not even a discontinued one.
    pub(crate) async fn is_empty(&self) -> Result<bool> {
        self.0.is_empty().await
    }

    pub(crate) async fn for_each(&self, mut visit: impl FnMut(Product) + Send) -> Result<()> {
        self.0.scan(|_, product| visit(product)).await
    }

    /// Errors: `duplicate` when a request with the same key has created one.
    pub(crate) async fn insert(&self, product: Product) -> Result<()> {
        self.0.insert(product.id, product).await
    }

    /// The rule may run more than once. Errors: `NotFound`, and those of the rule.
    pub(crate) async fn update<R: Send + 'static>(
        &self,
        id: ProductId,
        mut rule: impl FnMut(&mut Product) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.0.update(id, move |product, _| rule(product)).await
    }

    /// Like [`Products::update`], but does nothing when there is no such product.
    pub(crate) async fn update_if_exists(
        &self,
        id: ProductId,
        mut rule: impl FnMut(&mut Product) + Send + 'static,
    ) -> Result<()> {
        self.0
            .upsert(id, move |slot, _| {
                slot.as_mut().map(&mut rule);
                Ok(())
            })
            .await
    }

    pub(crate) async fn get_in(&self, tx: &Tx, id: ProductId) -> Result<Option<Product>> {
        tx.get(&self.0, id).await
    }

    pub(crate) async fn put_in(&self, tx: &Tx, product: &Product) -> Result<()> {
        tx.put(&self.0, product.id, product).await
    }

    /// Changes or creates many products, each by its own rule: see [`Collection::bulk_update`].
    pub(crate) async fn bulk_update<F>(&self, rules: Vec<(ProductId, F)>) -> Result<()>
    where
        F: FnMut(&mut Option<Product>) -> Result<()> + Send + 'static,
    {
        self.0.bulk_update(rules).await
    }
}

/// One size of an uploaded image.
#[derive(Clone, Serialize, Deserialize)]
struct StoredImage {
    uploaded_at: Timestamp,
    /// In Base64, because both stores keep documents as JSON.
    jpeg: String,
}

impl Document for StoredImage {
    type Id = ImageName;
    const COLLECTION: &'static str = "images";
    const NOUN: &'static str = "image";
}

/// The uploaded images. They stay when no product shows them any more: orders and mails do.
#[derive(Clone)]
pub(crate) struct Images(Collection<StoredImage>);

impl Images {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    /// Stores an image, unless it is stored already.
    pub(crate) async fn insert(&self, name: ImageName, jpeg: &[u8]) -> Result<()> {
        let image = StoredImage { uploaded_at: Timestamp::now(), jpeg: STANDARD.encode(jpeg) };
        self.0.insert_if_absent(name, image).await.map(drop)
    }

    /// Returns an image as JPEG.
    pub(crate) async fn get(&self, name: ImageName) -> Result<Option<Vec<u8>>> {
        let Some(image) = self.0.get(name).await? else { return Ok(None) };
        STANDARD.decode(image.jpeg).map(Some).map_err(Error::internal)
    }
}

/// Selects the products that have these words. A search form that is sent empty asks for
/// everything.
fn with_words(find: Find, words: Option<Words>) -> Find {
    match words.filter(|words| !words.is_empty()) {
        Some(words) => find.matching(&words),
        None => find,
    }
}

#[derive(Clone)]
pub(crate) struct Reservations(Collection<Reservation>);

impl Reservations {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn get(&self, id: ReservationId) -> Result<Option<Reservation>> {
        self.0.get(id).await
    }

    /// Returns those of the reservations that are decided, in no particular order.
    pub(crate) async fn get_many(&self, ids: &[ReservationId]) -> Result<Vec<Reservation>> {
        self.0.get_many(ids).await
    }

    /// Returns the decided reservations of an order: one for each time that it reserved.
    pub(crate) async fn of_order(&self, order: OrderId) -> Result<Vec<Reservation>> {
        Ok(self.0.find(BY_ORDER.find([order.to_string()])).await?.items)
    }

    pub(crate) fn due(&self) -> Due<Reservation> {
        self.0.due(&BY_DUE)
    }

    pub(crate) async fn for_each(&self, mut visit: impl FnMut(Reservation) + Send) -> Result<()> {
        self.0.scan(|_, reservation| visit(reservation)).await
    }

    /// Decides on a reservation by a rule, which always leaves one and may run more than once.
    /// Returns the rule's result and the reservation. Most reservations are undecided until then,
    /// so it is inserted without a read before.
    pub(crate) async fn decide<R: Send + 'static>(
        &self,
        id: ReservationId,
        mut rule: impl FnMut(&mut Option<Reservation>) -> R + Send + 'static,
    ) -> Result<(R, Reservation)> {
        let mut decide = move |slot: &mut Option<Reservation>| {
            let result = rule(slot);
            let decided = slot.clone().ok_or_else(|| Error::internal("a rule has not decided on a reservation"))?;
            Ok((result, decided))
        };
        let (result, decided) = decide(&mut None)?;
        if self.0.insert_if_absent(id, decided.clone()).await? {
            return Ok((result, decided));
        }
        self.0.upsert(id, move |slot, _| decide(slot)).await
    }

    /// Deletes a reservation that still meets the condition.
    pub(crate) async fn delete_if(
        &self,
        id: ReservationId,
        condition: impl Fn(&Reservation) -> bool + Send + 'static,
    ) -> Result<()> {
        self.upsert(id, move |slot| drop(slot.take_if(|reservation| condition(reservation)))).await
    }

    /// Changes or creates a reservation by a rule, which may run more than once.
    pub(crate) async fn upsert<R: Send + 'static>(
        &self,
        id: ReservationId,
        mut rule: impl FnMut(&mut Option<Reservation>) -> R + Send + 'static,
    ) -> Result<R> {
        self.0.upsert(id, move |slot, _| Ok(rule(slot))).await
    }

    pub(crate) async fn get_in(&self, tx: &Tx, id: ReservationId) -> Result<Option<Reservation>> {
        tx.get(&self.0, id).await
    }

    pub(crate) async fn put_in(&self, tx: &Tx, reservation: &Reservation) -> Result<()> {
        tx.put(&self.0, reservation.id, reservation).await
    }
}
