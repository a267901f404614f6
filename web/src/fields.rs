//! Fields of forms: their labels, what was typed, and what is wrong with it. A form that is refused
//! is shown again with all that was typed, except passwords.

pub(crate) mod address;

use std::collections::BTreeMap;

use souk_types::FieldError;

use crate::form::{CSRF_FIELD, Form};
use crate::locale::{Key, Language};

/// What a form contains when it is shown, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormState {
    values: BTreeMap<String, String>,
    errors: Vec<FieldMessage>,
}

/// A message about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldMessage {
    /// The name of the field, which is the id of its element too.
    pub(crate) field: String,
    /// The label of the field, where a list of messages names it; empty elsewhere.
    pub(crate) label: String,
    pub(crate) message: String,
}

impl FieldMessage {
    /// Names the field in a list of messages.
    pub(crate) fn labelled(&self, label: Option<String>) -> Self {
        Self { label: label.unwrap_or_default(), ..self.clone() }
    }
}

impl FormState {
    /// Returns the state of a form that was sent. Browsers end lines with CR LF.
    pub(crate) fn of(form: &Form) -> Self {
        let sent = form.fields().filter(|(name, _)| *name != CSRF_FIELD);
        let mut state = Self::default();
        for (name, value) in sent {
            state.values.entry(name.to_owned()).or_insert_with(|| value.trim().replace("\r\n", "\n"));
        }
        state
    }

    /// Returns the value of a field; empty when there is none.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Whether the form has the field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Returns the value of a field, if it is not empty.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        Some(self.value(name)).filter(|value| !value.is_empty())
    }

    /// Sets the value of a field.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Adds a message about a field. Only the first one of each field is shown.
    pub(crate) fn refuse(&mut self, field: &str, message: impl Into<String>) {
        if self.error(field).is_none() {
            let (field, label) = (field.to_owned(), String::new());
            self.errors.push(FieldMessage { field, label, message: message.into() });
        }
    }

    /// Returns what is wrong with a field.
    pub(crate) fn error(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }

    /// Returns all messages.
    pub(crate) fn errors(&self) -> &[FieldMessage] {
        &self.errors
    }

    /// Keeps the messages about some fields only.
    pub(crate) fn retain_errors(&mut self, keep: impl Fn(&Self, &str) -> bool) {
        let errors = std::mem::take(&mut self.errors);
        self.errors = errors.into_iter().filter(|error| keep(self, &error.field)).collect();
    }

    /// Sorts the messages by the order of the fields on the page.
    pub(crate) fn sort_errors<'a>(&mut self, fields: impl Iterator<Item = &'a str>) {
        let order: Vec<&str> = fields.collect();
        let place = |error: &FieldMessage| order.iter().position(|field| *field == error.field).unwrap_or(usize::MAX);
        self.errors.sort_by_key(place);
    }
}

/// Adds the messages about the fields that a service has refused. `name` returns the field of the
/// form for a field of the request, and `None` for a field that the form does not have. Returns
/// whether every refused field is one of the form.
pub(crate) fn refuse_fields(
    state: &mut FormState,
    language: Language,
    refused: &[FieldError],
    name: impl Fn(&str) -> Option<String>,
) -> bool {
    let mut all = !refused.is_empty();
    for refused in refused {
        match name(&refused.field) {
            Some(field) => {
                let message = address::message(language, state, &field);
                let is_empty = state.optional(&field).is_none();
                let message = message.unwrap_or_else(|| language.text(message_key(&field, is_empty)).to_string());
                state.refuse(&field, message);
            }
            None => all = false,
        }
    }
    all
}

/// Returns the message about a field: what to enter.
fn message_key(field: &str, is_empty: bool) -> Key {
    match field {
        "current" if is_empty => Key("field-current-required"),
        "token" if is_empty => Key("field-token-required"),
        "email" => Key("field-email-invalid"),
        "password" | "new" => Key("field-password-invalid"),
        "current" => Key("field-current-invalid"),
        "phone" => Key("field-phone-invalid"),
        "code" => Key("field-code-invalid"),
        "token" => Key("field-token-invalid"),
        "vat_number" => Key("field-vat-number-invalid"),
        "note" => Key("field-note-invalid"),
        "shipping_method" => Key("field-shipping-method-invalid"),
        "address_id" => Key("field-address-id-invalid"),
        _ => Key("field-invalid"),
    }
}

