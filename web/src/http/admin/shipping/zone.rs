//! One zone: creating, changing, moving and removing it.

use rocket::http::Status;
use rocket::{get, post};
use serde_json::{Value, json};
use souk_contract::role::Permission;
use souk_types::{Country, FieldError};

use super::super::edit::{EditForm, Refused, version as seen_version};
use super::super::row_page::{RefusedMove, RowPage, missing, stale};
use super::super::rows::{self, Outcome, RowAction, SeenRow};
use super::super::settings::countries;
use super::super::{Admin, Section};
use super::{LIST, ZONE_KEY, ZONES, list_page, to_list, zone_path};
use crate::api::admin_shop::{Document, Zone};
use crate::fields::{Field, FormState};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, PageError, PageResult};
use crate::visit::Visit;

const NEW: &str = "/admin/shipping/zones/new";
/// The members of a zone that its form has.
const MEMBERS: [&str; 4] = ["name", "countries", "regions", "postal_codes"];

/// Returns the version of a zone: that of its row, a dot, and a hash of its methods, which are
/// removed with it.
pub(super) fn version(zone: &Value) -> String {
    format!("{}.{}", rows::version(zone, ZONE_KEY), hash_of_methods(zone))
}

fn hash_of_methods(zone: &Value) -> String {
    rows::hash_of_key(zone, &["methods"])
}

#[get("/admin/shipping/zones/new")]
pub(super) async fn show_new(visit: Visit<'_>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    page(&visit, &admin, None, new_form(&visit, &FormState::default()), Status::Ok).await
}

#[post("/admin/shipping/zones/new", data = "<form>")]
pub(super) async fn create(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let mut state = state_of(&form);
    let mut zone = json(&state);
    zone["methods"] = json!([]);
    let insert = |document: &mut Value| {
        let zones = rows::list(document, ZONES).ok_or(None::<usize>)?;
        // A second click creates nothing more.
        if let Some(at) = zones.iter().position(|other| is_same(other, &zone)) {
            return Ok(at);
        }
        // The zone of all countries comes last: an address belongs to the first zone that has it.
        let rest = zones.iter().position(|other| rows::rows(other, "/countries").is_empty());
        let at = rest.filter(|_| state.optional("countries").is_some()).unwrap_or(zones.len());
        zones.insert(at, zone.clone());
        Ok(at)
    };
    match rows::update(&visit, &admin, Document::Shipping, insert).await? {
        Outcome::Saved => Ok(Answer::SeeOther(visit.url(&format!("{LIST}?done=created")))),
        Outcome::Stale { .. } => Err(PageError::not_found()),
        Outcome::Refused { at, problem } => {
            let name = |refused: &FieldError| at.and_then(|at| name(at, refused));
            let refused = Refused::of(&visit, &mut state, problem, name)?;
            page(&visit, &admin, None, new_form(&visit, &state).refused(Some(&refused)), refused.status).await
        }
    }
}

#[get("/admin/shipping/zones/<position>", rank = 2)]
pub(super) async fn show(visit: Visit<'_>, position: usize) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let stored = visit.api.document(&admin.token, Document::Shipping).await?.value;
    let zone = rows::rows(&stored, ZONES).get(position).ok_or_else(PageError::not_found)?;
    let form = stored_form(&visit, position, &fill(&rows::read(zone)?)).version(version(zone));
    page(&visit, &admin, Some(position), form, Status::Ok).await
}

