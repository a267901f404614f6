//! Import of products from a CSV file, or from text that is pasted into the page.

use askama::Template;
use rocket::http::Status;
use rocket::{get, post};
use souk_contract::api::MAX_FILE;
use souk_contract::role::Permission;
use souk_types::FieldError;

use super::super::edit::{EditForm, Refused};
use super::super::{Admin, Nav, Section};
use crate::api::Problem;
use crate::api::admin_catalogue::{ImportReport, RowError};
use crate::fields::{Field, FormState, Kind};
use crate::locale::{Key, Language};
use crate::page::{Frame, Page, PageResult};
use crate::upload::{FILE_FIELD, Upload, UploadedForm};
use crate::visit::Visit;

const PATH: &str = "/admin/products/import";

/// The field with the pasted text.
const TEXT_FIELD: &str = "text";

/// Rows with errors that the page lists.
const MAX_ERRORS: usize = 100;

#[derive(Template)]
#[template(path = "admin/import.html")]
struct ImportPage {
    page: Frame,
    nav: Nav,
    form: EditForm,
    report: Option<ImportReport>,
    /// Whether there are more errors than the page lists.
    has_more_errors: bool,
}

#[get("/admin/products/import")]
pub(super) async fn show(visit: Visit<'_>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    answer(&visit, &admin, &defaults(visit.language), None, None).await
}

/// Returns the form before anything is chosen: prices as spreadsheets write them in this language.
fn defaults(language: Language) -> FormState {
    let mut state = FormState::default();
    state.set("price_in", "major");
    state.set("decimal", if language == Language::German { "comma" } else { "point" });
    state
}

#[post("/admin/products/import")]
pub(super) async fn import(visit: Visit<'_>, upload: Upload<'_>) -> PageResult {
    let admin = Admin::confirmed(&visit, Permission::ManageCatalogue).await?;
    let UploadedForm { form, file, permit: _permit } = match upload.read().await {
        Ok(uploaded) => uploaded,
        Err(problem) if problem.status() == 413 => return refuse_size(&visit, &admin, defaults(visit.language)).await,
        Err(problem) => return Err(problem.into()),
    };
    let mut state = FormState::of(&form);
    let text = form.raw(TEXT_FIELD);
    let is_ambiguous = !file.is_empty() && !text.trim().is_empty();
    let file = if file.is_empty() { text.as_bytes().to_vec() } else { file };
    if is_ambiguous || file.trim_ascii().is_empty() {
        let key = if is_ambiguous { Key("import-both") } else { Key("import-empty") };
        state.refuse(FILE_FIELD, visit.text(key).to_string());
        let refused = Refused { status: Status::UnprocessableEntity, text: None };
        return answer(&visit, &admin, &state, Some(refused), None).await;
    }
    visit.app.shop.refresh(visit.api).await;
    let shop = visit.app.shop.cached().0;
    let parameters = parameters(&state, &shop.currency);
    let header = String::from_utf8_lossy(file.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
    match visit.api.import_products(&admin.token, &parameters, MAX_ERRORS + 1, file).await {
        Ok(report) => {
            if !report.is_refused() {
                state.set(TEXT_FIELD, "");
            }
            answer(&visit, &admin, &state, None, Some(report)).await
        }
        Err(problem) if problem.status() == 413 => refuse_size(&visit, &admin, state).await,
        Err(problem) => {
            let refused = match &problem {
                Problem::Refused(refusal) if refusal.code() == "validation" => {
                    state.refuse(FILE_FIELD, explain_columns(&visit, &header, &refusal.fields));
                    Refused { status: Status::UnprocessableEntity, text: None }
                }
                _ => Refused::of(&visit, &mut state, problem, |_: &FieldError| None)?,
            };
            answer(&visit, &admin, &state, Some(refused), None).await
        }
    }
}

async fn refuse_size(visit: &Visit<'_>, admin: &Admin, mut state: FormState) -> PageResult {
    state.refuse(FILE_FIELD, visit.text("import-too-large").to_string());
    let refused = Refused { status: Status::PayloadTooLarge, text: None };
    answer(visit, admin, &state, Some(refused), None).await
}

/// Returns the parameters of `POST /products/import`. The defaults of the API are left out: an
/// earlier `products`, in a rolling update, refuses parameters that it does not know.
fn parameters<'p>(state: &FormState, currency: &'p str) -> Vec<(&'static str, &'p str)> {
    let choice = |name: &'static str, allowed: &[&'static str]| {
        (name, allowed.iter().copied().find(|value| *value == state.value(name)).unwrap_or(allowed[0]))
    };
    let mut parameters = vec![choice("price_in", &["major", "minor"]), choice("on_error", &["abort", "skip"])];
    parameters.extend((state.value("decimal") == "comma").then_some(("decimal", "comma")));
    parameters.extend((!matches!(currency, "" | "EUR")).then_some(("default_currency", currency)));
    parameters
}

/// Returns the names in the first line of a file, as far as they need no quotes.
fn columns(header: &str) -> impl Iterator<Item = &str> {
    header.split([',', ';', '\t']).map(|name| name.trim_matches(['"', ' ', '\r', '\u{feff}']))
}

/// Says which names of columns the first line of a file must have.
fn explain_columns(visit: &Visit<'_>, header: &str, refused: &[FieldError]) -> String {
    let given = capital_columns(header, refused);
    if given.is_empty() {
        let columns: Vec<&str> = refused.iter().map(|refused| refused.field.as_str()).collect();
        return visit.text("import-columns").arg("columns", columns.join(", ")).to_string();
    }
    let columns = given.join(", ");
    visit.text("import-columns-lower").arg("lower", columns.to_lowercase()).arg("given", columns).to_string()
}

/// Returns the names in the first line that differ from a refused column by capital letters only.
fn capital_columns<'h>(header: &'h str, refused: &[FieldError]) -> Vec<&'h str> {
    let is_refused = |name: &str| refused.iter().any(|refused| refused.field == name);
    columns(header).filter(|name| !is_refused(name) && is_refused(&name.to_lowercase())).collect()
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
        field(FILE_FIELD, Key("import-file")).file(".csv,.txt,text/csv").optional(),
        field(TEXT_FIELD, Key("import-text")).lines(8, MAX_FILE).optional(),
        field("price_in", Key("import-price-in"))
            .choices([option("major", Key("import-price-in-major")), option("minor", Key("import-price-in-minor"))]),
        field("decimal", Key("import-decimal"))
            .choices([option("point", Key("import-decimal-point")), option("comma", Key("import-decimal-comma"))]),
        field("on_error", Key("import-on-error"))
            .choices([option("abort", Key("import-on-error-abort")), option("skip", Key("import-on-error-skip"))]),
    ];
    let form = EditForm::new(visit, PATH, state, fields, Key("import-submit")).refused(refused.as_ref());
    let is_refused = report.as_ref().is_some_and(ImportReport::is_refused);
    let has_more_errors = report.as_ref().is_some_and(|report| report.errors.len() > MAX_ERRORS);
    if let Some(report) = &mut report {
        report.errors.truncate(MAX_ERRORS);
    }
    let status = if is_refused { Status::UnprocessableEntity } else { Status::Ok };
    let status = refused.map_or(status, |refused| refused.status);
    Ok(Page::personal(&ImportPage { page, nav, form, report, has_more_errors })?.status(status).into())
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
            ("Key,Name,price", vec!["Key", "Name"]),
            ("\u{feff}\"KEY\"; name\r", vec!["KEY"]),
            ("id,title", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(capital_columns(file, &refused), expected, "{file}");
        }
    }
}
