//! What every page has around its content: header, footer, and what search engines read.

use std::sync::Arc;

use serde_json::Value;
use souk_contract::image::ImageName;
use souk_contract::products::ProductId;
use souk_types::{Money, Timestamp};

use super::placeholder;
use crate::api::cart::CartProduct;
use crate::api::catalogue::{Categories, Product};
use crate::api::quote::Days;
use crate::api::shop::Shop;
use crate::assets;
use crate::links;
use crate::locale::{Key, Language, Message};

/// The outer parts of a page. Every template that extends `layout.html` has it in the field `page`,
/// and gets its texts, URLs and formats from it.
pub(crate) struct Frame {
    pub(crate) language: Language,
    /// The title, without the name of the shop.
    pub(crate) title: String,
    /// The description for search engines; empty without one.
    pub(crate) description: String,
    /// The path below the language's prefix: `/cart`; empty for the home page.
    pub(crate) path: String,
    /// The query of this request, with its question mark: the other language has the same.
    pub(crate) query: String,
    /// The part of the query that makes another page for search engines.
    pub(crate) canonical_query: String,
    /// The URL of the shop, without a slash at the end.
    pub(crate) public_url: String,
    /// The picture that stands for the page on other sites.
    pub(crate) image: Option<String>,
    /// Structured data (<https://schema.org>).
    pub(crate) json_ld: Vec<Value>,
    /// Whether search engines may list the page.
    pub(crate) is_indexed: bool,
    pub(crate) shop: Arc<Shop>,
    pub(crate) categories: Arc<Categories>,
    /// The words in the search field.
    pub(crate) search: String,
    /// The number of pieces in the cart.
    pub(crate) cart_count: u32,
    pub(crate) is_signed_in: bool,
    /// The token against forged requests, for the hidden field of each form.
    pub(crate) csrf: String,
}

/// A page in another language.
pub(crate) struct Alternate {
    pub(crate) language: Language,
    /// The path with its query.
    pub(crate) path: String,
    /// The whole URL, without what makes no other page.
    pub(crate) canonical: String,
    pub(crate) is_current: bool,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    clippy::unused_self,
    reason = "templates call these as methods of the page, with references"
)]
impl Frame {
    /// Allows search engines to list the page, with this description.
    pub(crate) fn index(&mut self, description: impl Into<String>) {
        self.is_indexed = true;
        self.description = description.into();
    }

    /// Returns a text in the language of the page.
    pub(crate) fn text<'a>(&self, key: impl Into<Key>) -> Message<'a> {
        self.language.text(key)
    }

    /// Returns the URL of a page in this language: `/cart` is `/en/cart`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.language.prefix())
    }

    /// Returns the URL of a category.
    pub(crate) fn category_url(&self, name: &str) -> String {
        self.url(&format!("/c/{}", links::encode(name)))
    }

    /// Whether this page is that of a category.
    pub(crate) fn is_at_category(&self, name: &str) -> bool {
        self.path.strip_prefix("/c/").is_some_and(|encoded| encoded == links::encode(name))
    }

    /// Returns the URL of a product, with its name.
    pub(crate) fn product_url(&self, product: &Product) -> String {
        self.url(&product_path(product.id, &product.name))
    }

    /// Returns the URL of a product in a cart or a wishlist.
    pub(crate) fn cart_product_url(&self, product: &CartProduct) -> String {
        self.url(&product_path(product.id, &product.name))
    }

    /// Returns the sizes of an uploaded image, for the attribute `srcset`; `None` for another one.
    pub(crate) fn image_sizes(&self, image: &str) -> Option<String> {
        let size = |name: ImageName| format!("{} {}w", name.path(), name.size());
        Some(ImageName::all_of(image)?.map(size).join(", "))
    }

    /// Returns the picture of a product that has none, as SVG.
    pub(crate) fn placeholder(&self, name: &str) -> String {
        placeholder::svg(name)
    }

    /// Returns the class of a tint, which differs between neighbours in a list.
    pub(crate) fn tint(&self, position: &usize) -> &'static str {
        placeholder::TINTS[position % placeholder::TINTS.len()]
    }

    /// Writes a time until delivery.
    pub(crate) fn delivery(&self, days: &Days) -> String {
        if days.from == days.to {
            return self.text("promise-delivery-days").arg("days", days.to).to_string();
        }
        self.text("promise-delivery").arg("from", days.from).arg("to", days.to).to_string()
    }

    /// Returns the URL of an embedded file, such as `shop.css`.
    pub(crate) fn asset(&self, name: &str) -> &'static str {
        assets::path(name)
    }

    /// Writes an amount of money.
    pub(crate) fn money(&self, money: &Money) -> String {
        self.language.money(*money)
    }

    /// Writes a whole number.
    pub(crate) fn number(&self, number: &u64) -> String {
        self.language.number(*number)
    }

    /// Writes a rate in basis points as a percentage.
    pub(crate) fn percent(&self, basis_points: &u32) -> String {
        self.language.percent(*basis_points)
    }

    /// Writes the day of a moment.
    pub(crate) fn date(&self, moment: &Timestamp) -> String {
        self.language.date(*moment)
    }

    /// Returns the whole URL of the page.
    pub(crate) fn canonical(&self) -> String {
        format!("{}{}{}{}", self.public_url, self.language.prefix(), self.path, self.canonical_query)
    }

    /// Returns a path of the shop as a whole URL; the URL of another site stays as it is.
    pub(crate) fn absolute(&self, address: &str) -> String {
        if address.starts_with('/') { format!("{}{address}", self.public_url) } else { address.to_owned() }
    }

    /// Returns this page in all languages.
    pub(crate) fn alternates(&self) -> Vec<Alternate> {
        let alternate = |language: Language| Alternate {
            language,
            path: format!("{}{}{}", language.prefix(), self.path, self.query),
            canonical: format!("{}{}{}{}", self.public_url, language.prefix(), self.path, self.canonical_query),
            is_current: language == self.language,
        };
        Language::ALL.into_iter().map(alternate).collect()
    }

    /// Returns the structured data as text that is safe inside of `<script>`.
    pub(crate) fn json_ld_texts(&self) -> Vec<String> {
        self.json_ld.iter().map(|data| data.to_string().replace('<', "\\u003c")).collect()
    }
}

/// Returns the path of a product below the prefix of a language.
pub(crate) fn product_path(id: ProductId, name: &str) -> String {
    format!("/p/{id}/{}", links::encode(&links::slug(name)))
}