#[post("/admin/shipping/zones/<position>", data = "<form>", rank = 2)]
pub(super) async fn change(visit: Visit<'_>, position: usize, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageShop).await?;
    let mut state = state_of(&form);
    let (seen, action) = (seen_version(&form), RowAction::of(&form));
    let (seen_row, seen_methods) = seen.rsplit_once('.').unwrap_or((seen, ""));
    let zone = json(&state);
    let change = |document: &mut Value| {
        let zones = rows::list(document, ZONES).ok_or(None::<usize>)?;
        let at = SeenRow { position, version: seen_row, key: ZONE_KEY }.find(zones).unchanged()?;
        if action == RowAction::Remove && hash_of_methods(&zones[at]) != seen_methods {
            return Err(Some(at));
        }
        if action == RowAction::Save {
            for member in MEMBERS {
                zones[at][member] = zone[member].clone();
            }
        }
        action.apply(zones, at);
        Ok(at)
    };
    match rows::update(&visit, &admin, Document::Shipping, change).await? {
        Outcome::Saved => Ok(to_list(&visit, action)),
        // A second click removes nothing more.
        Outcome::Stale { at: None, stored } if action == RowAction::Remove => {
            list_page(&visit, &admin, &stored, Some(missing(&visit)), Status::Ok).await
        }
        Outcome::Stale { stored, .. } if action != RowAction::Save => {
            list_page(&visit, &admin, &stored, Some(stale(&visit)), Status::PreconditionFailed).await
        }
        Outcome::Stale { at: Some(at), stored } => {
            let row = &rows::rows(&stored, ZONES)[at];
            let current: Zone = rows::read(row)?;
            let refused = Refused::changed(&visit);
            let form = stored_form(&visit, at, &state).version(version(row)).refused(Some(&refused));
            page(&visit, &admin, Some(at), form.compare(&visit, &fill(&current)), refused.status).await
        }
        Outcome::Stale { at: None, .. } => {
            let refused = Refused::removed(&visit);
            page(&visit, &admin, None, new_form(&visit, &state).refused(Some(&refused)), refused.status).await
        }
        Outcome::Refused { problem, .. } if action != RowAction::Save => {
            let RefusedMove { stored, notice, status } =
                RefusedMove::read(&visit, &admin, Document::Shipping, problem).await?;
            list_page(&visit, &admin, &stored, Some(notice), status).await
        }
        Outcome::Refused { at, problem } => {
            let name = |refused: &FieldError| at.and_then(|at| name(at, refused));
            let refused = Refused::of(&visit, &mut state, problem, name)?;
            let form = stored_form(&visit, position, &state).version(seen.to_owned()).refused(Some(&refused));
            page(&visit, &admin, Some(position), form, refused.status).await
        }
    }
}

fn new_form(visit: &Visit<'_>, state: &FormState) -> EditForm {
    EditForm::new(visit, NEW, state, fields(visit, state), Key("admin-create"))
}

fn stored_form(visit: &Visit<'_>, position: usize, state: &FormState) -> EditForm {
    EditForm::new(visit, &zone_path(position), state, fields(visit, state), Key("admin-save"))
}

/// Shows the page of a stored zone, or of a new one.
async fn page(visit: &Visit<'_>, admin: &Admin, position: Option<usize>, form: EditForm, status: Status) -> PageResult {
    let title = if position.is_some() { Key("shipping-zone-edit") } else { Key("shipping-zone-new") };
    RowPage {
        section: Section::Shipping,
        title: visit.text(title).to_string(),
        back: (visit.url(LIST), visit.text("admin-nav-shipping").to_string()),
        views: Vec::new(),
        lead: None,
        form,
        remove: position.map(|_| (Key("shipping-zone-remove"), Key("shipping-zone-remove-lead"))),
    }
    .answer(visit, admin, status)
    .await
}

fn fields(visit: &Visit<'_>, state: &FormState) -> Vec<Field> {
    let field = |name: &str, label: Key| Field::new(state, name, visit.text(label));
    vec![
        field("zone_name", Key("shipping-zone-name")).up_to(100).hint(visit.text("shipping-zone-name-hint")),
        field("countries", Key("shipping-countries"))
            .many(countries(visit))
            .hint(visit.text("shipping-countries-hint")),
        field("areas", Key("shipping-regions")).lines(2, 5_000).optional().hint(visit.text("shipping-regions-hint")),
        field("codes", Key("shipping-postal-codes"))
            .lines(2, 5_000)
            .optional()
            .hint(visit.text("shipping-postal-codes-hint")),
    ]
}

