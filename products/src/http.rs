//! HTTP in, one call, HTTP out. The routes are documented in `docs/api.md`.

use rocket::data::{Data, FromData};
use rocket::http::{ContentType, Status};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::status::{Created, NoContent};
use rocket::serde::json::{Json as Answer, Value};
use rocket::{Route, State, delete, get, patch, post, put, routes};
use serde::Serialize;
use souk_contract::products::ProductId;
use souk_http::auth::Identity;
use souk_http::telemetry::whoami;
use souk_http::{Json, Param, Query, refuse, refuse_data, with_limits, without_limits};
use souk_types::input::{Fields, Input};
use souk_types::{Error, Page, Result};

use crate::App;
use crate::application::catalogue::{self, Listed, ListedInCategory};
use crate::application::demo;
use crate::application::editing::{self, Changes, NewProduct, Replacement};
use crate::application::imports::{Report, Upload};
use crate::domain::import_mapping::ImportMapping;
use crate::domain::product::ProductView;
use crate::domain::stock::{Restock, StockLevels};

/// The routes of this service, to be mounted where its prefix is; they need a managed [`App`].
#[must_use]
pub fn routes() -> Vec<Route> {
    let mut routes = with_limits(routes![
        list, categories, category, product, by_ids, add, replace, change, withdraw, books, restock, image, who
    ]);
    routes.extend(without_limits(routes![upload]));
    routes
}

/// Somebody who is signed in as an admin.
struct Admin(#[expect(dead_code, reason = "routes only need to know that there is one")] Identity);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Admin {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let Some(app) = request.rocket().state::<App>() else {
            return refuse(request, Error::internal("products is not managed"));
        };
        let admin = async {
            let identity = app.verifier.identify(request).await?;
            app.closed.require_open(identity).await?.require_admin()
        };
        match admin.await {
            Ok(identity) => Outcome::Success(Self(identity)),
            Err(error) => refuse(request, error),
        }
    }
}

#[get("/")]
async fn list(app: &State<App>, query: Query<Listed>) -> souk_http::Result<Answer<Page<ProductView>>> {
    Ok(Answer(catalogue::list(app, query.0).await?))
}

/// One category in the list of them.
#[derive(Serialize)]
struct CategoryView {
    name: String,
    products: i64,
}

#[get("/categories")]
async fn categories(app: &State<App>) -> souk_http::Result<Answer<Page<CategoryView>>> {
    let categories = app.products.categories().await?;
    let views = categories.into_iter().map(|(name, products)| CategoryView { name, products });
    Ok(Answer(Page::single(views.collect())))
}

#[get("/category/<name>")]
async fn category(
    app: &State<App>,
    name: String,
    query: Query<ListedInCategory>,
) -> souk_http::Result<Answer<Page<ProductView>>> {
    let first = query.0.0.paging.after.is_none();
    let category = name.try_into().map_err(|_| Error::not_found("category"))?;
    let page = catalogue::list(app, Listed { category: Some(category), ..query.0.0 }).await?;
    if first && page.items.is_empty() {
        return Err(Error::not_found("category").into());
    }
    Ok(Answer(page))
}

#[get("/<id>")]
async fn product(app: &State<App>, id: Param<ProductId>) -> souk_http::Result<Answer<ProductView>> {
    Ok(Answer(catalogue::get(app, id.0).await?))
}

/// The body of `POST /ids`.
struct Ids(Vec<ProductId>);

impl Input for Ids {
    fn read(fields: &mut Fields) -> Option<Self> {
        let ids: Vec<ProductId> = fields.required("ids")?;
        if !(1..=100).contains(&ids.len()) {
            return fields.refuse("ids", "must have 1 to 100 ids");
        }
        Some(Self(ids))
    }
}

#[post("/ids", data = "<ids>")]
async fn by_ids(app: &State<App>, ids: Json<Ids>) -> souk_http::Result<Answer<Page<ProductView>>> {
    Ok(Answer(Page::single(catalogue::get_many(app, &ids.0.0).await?)))
}

