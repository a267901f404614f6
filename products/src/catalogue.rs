//! What is sold: the product, its listing, and what admins and visitors do with it. Stock has rules of its own, in
//! [`crate::stock`].

use common::clock::Timestamp;
use common::contract::products::{Item, Offer, ProductId};
use common::error::{Error, Result};
use common::input::{Fields, Input};
use common::page::{Page, Paging};
use common::{Money, Text};
use serde::{Deserialize, Serialize};

use crate::App;
use crate::stock::{Available, Books, Stock};

/// One product: what is offered of it, and how many there are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// The key of the import that it came with.
    pub key: Option<ImportKey>,
    /// What is offered; nothing, when it is no longer sold. Its books stay, for the orders that have it.
    pub listing: Option<Listing>,
    /// How many there are.
    pub stock: Stock,
    /// Counts the edits, from 1; a sale is no edit.
    pub version: u64,
}

/// The name by which a file of products knows a product.
pub type ImportKey = Text<1, 100>;

/// An offer that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// What it says.
    pub details: Details,
    /// Since when.
    pub since: Timestamp,
    /// The name as lists sort it: whatever its case.
    sort_name: String,
}

/// What an admin writes about a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// What it is called.
    pub name: Text<1, 200>,
    /// What it is.
    pub description: Text<0, 5000>,
    /// Where it stands.
    pub category: Category,
    /// What one unit costs.
    pub price: Money,
    /// What one unit is: a piece, 100 g.
    pub unit: Text<1, 20>,
    /// Who delivers it.
    pub supplier: Option<Text<1, 100>>,
    /// Where its picture is.
    pub image: Option<Image>,
}

/// The name of a category.
pub type Category = Text<1, 50>;

/// Where a picture is: a path of this shop, or an address in the web.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text<1, 500>", into = "String")]
pub struct Image(String);

impl TryFrom<Text<1, 500>> for Image {
    type Error = &'static str;

    fn try_from(text: Text<1, 500>) -> std::result::Result<Self, Self::Error> {
        let known = ["/", "https://", "http://"].iter().any(|start| text.starts_with(start));
        // `//host` would be an address after all, of whatever scheme.
        if !known || text.starts_with("//") || text.chars().any(|c| c.is_whitespace() || matches!(c, '"' | '<' | '>')) {
            return Err("must be a path that begins with / or an http(s) address");
        }
        Ok(Self(text.into()))
    }
}

impl From<Image> for String {
    fn from(image: Image) -> Self {
        image.0
    }
}

/// A product as clients see it.
#[derive(Debug, Serialize)]
pub struct ProductView {
    id: ProductId,
    #[serde(flatten)]
    details: Details,
    available: u32,
    version: u64,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Sort {
    /// The latest addition first.
    #[default]
    #[serde(rename = "newest")]
    Newest,
    /// A to Z.
    #[serde(rename = "name")]
    Name,
    /// Z to A.
    #[serde(rename = "-name")]
    NameDescending,
    /// Cheapest first.
    #[serde(rename = "price")]
    Price,
    /// Dearest first.
    #[serde(rename = "-price")]
    PriceDescending,
}

impl ProductView {
    /// Whose it is.
    #[must_use]
    pub fn id(&self) -> ProductId {
        self.id
    }

    /// What is said about it.
    #[must_use]
    pub fn details(&self) -> &Details {
        &self.details
    }
}

impl Product {
    /// A product that is sold from now on.
    #[must_use]
    pub fn new(details: Details, available: Available, key: Option<ImportKey>) -> Self {
        let listing = Some(Listing::new(details, Timestamp::now()));
        Self { id: ProductId::new(), key, listing, stock: Stock::of(available), version: 1 }
    }

    /// The offer; an error when it is no longer sold.
    pub fn listing(&self) -> Result<&Listing> {
        self.listing.as_ref().ok_or_else(|| Error::not_found("product"))
    }

    /// Offers it on other terms.
    pub fn edit(&mut self, details: Details) -> Result<()> {
        let since = self.listing()?.since;
        self.listing = Some(Listing::new(details, since));
        self.version += 1;
        Ok(())
    }

    /// Sells it no longer.
    pub fn withdraw(&mut self) -> Result<()> {
        self.listing()?;
        (self.listing, self.key) = (None, None);
        self.version += 1;
        Ok(())
    }

    /// As other services see it.
    pub fn offer(&self) -> Result<Offer> {
        let details = &self.listing()?.details;
        let item = Item {
            id: self.id,
            name: details.name.to_string(),
            price: details.price,
            image: details.image.clone().map(String::from),
        };
        Ok(Offer { item, available: self.stock.available() })
    }

