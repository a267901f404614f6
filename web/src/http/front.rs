//! `GET /`: leads a browser to the home page in its language, and tells other clients what is here.

use rocket::http::{Accept, Header};
use rocket::response::{self, Redirect, Responder};
use rocket::serde::json::Json;
use rocket::{Request, get};
use serde_json::{Value, json};
use souk_http::telemetry;

use crate::api::Service;
use crate::page::PageError;
use crate::visit::Visit;

/// Products in the answer to other clients.
const PRODUCTS: usize = 8;

pub(super) enum Front {
    Page(String),
    Json(Value),
}

impl<'r> Responder<'r, 'static> for Front {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let mut response = match self {
            Self::Page(address) => Redirect::to(address).respond_to(request)?,
            Self::Json(value) => Json(value).respond_to(request)?,
        };
        response.set_header(Header::new("Vary", "Accept, Accept-Language, Cookie"));
        Ok(response)
    }
}

/// The instance that answers, for the operator.
#[get("/web/whoami")]
pub(super) fn whoami() -> Json<Value> {
    Json(telemetry::whoami("web"))
}

#[get("/")]
pub(super) async fn show(visit: Visit<'_>, accept: Option<&Accept>) -> Result<Front, PageError> {
    if !accept.is_some_and(|accept| accept.preferred().media_type().is_json()) {
        return Ok(Front::Page(visit.language.prefix().to_owned()));
    }
    let newest: Value = visit.api.get(Service::Products, format!("/?limit={PRODUCTS}")).send().await?;
    Ok(Front::Json(json!({
        "name": "Souk",
        "version": env!("CARGO_PKG_VERSION"),
        "services": {"customer": "/customer", "products": "/products", "shopping": "/shopping"},
        "products": newest["items"],
    })))
}
