//! One tax rate: creating, changing and removing it.

use rocket::http::Status;
use rocket::{get, post};
use serde_json::Value;
use souk_contract::role::Permission;
use souk_types::Country;

use super::super::edit::{EditForm, Refused, version};
use super::super::row_page::{RefusedMove, RowPage, missing, stale};
use super::super::rows::{self, Outcome, RowAction, SeenRow};
use super::super::{Admin, Section};
use super::form::{self, fields, fill, is_same, json};
use super::{LIST, NEW, RATES, filtered, list_page, path};
use crate::api::Problem;
use crate::api::admin_shop::{Document, TaxRate};
use crate::fields::FormState;
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

/// Two rates with the same values of these are never stored.
const KEY: &[&str] = &["country", "region", "postal_codes", "class", "from"];

#[get("/admin/taxes/rates/new?<country>")]
pub(super) async fn show_new(visit: Visit<'_>, country: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    visit.app.shop.refresh(visit.api).await;
    let (shop, _) = visit.app.shop.cached();
    let home = shop.home_country.as_ref().map(Country::as_str);
    let mut state = FormState::default();
    state.set("country", country.or(home).unwrap_or_default());
    state.set("class", "standard");
    let shown = country.unwrap_or_default();
    page(&visit, &admin, None, shown, new_form(&visit, shown, &state), Status::Ok).await
}

#[post("/admin/taxes/rates/new?<country>", data = "<form>")]
pub(super) async fn create(visit: Visit<'_>, country: Option<&str>, form: Form) -> PageResult {
    let shown = country.unwrap_or_default();
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let mut state = FormState::of(&form);
    let rate = json(visit.language, &state);
    let insert = |document: &mut Value| {
        let rates = rows::list(document, RATES).ok_or(None::<usize>)?;
        // A second click creates nothing more.
        if let Some(at) = rates.iter().position(|other| is_same(visit.language, other, &rate)) {
            return Ok(at);
        }
        // Rates of one country are neighbours.
        let last = rates.iter().rposition(|other| other["country"] == rate["country"]);
        let at = last.map_or(rates.len(), |last| last + 1);
        rates.insert(at, rate.clone());
        Ok(at)
    };
    match rows::update(&visit, &admin, Document::Taxes, insert).await? {
        Outcome::Saved => Ok(to_list(&visit, shown, "created")),
        Outcome::Stale { .. } => Err(PageError::not_found()),
        Outcome::Refused { at, problem } => {
            let refused = refuse(&visit, &mut state, at, problem)?;
            page(&visit, &admin, None, shown, new_form(&visit, shown, &state).refused(Some(&refused)), refused.status)
                .await
        }
    }
}

#[get("/admin/taxes/rates/<position>?<country>", rank = 2)]
pub(super) async fn show(visit: Visit<'_>, position: usize, country: Option<&str>) -> PageResult {
    let shown = country.unwrap_or_default();
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let stored = visit.api.document(&admin.token, Document::Taxes).await?.value;
    let row = rows::rows(&stored, RATES).get(position).ok_or_else(PageError::not_found)?;
    let form = stored_form(&visit, position, shown, &fill(visit.language, &rows::read(row)?));
    page(&visit, &admin, Some(position), shown, form.version(rows::version(row, KEY)), Status::Ok).await
}

