//! The address book of a customer.

use askama::Template;
use rocket::{get, post};
use serde_json::{Value, json};
use souk_contract::customer::{AddressId, MAX_ADDRESSES};
use souk_http::Param;

use super::{FormPage, Refused};
use crate::api::account::SavedAddress;
use crate::fields::FormState;
use crate::fields::address::{self, AddressForm};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

/// The fields of the page have no prefix, and any country: the shop may ship there tomorrow.
const FORM: AddressForm<'_> = AddressForm { prefix: "", section: "", countries: None };

#[derive(Template)]
#[template(path = "account/addresses.html")]
struct AddressesPage {
    page: Frame,
    addresses: Vec<AddressLines>,
    can_add: bool,
}

struct AddressLines {
    saved: SavedAddress,
    lines: Vec<String>,
}

#[get("/account/addresses")]
pub(super) async fn list(visit: Visit<'_>) -> PageResult {
    let token = visit.require_customer().await?;
    let (frame, profile) =
        tokio::join!(visit.frame(visit.text("addresses-title").to_string()), visit.api.profile(&token));
    let lines =
        |saved: SavedAddress| AddressLines { lines: address::lines(visit.language, &saved.address, None), saved };
    let addresses: Vec<AddressLines> = profile?.addresses.into_iter().map(lines).collect();
    let can_add = addresses.len() < MAX_ADDRESSES;
    Ok(Page::personal(&AddressesPage { page: frame?, addresses, can_add })?.into())
}

#[get("/account/addresses/new")]
pub(super) async fn show_new(visit: Visit<'_>) -> PageResult {
    visit.require_customer().await?;
    let page = new_page(&visit).await?;
    let mut form = FormState::default();
    if let Some(home) = &visit.app.shop.cached().0.home_country {
        form.set("country", home.as_str());
    }
    page.answer(&form, FORM.fields(visit.language, &form), None)
}

#[post("/account/addresses/new", data = "<form>")]
pub(super) async fn add(visit: Visit<'_>, form: Form) -> PageResult {
    let page = new_page(&visit).await?;
    save(&visit, page, None, &form).await
}

#[get("/account/addresses/<id>", rank = 2)]
pub(super) async fn show_saved(visit: Visit<'_>, id: Param<AddressId>) -> PageResult {
    let saved = find(&visit, id.0).await?;
    let mut form = FormState::default();
    FORM.fill(&mut form, &saved.address);
    saved_page(&visit, id.0).await?.answer(&form, FORM.fields(visit.language, &form), None)
}

#[post("/account/addresses/<id>", data = "<form>", rank = 2)]
pub(super) async fn replace(visit: Visit<'_>, id: Param<AddressId>, form: Form) -> PageResult {
    let page = saved_page(&visit, id.0).await?;
    save(&visit, page, Some(id.0), &form).await
}

#[post("/account/addresses/<id>/delete", data = "<_form>")]
pub(super) async fn delete(visit: Visit<'_>, id: Param<AddressId>, _form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    match visit.api.delete_address(&token, id.0).await {
        // Another tab has deleted it.
        Err(problem) if problem.status() != 404 => Err(problem.into()),
        _ => Ok(to_list(&visit)),
    }
}

#[post("/account/addresses/<id>/default", data = "<_form>")]
pub(super) async fn make_default(visit: Visit<'_>, id: Param<AddressId>, _form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut address = json!(find(&visit, id.0).await?.address);
    address["default"] = true.into();
    visit.api.save_address(&token, Some(id.0), &address).await?;
    Ok(to_list(&visit))
}

async fn save(visit: &Visit<'_>, page: FormPage, id: Option<AddressId>, form: &Form) -> PageResult {
    let token = visit.require_customer().await?;
    let mut state = FormState::of(form);
    let address: Value = FORM.json(&state);
    let problem = match visit.api.save_address(&token, id, &address).await {
        Ok(()) => return Ok(to_list(visit)),
        Err(problem) => problem,
    };
    let refused =
        Refused::of(visit, &mut state, problem, |code| (code == "conflict").then_some(Key("addresses-full")))?;
    state.sort_errors(address::PARTS.into_iter());
    page.answer(&state, FORM.fields(visit.language, &state), Some(refused))
}

async fn find(visit: &Visit<'_>, id: AddressId) -> Result<SavedAddress, PageError> {
    let token = visit.require_customer().await?;
    let profile = visit.api.profile(&token).await?;
    profile.address(&id.to_string()).cloned().ok_or_else(PageError::not_found)
}

async fn new_page(visit: &Visit<'_>) -> Result<FormPage, PageError> {
    let page = FormPage::new(visit, Key("address-new-title"), "/account/addresses/new", Key("address-save")).await?;
    Ok(page.link(visit.url("/account/addresses"), visit.text("address-back")))
}

async fn saved_page(visit: &Visit<'_>, id: AddressId) -> Result<FormPage, PageError> {
    let path = format!("/account/addresses/{id}");
    let page = FormPage::new(visit, Key("address-edit-title"), &path, Key("address-save")).await?;
    Ok(page.link(visit.url("/account/addresses"), visit.text("address-back")))
}

fn to_list(visit: &Visit<'_>) -> Answer {
    Answer::SeeOther(visit.url("/account/addresses"))
}
