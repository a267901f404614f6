//! Products and stock, for admins.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use souk_contract::api::ApiMethod;
use souk_contract::products::ProductId;

use super::catalogue::Product;
use super::{Api, Problem, Result, Service, Token};
use crate::links::encode;

/// Timeout of an import, shorter than that of nginx for its page.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(55);

/// A file of which each line can have an error without a report that is too large, in bytes.
const SMALL_FILE: usize = 8 * 1024;

/// A product with the fields that only admins see.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EditedProduct {
    #[serde(flatten)]
    pub(crate) product: Product,
    pub(crate) tax_class: String,
    pub(crate) weight_grams: u32,
    /// Counts the edits. Sales and changes of stock do not count.
    version: u64,
}

impl EditedProduct {
    /// Returns the value of `If-Match`. The entity tag would fail after each sale, the version not.
    pub(crate) fn tag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

/// The stock of a product, in units.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Stock {
    /// Units that can be ordered.
    pub(crate) available: u64,
    /// Units held for orders in checkout.
    pub(crate) reserved: u64,
    /// Units of confirmed orders.
    pub(crate) sold: u64,
    /// Counts every change.
    version: u64,
}

impl Stock {
    /// Returns the value of `If-Match`.
    pub(crate) fn tag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

/// What an import has done, or why it has done nothing.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ImportReport {
    pub(crate) rows: u64,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) rejected: u64,
    pub(crate) errors: Vec<RowError>,
    /// The columns that fill no field. An earlier `products` does not name them.
    #[serde(default)]
    pub(crate) ignored_columns: Vec<String>,
}

impl ImportReport {
    /// Whether rows are bad and nothing is imported.
    pub(crate) fn is_refused(&self) -> bool {
        self.rejected > 0 && self.created + self.updated + self.unchanged == 0
    }
}

#[derive(Debug, Deserialize)]
struct UploadedImage {
    image: String,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RowError {
    /// Counts from 1, the line of the column names included.
    pub(crate) line: u64,
    #[serde(default)]
    pub(crate) field: Option<String>,
    /// In English.
    pub(crate) message: String,
}

impl Api<'_> {
    /// Returns a product with the fields that only admins see.
    pub(crate) async fn edited_product(self, id: ProductId) -> Result<EditedProduct> {
        self.get(Service::Products, format!("/{id}")).send().await
    }

    /// Creates a product. The same key creates one. Errors: 422 `key-reused`.
    pub(crate) async fn create_product(self, token: &Token, key: &str, product: &Value) -> Result<Product> {
        let call = self.post(Service::Products, "/").token(token).header("Idempotency-Key", key);
        call.json(product).send().await
    }

    /// Changes these fields of a product. Errors: 412 when it was edited meanwhile.
    pub(crate) async fn edit_product(self, token: &Token, id: ProductId, tag: &str, product: &Value) -> Result<()> {
        let call = self.call(Service::Products, ApiMethod::Patch, format!("/{id}"));
        call.token(token).header("If-Match", tag).json(product).send_without_reply().await
    }

    /// Deletes a product.
    pub(crate) async fn delete_product(self, token: &Token, id: ProductId) -> Result<()> {
        self.call(Service::Products, ApiMethod::Delete, format!("/{id}")).token(token).send_without_reply().await
    }

    /// Returns the stock of a product.
    pub(crate) async fn stock(self, token: &Token, id: ProductId) -> Result<Stock> {
        self.get(Service::Products, format!("/{id}/stock")).token(token).send().await
    }

    /// Adds to the available units, whatever their number is. The same key adds once. Errors: 409
    /// `stock-out-of-range`; 422 `key-reused`.
    pub(crate) async fn add_stock(self, token: &Token, id: ProductId, key: &str, add: &Value) -> Result<()> {
        let call = self.call(Service::Products, ApiMethod::Patch, format!("/{id}/stock")).token(token);
        call.header("Idempotency-Key", key).json(&json!({"add": add})).send_without_reply().await
    }

    /// Sets the available units to a number that was counted. Errors: 412 when the stock has
    /// changed meanwhile.
    pub(crate) async fn count_stock(self, token: &Token, id: ProductId, tag: &str, available: &Value) -> Result<()> {
        let call = self.call(Service::Products, ApiMethod::Put, format!("/{id}/stock")).token(token);
        call.header("If-Match", tag).json(&json!({"available": available})).send_without_reply().await
    }

    /// Stores an image, and returns its path. Errors: 422 `image-format`, `image-too-large`.
    pub(crate) async fn upload_image(self, token: &Token, file: &[u8]) -> Result<String> {
        let call = self.post(Service::Products, "/images").token(token);
        let image: UploadedImage = call.file("application/octet-stream", file).send().await?;
        Ok(image.image)
    }

    /// Sets or removes the image of a product. Errors: 422 for `image`.
    pub(crate) async fn set_image(self, token: &Token, id: ProductId, image: Option<&str>) -> Result<()> {
        let call = self.call(Service::Products, ApiMethod::Patch, format!("/{id}")).token(token);
        call.json(&json!({"image": image})).send_without_reply().await
    }

    /// Imports the rows of a CSV file with the columns of the API. `parameters` are those of
    /// `POST /products/import`. A file that is refused because of its rows has a report too, with
    /// at most `max_errors` errors if it is large.
    pub(crate) async fn import_products(
        self,
        token: &Token,
        parameters: &[(&str, &str)],
        max_errors: usize,
        file: Vec<u8>,
    ) -> Result<ImportReport> {
        let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let mut target = format!("/import?{}", query.join("&"));
        let call = match String::from_utf8(file) {
            // As text, which an earlier `products` takes too, in a rolling update.
            Ok(text) if text.len() <= SMALL_FILE => self.post(Service::Products, target).text("text/csv", text),
            file => {
                let _ = write!(target, "&max_errors={max_errors}");
                let call = self.post(Service::Products, target);
                match file {
                    Ok(text) => call.file("text/csv", text.as_bytes()),
                    // Spreadsheets save files as UTF-8, or in the encoding of Windows.
                    Err(error) => call.file("text/csv; charset=windows-1252", error.as_bytes()),
                }
            }
        };
        let response = call.token(token).within(IMPORT_TIMEOUT).any_response().await?;
        if matches!(response.status, 200 | 422)
            && let Ok(report) = serde_json::from_str(&response.body)
        {
            return Ok(report);
        }
        Err(Problem::of_response(&response))
    }
}
