//! Forms that change something stored: the version that the admin has seen, what was refused and
//! why, and what another admin has changed meanwhile.

use rocket::http::Status;
use souk_types::{Error, FieldError};

use crate::api::Problem;
use crate::fields::{Field, FieldMessage, FormState, Kind, address};
use crate::form::Form;
use crate::idempotency::{key_of, new_key};
use crate::locale::Key;
use crate::page::PageError;
use crate::visit::Visit;

/// The hidden field with the version that the admin has seen.
const VERSION: &str = "version";

/// The value of `If-Match` that no stored version has.
const NO_VERSION: &str = "\"none\"";

/// A form, as `admin/edit-form.html` shows it.
pub(super) struct EditForm {
    /// The URL to which the form is sent.
    pub(super) action: String,
    pub(super) fields: Vec<Field>,
    pub(super) errors: Vec<FieldMessage>,
    /// The version that the admin has seen; empty in a form that creates something.
    pub(super) version: String,
    /// The key that makes a repeated form do its work once; empty where the version does so.
    pub(super) key: String,
    pub(super) submit: String,
    /// What has happened: `(class, text)`.
    pub(super) notice: Option<(&'static str, String)>,
}

/// Why a form was not accepted.
pub(super) struct Refused {
    pub(super) status: Status,
    /// `None` when messages beside the fields say everything.
    pub(super) text: Option<String>,
}

impl EditForm {
    /// Returns a form with these fields, and the errors of its state.
    pub(super) fn new(visit: &Visit<'_>, path: &str, state: &FormState, fields: Vec<Field>, submit: Key) -> Self {
        let mut errors = state.clone();
        errors.sort_errors(fields.iter().map(|field| field.name.as_str()));
        let label = |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.label.clone());
        let errors = errors.errors().iter().map(|error| error.labelled(label(&error.field))).collect();
        Self {
            action: visit.url(path),
            errors,
            fields,
            version: String::new(),
            key: String::new(),
            submit: visit.text(submit).to_string(),
            notice: None,
        }
    }

    /// Whether a field is a file.
    pub(super) fn has_file(&self) -> bool {
        self.fields.iter().any(|field| field.kind == Kind::File)
    }

    /// Sets the version that the admin sees.
    pub(super) fn version(self, version: String) -> Self {
        Self { version, ..self }
    }

    /// Sets the key that makes a repeated form do its work once.
    pub(super) fn key(self, key: String) -> Self {
        Self { key, ..self }
    }

    /// Adds what was wrong.
    pub(super) fn refused(mut self, refused: Option<&Refused>) -> Self {
        if let Some(text) = refused.and_then(|refused| refused.text.clone()) {
            self.notice = Some(("error", text));
        }
        self
    }

    /// Adds that a change was accepted, and what it has as a consequence.
    pub(super) fn warned(self, text: Option<String>) -> Self {
        Self { notice: text.map(|text| ("warning", text)).or(self.notice), ..self }
    }

    /// Adds that a change was accepted.
    pub(super) fn done(mut self, text: Option<String>) -> Self {
        self.notice = text.map(|text| ("success", text)).or(self.notice);
        self
    }

    /// Adds what another admin has stored meanwhile beside each field that differs.
    pub(super) fn compare(mut self, visit: &Visit<'_>, current: &FormState) -> Self {
        for field in &mut self.fields {
            let stored = current.value(&field.name);
            if stored != field.value {
                let label = |value: &str| {
                    let option = field.options.iter().find(|option| option.value == value);
                    option.map_or(value, |option| &option.label).to_owned()
                };
                let shown = match stored {
                    _ if field.is_check() && stored.is_empty() => visit.text("admin-no").to_string(),
                    _ if field.is_check() => visit.text("admin-yes").to_string(),
                    "" => "–".to_owned(),
                    _ if field.is_many() => stored.lines().map(label).collect::<Vec<_>>().join(", "),
                    _ => label(stored),
                };
                let stored_now = visit.text("admin-stored-now").arg("value", shown).to_string();
                field.hint = Some(match field.hint.take() {
                    // It may say that some of the options are not shown.
                    Some(hint) if field.is_many() => format!("{hint} {stored_now}"),
                    _ => stored_now,
                });
            }
        }
        self
    }
}

