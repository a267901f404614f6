//! Tax rates and shipping: tables of what is stored, and the document as JSON, which an admin
//! edits.

mod text;

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use serde::de::DeserializeOwned;
use serde_json::Value;
use souk_contract::role::Permission;
use souk_types::{Country, Error};

use super::edit::{EditForm, Refused, done as done_text, version};
use super::products::tax_class;
use super::{Admin, Nav, Section};
use crate::api::admin_shop::{Document, TaxRate, Zone, ZonePrice};
use crate::fields::address::country_name;
use crate::fields::{Field, FormState, Kind};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageError, PageResult};
use crate::visit::Visit;

/// The name of the field with the document.
const FIELD: &str = "document";

/// The longest document, in characters: that of the body of a request.
const MAX_TEXT: usize = 65_536;

pub(super) fn routes() -> Vec<Route> {
    routes![show_taxes, replace_taxes, show_shipping, replace_shipping]
}

#[derive(Template)]
#[template(path = "admin/document.html")]
struct DocumentPage {
    page: Frame,
    nav: Nav,
    form: EditForm,
    columns: Vec<Key>,
    rows: Vec<Vec<String>>,
}

#[get("/admin/taxes?<done>")]
async fn show_taxes(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    show(&visit, Document::Taxes, done).await
}

#[post("/admin/taxes", data = "<form>")]
async fn replace_taxes(visit: Visit<'_>, form: Form) -> PageResult {
    replace(&visit, Document::Taxes, &form).await
}

#[get("/admin/shipping?<done>")]
async fn show_shipping(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    show(&visit, Document::Shipping, done).await
}

#[post("/admin/shipping", data = "<form>")]
async fn replace_shipping(visit: Visit<'_>, form: Form) -> PageResult {
    replace(&visit, Document::Shipping, &form).await
}

async fn show(visit: &Visit<'_>, document: Document, done: Option<&str>) -> PageResult {
    let admin = Admin::of(visit, Permission::ManageShop).await?;
    let stored = visit.api.document(&admin.token, document).await?;
    let mut state = FormState::default();
    state.set(FIELD, text::of(&stored.value));
    let form = form(visit, document, &state).version(stored.tag).done(done_text(visit, done));
    answer(visit, &admin, document, &stored.value, form, Status::Ok).await
}

async fn replace(visit: &Visit<'_>, document: Document, form: &Form) -> PageResult {
    let admin = Admin::of(visit, Permission::ManageShop).await?;
    let mut state = FormState::of(form);
    let seen = version(form);
    let refused = match serde_json::from_str::<Value>(state.value(FIELD)) {
        Ok(value) => match visit.api.replace_document(&admin.token, document, seen, &value).await {
            Ok(()) => {
                return Ok(Answer::SeeOther(visit.url(&format!("{}?done=saved", section(document).path()))));
            }
            Err(problem) => Refused::of(visit, &mut state, problem, |_| None)?,
        },
        Err(error) => {
            let message = visit.text("document-invalid").arg("line", error.line()).arg("column", error.column());
            state.refuse(FIELD, message.to_string());
            Refused { status: Status::UnprocessableEntity, text: None }
        }
    };
    // The service names the parts of the document: all of them belong to the one field.
    let is_of_field = refused.status == Status::UnprocessableEntity;
    if let Some(text) = refused.text.as_deref().filter(|_| is_of_field) {
        state.refuse(FIELD, text);
    }
    let stored = visit.api.document(&admin.token, document).await?;
    let mut edited = self::form(visit, document, &state).version(seen.to_owned());
    if !is_of_field {
        edited = edited.refused(Some(&refused));
    }
    if refused.is_conflict() {
        edited = edited.version(stored.tag);
    }
    answer(visit, &admin, document, &stored.value, edited, refused.status).await
}