/// One field, as `parts/field.html` shows it.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an attribute of the element")]
pub(crate) struct Field {
    /// The name, which is the id of the element too.
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) kind: Kind,
    /// The value of `autocomplete` (WCAG 1.3.5).
    pub(crate) autocomplete: String,
    pub(crate) value: String,
    pub(crate) error: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) is_required: bool,
    /// Whether the field has a row of its own.
    pub(crate) is_wide: bool,
    /// The longest value, in characters.
    pub(crate) max: usize,
    /// The types of a file, as in the attribute of this name: `.csv`, `image/png`.
    pub(crate) accept: String,
    /// The lines that a field of several lines shows.
    pub(crate) rows: usize,
    /// The choices of a list.
    pub(crate) options: Vec<SelectOption>,
    /// Values that a browser offers while something is typed. Others may be typed too.
    pub(crate) suggestions: Vec<String>,
    /// Whether the field has the focus when the page is shown.
    pub(crate) has_focus: bool,
    /// The quote depends on the value: a script asks for it when the value changes.
    pub(crate) is_priced: bool,
}

/// The kind of the element.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Text,
    Email,
    Phone,
    Password,
    /// A day.
    Date,
    /// Several lines.
    Long,
    /// One of the options.
    Select,
    /// A number as people type it.
    Number,
    /// Digits, for which a phone shows a keypad.
    Digits,
    /// A moment, without the time zone.
    Moment,
    /// A check box. Its value is `true`, or empty.
    Check,
    /// A file. The form that has it is multipart.
    File,
    /// Any number of the options, as check boxes. The value has those that are chosen, one a line.
    Many,
}

/// A choice of a list.
#[derive(Debug, Clone)]
pub(crate) struct SelectOption {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) is_selected: bool,
}

