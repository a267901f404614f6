//! The stock of a product: units that arrive or are lost are added, counted ones replace the
//! number.

use rocket::post;
use souk_contract::products::ProductId;
use souk_contract::role::Permission;
use souk_http::Param;
use souk_types::FieldError;

use super::super::Admin;
use super::super::edit::{EditForm, Refused, next_key, version};
use super::form::{fill, whole};
use super::one::{Edited, to_product};
use crate::api::admin_catalogue::Stock;
use crate::fields::{Field, FormState, Kind};
use crate::form::Form;
use crate::idempotency::key_of;
use crate::locale::Key;
use crate::page::PageResult;
use crate::visit::Visit;

/// The stock on the page of a product.
pub(super) struct StockView {
    pub(super) levels: Stock,
    /// What has gone wrong.
    pub(super) problem: Option<String>,
    pub(super) forms: [EditForm; 2],
}

impl StockView {
    /// Returns the numbers, and the forms with the values and errors of `state`.
    pub(super) fn new(
        visit: &Visit<'_>,
        path: &str,
        levels: Stock,
        state: &FormState,
        add_key: String,
        refused: Option<&Refused>,
    ) -> Self {
        let form = |name: &str, label: Key, hint: Key, path: String, submit: Key| {
            let field = Field::new(state, name, visit.text(label)).short(Kind::Number, 11).hint(visit.text(hint));
            EditForm::new(visit, &path, &FormState::default(), vec![field], submit)
        };
        let add =
            form("add", Key("stock-add"), Key("stock-add-hint"), format!("{path}/stock/add"), Key("stock-add-submit"));
        let count = form(
            "counted",
            Key("stock-count"),
            Key("stock-count-hint"),
            format!("{path}/stock/count"),
            Key("stock-count-submit"),
        );
        let problem = refused.and_then(|refused| {
            let changed = || visit.text("stock-changed-meanwhile").to_string();
            if refused.is_conflict() { Some(changed()) } else { refused.text.clone() }
        });
        // What is added is added to any number. A count replaces the one that the admin has seen.
        Self { levels, problem, forms: [add.key(add_key), count.version(levels.tag())] }
    }
}

#[post("/admin/products/<id>/stock/add", data = "<form>")]
pub(super) async fn add(visit: Visit<'_>, id: Param<ProductId>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let typed = form.get("add");
    let add = whole(typed.strip_prefix('+').unwrap_or(typed));
    let result = visit.api.add_stock(&admin.token, id.0, &key_of(&form)?, &add).await;
    answer(&visit, admin, id.0, &form, result).await
}

#[post("/admin/products/<id>/stock/count", data = "<form>")]
pub(super) async fn count(visit: Visit<'_>, id: Param<ProductId>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let counted = whole(form.get("counted"));
    let result = visit.api.count_stock(&admin.token, id.0, version(&form), &counted).await;
    answer(&visit, admin, id.0, &form, result).await
}

async fn answer(
    visit: &Visit<'_>,
    admin: Admin,
    id: ProductId,
    form: &Form,
    result: crate::api::Result<()>,
) -> PageResult {
    let Err(problem) = result else { return Ok(to_product(visit, id, "saved")) };
    let (mut stock, stock_key) = (FormState::of(form), next_key(form, &problem)?);
    let refused = Refused::of(visit, &mut stock, problem, name)?;
    let product = visit.api.edited_product(id).await?;
    let state = fill(visit.language, &product);
    let (refused, stock) = (Some(refused), Some(stock));
    let page = Edited { admin, product, state, seen: None, refused, done: None, stock, stock_key };
    page.answer(visit).await
}

fn name(refused: &FieldError) -> Option<String> {
    match refused.field.as_str() {
        "add" => Some("add".to_owned()),
        "available" => Some("counted".to_owned()),
        _ => None,
    }
}
