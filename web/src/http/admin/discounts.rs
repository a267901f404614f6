//! Discounts: their list, and pages to create, edit and delete one.

mod categories;
mod form;
mod product_picker;

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use souk_contract::role::Permission;

use self::form::{fields, fill, json, name, refuse_currency};
use self::product_picker::{ProductPicker, Step};

use super::edit::{EditForm, Refused, done as done_text, version};
use super::{Admin, Nav, Section};
use crate::api::admin_shop::{Benefit, Discount};
use crate::api::{Problem, Tagged};
use crate::fields::{FormState, Kind};
use crate::form::Form;
use crate::links::encode;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageError, PageResult};
use crate::visit::Visit;

const LIST: &str = "/admin/discounts";
const NEW: &str = "/admin/discounts/new";
/// Discounts on one page.
const PAGE_SIZE: usize = 50;

pub(super) fn routes() -> Vec<Route> {
    routes![list, show_new, create, show, change, delete]
}

#[derive(Template)]
#[template(path = "admin/discounts.html")]
struct DiscountsPage {
    page: Frame,
    nav: Nav,
    discounts: Vec<Row>,
    /// The URL of the next page.
    next: Option<String>,
    /// The URL of the first page, when this is another one.
    first: Option<String>,
    done: Option<String>,
}

struct Row {
    discount: Discount,
    /// What it takes off.
    benefit: String,
}

#[derive(Template)]
#[template(path = "admin/discount.html")]
struct DiscountPage {
    page: Frame,
    nav: Nav,
    form: EditForm,
    picker: ProductPicker,
    /// `None` for a new discount.
    delete_url: Option<String>,
}

#[get("/admin/discounts?<after>&<done>")]
async fn list(visit: Visit<'_>, after: Option<&str>, done: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageDiscounts).await?;
    let title = visit.text("admin-nav-discounts").to_string();
    let (frame, list) = tokio::join!(
        admin.frame(&visit, Section::Discounts, title),
        visit.api.discounts(&admin.token, after, PAGE_SIZE)
    );
    let ((page, nav), list) = (frame?, list?);
    let row = |discount: Discount| Row { benefit: benefit(&visit, discount.benefit), discount };
    let discounts = list.items.into_iter().map(row).collect();
    let next = list.next.map(|next| format!("{}?after={}", visit.url(LIST), encode(&next)));
    let first = after.map(|_| visit.url(LIST));
    let done = done_text(&visit, done);
    Ok(Page::personal(&DiscountsPage { page, nav, discounts, next, first, done })?.into())
}

#[get("/admin/discounts/new")]
async fn show_new(visit: Visit<'_>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageDiscounts).await?;
    visit.app.shop.refresh(visit.api).await;
    let mut state = FormState::default();
    state.set("kind", "percent");
    state.set("currency", visit.app.shop.cached().0.currency.clone());
    new_page(&visit, &admin, &state, None).await
}

#[post("/admin/discounts/new", data = "<form>")]
async fn create(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageDiscounts).await?;
    let step = Step::of(&form);
    let mut state = step.state(&form);
    if step != Step::Save {
        return new_page(&visit, &admin, &state, None).await;
    }
    match visit.api.create_discount(&admin.token, &json(visit.language, &state)).await {
        Ok(()) => Ok(to_list(&visit, "created")),
        Err(problem) => {
            refuse_currency(&visit, &mut state, &problem);
            let refused = Refused::of(&visit, &mut state, problem, name)?;
            new_page(&visit, &admin, &state, Some(refused)).await
        }
    }
}

#[get("/admin/discounts/<id>", rank = 2)]
async fn show(visit: Visit<'_>, id: &str) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageDiscounts).await?;
    let (stored, offered) = tokio::join!(find(&visit, &admin, id), categories::read(&visit));
    let stored = stored?;
    let state = fill(visit.language, &stored.value, &visit.app.shop.cached().0.currency);
    let form = stored_form(&visit, id, &state, offered.as_deref()).version(stored.tag);
    let picker = ProductPicker::read(&visit, &state).await;
    stored_page(&visit, &admin, Some(&stored.value), form, picker, Status::Ok).await
}

