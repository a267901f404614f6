//! `GET /`: one plain page that tells a person what runs here and what to try first. A client that asks for JSON gets
//! the same as JSON.

use products::{CatalogueQuery, ProductView, Sort, catalogue};
use rocket::http::{Accept, MediaType};
use rocket::response::content::RawHtml;
use rocket::{Responder, Route, State, get, routes};
use serde_json::{Value, json};
use souk_http::with_limits;
use souk_types::{PageLimit, Paging};

/// Products shown.
const SHOWN: u64 = 8;

/// The routes of the front page, to be mounted at `/`.
pub(crate) fn routes() -> Vec<Route> {
    with_limits(routes![front])
}

#[derive(Responder)]
enum Front {
    Page(RawHtml<String>),
    Data(rocket::serde::json::Json<Value>),
}

#[get("/")]
async fn front(
    products: &State<products::App>,
    accept: Option<&Accept>,
    host: Option<&rocket::http::uri::Host<'_>>,
) -> souk_http::Result<Front> {
    let paging = Paging { after: None, limit: PageLimit::try_from(SHOWN).unwrap_or_default() };
    let query = CatalogueQuery { category: None, words: None, sort: Sort::Newest, paging };
    let shelf = catalogue::list(products, query).await?.items;
    if accept.is_some_and(|accept| accept.preferred().media_type() == &MediaType::JSON) {
        return Ok(Front::Data(rocket::serde::json::Json(json!({
            "name": "Souk",
            "version": env!("CARGO_PKG_VERSION"),
            "services": {"customer": "/customer", "products": "/products", "shopping": "/shopping"},
            "health": "/health/ready",
            "products": shelf,
        }))));
    }
    let host = host.map_or_else(|| "localhost:8000".to_owned(), ToString::to_string);
    Ok(Front::Page(RawHtml(page(&host, &shelf))))
}

fn page(host: &str, shelf: &[ProductView]) -> String {
    let tiles: String = shelf.iter().map(tile).collect();
    let shelf = if tiles.is_empty() {
        "<p>The shelves are empty. An admin fills them with <code>POST /products</code> or <code>POST /products/import</code>.</p>".to_owned()
    } else {
        format!("<ul class=\"shelf\">{tiles}</ul>")
    };
    include_str!("front.html")
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{host}", &escape(host))
        .replace("{shelf}", &shelf)
}

fn tile(product: &ProductView) -> String {
    let details = product.details();
    let picture = match &details.image {
        Some(image) => {
            format!("<img src=\"{}\" alt=\"\" width=\"200\" height=\"200\">", escape(&String::from(image.clone())))
        }
        None => String::new(),
    };
    let sold_out = if product.available() == 0 { ", sold out" } else { "" };
    format!(
        "<li><a href=\"/products/{}\">{picture}<span>{}</span></a><b>{}</b> <small>{}{sold_out}</small></li>",
        product.id(),
        escape(&details.name),
        escape(&details.price.to_string()),
        escape(&details.unit),
    )
}

/// Text that an admin or a client wrote, made harmless in a page.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_change_the_page() {
        assert_eq!(
            escape("<img src=x onerror='alert(\"1\")'>&"),
            "&lt;img src=x onerror=&#39;alert(&quot;1&quot;)&#39;&gt;&amp;"
        );
        assert!(!page("evil.example\"><script>", &[]).contains("<script>"));
    }
}