    /// As clients see it.
    pub fn into_view(self) -> Result<ProductView> {
        let listing = self.listing.ok_or_else(|| Error::not_found("product"))?;
        Ok(ProductView {
            id: self.id,
            details: listing.details,
            available: self.stock.available(),
            version: self.version,
        })
    }
}

impl Listing {
    fn new(details: Details, since: Timestamp) -> Self {
        let sort_name = details.name.to_lowercase();
        Self { details, since, sort_name }
    }
}

/// What visitors ask for: `?category&q&sort&after&limit`.
#[derive(Debug)]
pub struct Listed {
    /// Only of this category.
    pub category: Option<Category>,
    /// Only with these words.
    pub words: Option<Text<0, 100>>,
    /// In this order.
    pub sort: Sort,
    /// This page.
    pub paging: Paging,
}

impl Input for Listed {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (category, words) = (fields.optional("category"), fields.optional("q"));
        Some(Self { category, words, ..Self::in_category(fields) })
    }
}

impl Listed {
    fn in_category(fields: &mut Fields) -> Self {
        let sort = fields.optional("sort").unwrap_or_default();
        let paging = Paging::read(fields).unwrap_or_default();
        Self { category: None, words: None, sort, paging }
    }
}

/// `?sort&after&limit` of a category.
pub struct ListedInCategory(pub Listed);

impl Input for ListedInCategory {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self(Listed::in_category(fields)))
    }
}

impl Input for Details {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let description = fields.required("description");
        let category = fields.required("category");
        let price = fields.required_object("price");
        let unit = fields.optional("unit");
        let supplier = fields.optional("supplier");
        let image = fields.optional("image");
        Some(Self {
            name: name?,
            description: description?,
            category: category?,
            price: price?,
            unit: match unit {
                Some(unit) => unit,
                None => Text::try_from("piece".to_owned()).ok()?,
            },
            supplier,
            image,
        })
    }
}

/// The body of `POST /`.
#[derive(Debug)]
pub struct NewProduct {
    /// What is offered.
    pub details: Details,
    /// How many there are, 0 when it is not said.
    pub available: Option<Available>,
}

impl Input for NewProduct {
    fn read(fields: &mut Fields) -> Option<Self> {
        let available = fields.optional("available");
        Some(Self { details: Details::read(fields)?, available })
    }
}

/// The body of `PUT /{id}`.
pub struct Replacement {
    details: Details,
    version: Option<u64>,
}

impl Input for Replacement {
    fn read(fields: &mut Fields) -> Option<Self> {
        let version = version(fields);
        Some(Self { details: Details::read(fields)?, version })
    }
}

/// The body of `PATCH /{id}`: what is missing stays.
#[derive(Clone)]
pub struct Changes {
    name: Option<Text<1, 200>>,
    description: Option<Text<0, 5000>>,
    category: Option<Category>,
    price: Option<Money>,
    unit: Option<Text<1, 20>>,
    supplier: Option<Option<Text<1, 100>>>,
    image: Option<Option<Image>>,
    version: Option<u64>,
}

impl Input for Changes {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            version: version(fields),
            name: fields.present("name"),
            description: fields.present("description"),
            category: fields.present("category"),
            price: fields.optional_object("price"),
            unit: fields.present("unit"),
            supplier: fields.change("supplier"),
            image: fields.change("image"),
        })
    }
}

impl Changes {
    fn apply(self, to: Details) -> Details {
        Details {
            name: self.name.unwrap_or(to.name),
            description: self.description.unwrap_or(to.description),
            category: self.category.unwrap_or(to.category),
            price: self.price.unwrap_or(to.price),
            unit: self.unit.unwrap_or(to.unit),
            supplier: self.supplier.unwrap_or(to.supplier),
            image: self.image.unwrap_or(to.image),
        }
    }
}

/// The version that an edit was made from, and a word to those who send back all that they got.
fn version(fields: &mut Fields) -> Option<u64> {
    fields.never("available", "is set with PUT /products/{id}/stock");
    fields.present("version")
}

/// One product.
pub async fn get(app: &App, id: ProductId) -> Result<ProductView> {
    let product = app.products.0.get(id).await?.ok_or_else(|| Error::not_found("product"))?;
    product.into_view()
}

/// Those of the products that are sold, in the order asked.
pub async fn get_many(app: &App, ids: &[ProductId]) -> Result<Vec<ProductView>> {
    let mut found = app.products.0.get_many(ids).await?;
    found.sort_by_key(|product| ids.iter().position(|id| *id == product.id));
    found.dedup_by_key(|product| product.id);
    Ok(found.into_iter().filter_map(|product| product.into_view().ok()).collect())
}

/// What other services are told of these products.
pub async fn offers(app: &App, ids: &[ProductId]) -> Result<Vec<Offer>> {
    let found = app.products.0.get_many(ids).await?;
    Ok(found.iter().filter_map(|product| product.offer().ok()).collect())
}

/// A page of the catalogue.
pub async fn list(app: &App, listed: Listed) -> Result<Page<ProductView>> {
    let Listed { category, words, sort, paging } = listed;
    let page = app.products.list(category.as_deref(), words.as_deref(), sort, paging).await?;
    let next = page.next;
    let items = page.items.into_iter().map(Product::into_view).collect::<Result<_>>()?;
    Ok(Page { items, next })
}