impl Field {
    /// Returns a required field with the value and the error of the form.
    pub(crate) fn new(state: &FormState, name: &str, label: impl ToString) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_string(),
            value: state.value(name).to_owned(),
            error: state.error(name).map(ToOwned::to_owned),
            is_required: true,
            is_wide: true,
            max: 200,
            rows: 3,
            ..Self::default()
        }
    }

    /// Returns a field for a password. Its value is never shown again.
    pub(crate) fn password(state: &FormState, name: &str, label: impl ToString, autocomplete: &str) -> Self {
        Self { value: String::new(), kind: Kind::Password, max: 128, ..Self::new(state, name, label) }
            .autocomplete(autocomplete)
    }

    /// Returns a field for an e-mail address.
    pub(crate) fn email(state: &FormState, label: impl ToString) -> Self {
        Self { kind: Kind::Email, max: 254, ..Self::new(state, "email", label) }.autocomplete("email")
    }

    /// Sets what a browser may fill in.
    pub(crate) fn autocomplete(self, autocomplete: &str) -> Self {
        Self { autocomplete: autocomplete.to_owned(), ..self }
    }

    /// Sets a hint below the label.
    pub(crate) fn hint(self, hint: impl ToString) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }

    /// Makes the field one that may be left empty.
    pub(crate) fn optional(self) -> Self {
        Self { is_required: false, ..self }
    }

    /// Makes the field one half of a row, with values of at most `max` characters.
    pub(crate) fn short(self, kind: Kind, max: usize) -> Self {
        Self { kind, max, is_wide: false, ..self }
    }

    /// Makes the field one of several lines, with values of at most `max` characters.
    pub(crate) fn lines(self, rows: usize, max: usize) -> Self {
        Self { kind: Kind::Long, rows, max, ..self }
    }

    /// Sets the longest value, in characters.
    pub(crate) fn up_to(self, max: usize) -> Self {
        Self { max, ..self }
    }

    /// Makes the field a list of these values and labels.
    pub(crate) fn choices(mut self, choices: impl IntoIterator<Item = (String, String)>) -> Self {
        let option = |(value, label)| SelectOption { is_selected: value == self.value, value, label };
        self.options = choices.into_iter().map(option).collect();
        Self { kind: Kind::Select, is_wide: false, ..self }
    }

    /// Makes the field check boxes of these values and labels, the chosen ones first. No value has
    /// a line break.
    pub(crate) fn many(mut self, choices: impl IntoIterator<Item = (String, String)>) -> Self {
        let chosen: Vec<&str> = self.value.lines().collect();
        let option = |(value, label): (String, String)| SelectOption {
            is_selected: chosen.contains(&value.as_str()),
            value,
            label,
        };
        self.options = choices.into_iter().map(option).collect();
        self.options.sort_by_key(|option| !option.is_selected);
        Self { kind: Kind::Many, is_required: false, ..self }
    }

    /// Sets what a browser offers while something is typed.
    pub(crate) fn suggest(self, suggestions: Vec<String>) -> Self {
        Self { suggestions, ..self }
    }

    /// Makes the field a check box.
    pub(crate) fn check(self) -> Self {
        Self { kind: Kind::Check, is_required: false, ..self }
    }

    /// Makes the field a file of one of these types.
    pub(crate) fn file(self, accept: &str) -> Self {
        Self { kind: Kind::File, accept: accept.to_owned(), ..self }
    }

    /// Whether the field is a check box, whose label comes after it.
    pub(crate) fn is_check(&self) -> bool {
        self.kind == Kind::Check
    }

    /// Whether the field has several check boxes.
    pub(crate) fn is_many(&self) -> bool {
        self.kind == Kind::Many
    }

    /// Whether the field is not shown: a region where the country needs none.
    pub(crate) fn is_hidden(&self) -> bool {
        self.is_region() && !self.is_required && self.value.is_empty()
    }

    /// Whether the field is the region of an address, which follows the country.
    pub(crate) fn is_region(&self) -> bool {
        self.name.ends_with("region")
    }

    /// Returns the type of the `input`.
    pub(crate) fn input_type(&self) -> &'static str {
        match self.kind {
            Kind::Email => "email",
            Kind::Phone => "tel",
            Kind::Password => "password",
            Kind::Date => "date",
            Kind::Moment => "datetime-local",
            Kind::Check | Kind::Many => "checkbox",
            Kind::File => "file",
            Kind::Text | Kind::Long | Kind::Select | Kind::Number | Kind::Digits => "text",
        }
    }

    /// Returns the ids of the elements that describe the field.
    pub(crate) fn described_by(&self) -> String {
        let name = &self.name;
        match (&self.hint, &self.error) {
            (Some(_), Some(_)) => format!("{name}-hint {name}-error"),
            (Some(_), None) => format!("{name}-hint"),
            (None, Some(_)) => format!("{name}-error"),
            (None, None) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_form_keeps_what_was_typed() {
        let form = Form::parse(b"csrf=c&email=+ana%40example+&note=a%0D%0Ab");
        let mut state = FormState::of(&form);
        assert_eq!((state.value("csrf"), state.value("email"), state.value("note")), ("", "ana@example", "a\nb"));
        let refused = [FieldError::new("email", "is no address"), FieldError::new("expected_total", "is wrong")];
        let known = |field: &str| Some(field.to_owned()).filter(|field| field == "email");
        assert!(!refuse_fields(&mut state, Language::English, &refused, known), "the form has no such field");
        assert_eq!(state.errors().len(), 1);
        let field = Field::email(&state, "E-mail");
        assert_eq!((&*field.value, &*field.described_by()), ("ana@example", "email-error"));
        assert!(refuse_fields(&mut state, Language::German, &refused[..1], known));
        assert_eq!(state.errors().len(), 1, "the first message stays");
    }

    #[test]
    fn errors_are_in_the_order_of_the_page() {
        let mut state = FormState::default();
        for field in ["note", "unknown", "email"] {
            state.refuse(field, "wrong");
        }
        state.sort_errors(["email", "name", "note"].into_iter());
        let order: Vec<&str> = state.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(order, ["email", "note", "unknown"]);
        state.retain_errors(|_, field| field == "note");
        assert_eq!(state.errors().len(), 1);
    }

    #[test]
    fn a_password_is_not_shown_again() {
        let mut state = FormState::default();
        state.set("password", "correct horse");
        assert_eq!(Field::password(&state, "password", "Password", "new-password").value, "");
    }
}
