use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get, post};
use serde::Serialize;
use souk_contract::products::ProductId;
use souk_http::{Json, Param, Public, Query, Result, Tagged};
use souk_types::input::{Fields, Input};
use souk_types::{Error, Page};

use super::tagged;
use crate::App;
use crate::application::catalogue;
use crate::domain::catalogue_query::{CatalogueQuery, CategoryQuery};
use crate::domain::product_view::ProductView;

type PublicResult<T> = Result<Public<JsonResponse<T>>>;

#[get("/")]
pub(super) async fn list(app: &State<App>, query: Query<CatalogueQuery>) -> PublicResult<Page<ProductView>> {
    Ok(Public(JsonResponse(catalogue::list(app, query.0).await?)))
}

#[derive(Serialize)]
pub(super) struct CategoryView {
    name: String,
    products: i64,
}

#[get("/categories")]
pub(super) async fn list_categories(app: &State<App>) -> PublicResult<Page<CategoryView>> {
    let categories = catalogue::categories(app).await?;
    let views = categories.into_iter().map(|(name, products)| CategoryView { name, products });
    Ok(Public(JsonResponse(Page::single(views.collect()))))
}

#[get("/category/<name>")]
pub(super) async fn list_category(
    app: &State<App>,
    name: String,
    query: Query<CategoryQuery>,
) -> PublicResult<Page<ProductView>> {
    let CategoryQuery { sort, paging } = query.0;
    let is_first_page = paging.after.is_none();
    let category = Some(name.try_into().map_err(|_| Error::not_found("category"))?);
    let page = catalogue::list(app, CatalogueQuery { category, words: None, sort, paging }).await?;
    if is_first_page && page.items.is_empty() {
        return Err(Error::not_found("category").into());
    }
    Ok(Public(JsonResponse(page)))
}

#[get("/<id>")]
pub(super) async fn get_product(
    app: &State<App>,
    id: Param<ProductId>,
) -> Result<Public<Tagged<JsonResponse<ProductView>>>> {
    Ok(Public(tagged(catalogue::get(app, id.0).await?)))
}

pub(super) struct ProductIds(Vec<ProductId>);

impl Input for ProductIds {
    fn read(fields: &mut Fields) -> Option<Self> {
        let ids: Vec<ProductId> = fields.required("ids")?;
        if !(1..=100).contains(&ids.len()) {
            return fields.refuse("ids", "must have 1 to 100 ids");
        }
        Some(Self(ids))
    }
}

#[post("/ids", data = "<ids>")]
pub(super) async fn get_products(app: &State<App>, ids: Json<ProductIds>) -> Result<JsonResponse<Page<ProductView>>> {
    Ok(JsonResponse(Page::single(catalogue::get_many(app, &ids.0.0).await?)))
}
