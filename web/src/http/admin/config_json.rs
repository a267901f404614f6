//! Tax rates and shipping as JSON, for those who paste many rows at once.

mod text;

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use serde_json::Value;
use souk_contract::role::Permission;

use super::edit::{EditForm, Refused, version};
use super::{Admin, Nav, Section};
use crate::api::admin_shop::Document;
use crate::fields::{Field, FormState, Kind};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageResult};
use crate::visit::Visit;

/// The name of the field with the document.
const FIELD: &str = "document";

/// The longest document, in characters: that of the body of a request.
const MAX_TEXT: usize = 65_536;

pub(super) fn routes() -> Vec<Route> {
    routes![show_taxes, replace_taxes, show_shipping, replace_shipping]
}

#[derive(Template)]
#[template(path = "admin/config-json.html")]
struct ConfigJsonPage {
    page: Frame,
    nav: Nav,
    form: EditForm,
    /// The URL and the name of the page that shows the document as a table.
    back: (String, String),
    /// The document that another admin has stored meanwhile.
    stored: Option<String>,
}

#[get("/admin/taxes/json")]
async fn show_taxes(visit: Visit<'_>) -> PageResult {
    show(&visit, Document::Taxes).await
}

#[post("/admin/taxes/json", data = "<form>")]
async fn replace_taxes(visit: Visit<'_>, form: Form) -> PageResult {
    replace(&visit, Document::Taxes, &form).await
}

#[get("/admin/shipping/json")]
async fn show_shipping(visit: Visit<'_>) -> PageResult {
    show(&visit, Document::Shipping).await
}

#[post("/admin/shipping/json", data = "<form>")]
async fn replace_shipping(visit: Visit<'_>, form: Form) -> PageResult {
    replace(&visit, Document::Shipping, &form).await
}

async fn show(visit: &Visit<'_>, document: Document) -> PageResult {
    let admin = Admin::of(visit, Permission::ManageShop).await?;
    let stored = visit.api.document(&admin.token, document).await?;
    let mut state = FormState::default();
    state.set(FIELD, text::of(&stored.value));
    let form = form(visit, document, &state).version(stored.tag);
    answer(visit, &admin, document, form, None, Status::Ok).await
}

async fn replace(visit: &Visit<'_>, document: Document, form: &Form) -> PageResult {
    let admin = Admin::of(visit, Permission::ManageShop).await?;
    let mut state = FormState::of(form);
    let seen = version(form);
    let mut refused = match serde_json::from_str::<Value>(state.value(FIELD)) {
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
    let mut edited = self::form(visit, document, &state).version(seen.to_owned());
    let mut stored = None;
    if refused.is_conflict()
        && let Some(current) = refused.read_again(visit, visit.api.document(&admin.token, document)).await?
    {
        edited = edited.version(current.tag);
        stored = Some(text::of(&current.value));
    }
    if !is_of_field {
        edited = edited.refused(Some(&refused));
    }
    answer(visit, &admin, document, edited, stored, refused.status).await
}

fn form(visit: &Visit<'_>, document: Document, state: &FormState) -> EditForm {
    let label = visit.text("document-label");
    let field = Field::new(state, FIELD, label).lines(20, MAX_TEXT).hint(visit.text("document-hint"));
    EditForm::new(visit, &format!("{}/json", section(document).path()), state, vec![field], Key("admin-save"))
}

async fn answer(
    visit: &Visit<'_>,
    admin: &Admin,
    document: Document,
    form: EditForm,
    stored: Option<String>,
    status: Status,
) -> PageResult {
    let section = section(document);
    let name = visit.text(section.name()).to_string();
    let title = visit.text("document-title").arg("name", name.as_str()).to_string();
    let (page, nav) = admin.frame(visit, section, title).await?;
    let back = (visit.url(section.path()), name);
    Ok(Page::personal(&ConfigJsonPage { page, nav, form, back, stored })?.status(status).into())
}

const fn section(document: Document) -> Section {
    match document {
        Document::Settings => Section::Settings,
        Document::Taxes => Section::Taxes,
        Document::Shipping => Section::Shipping,
    }
}
