//! The stock of a product: units that arrive or are lost are added, counted ones replace the
//! number.

use rocket::post;
use souk_contract::products::ProductId;
use souk_contract::role::Permission;
use souk_http::Param;
use souk_types::FieldError;

use super::super::Admin;
use super::super::edit::{EditForm, Refused, next_key, version};
use super::form::whole;
use super::one::{Edited, form_page, path, to_product};
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
        let add = Change::Add.form(visit, path, state);
        let count = Change::Count.form(visit, path, state);
        let problem = refused.and_then(|refused| {
            let changed = || visit.text("stock-changed-meanwhile").to_string();
            if refused.is_conflict() { Some(changed()) } else { refused.text.clone() }
        });
        // What is added is added to any number. A count replaces the one that the admin has seen.
        Self { levels, problem, forms: [add.key(add_key), count.version(levels.tag())] }
    }
}

/// A change of the stock.
#[derive(Clone, Copy)]
enum Change {
    /// Units that arrive or are lost.
    Add,
    /// Units that were counted.
    Count,
}

impl Change {
    /// Returns its form, with the value and the error of `state`.
    fn form(self, visit: &Visit<'_>, path: &str, state: &FormState) -> EditForm {
        let (name, label, hint, path, submit) = match self {
            Self::Add => {
                let path = format!("{path}/stock/add");
                ("add", Key("stock-add"), Key("stock-add-hint"), path, Key("stock-add-submit"))
            }
            Self::Count => {
                let path = format!("{path}/stock/count");
                ("counted", Key("stock-count"), Key("stock-count-hint"), path, Key("stock-count-submit"))
            }
        };
        let field = Field::new(state, name, visit.text(label)).short(Kind::Number, 11).hint(visit.text(hint));
        EditForm::new(visit, &path, &FormState::default(), vec![field], submit)
    }
}

#[post("/admin/products/<id>/stock/add", data = "<form>")]
pub(super) async fn add(visit: Visit<'_>, id: Param<ProductId>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let typed = form.get("add");
    let add = whole(typed.strip_prefix('+').unwrap_or(typed));
    let result = visit.api.add_stock(&admin.token, id.0, &key_of(&form)?, &add).await;
    answer(&visit, admin, id.0, Change::Add, &form, result).await
}

#[post("/admin/products/<id>/stock/count", data = "<form>")]
pub(super) async fn count(visit: Visit<'_>, id: Param<ProductId>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let counted = whole(form.get("counted"));
    let result = visit.api.count_stock(&admin.token, id.0, version(&form), &counted).await;
    answer(&visit, admin, id.0, Change::Count, &form, result).await
}

async fn answer(
    visit: &Visit<'_>,
    admin: Admin,
    id: ProductId,
    change: Change,
    form: &Form,
    result: crate::api::Result<()>,
) -> PageResult {
    let Err(problem) = result else { return Ok(to_product(visit, id, "saved")) };
    let (mut stock, stock_key) = (FormState::of(form), next_key(form, &problem)?);
    let mut refused = Refused::of(visit, &mut stock, problem, name)?;
    let Some(product) = refused.read_again(visit, visit.api.edited_product(id)).await? else {
        let alone = change.form(visit, &path(id), &stock).refused(Some(&refused));
        let alone = match change {
            Change::Add => alone.key(stock_key),
            Change::Count => alone.version(version(form).to_owned()),
        };
        let title = visit.text("admin-product-stock").to_string();
        return form_page(visit, &admin, title, alone, refused.status).await;
    };
    let (refused, stock) = (Some(refused), Some(stock));
    Edited { refused, stock, stock_key, ..Edited::new(visit, admin, product)? }.answer(visit).await
}

fn name(refused: &FieldError) -> Option<String> {
    match refused.field.as_str() {
        "add" => Some("add".to_owned()),
        "available" => Some("counted".to_owned()),
        _ => None,
    }
}
