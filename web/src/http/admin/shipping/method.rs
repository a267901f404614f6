//! One shipping method: creating, changing, moving and removing it.

use rocket::http::Status;
use rocket::{get, post};
use serde_json::Value;
use souk_contract::role::Permission;
use souk_types::FieldError;

use super::super::edit::{EditForm, Refused, version as seen_version};
use super::super::row_page::{RefusedMove, RowPage, missing, stale};
use super::super::rows::{self, Outcome, RowAction, SeenRow};
use super::super::{Admin, Section};
use super::method_form::{PriceKind, fields, fill, is_same, json, name, new_id, tidy};
use super::{LIST, METHOD_KEY, ZONE_KEY, ZONES, list_page, method_path, to_list, zone_path};
use crate::api::admin_shop::{Document, ZoneMethod};
use crate::api::{Problem, Tagged};
use crate::fields::FormState;
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

/// The member of a zone with its methods.
const METHODS: &str = "/methods";

/// Where a method is: the position of its zone, and its own.
#[derive(Clone, Copy)]
struct Place {
    zone: usize,
    at: usize,
}

/// A method with its zone, as a form has seen them.
struct Seen<'a> {
    zone: SeenRow<'a>,
    method: SeenRow<'a>,
}

impl<'a> Seen<'a> {
    fn new(zone: usize, position: usize, version: &'a str) -> Self {
        let (of_zone, of_method) = version.split_once('.').unwrap_or((version, ""));
        Self {
            zone: SeenRow { position: zone, version: of_zone, key: ZONE_KEY },
            method: SeenRow { position, version: of_method, key: METHOD_KEY },
        }
    }

    /// Returns the position of the zone, changed or not.
    fn zone(&self, document: &Value) -> Option<usize> {
        self.zone.find(rows::rows(document, ZONES)).position()
    }
}

/// Returns the version of a method: it begins with a hash of the zone's name.
pub(super) fn version(zone: &Value, position: usize) -> String {
    let method = &rows::rows(zone, METHODS)[position];
    format!("{}.{}", rows::hash_of_key(zone, ZONE_KEY), rows::version(method, METHOD_KEY))
}

#[get("/admin/shipping/zones/<zone>/methods/new?<kind>")]
pub(super) async fn show_new(visit: Visit<'_>, zone: usize, kind: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let stored = visit.api.document(&admin.token, Document::Shipping).await?.value;
    let kind = kind.and_then(PriceKind::parse).unwrap_or_default();
    let mut state = FormState::default();
    state.set("currency", currency(&visit).await);
    let row = rows::rows(&stored, ZONES).get(zone).ok_or_else(PageError::not_found)?;
    let form = new_form(&visit, zone, &state, kind).version(rows::hash_of_key(row, ZONE_KEY));
    MethodPage { zone, position: None, kind, form }.answer(&visit, &admin, Some(&stored), Status::Ok).await
}

#[post("/admin/shipping/zones/<zone>/methods/new?<kind>", data = "<form>")]
pub(super) async fn create(visit: Visit<'_>, zone: usize, kind: Option<&str>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let kind = kind.and_then(PriceKind::parse).unwrap_or_default();
    let mut state = FormState::of(&form);
    tidy(visit.language, &mut state, kind);
    let seen = Seen::new(zone, 0, seen_version(&form));
    let method = json(visit.language, &state, kind);
    let insert = |document: &mut Value| {
        let zone = seen.zone(document).ok_or(None::<Place>)?;
        let methods = rows::list(document, &methods_of(zone)).ok_or(None)?;
        // A second click creates nothing more.
        if let Some(at) = methods.iter().position(|other| is_same(visit.language, other, &method)) {
            return Ok(Place { zone, at });
        }
        let mut method = method.clone();
        method["id"] = new_id(state.value("method_name"), methods).into();
        methods.push(method);
        Ok(Place { zone, at: methods.len() - 1 })
    };
    match rows::update(&visit, &admin, Document::Shipping, insert).await? {
        Outcome::Saved => Ok(Answer::SeeOther(visit.url(&format!("{LIST}?done=created")))),
        Outcome::Stale { stored, .. } => {
            list_page(&visit, &admin, &stored, Some(stale(&visit)), Status::PreconditionFailed).await
        }
        Outcome::Refused { at, problem } => {
            let mut refused = refuse(&visit, &mut state, kind, at, problem)?;
            let stored = read_again(&visit, &admin, &mut refused).await?;
            let zone = stored.as_ref().and_then(|stored| seen.zone(stored)).unwrap_or(zone);
            let form = new_form(&visit, zone, &state, kind).version(seen.zone.version.to_owned());
            let page = MethodPage { zone, position: None, kind, form: form.refused(Some(&refused)) };
            page.answer(&visit, &admin, stored.as_ref(), refused.status).await
        }
    }
}