/// Returns the state of a form that was sent, with all of its countries.
fn state_of(form: &Form) -> FormState {
    let mut state = FormState::of(form);
    state.set("countries", sorted(form.all("countries")));
    state
}

fn fill(zone: &Zone) -> FormState {
    let mut state = FormState::default();
    state.set("zone_name", zone.name.as_str());
    state.set("countries", sorted(zone.countries.iter().map(Country::as_str)));
    state.set("areas", zone.regions.join("\n"));
    state.set("codes", zone.postal_codes.join("\n"));
    state
}

/// Returns codes of countries as the field has them. Their order means nothing.
fn sorted<'c>(codes: impl Iterator<Item = &'c str>) -> String {
    let mut codes: Vec<&str> = codes.collect();
    codes.sort_unstable();
    codes.join("\n")
}

/// Returns the zone as JSON, without its methods.
fn json(state: &FormState) -> Value {
    let items = |name: &str| -> Vec<String> {
        let items = state.value(name).split([',', '\n']).map(str::trim);
        items.filter(|item| !item.is_empty()).map(ToOwned::to_owned).collect()
    };
    json!({
        "name": state.value("zone_name"),
        "countries": state.value("countries").split_whitespace().collect::<Vec<_>>(),
        "regions": items("areas"),
        "postal_codes": items("codes"),
    })
}

/// Whether a stored row is what the form of this new zone creates.
fn is_same(row: &Value, zone: &Value) -> bool {
    rows::read(row).is_ok_and(|stored: Zone| {
        let own = json(&fill(&stored));
        stored.methods.is_empty() && MEMBERS.iter().all(|member| own[*member] == zone[*member])
    })
}

/// Returns the field of the form for a field of the document in which the zone is at `at`.
fn name(at: usize, refused: &FieldError) -> Option<String> {
    // The names were unique before: one of two equal ones is that of this zone.
    if is_name_of_zone(&refused.field) {
        return Some("zone_name".to_owned());
    }
    let field = refused.field.strip_prefix(&format!("zones.{at}."))?;
    let name = match field.split('.').next().unwrap_or_default() {
        "countries" => "countries",
        "regions" => "areas",
        "postal_codes" => "codes",
        _ => return None,
    };
    Some(name.to_owned())
}

/// Whether a field of the document is the name of a zone.
fn is_name_of_zone(field: &str) -> bool {
    let position = field.strip_prefix("zones.").and_then(|field| field.strip_suffix(".name"));
    position.is_some_and(|position| !position.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_read_from_its_form() {
        let form = Form::parse(b"zone_name=West&countries=US&countries=CA&areas=CA,%0D%0A+New+York&codes=902..905");
        let state = state_of(&form);
        let zone = json(&state);
        assert_eq!(
            zone,
            json!({"name": "West", "countries": ["CA", "US"], "regions": ["CA", "New York"], "postal_codes": ["902..905"]})
        );
        assert_eq!(name(2, &FieldError::new("zones.2.regions.0", "is wrong")).as_deref(), Some("areas"));
        assert_eq!(name(2, &FieldError::new("zones.3.regions.0", "is wrong")), None);
        assert_eq!(name(2, &FieldError::new("zones.3.name", "is given twice")).as_deref(), Some("zone_name"));
        assert_eq!(name(2, &FieldError::new("zones.3.methods.0.name", "is wrong")), None);
    }

    #[test]
    fn a_zone_that_is_created_again_is_the_stored_one() {
        let zone = json(&state_of(&Form::parse(b"zone_name=West&countries=US&countries=CA&areas=&codes=902")));
        let mut stored = json!({"name": "West", "countries": ["US", "CA"], "postal_codes": ["902"], "methods": []});
        assert!(is_same(&stored, &zone));
        stored["countries"] = json!(["US"]);
        assert!(!is_same(&stored, &zone));
    }
}
