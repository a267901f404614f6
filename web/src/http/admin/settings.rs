//! The settings of the shop.

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use serde_json::{Value, json};
use souk_contract::role::Permission;
use souk_types::{Country, FieldError, sort_key};

use super::edit::{EditForm, Refused, check, done as done_text, version};
use super::products::whole;
use super::{Admin, Nav, Section};
use crate::api::Tagged;
use crate::api::admin_shop::{Document, Settings};
use crate::fields::address::{AddressForm, country_name};
use crate::fields::{Field, FormState, Kind};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageResult};
use crate::visit::Visit;

const PATH: &str = "/admin/settings";
/// What the query of the page says after the currency was changed.
const CURRENCY_CHANGED: &str = "currency";
const ADDRESS: AddressForm<'_> = AddressForm { prefix: "address-", section: "", countries: None };

pub(super) fn routes() -> Vec<Route> {
    routes![show, replace]
}

/// A page with one form, which other pages of the shop's documents use too.
#[derive(Template)]
#[template(path = "admin/form.html")]
struct SettingsPage {
    page: Frame,
    nav: Nav,
    form: EditForm,
}

#[get("/admin/settings?<done>")]
async fn show(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let stored = visit.api.settings(&admin.token).await?;
    let state = fill(&stored.value);
    let warning = (done == Some(CURRENCY_CHANGED)).then(|| visit.text("settings-currency-changed").to_string());
    let form = form(&visit, &state).version(stored.tag).done(done_text(&visit, done)).warned(warning);
    answer(&visit, &admin, form, Status::Ok).await
}

#[post("/admin/settings", data = "<form>")]
async fn replace(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let mut state = FormState::of(&form);
    let seen = version(&form);
    let before = visit.api.settings(&admin.token).await.ok().map(|stored| stored.value.currency);
    let json = json(&state);
    let result = visit.api.replace_document(&admin.token, Document::Settings, seen, &json).await;
    let Err(problem) = result else {
        let is_changed = before.is_some_and(|before| json["currency"] != before);
        let done = if is_changed { CURRENCY_CHANGED } else { "saved" };
        return Ok(Answer::SeeOther(visit.url(&format!("{PATH}?done={done}"))));
    };
    let mut refused = Refused::of(&visit, &mut state, problem, name)?;
    let stored =
        if refused.is_conflict() { refused.read_again(&visit, visit.api.settings(&admin.token)).await? } else { None };
    let mut form = self::form(&visit, &state).version(seen.to_owned()).refused(Some(&refused));
    if let Some(Tagged { value, tag }) = stored {
        form = form.version(tag).compare(&visit, &fill(&value));
    }
    answer(&visit, &admin, form, refused.status).await
}

async fn answer(visit: &Visit<'_>, admin: &Admin, form: EditForm, status: Status) -> PageResult {
    let (page, nav) = admin.frame(visit, Section::Settings, visit.text("admin-nav-settings").to_string()).await?;
    Ok(Page::personal(&SettingsPage { page, nav, form })?.status(status).into())
}

fn form(visit: &Visit<'_>, state: &FormState) -> EditForm {
    let field = |name: &str, label: Key| Field::new(state, name, visit.text(label));
    let option = |value: &str, key: Key| (value.to_owned(), visit.text(key).to_string());
    let mut fields = vec![
        field("shop_name", Key("settings-name")).up_to(100),
        field("legal_name", Key("settings-legal-name")),
        field("email", Key("settings-email")).short(Kind::Email, 254).optional(),
        field("vat_number", Key("settings-vat-number")).short(Kind::Text, 20).optional(),
    ];
    // A shop may have no address: then all of its fields are empty, except the country.
    for mut part in ADDRESS.fields(visit.language, state) {
        part.hint = None;
        match part.name.as_str() {
            "address-country" => part.label = visit.text("settings-address-country").to_string(),
            "address-name" => part.label = visit.text("settings-address-name").to_string(),
            _ => {}
        }
        fields.push(part.optional());
    }
    fields.extend([
        field("home_country", Key("settings-home-country")).choices(countries(visit)),
        field("currency", Key("admin-currency")).short(Kind::Text, 3),
        field("prices_include_tax", Key("settings-prices-include-tax")).check(),
        field("one_stop_shop", Key("settings-one-stop-shop")).check().hint(visit.text("settings-one-stop-shop-hint")),
        field("reverse_charge", Key("settings-reverse-charge")).choices([
            option("off", Key("settings-reverse-charge-off")),
            option("format", Key("settings-reverse-charge-format")),
            option("vies", Key("settings-reverse-charge-vies")),
        ]),
        field("tax_registrations", Key("settings-tax-registrations"))
            .short(Kind::Text, 1_000)
            .optional()
            .hint(visit.text("settings-tax-registrations-hint")),
        field("order_prefix", Key("settings-order-prefix")).short(Kind::Text, 10).optional(),
        field("order_first", Key("settings-order-first"))
            .short(Kind::Number, 12)
            .hint(visit.text("settings-order-first-hint")),
    ]);
    EditForm::new(visit, PATH, state, fields, Key("admin-save"))
}

