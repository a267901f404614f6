//! Products and categories.

use serde::Deserialize;
use serde_json::json;
use souk_contract::products::ProductId;
use souk_types::Money;

use super::{Api, List, Result, Service};
use crate::links::encode;

/// The unit of products that name none.
const DEFAULT_UNIT: &str = "piece";

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
    /// A path of this shop or the URL of another site.
    pub(crate) image: Option<String>,
    pub(crate) digital: bool,
    pub(crate) available: u32,
}

impl Product {
    /// Returns the unit of the price, unless it is the piece, which goes without saying.
    pub(crate) fn named_unit(&self) -> Option<&str> {
        Some(self.unit.as_str()).filter(|unit| *unit != DEFAULT_UNIT)
    }
}

/// A category.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Category {
    pub(crate) name: String,
    /// The number of its products.
    pub(crate) products: u64,
}

/// Categories in the menu of every page.
const MENU: usize = 12;

/// The categories of the shop, by name.
#[derive(Debug, Default)]
pub(crate) struct Categories {
    pub(crate) all: Vec<Category>,
    /// The largest ones: a page has no room for the categories of a large shop.
    pub(crate) menu: Vec<Category>,
}

impl Categories {
    fn new(all: Vec<Category>) -> Self {
        let mut sizes: Vec<u64> = all.iter().map(|category| category.products).collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        let smallest = sizes.get(MENU - 1).copied().unwrap_or_default();
        let is_large = |category: &&Category| category.products >= smallest;
        let menu = all.iter().filter(is_large).take(MENU).cloned().collect();
        Self { all, menu }
    }

    /// Whether the menu has not all categories.
    pub(crate) fn has_more(&self) -> bool {
        self.menu.len() < self.all.len()
    }
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
pub(crate) struct ProductQuery<'a> {
    pub(crate) category: Option<&'a str>,
    /// Words that the products have.
    pub(crate) words: Option<&'a str>,
    pub(crate) sort: Sort,
    /// The cursor of the page before.
    pub(crate) after: Option<&'a str>,
    pub(crate) limit: usize,
}

impl ProductQuery<'_> {
    /// Returns the path of the list, with its query.
    pub(crate) fn target(&self) -> String {
        let mut target = format!("/?sort={}&limit={}", self.sort.as_str(), self.limit);
        for (name, value) in [("category", self.category), ("q", self.words), ("after", self.after)] {
            if let Some(value) = value {
                target.extend(["&", name, "=", &encode(value)]);
            }
        }
        target
    }
}

impl Api<'_> {
    /// Returns a page of products, as they are now.
    pub(crate) async fn products(self, query: ProductQuery<'_>) -> Result<List<Product>> {
        self.product_list(&query.target()).await
    }

    /// Returns the page of products of a [`ProductQuery::target`].
    pub(crate) async fn product_list(self, target: &str) -> Result<List<Product>> {
        self.get(Service::Products, target).send().await
    }

    /// Returns a product.
    pub(crate) async fn product(self, id: ProductId) -> Result<Product> {
        self.get(Service::Products, format!("/{id}")).send().await
    }

    /// Returns those of 1 to 100 products that exist, in the order of the ids.
    pub(crate) async fn products_by_id(self, ids: &[ProductId]) -> Result<Vec<Product>> {
        let call = self.post(Service::Products, "/ids").json(&json!({"ids": ids}));
        let list: List<Product> = call.send().await?;
        Ok(list.items)
    }

    /// Returns all categories, by name.
    pub(crate) async fn categories(self) -> Result<Categories> {
        let list: List<Category> = self.get(Service::Products, "/categories").send().await?;
        Ok(Categories::new(list.items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_has_the_largest_categories_by_name() {
        let category = |at: usize| Category { name: format!("{at:02}"), products: (at % 20) as u64 };
        let few = Categories::new((0..MENU).map(category).collect());
        assert!(few.menu.len() == MENU && !few.has_more());
        let many = Categories::new((0..100).map(category).collect());
        assert!(many.menu.len() == MENU && many.has_more());
        assert!(many.menu.iter().all(|category| category.products >= 17), "{:?}", many.menu);
        assert!(many.menu.is_sorted_by_key(|category| &category.name));
    }
}
