//! Products and categories.

use serde::Deserialize;
use souk_contract::products::ProductId;
use souk_types::Money;

use super::{Api, List, Result, Service};
use crate::links::encode;

/// A product.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) category: String,
    pub(crate) price: Money,
    pub(crate) unit: String,
    pub(crate) supplier: Option<String>,
    /// A path of this shop or the address of another site.
    pub(crate) image: Option<String>,
    pub(crate) digital: bool,
    pub(crate) available: u32,
}

/// A category.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Category {
    pub(crate) name: String,
    /// The number of its products.
    pub(crate) products: u64,
}

/// The order of a list of products.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Newest,
    PriceAscending,
    PriceDescending,
    Name,
}

impl Sort {
    /// All orders, as a page lists them.
    pub(crate) const ALL: [Self; 4] = [Self::Newest, Self::PriceAscending, Self::PriceDescending, Self::Name];

    /// Returns the value of the parameter `sort`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::PriceAscending => "price",
            Self::PriceDescending => "-price",
            Self::Name => "name",
        }
    }

    /// Reads the parameter `sort`. An unknown value is the default.
    pub(crate) fn parse(value: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|sort| Some(sort.as_str()) == value).unwrap_or_default()
    }
}

/// Which products a list has.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListQuery<'a> {
    pub(crate) category: Option<&'a str>,
    /// Words that the products have.
    pub(crate) words: Option<&'a str>,
    pub(crate) sort: Sort,
    /// The cursor of the page before.
    pub(crate) after: Option<&'a str>,
    pub(crate) limit: usize,
}

impl Api<'_> {
    /// Returns a page of products.
    pub(crate) async fn products(self, query: ListQuery<'_>) -> Result<List<Product>> {
        let mut target = format!("/?sort={}&limit={}", query.sort.as_str(), query.limit);
        for (name, value) in [("category", query.category), ("q", query.words), ("after", query.after)] {
            if let Some(value) = value {
                target.extend(["&", name, "=", &encode(value)]);
            }
        }
        self.get(Service::Products, target).send().await
    }

    /// Returns a product.
    pub(crate) async fn product(self, id: ProductId) -> Result<Product> {
        self.get(Service::Products, format!("/{id}")).send().await
    }

    /// Returns all categories, by name.
    pub(crate) async fn categories(self) -> Result<Vec<Category>> {
        let list: List<Category> = self.get(Service::Products, "/categories").send().await?;
        Ok(list.items)
    }
}