/// Offers a new product.
pub async fn add(app: &App, new: NewProduct) -> Result<ProductView> {
    let product = Product::new(new.details, new.available.unwrap_or_default(), None);
    app.products.0.insert(product.id, product.clone()).await?;
    product.into_view()
}

/// Replaces what is said about a product.
pub async fn replace(app: &App, id: ProductId, replacement: Replacement) -> Result<ProductView> {
    edit(app, id, replacement.version, move |_| replacement.details.clone()).await
}

/// Changes some of what is said about a product.
pub async fn change(app: &App, id: ProductId, changes: Changes) -> Result<ProductView> {
    edit(app, id, changes.version, move |details| changes.clone().apply(details)).await
}

async fn edit(
    app: &App,
    id: ProductId,
    version: Option<u64>,
    change: impl Fn(Details) -> Details + Send + 'static,
) -> Result<ProductView> {
    let edit = move |product: &mut Product, _: &mut common::store::Events| {
        let details = product.listing()?.details.clone();
        if let Some(version) = version.filter(|version| *version != product.version) {
            let detail = format!("The product is at version {}, not {version}; read it again.", product.version);
            return Err(Error::conflict("conflict", detail));
        }
        product.edit(change(details))?;
        product.clone().into_view()
    };
    app.products.0.update(id, edit).await.map_err(named)
}

/// Takes a product out of the catalogue.
pub async fn withdraw(app: &App, id: ProductId) -> Result<()> {
    app.products.0.update(id, |product, _| product.withdraw()).await.map_err(named)
}

/// Sets how many can be bought.
pub async fn restock(app: &App, id: ProductId, available: Available) -> Result<Books> {
    let restock = move |product: &mut Product, _: &mut common::store::Events| {
        product.listing()?;
        product.stock.restock(available);
        Ok(product.stock.books())
    };
    app.products.0.update(id, restock).await.map_err(named)
}

/// The books of a product. They outlive its listing.
pub async fn books(app: &App, id: ProductId) -> Result<Books> {
    let product = app.products.0.get(id).await?.ok_or_else(|| Error::not_found("product"))?;
    Ok(product.stock.books())
}

/// The store speaks of its collections, a client of one product.
fn named(error: Error) -> Error {
    match error.kind() {
        common::Kind::NotFound => Error::not_found("product"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use common::input::from_json;
    use serde_json::json;

    use super::*;

    fn tea() -> Product {
        let body =
            json!({"name": "Tea", "description": "", "category": "tea", "price": {"amount": 499, "currency": "EUR"}});
        Product::new(from_json::<NewProduct>(body).unwrap().details, Available::default(), None)
    }

    #[test]
    fn a_product_shows_exactly_the_documented_fields() {
        let shown = serde_json::to_value(tea().into_view().unwrap()).unwrap();
        let mut fields: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        let documented =
            ["available", "category", "description", "id", "image", "name", "price", "supplier", "unit", "version"];
        assert_eq!(fields, documented);
        assert_eq!((&shown["unit"], &shown["version"], &shown["supplier"]), (&json!("piece"), &json!(1), &json!(null)));
    }

    #[test]
    fn pictures_are_paths_or_web_addresses() {
        for (image, good) in [
            ("/products/images/tea.svg", true),
            ("https://example.com/tea.svg", true),
            ("//example.com/tea.svg", false),
            ("javascript:alert(1)", false),
            ("tea.svg", false),
            ("/a\"onerror=x", false),
        ] {
            assert_eq!(serde_json::from_value::<Image>(json!(image)).is_ok(), good, "{image}");
        }
    }

    #[test]
    fn a_patch_leaves_clears_and_sets() {
        let mut product = tea();
        let changes = from_json::<Changes>(json!({"supplier": "Ana", "unit": "100 g"})).unwrap();
        let details = product.listing().unwrap().details.clone();
        product.edit(changes.apply(details)).unwrap();
        let details = product.listing().unwrap().details.clone();
        assert_eq!((details.supplier.as_deref(), &*details.unit, &*details.name), (Some("Ana"), "100 g", "Tea"));
        let cleared = from_json::<Changes>(json!({"supplier": null})).unwrap().apply(details);
        assert_eq!(cleared.supplier, None);
        assert_eq!(product.version, 2);
        assert!(from_json::<Changes>(json!({"name": null})).is_err(), "a name cannot be cleared");
        assert!(from_json::<Changes>(json!({"available": 3})).is_err(), "stock is no edit");
    }

    #[test]
    fn a_withdrawn_product_keeps_its_books() {
        let mut product = tea();
        product.stock.restock(Available::try_from(7).unwrap());
        product.withdraw().unwrap();
        assert_eq!(product.stock.books().available, 7);
        assert!(product.offer().is_err());
        assert!(product.withdraw().is_err());
    }
}