#[post("/admin/discounts/<id>", data = "<form>", rank = 2)]
async fn change(visit: Visit<'_>, id: &str, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageDiscounts).await?;
    let (step, seen) = (Step::of(&form), version(&form));
    let mut state = step.state(&form);
    if step != Step::Save {
        let (stored, offered) = tokio::join!(find(&visit, &admin, id), categories::read(&visit));
        let stored = match stored {
            Ok(Tagged { value, .. }) => Some(value),
            // What was typed is not lost while the service does not answer.
            Err(PageError::Problem(Problem::Unavailable)) => None,
            Err(error) => return Err(error),
        };
        let form = stored_form(&visit, id, &state, offered.as_deref()).version(seen.to_owned());
        let picker = ProductPicker::read(&visit, &state).await;
        return stored_page(&visit, &admin, stored.as_ref(), form, picker, Status::Ok).await;
    }
    let json = json(visit.language, &state);
    let Err(problem) = visit.api.change_discount(&admin.token, id, seen, &json).await else {
        return Ok(to_list(&visit, "saved"));
    };
    refuse_currency(&visit, &mut state, &problem);
    let mut refused = Refused::of(&visit, &mut state, problem, name)?;
    let stored = refused.read_again(&visit, find(&visit, &admin, id)).await?;
    let (offered, mut picker) = tokio::join!(categories::read(&visit), ProductPicker::read(&visit, &state));
    let mut form = stored_form(&visit, id, &state, offered.as_deref()).version(seen.to_owned()).refused(Some(&refused));
    if let Some(Tagged { value, tag }) = &stored
        && refused.is_conflict()
    {
        form = form.version(tag.clone()).compare(&visit, &fill(visit.language, value, state.value("currency")));
        picker = picker.compare(&visit, &value.products).await;
    }
    let stored = stored.as_ref().map(|stored| &stored.value);
    stored_page(&visit, &admin, stored, form, picker, refused.status).await
}

#[post("/admin/discounts/<id>/delete", data = "<_form>")]
async fn delete(visit: Visit<'_>, id: &str, _form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageDiscounts).await?;
    match visit.api.delete_discount(&admin.token, id).await {
        // Another tab has deleted it.
        Err(problem) if problem.status() != 404 => Err(problem.into()),
        _ => Ok(to_list(&visit, "deleted")),
    }
}

/// Returns a discount. Errors: 404 also for an id that none can have.
async fn find(visit: &Visit<'_>, admin: &Admin, id: &str) -> Result<Tagged<Discount>, PageError> {
    visit.api.discount(&admin.token, id).await.map_err(|problem| match problem.status() {
        422 => PageError::not_found(),
        _ => problem.into(),
    })
}

async fn new_page(visit: &Visit<'_>, admin: &Admin, state: &FormState, refused: Option<Refused>) -> PageResult {
    let title = visit.text("discount-new").to_string();
    let (page, nav) = admin.frame(visit, Section::Discounts, title).await?;
    let (offered, picker) = tokio::join!(categories::read(visit), ProductPicker::read(visit, state));
    let fields = fields(visit, state, offered.as_deref());
    let form = EditForm::new(visit, NEW, state, fields, Key("admin-create")).refused(refused.as_ref());
    let status = refused.map_or(Status::Ok, |refused| refused.status);
    Ok(Page::personal(&DiscountPage { page, nav, form, picker, delete_url: None })?.status(status).into())
}

fn stored_form(visit: &Visit<'_>, id: &str, state: &FormState, offered: Option<&[String]>) -> EditForm {
    let fields = fields(visit, state, offered);
    EditForm::new(visit, &format!("{LIST}/{}", encode(id)), state, fields, Key("admin-save"))
}

/// Shows the page of a discount. `discount` is `None` while it cannot be read.
async fn stored_page(
    visit: &Visit<'_>,
    admin: &Admin,
    discount: Option<&Discount>,
    form: EditForm,
    picker: ProductPicker,
    status: Status,
) -> PageResult {
    let title = match discount {
        Some(discount) => discount.code.clone().unwrap_or_else(|| visit.text("discount-automatic").to_string()),
        None => visit.text("admin-nav-discounts").to_string(),
    };
    let (page, nav) = admin.frame(visit, Section::Discounts, title).await?;
    let delete_url = discount.map(|discount| visit.url(&format!("{LIST}/{}/delete", discount.id)));
    Ok(Page::personal(&DiscountPage { page, nav, form, picker, delete_url })?.status(status).into())
}

/// Writes what a discount takes off.
fn benefit(visit: &Visit<'_>, benefit: Benefit) -> String {
    match benefit {
        Benefit::Percent(basis_points) => visit.language.percent(basis_points),
        Benefit::Amount(money) => visit.language.money(money),
        Benefit::FreeShipping => visit.text("discount-kind-free-shipping").to_string(),
    }
}

fn to_list(visit: &Visit<'_>, done: &str) -> Answer {
    Answer::SeeOther(visit.url(&format!("{LIST}?done={done}")))
}
