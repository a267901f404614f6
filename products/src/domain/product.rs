//! One product: what is offered of it and how many there are. Stock has rules of its own, in [`crate::domain::stock`].

use serde::{Deserialize, Serialize};
use souk_contract::products::{CatalogueEntry, ProductId, ProductSnapshot};
use souk_types::input::{Fields, Input};
use souk_types::{Error, Price, Result, Text, Timestamp};

use crate::domain::stock::{Available, Stock};

/// One product: what is offered of it, and how many there are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// What the file said that it came with.
    pub imported: Option<Imported>,
    /// What is offered; nothing, when it is no longer sold. Its books stay, for the orders that have it.
    pub listing: Option<Listing>,
    /// How many there are.
    pub stock: Stock,
    /// Counts the edits, from 1; a sale is no edit.
    pub version: u64,
}

/// What an import remembers of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The name by which the file knows it.
    pub key: ImportKey,
    /// How many the file said there are. While it says the same, sales since then are not undone.
    pub available: Option<Available>,
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
    pub price: Price,
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

impl ProductView {
    /// Whose it is.
    #[must_use]
    pub fn id(&self) -> ProductId {
        self.id
    }

    /// Pieces that can be bought now.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.available
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
    pub fn new(details: Details, available: Available, imported: Option<Imported>) -> Self {
        let listing = Some(Listing::new(details, Timestamp::now()));
        Self { id: ProductId::new(), imported, listing, stock: Stock::of(available), version: 1 }
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
        (self.listing, self.imported) = (None, None);
        self.version += 1;
        Ok(())
    }

    /// As other services see it.
    pub fn offer(&self) -> Result<CatalogueEntry> {
        let details = &self.listing()?.details;
        let product = ProductSnapshot {
            id: self.id,
            name: details.name.to_string(),
            price: details.price,
            image: details.image.clone().map(String::from),
        };
        Ok(CatalogueEntry { product, available: self.stock.available() })
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

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;
    use souk_types::input::from_json;

    use super::*;

    /// A product that is sold, with nothing in stock.
    pub(crate) fn tea() -> Product {
        let body =
            json!({"name": "Tea", "description": "", "category": "tea", "price": {"amount": 499, "currency": "EUR"}});
        Product::new(from_json(body).unwrap(), Available::default(), None)
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
    fn a_withdrawn_product_keeps_its_books() {
        let mut product = tea();
        product.stock.restock(Available::try_from(7).unwrap());
        product.withdraw().unwrap();
        assert_eq!(product.stock.books().available, 7);
        assert!(product.offer().is_err());
        assert!(product.withdraw().is_err());
    }
}
