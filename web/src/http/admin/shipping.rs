//! Shipping: the zones with their methods. Each zone and each method has a page of its own.

mod brackets;
mod method;
mod method_form;
mod zone;

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, routes};
use serde::Deserialize;
use serde_json::Value;
use souk_contract::role::Permission;
use souk_types::{Country, sort_key};

use super::edit::done as done_text;
use super::rows::{self, RowAction};
use super::{Admin, Nav, Section, or_dash};
use crate::api::admin_shop::{Document, Zone, ZoneMethod, ZonePrice};
use crate::fields::address::country_name;
use crate::page::{Answer, Frame, Page, PageResult};
use crate::visit::Visit;

const LIST: &str = "/admin/shipping";
/// The member of the document with the zones.
const ZONES: &str = "/zones";
/// What says which zone, and which method of a zone, a row is.
const ZONE_KEY: &[&str] = &["name"];
const METHOD_KEY: &[&str] = &["id"];

pub(super) fn routes() -> Vec<Route> {
    routes![
        list,
        zone::show_new,
        zone::create,
        zone::show,
        zone::change,
        method::show_new,
        method::create,
        method::show,
        method::change
    ]
}

#[derive(Template)]
#[template(path = "admin/shipping.html")]
struct ShippingPage {
    page: Frame,
    nav: Nav,
    /// What has happened: `(class, text)`.
    notice: Option<(&'static str, String)>,
    zones: Vec<ZoneView>,
}

/// A zone in the list.
struct ZoneView {
    row: RowView,
    name: String,
    countries: String,
    /// Regions and postal codes; empty when the zone has all of its countries.
    places: String,
    methods: Vec<MethodView>,
    new_method_url: String,
}

/// A method in the list of its zone.
struct MethodView {
    row: RowView,
    name: String,
    price: String,
    free_from: String,
    days: String,
}

/// What a form needs that moves a row.
struct RowView {
    url: String,
    version: String,
    is_first: bool,
    is_last: bool,
}

#[derive(Deserialize)]
struct Shipping {
    zones: Vec<Zone>,
}

#[get("/admin/shipping?<done>")]
async fn list(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let notice = done_text(&visit, done).map(|text| ("success", text));
    let stored = visit.api.document(&admin.token, Document::Shipping).await?.value;
    list_page(&visit, &admin, &stored, notice, Status::Ok).await
}

async fn list_page(
    visit: &Visit<'_>,
    admin: &Admin,
    stored: &Value,
    notice: Option<(&'static str, String)>,
    status: Status,
) -> PageResult {
    let shipping: Shipping = rows::read(stored)?;
    let (page, nav) = admin.frame(visit, Section::Shipping, visit.text("admin-nav-shipping").to_string()).await?;
    let stored = rows::rows(stored, ZONES);
    let zones = shipping.zones.iter().enumerate().map(|(position, zone)| zone_view(visit, stored, position, zone));
    let zones = zones.collect();
    Ok(Page::personal(&ShippingPage { page, nav, notice, zones })?.status(status).into())
}

fn zone_view(visit: &Visit<'_>, stored: &[Value], position: usize, zone: &Zone) -> ZoneView {
    let name = |country: &Country| country_name(visit.language, country);
    let mut countries: Vec<String> = zone.countries.iter().map(name).collect();
    countries.sort_by_cached_key(|name| sort_key(name));
    let everywhere = || visit.text("shipping-everywhere").to_string();
    let places: Vec<&str> = zone.regions.iter().chain(&zone.postal_codes).map(String::as_str).collect();
    ZoneView {
        row: RowView {
            url: visit.url(&zone_path(position)),
            version: zone::version(&stored[position]),
            is_first: position == 0,
            is_last: position + 1 == stored.len(),
        },
        name: zone.name.clone(),
        countries: if countries.is_empty() { everywhere() } else { countries.join(", ") },
        places: places.join(", "),
        methods: method_views(visit, position, &stored[position], &zone.methods),
        new_method_url: visit.url(&format!("{}/methods/new", zone_path(position))),
    }
}

/// Returns the methods of the zone at a position.
fn method_views(visit: &Visit<'_>, zone: usize, stored: &Value, methods: &[ZoneMethod]) -> Vec<MethodView> {
    let language = visit.language;
    let view = |(position, method): (usize, &ZoneMethod)| MethodView {
        row: RowView {
            url: visit.url(&method_path(zone, position)),
            version: method::version(stored, position),
            is_first: position == 0,
            is_last: position + 1 == methods.len(),
        },
        name: method.name.clone(),
        price: price(visit, &method.price),
        free_from: or_dash(method.free_from.map(|money| language.money(money)).unwrap_or_default()),
        days: if method.days.from == method.days.to {
            method.days.from.to_string()
        } else {
            format!("{}–{}", method.days.from, method.days.to)
        },
    };
    methods.iter().enumerate().map(view).collect()
}

/// Writes what a method costs, one bracket in a line.
fn price(visit: &Visit<'_>, price: &ZonePrice) -> String {
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
    brackets.join("\n")
}

/// Returns the path of the page of a zone.
fn zone_path(position: usize) -> String {
    format!("{LIST}/zones/{position}")
}

/// Returns the path of the page of a method.
fn method_path(zone: usize, position: usize) -> String {
    format!("{}/methods/{position}", zone_path(zone))
}

/// Leads to the list, which says what was done.
fn to_list(visit: &Visit<'_>, action: RowAction) -> Answer {
    let done = if action == RowAction::Remove { "deleted" } else { "saved" };
    Answer::SeeOther(visit.url(&format!("{LIST}?done={done}")))
}
