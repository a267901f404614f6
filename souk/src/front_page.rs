//! `GET /` of a one-process shop: a page with the services, some products and first steps, or the
//! same as JSON.

use products::{CatalogueQuery, ProductView, Sort, catalogue};
use rocket::http::Accept;
use rocket::response::content::RawHtml;
use rocket::response::{self, Responder};
use rocket::serde::json::Json;
use rocket::{Request, Route, State, get, routes};
use serde_json::{Value, json};
use souk_http::with_limits;
use souk_types::{PageLimit, Paging};

const PRODUCTS: u64 = 8;

pub(crate) fn routes() -> Vec<Route> {
    with_limits(routes![front_page])
}

/// The page has styles of its own, and shows images of products from any address.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src * data:; frame-ancestors 'none'";

enum FrontPage {
    Html(String),
    Json(Value),
}

impl<'r> Responder<'r, 'static> for FrontPage {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let mut response = match self {
            Self::Html(page) => RawHtml(page).respond_to(request)?,
            Self::Json(value) => Json(value).respond_to(request)?,
        };
        response.set_raw_header("Vary", "Accept");
        response.set_raw_header("Content-Security-Policy", CONTENT_SECURITY_POLICY);
        Ok(response)
    }
}

#[get("/")]
async fn front_page(
    products: &State<products::App>,
    accept: Option<&Accept>,
    host: Option<&rocket::http::uri::Host<'_>>,
) -> souk_http::Result<FrontPage> {
    let paging = Paging { after: None, limit: PageLimit::try_from(PRODUCTS).unwrap_or_default() };
    let query = CatalogueQuery { category: None, words: None, sort: Sort::Newest, paging };
    let newest = catalogue::list(products, query).await?.items;
    if accept.is_some_and(|accept| accept.preferred().media_type().is_json()) {
        return Ok(FrontPage::Json(json!({
            "name": "Souk",
            "version": env!("CARGO_PKG_VERSION"),
            "services": {"customer": "/customer", "products": "/products", "shopping": "/shopping"},
            "health": "/health/ready",
            "products": newest,
        })));
    }
    let host = host.map_or_else(|| "localhost:8000".to_owned(), ToString::to_string);
    Ok(FrontPage::Html(page(&host, &newest)))
}

fn page(host: &str, products: &[ProductView]) -> String {
    let tiles: String = products.iter().map(tile).collect();
    let list = if tiles.is_empty() {
        "<p>There are no products. An admin adds them with <code>POST /products</code> or <code>POST /products/import</code>.</p>".to_owned()
    } else {
        format!("<ul class=\"products\">{tiles}</ul>")
    };
    include_str!("front_page.html")
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{host}", &escape(host))
        .replace("{products}", &list)
}

fn tile(product: &ProductView) -> String {
    let details = product.details();
    let image = match &details.image {
        Some(url) => {
            format!("<img src=\"{}\" alt=\"\" width=\"200\" height=\"200\">", escape(&String::from(url.clone())))
        }
        None => String::new(),
    };
    let sold_out = if product.available() == 0 { ", sold out" } else { "" };
    format!(
        "<li><a href=\"/products/{}\">{image}<span>{}</span></a><b>{}</b> <small>{}{sold_out}</small></li>",
        product.id(),
        escape(&details.name),
        escape(&details.price.to_string()),
        escape(&details.unit),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_clients_is_escaped() {
        assert_eq!(
            escape("<img src=x onerror='alert(\"1\")'>&"),
            "&lt;img src=x onerror=&#39;alert(&quot;1&quot;)&#39;&gt;&amp;"
        );
        assert!(!page("evil.example\"><script>", &[]).contains("<script>"));
    }
}