#[post("/", data = "<new>")]
async fn add(
    app: &State<App>,
    _admin: Admin,
    new: Json<NewProduct>,
) -> souk_http::Result<Created<Answer<ProductView>>> {
    let product = editing::add(app, new.0).await?;
    Ok(Created::new(format!("/products/{}", product.id())).body(Answer(product)))
}

#[put("/<id>", data = "<replacement>")]
async fn replace(
    app: &State<App>,
    _admin: Admin,
    id: Param<ProductId>,
    replacement: Json<Replacement>,
) -> souk_http::Result<Answer<ProductView>> {
    Ok(Answer(editing::replace(app, id.0, replacement.0).await?))
}

#[patch("/<id>", data = "<changes>")]
async fn change(
    app: &State<App>,
    _admin: Admin,
    id: Param<ProductId>,
    changes: Json<Changes>,
) -> souk_http::Result<Answer<ProductView>> {
    Ok(Answer(editing::change(app, id.0, changes.0).await?))
}

#[delete("/<id>")]
async fn withdraw(app: &State<App>, _admin: Admin, id: Param<ProductId>) -> souk_http::Result<NoContent> {
    editing::withdraw(app, id.0).await?;
    Ok(NoContent)
}

// `/images/stock` could be either; a picture it is.
#[get("/<id>/stock", rank = 2)]
async fn books(app: &State<App>, _admin: Admin, id: Param<ProductId>) -> souk_http::Result<Answer<StockLevels>> {
    Ok(Answer(editing::books(app, id.0).await?))
}

#[put("/<id>/stock", data = "<restock>")]
async fn restock(
    app: &State<App>,
    _admin: Admin,
    id: Param<ProductId>,
    restock: Json<Restock>,
) -> souk_http::Result<Answer<StockLevels>> {
    Ok(Answer(editing::restock(app, id.0, restock.0.0).await?))
}

/// A file of an admin, and how its columns become products.
struct Catalogue {
    mapping: ImportMapping,
    upload: Upload,
}

#[rocket::async_trait]
impl<'r> FromData<'r> for Catalogue {
    type Error = Error;

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> rocket::data::Outcome<'r, Self> {
        let admin = succeeded(request.guard::<Admin>().await);
        let mapping = succeeded(request.guard::<Query<ImportMapping>>().await);
        let mapping = admin.and(mapping);
        let allowed = mapping.as_ref().map(|_| ()).map_err(Clone::clone);
        let limits = request.rocket().state::<App>().map(|app| app.importer.limits()).unwrap_or_default();
        match (Upload::read(request, data, allowed, limits).await, mapping) {
            (Ok(upload), Ok(mapping)) => rocket::data::Outcome::Success(Self { mapping: mapping.0, upload }),
            (Err(error), _) | (_, Err(error)) => refuse_data(request, error),
        }
    }
}

fn succeeded<T>(outcome: Outcome<T, Error>) -> Result<T> {
    match outcome {
        Outcome::Success(value) => Ok(value),
        Outcome::Error((_, error)) => Err(error),
        Outcome::Forward(status) => Err(Error::internal(format!("a guard forwards with {status}"))),
    }
}

#[post("/import", data = "<catalogue>")]
async fn upload(app: &State<App>, catalogue: Catalogue) -> souk_http::Result<Answer<Report>> {
    Ok(Answer(app.importer.import(catalogue.mapping, catalogue.upload).await?))
}

#[get("/images/<name>")]
fn image(name: &str) -> souk_http::Result<(Status, (ContentType, &'static [u8]))> {
    let picture = demo::picture(name).ok_or_else(|| Error::not_found("picture"))?;
    Ok((Status::Ok, (ContentType::SVG, picture)))
}

#[get("/whoami")]
fn who() -> Answer<Value> {
    Answer(whoami("products"))
}