fn form(visit: &Visit<'_>, document: Document, state: &FormState) -> EditForm {
    let label = visit.text("document-label");
    let field = Field::new(state, FIELD, label).lines(20, MAX_TEXT).hint(visit.text("document-hint"));
    EditForm::new(visit, section(document).path(), state, vec![field], Key("admin-save"))
}

async fn answer(
    visit: &Visit<'_>,
    admin: &Admin,
    document: Document,
    stored: &Value,
    form: EditForm,
    status: Status,
) -> PageResult {
    let section = section(document);
    let (columns, rows) = match section {
        Section::Taxes => taxes(visit, read(stored, "rates")?),
        _ => shipping(visit, read(stored, "zones")?),
    };
    let (page, nav) = admin.frame(visit, section, visit.text(section.name()).to_string()).await?;
    Ok(Page::personal(&DocumentPage { page, nav, form, columns, rows })?.status(status).into())
}

const fn section(document: Document) -> Section {
    match document {
        Document::Settings => Section::Settings,
        Document::Taxes => Section::Taxes,
        Document::Shipping => Section::Shipping,
    }
}

fn read<T: DeserializeOwned>(document: &Value, member: &str) -> Result<Vec<T>, PageError> {
    Ok(serde_json::from_value(document[member].clone()).map_err(Error::internal)?)
}

type Table = (Vec<Key>, Vec<Vec<String>>);

fn taxes(visit: &Visit<'_>, rates: Vec<TaxRate>) -> Table {
    let columns = [
        Key("tax-country"),
        Key("tax-place"),
        Key("admin-product-tax-class"),
        Key("tax-rate"),
        Key("tax-from"),
        Key("tax-until"),
    ];
    let language = visit.language;
    let row = |rate: TaxRate| {
        let place: Vec<String> = [rate.region, rate.postal_codes].into_iter().flatten().collect();
        vec![
            country_name(language, &rate.country),
            or_dash(place.join(", ")),
            tax_class(language, &rate.class),
            language.percent(rate.rate_bp),
            language.date(rate.from),
            or_dash(rate.until.map(|until| language.date(until)).unwrap_or_default()),
        ]
    };
    (columns.into(), rates.into_iter().map(row).collect())
}

fn shipping(visit: &Visit<'_>, zones: Vec<Zone>) -> Table {
    let columns = [
        Key("shipping-zone"),
        Key("shipping-countries"),
        Key("shipping-method"),
        Key("shipping-price"),
        Key("shipping-free-from"),
        Key("shipping-days"),
    ];
    let language = visit.language;
    let mut rows = Vec::new();
    for zone in zones {
        let countries: Vec<&str> = zone.countries.iter().map(Country::as_str).collect();
        let countries =
            if countries.is_empty() { visit.text("shipping-everywhere").to_string() } else { countries.join(", ") };
        for method in zone.methods {
            rows.push(vec![
                zone.name.clone(),
                countries.clone(),
                method.name,
                shipping_price(visit, &method.price),
                or_dash(method.free_from.map(|money| language.money(money)).unwrap_or_default()),
                format!("{}–{}", method.days.from, method.days.to),
            ]);
        }
    }
    (columns.into(), rows)
}

fn shipping_price(visit: &Visit<'_>, price: &ZonePrice) -> String {
    let language = visit.language;
    let brackets: Vec<String> = match price {
        ZonePrice::Flat { price } => vec![language.money(*price)],
        ZonePrice::Pickup => vec![visit.text("shipping-pickup").to_string()],
        ZonePrice::ByWeight { brackets } => brackets
            .iter()
            .map(|bracket| {
                let text = visit.text("shipping-up-to").arg("grams", language.number(bracket.up_to_grams));
                text.arg("price", language.money(bracket.price)).to_string()
            })
            .collect(),
        ZonePrice::ByTotal { brackets } => brackets
            .iter()
            .map(|bracket| {
                let text = visit.text("shipping-from-total").arg("total", language.money(bracket.from));
                text.arg("price", language.money(bracket.price)).to_string()
            })
            .collect(),
    };
    brackets.join("; ")
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}
