//! The documents of each service, read-only.

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, routes};
use souk_contract::role::Permission;

use super::{Admin, Nav, Section};
use crate::api::stored::StoredPage;
use crate::api::{Problem, Service};
use crate::links::encode;
use crate::page::{Frame, Page, PageError, PageResult};
use crate::visit::Visit;

const PATH: &str = "/admin/system/documents";

pub(super) fn routes() -> Vec<Route> {
    routes![show]
}

#[derive(Template)]
#[template(path = "admin/documents.html")]
struct DocumentsPage {
    page: Frame,
    nav: Nav,
    /// Names, URLs, and whether they are shown.
    services: Vec<Choice>,
    collections: Vec<Choice>,
    /// JSON texts; `None` until a collection is chosen.
    documents: Option<Vec<String>>,
    is_down: bool,
    first: Option<String>,
    next: Option<String>,
}

struct Choice {
    name: String,
    url: String,
    is_current: bool,
}

#[get("/admin/system/documents?<service>&<collection>&<after>")]
async fn show(visit: Visit<'_>, service: Option<&str>, collection: Option<&str>, after: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::OperateSystem).await?;
    let service = service.filter(|name| !name.is_empty());
    let service = service.map(|name| Service::ALL.into_iter().find(|service| service.name() == name));
    let service = service.map(|found| found.ok_or_else(PageError::not_found)).transpose()?;
    let read = async {
        match service {
            Some(service) => visit.api.stored(&admin.token, service, collection, after).await.map(Some),
            None => Ok(None),
        }
    };
    let title = visit.text("stored-title").to_string();
    let (frame, stored) = tokio::join!(admin.frame(&visit, Section::System, title), read);
    let (page, nav) = frame?;
    let (stored, status) = match stored {
        Ok(stored) => (stored, Status::Ok),
        Err(Problem::Unavailable) => (None, Status::ServiceUnavailable),
        Err(problem) => return Err(problem.into()),
    };
    let address = |service: Service, collection: Option<&str>, after: Option<&str>| {
        let part = |name: &str, value: Option<&str>| {
            value.map_or_else(String::new, |value| format!("&{name}={}", encode(value)))
        };
        let (collection, after) = (part("collection", collection), part("after", after));
        visit.url(&format!("{PATH}?service={}{collection}{after}", service.name()))
    };
    let choice = |other: Service| Choice {
        name: other.name().to_owned(),
        url: address(other, None, None),
        is_current: Some(other) == service,
    };
    let of_service = |service: Service, stored: &StoredPage| -> Vec<Choice> {
        let choice = |name: &String| Choice {
            name: name.clone(),
            url: address(service, Some(name), None),
            is_current: Some(name.as_str()) == collection,
        };
        stored.collections.iter().map(choice).collect()
    };
    let shown = service.zip(stored.as_ref());
    let template = DocumentsPage {
        page,
        nav,
        services: Service::ALL.map(choice).into(),
        collections: shown.map(|(service, stored)| of_service(service, stored)).unwrap_or_default(),
        documents: stored
            .as_ref()
            .filter(|_| collection.is_some())
            .map(|stored| stored.items.iter().map(|document| format!("{document:#}")).collect()),
        is_down: status == Status::ServiceUnavailable,
        first: after.and(service).map(|service| address(service, collection, None)),
        next: shown.and_then(|(service, stored)| Some(address(service, collection, Some(stored.next.as_deref()?)))),
    };
    Ok(Page::personal(&template)?.status(status).into())
}
