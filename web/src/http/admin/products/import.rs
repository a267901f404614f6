//! Import of products from a CSV file that is pasted into the page. Larger files are for the API: a
//! request over the bus is bounded.

use askama::Template;
use rocket::http::Status;
use rocket::{get, post};
use souk_contract::role::Permission;
use souk_types::FieldError;

use super::super::edit::{EditForm, Refused};
use super::super::{Admin, Nav, Section};
use crate::api::Problem;
use crate::api::admin_catalogue::{ImportReport, RowError};
use crate::fields::{Field, FormState, Kind};
use crate::form::Form;
use crate::locale::{Key, Language};
use crate::page::{Frame, Page, PageResult};
use crate::visit::Visit;

const PATH: &str = "/admin/products/import";

/// The longest text, in characters. With percent-encoding, it fits into the 64 KiB of a form unless
/// most of it are letters outside of ASCII.
const MAX_TEXT: usize = 30_000;

/// Rows with errors that the page lists.
const MAX_ERRORS: usize = 100;

#[derive(Template)]
#[template(path = "admin/import.html")]
struct ImportPage {
    page: Frame,
    nav: Nav,
    form: EditForm,
    report: Option<ImportReport>,
    /// The errors beyond those that the page lists.
    more_errors: usize,
}

#[get("/admin/products/import")]
pub(super) async fn show(visit: Visit<'_>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let mut state = FormState::default();
    state.set("price_in", "major");
    answer(&visit, &admin, &state, None, None).await
}

#[post("/admin/products/import", data = "<form>")]
pub(super) async fn import(visit: Visit<'_>, form: Form) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let mut state = FormState::of(&form);
    let choice = |name: &'static str, allowed: &[&'static str]| {
        (name, allowed.iter().copied().find(|value| *value == state.value(name)).unwrap_or(allowed[0]))
    };
    let parameters = [choice("price_in", &["major", "minor"]), choice("on_error", &["abort", "skip"])];
    if form.get("file").is_empty() {
        state.refuse("file", visit.text("import-empty").to_string());
        let refused = Refused { status: Status::UnprocessableEntity, text: None };
        return answer(&visit, &admin, &state, Some(refused), None).await;
    }
    match visit.api.import_products(&admin.token, &parameters, form.raw("file").to_owned()).await {
        Ok(report) => answer(&visit, &admin, &state, None, Some(report)).await,
        Err(problem) => {
            let refused = match &problem {
                Problem::Refused(refusal) if refusal.code() == "validation" => {
                    let text = explain_columns(&visit, form.get("file"), &refusal.fields);
                    state.refuse("file", text);
                    Refused { status: Status::UnprocessableEntity, text: None }
                }
                _ => Refused::of(&visit, &mut state, problem, |_: &FieldError| None)?,
            };
            answer(&visit, &admin, &state, Some(refused), None).await
        }
    }
}

/// Says which names of columns the first line of a file must have.
fn explain_columns(visit: &Visit<'_>, file: &str, refused: &[FieldError]) -> String {
    let given = capital_columns(file, refused);
    if given.is_empty() {
        let columns: Vec<&str> = refused.iter().map(|refused| refused.field.as_str()).collect();
        return visit.text("import-columns").arg("columns", columns.join(", ")).to_string();
    }
    let columns = given.join(", ");
    visit.text("import-columns-lower").arg("lower", columns.to_lowercase()).arg("given", columns).to_string()
}

/// Returns the names in the first line that differ from a refused column by capital letters only.
fn capital_columns<'f>(file: &'f str, refused: &[FieldError]) -> Vec<&'f str> {
    let header = file.lines().next().unwrap_or_default();
    let names = header.split([',', ';', '\t']).map(|name| name.trim_matches(['"', ' ', '\u{feff}']));
    let is_refused = |name: &str| refused.iter().any(|refused| refused.field == name);
    names.filter(|name| !is_refused(name) && is_refused(&name.to_lowercase())).collect()
}

async fn answer(
    visit: &Visit<'_>,
    admin: &Admin,
    state: &FormState,
    refused: Option<Refused>,
    mut report: Option<ImportReport>,
) -> PageResult {
    let (page, nav) = admin.frame(visit, Section::Products, visit.text("import-title").to_string()).await?;
    let field = |name: &str, label: Key| Field::new(state, name, visit.text(label));
    let option = |value: &str, key: Key| (value.to_owned(), visit.text(key).to_string());
    let fields = vec![
        field("file", Key("import-file")).lines(14, MAX_TEXT),
        field("price_in", Key("import-price-in"))
            .choices([option("major", Key("import-price-in-major")), option("minor", Key("import-price-in-minor"))]),
        field("on_error", Key("import-on-error"))
            .choices([option("abort", Key("import-on-error-abort")), option("skip", Key("import-on-error-skip"))]),
    ];
    let form = EditForm::new(visit, PATH, state, fields, Key("import-submit")).refused(refused.as_ref());
    let is_refused = report.as_ref().is_some_and(ImportReport::is_refused);
    let more_errors = report.as_ref().map_or(0, |report| report.errors.len().saturating_sub(MAX_ERRORS));
    if let Some(report) = &mut report {
        report.errors.truncate(MAX_ERRORS);
    }
    let status = if is_refused { Status::UnprocessableEntity } else { Status::Ok };
    let status = refused.map_or(status, |refused| refused.status);
    Ok(Page::personal(&ImportPage { page, nav, form, report, more_errors })?.status(status).into())
}

impl ImportPage {
    /// Says what a column of a file must have.
    fn explain(&self, error: &RowError) -> String {
        let language = self.page.language;
        let column = error.field.as_deref().unwrap_or_default().replace('_', "-");
        let text = language.text_of_code("invalid-import-", &column);
        text.unwrap_or_else(|| language.text("import-value-invalid").to_string())
    }

    /// Returns the message of the report, which is in English, on an English page.
    fn detail<'e>(&self, error: &'e RowError) -> Option<&'e str> {
        Some(error.message.as_str()).filter(|_| self.page.language == Language::English)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_in_capital_letters_is_found() {
        let refused = ["key", "name"].map(|column| FieldError::new(column, "no column has this name"));
        for (file, expected) in [
            ("Key,Name,price\n1,Tea,4\n", vec!["Key", "Name"]),
            ("\"KEY\"; name\n", vec!["KEY"]),
            ("id,title\n", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(capital_columns(file, &refused), expected, "{file}");
        }
    }
}
