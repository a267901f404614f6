//! The page of a product.

use askama::Template;
use rocket::get;
use rocket::http::Status;
use souk_contract::products::ProductId;
use souk_http::Param;
use souk_types::Quantity;

use super::structured_data;
use crate::api::catalogue::Product;
use crate::links::{encode, slug};
use crate::page::{Answer, Frame, Page, PageError, PageResult, filters, product_path};
use crate::visit::Visit;

/// Related products.
const RELATED: usize = 4;
/// The length of the description for search engines, in characters.
const MAX_DESCRIPTION: usize = 160;
/// Up to this quantity, the page says how many are left.
const FEW: u32 = 5;

#[derive(Template)]
#[template(path = "product.html")]
struct ProductPage {
    page: Frame,
    product: Product,
    /// Products of the same category; `None` while they cannot be read.
    related: Option<Vec<Product>>,
    stock: Stock,
    max_quantity: u32,
    quantity: TypedQuantity,
}

/// The field of the quantity.
struct TypedQuantity {
    value: String,
    error: Option<String>,
}

impl Default for TypedQuantity {
    fn default() -> Self {
        Self { value: "1".to_owned(), error: None }
    }
}

#[derive(PartialEq)]
enum Stock {
    None,
    Few,
    Many,
}

#[get("/p/<id>")]
pub(super) async fn show_without_name(visit: Visit<'_>, id: Param<ProductId>) -> PageResult {
    let product = visit.api.product(id.0).await?;
    Ok(Answer::Moved(visit.url(&product_path(product.id, &product.name))))
}

#[get("/p/<id>/<name>")]
pub(super) async fn show(visit: Visit<'_>, id: Param<ProductId>, name: &str) -> PageResult {
    let product = visit.api.product(id.0).await?;
    if name != slug(&product.name) {
        return Ok(Answer::Moved(visit.url(&product_path(product.id, &product.name))));
    }
    Ok(render(&visit, product, TypedQuantity::default()).await?.into())
}

/// Shows the page of a product again, with a quantity that cannot be added to the cart.
pub(super) async fn refuse_quantity(visit: &Visit<'_>, id: ProductId, typed: &str) -> PageResult {
    let product = visit.api.product(id).await?;
    let quantity = TypedQuantity { value: typed.to_owned(), error: Some(visit.text("problem-quantity").to_string()) };
    // Of a product that is sold out by now, the page has no form, and says that instead.
    let status = if product.available > 0 { Status::UnprocessableEntity } else { Status::Ok };
    Ok(render(visit, product, quantity).await?.status(status).into())
}

async fn render(visit: &Visit<'_>, product: Product, quantity: TypedQuantity) -> Result<Page, PageError> {
    let related = visit.app.lists.related(visit.api, &product.category);
    let (frame, related) = tokio::join!(visit.frame(product.name.clone()), related);
    let mut page = frame?;
    // The product itself may be among them.
    let is_other = |other: &&Product| other.id != product.id;
    let related = related.map(|list| list.items.iter().filter(is_other).take(RELATED).cloned().collect());
    page.index(description(&product, visit));
    page.path = product_path(product.id, &product.name);
    page.image.clone_from(&product.image);
    let category = (filters::capitalise(&product.category), format!("/c/{}", encode(&product.category)));
    let steps = [category, (product.name.clone(), page.path.clone())];
    page.json_ld = vec![structured_data::product(&page, &product), structured_data::breadcrumbs(&page, &steps)];
    let stock = match product.available {
        0 => Stock::None,
        1..=FEW => Stock::Few,
        _ => Stock::Many,
    };
    let max_quantity = product.available.clamp(1, Quantity::MAX);
    Page::browsing(&ProductPage { page, related: related.ok(), stock, max_quantity, quantity, product })
}

/// Returns the beginning of the description, or a sentence about the product without one.
fn description(product: &Product, visit: &Visit<'_>) -> String {
    let text = product.description.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        let price = visit.language.money(product.price);
        return visit.text("product-description").arg("name", product.name.as_str()).arg("price", price).to_string();
    }
    if text.chars().count() <= MAX_DESCRIPTION {
        return text;
    }
    let short: String = text.chars().take(MAX_DESCRIPTION - 1).collect();
    format!("{}…", short.rsplit_once(' ').map_or(&*short, |(words, _)| words))
}
