//! The one error of Souk. It knows no transport: it crosses the bus as it is and keeps its meaning, and `problem` maps it
//! to HTTP in one place. What a client may read (`detail`, fields, members) and what only the log may hold (`cause`) are
//! kept apart; the cause never leaves the process.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What went wrong, and why, for the client and for the log.
#[derive(Clone, Serialize, Deserialize)]
pub struct Error(Box<Inner>);

/// Shorthand used all over the services.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Serialize, Deserialize)]
struct Inner {
    kind: ErrorKind,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldError>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    members: Map<String, Value>,
    #[serde(skip)]
    cause: Option<String>,
}

/// The class of an error; it decides the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The request cannot be read at all (400).
    Malformed,
    /// Nobody is signed in, or the proof of it is not valid (401).
    Unauthenticated,
    /// The payment was refused (402).
    PaymentDeclined,
    /// Signed in, but without the role (403).
    Forbidden,
    /// There is no such thing, or not for this person (404).
    NotFound,
    /// The route exists under another method (405).
    MethodNotAllowed,
    /// The present state forbids it (409).
    Conflict,
    /// The body is over its limit (413).
    TooLarge,
    /// The body has another type than the route takes (415).
    UnsupportedMediaType,
    /// Readable, but fields are missing, unknown, of a wrong type or out of range (422).
    Invalid,
    /// A bound of this process is reached: try again soon (503).
    Busy,
    /// Another service, its database or the broker does not answer (503).
    Unavailable,
    /// Our fault (500).
    Internal,
    /// This instance is stopping and has done nothing; another one will (502, on which a proxy asks the next).
    Stopping,
}

/// One bad field of a body or a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Where: `email`, or `price.amount` inside an object.
    pub field: String,
    /// What is wrong with it, as the rest of a sentence: "is required".
    pub message: String,
}

impl FieldError {
    /// A bad field and what is wrong with it.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

const UNKNOWN: &str = "is unknown";

impl FieldError {
    /// A field that nothing is known of.
    #[must_use]
    pub fn unknown(field: String) -> Self {
        Self::new(field, UNKNOWN)
    }

    /// Whether the field's name is not one that the API knows, so that the name is the client's own text.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.message == UNKNOWN
    }
}

impl Error {
    fn new(kind: ErrorKind, code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            code: code.into(),
            detail: detail.into(),
            fields: Vec::new(),
            members: Map::new(),
            cause: None,
        }))
    }

    /// The request cannot be read.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Malformed, "malformed", detail)
    }

    /// Nobody is signed in. The detail must not tell an unknown account from a wrong password.
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unauthenticated, "unauthenticated", detail)
    }

    /// The payment was refused.
    pub fn payment_declined(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::PaymentDeclined, "payment-declined", detail)
    }

    /// Signed in, without the role.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Forbidden, "forbidden", detail)
    }

    /// There is no such thing: `Error::not_found("product")`.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorKind::NotFound, "not-found", format!("There is no such {what}."))
    }

    /// The route exists under other methods.
    #[must_use]
    pub fn method_not_allowed(allowed: &str) -> Self {
        Self::new(ErrorKind::MethodNotAllowed, "method-not-allowed", format!("This route takes {allowed}."))
            .with_member("allow", allowed)
    }

    /// The present state forbids it; `code` is the end of the problem's type.
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Conflict, code, detail)
    }

    /// A unique index has this value already.
    #[must_use]
    pub fn duplicate(index: &str) -> Self {
        Self::new(ErrorKind::Conflict, "duplicate", "This exists already.").with_member("index", index)
    }

    /// The body is over its limit, in bytes.
    #[must_use]
    pub fn too_large(limit: u64) -> Self {
        Self::new(ErrorKind::TooLarge, "too-large", format!("The body is larger than {limit} bytes."))
    }

    /// The body has another type than `wanted`.
    #[must_use]
    pub fn unsupported_media_type(wanted: &str) -> Self {
        Self::new(ErrorKind::UnsupportedMediaType, "unsupported-media-type", format!("The body must be {wanted}."))
    }

    /// Fields are missing, unknown, of a wrong type or out of range.
    #[must_use]
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let mut error = Self::new(ErrorKind::Invalid, "validation", "Some fields cannot be accepted.");
        error.0.fields = fields;
        error
    }

    /// One field is bad.
    pub fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(field, message)])
    }

    /// As [`Error::invalid`], about the request as a whole.
    pub fn unprocessable(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid, code, detail)
    }

    /// A bound of this process is reached; `detail` says which.
    pub fn busy(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Busy, "busy", detail)
    }

    /// This instance is stopping and has done nothing.
    #[must_use]
    pub fn stopping() -> Self {
        Self::new(ErrorKind::Stopping, "stopping", "This instance is stopping; another one will answer.")
    }

    /// `service` does not answer.
    #[must_use]
    pub fn unavailable(service: &str) -> Self {
        Self::new(
            ErrorKind::Unavailable,
            "unavailable",
            format!("The service {service} does not answer; try again shortly."),
        )
        .with_member("service", service)
    }

    /// Our fault: `cause` goes to the log, never to the client.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Internal,
            "internal",
            "Something went wrong on our side. The request id finds it in the log.",
        )
        .caused_by(cause)
    }

    /// Adds an extension member to the problem (RFC 9457, section 3.2).
    #[must_use]
    pub fn with_member(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds what only the log may say.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The class.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The end of the problem's type, such as `out-of-stock`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// One sentence for the client.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The bad fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// Extension members of the problem.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.0.members
    }

    /// What only the log may say.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// For an operator at a terminal, who may know everything: the cause, where there is one.
    #[must_use]
    pub fn operator_message(&self) -> String {
        self.cause().unwrap_or(self.detail()).to_owned()
    }

    /// Whether a unique index refused a write.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.0.code == "duplicate"
    }

    /// Logs that some work in the background failed: a warning while something is away that it needs, else an error, for a person to look
    /// at.
    pub fn log(&self, what: &str) {
        if self.is_outage() {
            tracing::warn!(error = %self, "{what}");
        } else {
            tracing::error!(error = %self, "{what}");
        }
    }

    /// Whether something is away or full that is needed, so that the same will succeed when it is back.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Busy | ErrorKind::Unavailable)
    }

    /// Whether trying the same again later can help: the outcome of this attempt may be unknown.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Internal)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail())?;
        for field in self.fields() {
            write!(f, " {} {};", field.field, field.message)?;
        }
        if let Some(cause) = self.cause() {
            write!(f, " ({cause})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {self}", self.kind())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_meaning_across_the_wire_but_not_its_cause() {
        let sent = Error::conflict("out-of-stock", "Too few left.").with_member("left", 1).caused_by("secret");
        let bytes = serde_json::to_vec(&sent).unwrap();
        let received: Error = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(received.kind(), ErrorKind::Conflict);
        assert_eq!(received.code(), "out-of-stock");
        assert_eq!(received.members()["left"], 1);
        assert_eq!(received.cause(), None);
    }
}