#[post("/admin/taxes/rates/<position>?<country>", data = "<form>", rank = 2)]
pub(super) async fn change(visit: Visit<'_>, position: usize, country: Option<&str>, form: Form) -> PageResult {
    let shown = country.unwrap_or_default();
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let mut state = FormState::of(&form);
    let (seen, action) = (version(&form), RowAction::of(&form));
    let rate = json(visit.language, &state);
    let change = |document: &mut Value| {
        let rates = rows::list(document, RATES).ok_or(None::<usize>)?;
        let at = SeenRow { position, version: seen, key: KEY }.find(rates).unchanged()?;
        if action == RowAction::Save {
            rates[at] = rate.clone();
        }
        action.apply(rates, at);
        Ok(at)
    };
    let outcome = rows::update(&visit, &admin, Document::Taxes, change).await?;
    match outcome {
        Outcome::Saved => Ok(to_list(&visit, shown, if action == RowAction::Remove { "deleted" } else { "saved" })),
        // A second click removes nothing more.
        Outcome::Stale { at: None, stored } if action == RowAction::Remove => {
            list_page(&visit, &admin, &stored, shown, Some(missing(&visit)), Status::Ok).await
        }
        Outcome::Stale { stored, .. } if action != RowAction::Save => {
            list_page(&visit, &admin, &stored, shown, Some(stale(&visit)), Status::PreconditionFailed).await
        }
        Outcome::Stale { at: Some(at), stored } => {
            let row = &rows::rows(&stored, RATES)[at];
            let current: TaxRate = rows::read(row)?;
            let refused = Refused::changed(&visit);
            let form = stored_form(&visit, at, shown, &state).version(rows::version(row, KEY)).refused(Some(&refused));
            page(&visit, &admin, Some(at), shown, form.compare(&visit, &fill(visit.language, &current)), refused.status)
                .await
        }
        Outcome::Stale { at: None, .. } => {
            let refused = Refused::removed(&visit);
            page(&visit, &admin, None, shown, new_form(&visit, shown, &state).refused(Some(&refused)), refused.status)
                .await
        }
        Outcome::Refused { problem, .. } if action != RowAction::Save => {
            let RefusedMove { stored, notice, status } =
                RefusedMove::read(&visit, &admin, Document::Taxes, problem).await?;
            list_page(&visit, &admin, &stored, shown, Some(notice), status).await
        }
        Outcome::Refused { at, problem } => {
            let refused = refuse(&visit, &mut state, at, problem)?;
            let form = stored_form(&visit, position, shown, &state).version(seen.to_owned()).refused(Some(&refused));
            page(&visit, &admin, Some(position), shown, form, refused.status).await
        }
    }
}

/// Explains beside the fields why the service refuses a rate.
fn refuse(visit: &Visit<'_>, state: &mut FormState, at: Option<usize>, problem: Problem) -> Result<Refused, PageError> {
    if let Problem::Refused(refusal) = &problem
        && refusal.fields.iter().any(form::is_overlap)
    {
        state.refuse("starts", visit.text("tax-overlap").to_string());
    }
    Refused::of(visit, state, problem, |refused| at.and_then(|at| form::name(at, refused)))
}

fn new_form(visit: &Visit<'_>, shown: &str, state: &FormState) -> EditForm {
    EditForm::new(visit, &filtered(NEW, shown), state, fields(visit, state), Key("admin-create"))
}

fn stored_form(visit: &Visit<'_>, position: usize, shown: &str, state: &FormState) -> EditForm {
    EditForm::new(visit, &path(position, shown), state, fields(visit, state), Key("admin-save"))
}

/// Shows the page of a stored rate, or of a new one. `shown` is the country of the list that leads
/// to it.
async fn page(
    visit: &Visit<'_>,
    admin: &Admin,
    position: Option<usize>,
    shown: &str,
    form: EditForm,
    status: Status,
) -> PageResult {
    let title = if position.is_some() { Key("tax-rate-edit") } else { Key("tax-rate-new") };
    RowPage {
        section: Section::Taxes,
        title: visit.text(title).to_string(),
        back: (visit.url(&filtered(LIST, shown)), visit.text("admin-nav-taxes").to_string()),
        views: Vec::new(),
        lead: None,
        form,
        remove: position.map(|_| (Key("tax-rate-remove"), Key("tax-rate-remove-lead"))),
    }
    .answer(visit, admin, status)
    .await
}

fn to_list(visit: &Visit<'_>, shown: &str, done: &str) -> Answer {
    let list = filtered(LIST, shown);
    let separator = if shown.is_empty() { '?' } else { '&' };
    Answer::SeeOther(visit.url(&format!("{list}{separator}done={done}")))
}
