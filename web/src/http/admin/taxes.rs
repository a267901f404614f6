//! Tax rates: their table. Each rate has a page of its own.

mod form;
mod rate;

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use serde::Deserialize;
use serde_json::Value;
use souk_contract::role::Permission;
use souk_types::{Country, FieldError, sort_key};

use super::edit::{EditForm, Refused, done as done_text, version};
use super::products::tax_class;
use super::row_page::RowPage;
use super::rows::{self, Outcome};
use super::{Admin, Nav, Section, or_dash};
use crate::api::Tagged;
use crate::api::admin_shop::{Document, TaxRate};
use crate::fields::address::country_name;
use crate::fields::{Field, FormState, Kind};
use crate::form::Form;
use crate::links::encode;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageResult};
use crate::visit::Visit;

const LIST: &str = "/admin/taxes";
const NOTE: &str = "/admin/taxes/note";
const NEW: &str = "/admin/taxes/rates/new";
/// The member of the document with the rates.
const RATES: &str = "/rates";

pub(super) fn routes() -> Vec<Route> {
    routes![list, change_note, rate::show_new, rate::create, rate::show, rate::change]
}

#[derive(Template)]
#[template(path = "admin/taxes.html")]
struct TaxesPage {
    page: Frame,
    nav: Nav,
    /// What has happened: `(class, text)`.
    notice: Option<(&'static str, String)>,
    /// Codes and names of the countries that have rates, and whether only theirs are shown.
    countries: Vec<(String, String, bool)>,
    new_url: String,
    rates: Vec<Row>,
    note: Option<String>,
    /// The form of the note.
    form: EditForm,
    is_note_open: bool,
}

struct Row {
    url: String,
    country: String,
    place: String,
    class: String,
    rate: String,
    from: String,
    until: String,
}

/// The document.
#[derive(Deserialize)]
struct Taxes {
    #[serde(default)]
    note: Option<String>,
    rates: Vec<TaxRate>,
}

#[get("/admin/taxes?<country>&<done>")]
async fn list(visit: Visit<'_>, country: Option<&str>, done: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let notice = done_text(&visit, done).map(|text| ("success", text));
    let stored = visit.api.document(&admin.token, Document::Taxes).await?.value;
    list_page(&visit, &admin, &stored, country.unwrap_or_default(), notice, Status::Ok).await
}

#[post("/admin/taxes/note", data = "<form>")]
async fn change_note(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let mut state = FormState::of(&form);
    let seen = version(&form);
    let change = |document: &mut Value| {
        if note_version(document) != seen {
            return Err(Some(()));
        }
        document["note"] = state.optional("note").into();
        Ok(())
    };
    let mut refused = match rows::update(&visit, &admin, Document::Taxes, change).await? {
        Outcome::Saved => return Ok(Answer::SeeOther(visit.url(&format!("{LIST}?done=saved")))),
        Outcome::Stale { .. } => Refused::changed(&visit),
        Outcome::Refused { problem, .. } => {
            let name = |refused: &FieldError| Some(refused.field.clone()).filter(|field| field == "note");
            Refused::of(&visit, &mut state, problem, name)?
        }
    };
    let stored = refused.read_again(&visit, visit.api.document(&admin.token, Document::Taxes)).await?;
    let mut form = note_form(&visit, &state).version(seen.to_owned()).refused(Some(&refused));
    let Some(Tagged { value: stored, .. }) = stored else {
        return note_page(&visit, &admin, form, refused.status).await;
    };
    if refused.is_conflict() {
        form = form.version(note_version(&stored)).compare(&visit, &note_state(&stored));
    }
    taxes_page(&visit, &admin, &stored, "", None, form, refused.status).await
}

/// Shows the form of the note alone, while the rates cannot be read.
async fn note_page(visit: &Visit<'_>, admin: &Admin, form: EditForm, status: Status) -> PageResult {
    RowPage {
        section: Section::Taxes,
        title: visit.text("tax-note-edit").to_string(),
        back: (visit.url(LIST), visit.text("admin-nav-taxes").to_string()),
        views: Vec::new(),
        lead: None,
        form,
        remove: None,
    }
    .answer(visit, admin, status)
    .await
}

/// Shows the rates of a country, or of all.
async fn list_page(
    visit: &Visit<'_>,
    admin: &Admin,
    stored: &Value,
    country: &str,
    notice: Option<(&'static str, String)>,
    status: Status,
) -> PageResult {
    let form = note_form(visit, &note_state(stored)).version(note_version(stored));
    taxes_page(visit, admin, stored, country, notice, form, status).await
}

async fn taxes_page(
    visit: &Visit<'_>,
    admin: &Admin,
    stored: &Value,
    country: &str,
    notice: Option<(&'static str, String)>,
    form: EditForm,
    status: Status,
) -> PageResult {
    let taxes: Taxes = rows::read(stored)?;
    let (page, nav) = admin.frame(visit, Section::Taxes, visit.text("admin-nav-taxes").to_string()).await?;
    let mut countries: Vec<&Country> = taxes.rates.iter().map(|rate| &rate.country).collect();
    countries.sort();
    countries.dedup();
    // After its last rate is removed, a country has no list of its own.
    let country = countries.iter().map(|known| known.as_str()).find(|code| *code == country).unwrap_or_default();
    let name = |country: &Country| country_name(visit.language, country);
    let is_shown = |rate: &TaxRate| country.is_empty() || rate.country.as_str() == country;
    let mut shown: Vec<(usize, &TaxRate)> = taxes.rates.iter().enumerate().filter(|(_, rate)| is_shown(rate)).collect();
    shown.sort_by_cached_key(|(_, rate)| sort_key(&name(&rate.country)));
    let mut countries: Vec<_> = countries
        .into_iter()
        .map(|option| (option.as_str().to_owned(), name(option), option.as_str() == country))
        .collect();
    countries.sort_by_cached_key(|(_, name, _)| sort_key(name));
    let is_note_open = form.notice.is_some() || !form.errors.is_empty();
    let rates = shown.into_iter().map(|(position, rate)| row(visit, position, country, rate)).collect();
    let (note, new_url) = (taxes.note, visit.url(&filtered(NEW, country)));
    let template = TaxesPage { page, nav, notice, countries, new_url, rates, note, form, is_note_open };
    Ok(Page::personal(&template)?.status(status).into())
}

fn row(visit: &Visit<'_>, position: usize, shown: &str, rate: &TaxRate) -> Row {
    let language = visit.language;
    let region = rate.region.as_deref().map(|region| rate.country.region_name(region).unwrap_or(region).to_owned());
    let place: Vec<String> = region.into_iter().chain(rate.postal_codes.clone()).collect();
    Row {
        url: visit.url(&path(position, shown)),
        country: country_name(language, &rate.country),
        place: or_dash(place.join(", ")),
        class: tax_class(language, &rate.class),
        rate: language.percent(rate.rate_bp),
        from: language.date(rate.from),
        until: or_dash(rate.until.map(|until| language.date(until)).unwrap_or_default()),
    }
}

/// Returns the path of the page of a rate. `shown` is the country of the list that leads to it.
fn path(position: usize, shown: &str) -> String {
    filtered(&format!("{LIST}/rates/{position}"), shown)
}

/// Returns a path with the country whose rates the list shows; empty for all of them.
fn filtered(path: &str, country: &str) -> String {
    if country.is_empty() { path.to_owned() } else { format!("{path}?country={}", encode(country)) }
}

fn note_form(visit: &Visit<'_>, state: &FormState) -> EditForm {
    let note = Field::new(state, "note", visit.text("tax-note")).lines(3, 500).optional();
    EditForm::new(visit, NOTE, state, vec![note.hint(visit.text("tax-note-hint"))], Key("admin-save"))
}

fn note_state(stored: &Value) -> FormState {
    let mut state = FormState::default();
    state.set("note", stored["note"].as_str().unwrap_or_default());
    state
}

fn note_version(stored: &Value) -> String {
    rows::version(&stored["note"], &[])
}