/// Returns the codes and names of all countries, by name.
pub(super) fn countries(visit: &Visit<'_>) -> Vec<(String, String)> {
    let option = |country: &Country| (country.as_str().to_owned(), country_name(visit.language, country));
    let mut options: Vec<(String, String)> = Country::all().map(|country| option(&country)).collect();
    options.sort_by_cached_key(|(_, name)| sort_key(name));
    options
}

fn fill(settings: &Settings) -> FormState {
    let mut state = FormState::default();
    let registrations: Vec<&str> = settings.tax_registrations.iter().map(Country::as_str).collect();
    for (name, value) in [
        ("shop_name", settings.name.as_str()),
        ("legal_name", &settings.legal_name),
        ("email", settings.email.as_deref().unwrap_or_default()),
        ("vat_number", settings.vat_number.as_deref().unwrap_or_default()),
        ("home_country", settings.home_country.as_str()),
        ("currency", &settings.currency),
        ("prices_include_tax", check(settings.prices_include_tax)),
        ("one_stop_shop", check(settings.one_stop_shop)),
        ("reverse_charge", &settings.reverse_charge),
        ("tax_registrations", &registrations.join(", ")),
        ("order_prefix", &settings.order_numbers.prefix),
        ("order_first", &settings.order_numbers.first.to_string()),
    ] {
        state.set(name, value);
    }
    match &settings.address {
        Some(address) => ADDRESS.fill(&mut state, address),
        None => state.set("address-country", settings.home_country.as_str()),
    }
    state
}

/// Returns the settings as JSON, with values that cannot be read as they were typed.
fn json(state: &FormState) -> Value {
    let is_checked = |name: &str| !state.value(name).is_empty();
    let registrations = state.value("tax_registrations");
    let registrations: Vec<String> = registrations
        .split(|letter: char| letter == ',' || letter.is_whitespace())
        .filter(|code| !code.is_empty())
        .map(str::to_ascii_uppercase)
        .collect();
    json!({
        "name": state.value("shop_name"),
        "legal_name": state.value("legal_name"),
        "email": state.optional("email"),
        "vat_number": state.optional("vat_number"),
        "address": if ADDRESS.is_blank(state) { Value::Null } else { ADDRESS.json(state) },
        "home_country": state.value("home_country"),
        "currency": state.value("currency").to_ascii_uppercase(),
        "prices_include_tax": is_checked("prices_include_tax"),
        "one_stop_shop": is_checked("one_stop_shop"),
        "reverse_charge": state.value("reverse_charge"),
        "tax_registrations": registrations,
        "order_numbers": {"prefix": state.value("order_prefix"), "first": whole(state.value("order_first"))},
    })
}

/// Returns the field of the form for a field of the settings.
fn name(refused: &FieldError) -> Option<String> {
    let field = refused.field.as_str();
    if let Some(part) = field.strip_prefix("address.") {
        return Some(format!("address-{part}"));
    }
    let field = match field {
        "name" => "shop_name",
        "address" => "address-name",
        _ if field.starts_with("order_numbers") && refused.message.starts_with("prefix") => "order_prefix",
        _ if field.starts_with("order_numbers") => "order_first",
        _ if field.starts_with("tax_registrations") => "tax_registrations",
        "legal_name" | "email" | "vat_number" | "home_country" | "currency" | "reverse_charge" => field,
        _ => return None,
    };
    Some(field.to_owned())
}
