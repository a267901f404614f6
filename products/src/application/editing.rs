//! What admins do with the catalogue: offer, edit and withdraw products, and count their stock.

use souk_contract::products::ProductId;
use souk_store::Events;
use souk_types::input::{Fields, Input};
use souk_types::{Error, Price, Result, Text};

use crate::App;
use crate::domain::product::{Category, Details, Image, Product, ProductView};
use crate::domain::stock::{Available, StockLevels};

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
    let edit = move |product: &mut Product, _: &mut Events| {
        let details = product.listing()?.details.clone();
        if let Some(version) = version.filter(|version| *version != product.version) {
            let detail = format!("The product is at version {}, not {version}; read it again.", product.version);
            return Err(Error::conflict("conflict", detail));
        }
        product.edit(change(details))?;
        product.clone().into_view()
    };
    app.products.0.update(id, edit).await
}

/// Takes a product out of the catalogue.
pub async fn withdraw(app: &App, id: ProductId) -> Result<()> {
    app.products.0.update(id, |product, _| product.withdraw()).await
}

/// Sets how many can be bought.
pub async fn restock(app: &App, id: ProductId, available: Available) -> Result<StockLevels> {
    let restock = move |product: &mut Product, _: &mut Events| {
        product.listing()?;
        product.stock.restock(available);
        Ok(product.stock.books())
    };
    app.products.0.update(id, restock).await
}

/// The books of a product. They outlive its listing.
pub async fn books(app: &App, id: ProductId) -> Result<StockLevels> {
    let product = app.products.0.get(id).await?.ok_or_else(|| Error::not_found("product"))?;
    Ok(product.stock.books())
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
    price: Option<Price>,
    unit: Option<Text<1, 20>>,
    supplier: Option<Option<Text<1, 100>>>,
    image: Option<Option<Image>>,
    version: Option<u64>,
}

impl Input for Changes {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            version: version(fields),
            name: fields.optional_non_null("name"),
            description: fields.optional_non_null("description"),
            category: fields.optional_non_null("category"),
            price: fields.optional_object("price"),
            unit: fields.optional_non_null("unit"),
            supplier: fields.patch("supplier"),
            image: fields.patch("image"),
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
    fields.forbid("available", "is set with PUT /products/{id}/stock");
    fields.optional_non_null("version")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use souk_types::input::from_json;

    use super::*;
    use crate::domain::product::tests::tea;

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
}