#[get("/admin/shipping/zones/<zone>/methods/<position>?<kind>", rank = 2)]
pub(super) async fn show(visit: Visit<'_>, zone: usize, position: usize, kind: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let stored = visit.api.document(&admin.token, Document::Shipping).await?.value;
    let (method, version) = find(&stored, Place { zone, at: position })?;
    let kind = kind.and_then(PriceKind::parse).unwrap_or(PriceKind::of(&method.price));
    let state = fill(visit.language, &method, &currency(&visit).await);
    let form = stored_form(&visit, Place { zone, at: position }, &state, kind).version(version);
    MethodPage { zone, position: Some(position), kind, form }.answer(&visit, &admin, Some(&stored), Status::Ok).await
}

#[post("/admin/shipping/zones/<zone>/methods/<position>?<kind>", data = "<form>", rank = 2)]
pub(super) async fn change(
    visit: Visit<'_>,
    zone: usize,
    position: usize,
    kind: Option<&str>,
    form: Form,
) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let kind = kind.and_then(PriceKind::parse).unwrap_or_default();
    let action = RowAction::of(&form);
    let mut state = FormState::of(&form);
    tidy(visit.language, &mut state, kind);
    let seen = Seen::new(zone, position, seen_version(&form));
    let method = json(visit.language, &state, kind);
    let change = |document: &mut Value| {
        let zone = seen.zone(document).ok_or(None::<Place>)?;
        let methods = rows::list(document, &methods_of(zone)).ok_or(None)?;
        let place = |at: usize| Place { zone, at };
        let at = seen.method.find(methods).unchanged().map_err(|at| at.map(place))?;
        if action == RowAction::Save {
            let id = methods[at]["id"].take();
            methods[at] = method.clone();
            methods[at]["id"] = id;
        }
        action.apply(methods, at);
        Ok(place(at))
    };
    let outcome = rows::update(&visit, &admin, Document::Shipping, change).await?;
    let (place, stored, refused) = match outcome {
        Outcome::Saved => return Ok(to_list(&visit, action)),
        // A second click removes nothing more.
        Outcome::Stale { at: None, stored } if action == RowAction::Remove && seen.zone(&stored).is_some() => {
            return list_page(&visit, &admin, &stored, Some(missing(&visit)), Status::Ok).await;
        }
        Outcome::Stale { at: Some(place), stored } if action == RowAction::Save => {
            (Some(place), Some(stored), Refused::changed(&visit))
        }
        Outcome::Stale { at: None, stored } if action == RowAction::Save && seen.zone(&stored).is_some() => {
            (None, Some(stored), Refused::removed(&visit))
        }
        Outcome::Stale { stored, .. } => {
            return list_page(&visit, &admin, &stored, Some(stale(&visit)), Status::PreconditionFailed).await;
        }
        Outcome::Refused { problem, .. } if action != RowAction::Save => {
            let RefusedMove { stored, notice, status } =
                RefusedMove::read(&visit, &admin, Document::Shipping, problem).await?;
            return list_page(&visit, &admin, &stored, Some(notice), status).await;
        }
        Outcome::Refused { at, problem } => {
            let mut refused = refuse(&visit, &mut state, kind, at, problem)?;
            let stored = read_again(&visit, &admin, &mut refused).await?;
            (at.or(Some(Place { zone, at: position })), stored, refused)
        }
    };
    let seen_zone = || stored.as_ref().and_then(|stored| seen.zone(stored));
    let zone = place.map(|place| place.zone).or_else(seen_zone).unwrap_or(zone);
    let form = match (place, &stored) {
        (None, _) => new_form(&visit, zone, &state, kind).version(seen.zone.version.to_owned()),
        (Some(place), Some(stored)) if refused.is_conflict() => {
            let (current, version) = find(stored, place)?;
            let current = fill(visit.language, &current, state.value("currency"));
            stored_form(&visit, place, &state, kind).version(version).compare(&visit, &current)
        }
        (Some(place), _) => stored_form(&visit, place, &state, kind).version(seen_version(&form).to_owned()),
    };
    let position = place.map(|place| place.at);
    let form = form.refused(Some(&refused));
    MethodPage { zone, position, kind, form }.answer(&visit, &admin, stored.as_ref(), refused.status).await
}

