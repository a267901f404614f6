//! The account of a customer: sign-in, orders, addresses, credentials, and the rights to the data.

mod addresses;
mod credentials;
mod data;
mod export;
mod mailed;
mod orders;
mod overview;
mod passkeys;
mod sessions;
mod sign_in;
mod totp;

use askama::Template;
use rocket::http::Status;
use rocket::{Route, routes};

use crate::api::Problem;
use crate::api::account::FreshProof;
use crate::fields::{Field, FieldMessage, FormState, Kind, refuse_fields};
use crate::form::Form;
use crate::locale::Key;
use crate::page::{Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

pub(super) fn routes() -> Vec<Route> {
    routes![
        overview::show,
        orders::list,
        sign_in::show,
        sign_in::sign_in,
        sign_in::show_sign_up,
        sign_in::sign_up,
        sign_in::sign_out,
        sign_in::sign_out_everywhere,
        mailed::show_forgotten,
        mailed::forget,
        mailed::show_reset,
        mailed::reset,
        mailed::show_verify,
        mailed::verify,
        mailed::resend,
        addresses::list,
        addresses::show_new,
        addresses::show_saved,
        addresses::add,
        addresses::replace,
        addresses::delete,
        addresses::make_default,
        credentials::show_email,
        credentials::change_email,
        credentials::show_password,
        credentials::change_password,
        credentials::show_phone,
        credentials::change_phone,
        sessions::list,
        sessions::end,
        totp::show,
        totp::begin,
        totp::confirm,
        totp::turn_off,
        passkeys::list,
        passkeys::show_new,
        passkeys::begin,
        passkeys::add,
        passkeys::show_remove,
        passkeys::remove,
        passkeys::begin_sign_in,
        passkeys::finish_sign_in,
        export::export,
        data::show_delete,
        data::delete,
    ]
}

/// The routes of links in mails, which name no language.
pub(super) fn root_routes() -> Vec<Route> {
    routes![mailed::verify_from_mail, mailed::reset_from_mail]
}

/// A page with one form.
#[derive(Template)]
#[template(path = "account/form.html")]
struct FormPage {
    page: Frame,
    lead: Option<String>,
    /// What has happened before: `(class, text)`.
    notice: Option<(&'static str, String)>,
    errors: Vec<FieldMessage>,
    /// The URL to which the form is sent. Without one, the page has no form.
    action: String,
    fields: Vec<Field>,
    /// Hidden fields.
    hidden: Vec<(&'static str, String)>,
    submit: String,
    is_dangerous: bool,
    /// A script sends the form when it has filled in the code of a mail.
    is_automatic: bool,
    /// Where a button leads that signs in with a passkey instead.
    passkey_url: Option<String>,
    /// Value and text of a second button of the form, named `switch`: it asks for something else
    /// in place of the fields.
    switch: Option<(&'static str, String)>,
    /// URLs and texts of pages that may be meant instead.
    links: Vec<(String, String)>,
}

impl FormPage {
    /// Begins a page with a form that is sent to `path`.
    async fn new(visit: &Visit<'_>, title: Key, path: &str, submit: Key) -> Result<Self, PageError> {
        Ok(Self {
            page: visit.frame(visit.text(title).to_string()).await?,
            lead: None,
            notice: None,
            errors: Vec::new(),
            action: visit.url(path),
            fields: Vec::new(),
            hidden: Vec::new(),
            submit: visit.text(submit).to_string(),
            is_dangerous: false,
            is_automatic: false,
            passkey_url: None,
            switch: None,
            links: Vec::new(),
        })
    }

    fn lead(self, text: impl ToString) -> Self {
        Self { lead: Some(text.to_string()), ..self }
    }

    fn success(self, text: impl ToString) -> Self {
        Self { notice: Some(("success", text.to_string())), ..self }
    }

    /// Whether a field has the focus, so that the notice must not take it.
    fn has_focused_field(&self) -> bool {
        self.fields.iter().any(|field| field.has_focus)
    }

    fn link(mut self, href: String, text: impl ToString) -> Self {
        self.links.push((href, text.to_string()));
        self
    }

    /// Renders the page with the fields of a form and what was wrong with it.
    fn answer(mut self, form: &FormState, fields: Vec<Field>, refused: Option<Refused>) -> PageResult {
        let mut errors = form.clone();
        errors.sort_errors(fields.iter().map(|field| field.name.as_str()));
        self.errors = errors.errors().to_vec();
        self.fields = fields;
        let status = refused.as_ref().map_or(Status::Ok, |refused| refused.status);
        if let Some(text) = refused.and_then(|refused| refused.text) {
            self.notice = Some(("error", text));
        }
        Ok(Page::personal(&self)?.status(status).into())
    }
}

/// A form that a service has refused.
struct Refused {
    status: Status,
    /// `None` when messages beside the fields say everything.
    text: Option<String>,
}

impl Refused {
    /// Explains a problem. `text` has the message of a code, where messages beside fields do not
    /// say enough. Errors: the session has ended; a fault.
    fn of(
        visit: &Visit<'_>,
        form: &mut FormState,
        problem: Problem,
        text: impl FnOnce(&str) -> Option<Key>,
    ) -> Result<Self, PageError> {
        let Problem::Refused(refusal) = &problem else {
            let text = Some(visit.text("account-unavailable").to_string());
            return Ok(Self { status: Status::ServiceUnavailable, text });
        };
        let status = Status::new(refusal.status);
        if let Some(key) = text(refusal.code()) {
            return Ok(Self { status, text: Some(visit.text(key).to_string()) });
        }
        let field = |field: &str| Some(field.to_owned());
        if refusal.code() == "validation" && refuse_fields(form, visit.language, &refusal.fields, field) {
            return Ok(Self { status, text: None });
        }
        if matches!(refusal.code(), "too-many-attempts" | "too-many-mails") {
            return Ok(Self { status, text: Some(visit.text("account-too-many").to_string()) });
        }
        Err(problem.into())
    }
}

/// Returns what a form has as a proof of identity.
fn fresh_proof<'f>(form: &'f Form, state: &'f FormState) -> FreshProof<'f> {
    FreshProof { current: form.raw("current"), code: state.optional("code") }
}

/// The fields of [`fresh_proof`].
fn proof_fields(visit: &Visit<'_>, form: &FormState, asks_code: bool) -> Vec<Field> {
    let current = Field::password(form, "current", visit.text("account-current-password"), "current-password");
    let mut fields = vec![current];
    if asks_code {
        let code = Field::new(form, "code", visit.text("totp-code")).short(Kind::Text, 40);
        fields.push(code.autocomplete("one-time-code").hint(visit.text("totp-code-or-recovery")));
    }
    fields
}

/// Whether the form of a refused request has the field of the code.
fn asks_code(state: &FormState, problem: &Problem) -> bool {
    state.has("code") || problem.code() == "code-required"
}

fn code_required(code: &str) -> Option<Key> {
    (code == "code-required").then_some(Key("sign-in-code-required"))
}