impl Refused {
    /// Explains a problem beside the fields. `name` returns the field of the form for a field of
    /// the request. Errors: the session has ended; the thing does not exist; a fault.
    pub(super) fn of(
        visit: &Visit<'_>,
        state: &mut FormState,
        problem: Problem,
        name: impl Fn(&FieldError) -> Option<String>,
    ) -> Result<Self, PageError> {
        let Problem::Refused(refusal) = &problem else {
            return Ok(Self::unavailable(visit));
        };
        let status = Status::new(refusal.status);
        match refusal.status {
            412 => Ok(Self::changed(visit)),
            422 if refusal.code() == "validation" => {
                let mut others = Vec::new();
                for refused in &refusal.fields {
                    match name(refused) {
                        Some(field) => {
                            let message = message(visit, state, &field);
                            state.refuse(&field, message);
                        }
                        None => others.push(refused.field.as_str()),
                    }
                }
                let text = (!others.is_empty())
                    .then(|| visit.text("admin-fields-refused").arg("fields", others.join(", ")).to_string());
                Ok(Self { status, text })
            }
            409 | 413 | 422 => {
                let text = visit.language.text_of_code("problem-admin-", refusal.code());
                Ok(Self { status, text: Some(text.unwrap_or_else(|| visit.text("admin-refused").to_string())) })
            }
            _ => Err(problem.into()),
        }
    }

    /// Explains that another admin has changed it meanwhile.
    pub(super) fn changed(visit: &Visit<'_>) -> Self {
        Self::conflict(visit, Key("admin-changed-meanwhile"))
    }

    /// Explains that it is not stored any more, or not under its key.
    pub(super) fn removed(visit: &Visit<'_>) -> Self {
        Self::conflict(visit, Key("admin-removed-meanwhile"))
    }

    fn unavailable(visit: &Visit<'_>) -> Self {
        Self { status: Status::ServiceUnavailable, text: Some(visit.text("admin-unavailable").to_string()) }
    }

    /// Reads what the page shows besides the form. Returns `None` while the service does not
    /// answer: the page then shows the form alone, with all that was typed.
    pub(super) async fn read_again<T, E: Into<PageError>>(
        &mut self,
        visit: &Visit<'_>,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<T>, PageError> {
        if self.status == Status::ServiceUnavailable {
            return Ok(None);
        }
        let read: Result<T, PageError> = read.await.map_err(Into::into);
        match read {
            Ok(stored) => Ok(Some(stored)),
            Err(PageError::Problem(Problem::Unavailable)) => {
                *self = Self::unavailable(visit);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn conflict(visit: &Visit<'_>, text: Key) -> Self {
        Self { status: Status::PreconditionFailed, text: Some(visit.text(text).to_string()) }
    }

    /// Whether another admin has changed it meanwhile.
    pub(super) fn is_conflict(&self) -> bool {
        self.status == Status::PreconditionFailed
    }
}

/// Returns the value of `If-Match` of a form.
pub(super) fn version(form: &Form) -> &str {
    let version = form.get(VERSION);
    let is_header = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_graphic());
    if is_header { version } else { NO_VERSION }
}

/// Returns the key of the form that is shown after a problem. Errors: no random numbers.
pub(super) fn next_key(form: &Form, problem: &Problem) -> Result<String, Error> {
    // The key belongs to a request with other content.
    if problem.code() == "key-reused" { new_key() } else { key_of(form) }
}

/// Returns what was done before the page is shown, from the parameter `done`.
pub(super) fn done(visit: &Visit<'_>, done: Option<&str>) -> Option<String> {
    let key = match done? {
        "created" => Key("admin-done-created"),
        "saved" => Key("admin-done-saved"),
        "deleted" => Key("admin-done-deleted"),
        _ => return None,
    };
    Some(visit.text(key).to_string())
}

/// Returns the value of a check box in a form.
pub(super) fn check(is_checked: bool) -> &'static str {
    if is_checked { "true" } else { "" }
}

/// Returns the message about a field: what to enter. All fields of a column (`weight-0`,
/// `weight-1`) have one message.
fn message(visit: &Visit<'_>, state: &FormState, field: &str) -> String {
    let language = visit.language;
    let column = field.trim_end_matches(|letter: char| letter.is_ascii_digit()).trim_end_matches('-');
    let own = language.text_of_code("invalid-admin-", &column.replace('_', "-"));
    own.or_else(|| address::message(language, state, field))
        .unwrap_or_else(|| language.text(Key("field-invalid")).to_string())
}