/// Reads the document for the page of a refused form; `None` while the service does not answer.
async fn read_again(visit: &Visit<'_>, admin: &Admin, refused: &mut Refused) -> Result<Option<Value>, PageError> {
    let stored = refused.read_again(visit, visit.api.document(&admin.token, Document::Shipping)).await?;
    Ok(stored.map(|Tagged { value, .. }| value))
}

/// Returns the method at a place, with its version. Errors: 404.
fn find(stored: &Value, Place { zone, at }: Place) -> Result<(ZoneMethod, String), PageError> {
    let zone = rows::rows(stored, ZONES).get(zone).ok_or_else(PageError::not_found)?;
    let method = rows::rows(zone, METHODS).get(at).ok_or_else(PageError::not_found)?;
    Ok((rows::read(method)?, version(zone, at)))
}

fn methods_of(zone: usize) -> String {
    format!("{ZONES}/{zone}{METHODS}")
}

/// Returns the currency of the shop.
async fn currency(visit: &Visit<'_>) -> String {
    visit.app.shop.refresh(visit.api).await;
    visit.app.shop.cached().0.currency.clone()
}

/// Explains beside the fields why the service refuses a method.
fn refuse(
    visit: &Visit<'_>,
    state: &mut FormState,
    kind: PriceKind,
    at: Option<Place>,
    problem: Problem,
) -> Result<Refused, PageError> {
    let name = |refused: &FieldError| {
        let Place { zone, at } = at?;
        name(kind, refused, &format!("zones.{zone}.methods.{at}."))
    };
    Refused::of(visit, state, problem, name)
}

fn new_form(visit: &Visit<'_>, zone: usize, state: &FormState, kind: PriceKind) -> EditForm {
    let path = format!("{}?kind={}", new_path(zone), kind.as_str());
    EditForm::new(visit, &path, state, fields(visit, state, kind), Key("admin-create"))
}

fn stored_form(visit: &Visit<'_>, place: Place, state: &FormState, kind: PriceKind) -> EditForm {
    let path = format!("{}?kind={}", method_path(place.zone, place.at), kind.as_str());
    EditForm::new(visit, &path, state, fields(visit, state, kind), Key("admin-save"))
}

fn new_path(zone: usize) -> String {
    format!("{}/methods/new", zone_path(zone))
}

/// The page of a method.
struct MethodPage {
    zone: usize,
    /// `None` for a new method.
    position: Option<usize>,
    kind: PriceKind,
    form: EditForm,
}

impl MethodPage {
    /// Renders the page. `stored` is `None` while the document cannot be read.
    async fn answer(self, visit: &Visit<'_>, admin: &Admin, stored: Option<&Value>, status: Status) -> PageResult {
        let Self { zone, position, kind, form } = self;
        let row = stored.and_then(|stored| rows::rows(stored, ZONES).get(zone));
        let name = row.and_then(|zone| zone["name"].as_str()).unwrap_or("…");
        let path = position.map_or_else(|| new_path(zone), |position| method_path(zone, position));
        let view = |option: PriceKind| {
            (option.label(), visit.url(&format!("{path}?kind={}", option.as_str())), option == kind)
        };
        let title = if position.is_some() { Key("shipping-method-edit") } else { Key("shipping-method-new") };
        RowPage {
            section: Section::Shipping,
            title: visit.text(title).arg("zone", name).to_string(),
            back: (visit.url(LIST), visit.text("admin-nav-shipping").to_string()),
            views: PriceKind::ALL.map(view).into(),
            lead: Some(kind.lead()),
            form,
            remove: position.map(|_| (Key("shipping-method-remove"), Key("shipping-method-remove-lead"))),
        }
        .answer(visit, admin, status)
        .await
    }
}
