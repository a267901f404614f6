//! The error of all services. It is independent of the transport: it keeps its meaning across the
//! bus, and `souk_http` maps it to HTTP in one place. The client sees `detail`, fields and members;
//! `cause` is for the log only and is never sent to another process.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An error: a message for the client, a cause for the log.
#[derive(Clone, Serialize, Deserialize)]
pub struct Error(Box<Inner>);

/// A result with [`Error`].
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
    /// The body or the headers cannot be parsed (400).
    Malformed,
    /// The credentials are missing or not valid (401).
    Unauthenticated,
    /// The payment was declined (402).
    PaymentDeclined,
    /// The account does not have the role (403).
    Forbidden,
    /// The resource does not exist, or belongs to another customer (404).
    NotFound,
    /// The route exists under another method (405).
    MethodNotAllowed,
    /// The body arrives too slowly (408).
    TooSlow,
    /// The current state of the resource does not allow it (409).
    Conflict,
    /// `If-Match` names another version than the current one (412).
    PreconditionFailed,
    /// The body is over its limit (413).
    TooLarge,
    /// The route does not accept the type, charset or coding of the body (415).
    UnsupportedMediaType,
    /// Readable, but fields are missing, unknown, of a wrong type or out of range (422).
    Invalid,
    /// The client exceeds a rate limit; it may retry after a time that the error states (429).
    TooManyRequests,
    /// The route takes no change without `If-Match` (428).
    PreconditionRequired,
    /// A limit of this process is reached; the client may retry soon (503).
    Busy,
    /// Another service, a database or the broker is not available (503).
    Unavailable,
    /// An unexpected failure (500).
    Internal,
    /// This instance is stopping and has not handled the request (502; nginx tries the next).
    Stopping,
}

/// An invalid field of a body or a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The path of the field: `email`, `price.amount`.
    pub field: String,
    /// The problem, without a subject: "is required".
    pub message: String,
}

/// Length limit of a field's name in an error, in characters. The client may have chosen the name.
pub(crate) const MAX_FIELD_LENGTH: usize = 100;
/// Length limit of a message, in characters. Without it, a message could quote 64 KiB of input.
pub(crate) const MAX_MESSAGE_LENGTH: usize = 200;
/// Fields that an error lists. The client may have sent thousands of bad ones.
const MAX_FIELDS: usize = 20;

impl FieldError {
    /// Returns an invalid field with its problem. Both texts are cut to their limits.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: shortened(field.into(), MAX_FIELD_LENGTH),
            message: shortened(message.into(), MAX_MESSAGE_LENGTH),
        }
    }
}

fn shortened(mut text: String, length: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(length) {
        text.truncate(end);
        text.push('…');
    }
    text
}

const UNKNOWN: &str = "is unknown";

impl FieldError {
    /// Returns the error of a field that the API does not know.
    #[must_use]
    pub fn unknown(field: String) -> Self {
        Self::new(field, UNKNOWN)
    }

    /// Whether the API does not know the field. The name of such a field is the client's own text.
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

    /// Returns the error of a request that cannot be read.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Malformed, "malformed", detail)
    }

    /// Returns the error of missing or invalid credentials. The detail must not distinguish an
    /// unknown account from a wrong password.
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unauthenticated, "unauthenticated", detail)
    }

    /// Returns the error of a declined payment.
    pub fn payment_declined(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::PaymentDeclined, "payment-declined", detail)
    }

    /// Returns the error of an account without the required role.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Forbidden, "forbidden", detail)
    }

    /// Returns the error of a missing resource: `Error::not_found("product")`.
    #[must_use]
    pub fn not_found(noun: &str) -> Self {
        Self::new(ErrorKind::NotFound, "not-found", format!("There is no such {noun}."))
    }

    /// Returns the error of a route that exists under other methods.
    #[must_use]
    pub fn method_not_allowed(allowed: &str) -> Self {
        Self::new(ErrorKind::MethodNotAllowed, "method-not-allowed", format!("This route takes {allowed}."))
            .with_member("allow", allowed)
    }

    /// A request that the current state does not allow. `code` is the end of the problem's type.
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Conflict, code, detail)
    }

    /// Returns the error of a value that a unique index already has.
    #[must_use]
    pub fn duplicate(index: &str) -> Self {
        Self::new(ErrorKind::Conflict, "duplicate", "This exists already.").with_member("index", index)
    }

    /// Returns the error of an `If-Match` without the current version (RFC 9110, section 15.5.13).
    #[must_use]
    pub fn precondition_failed() -> Self {
        let detail = "It has changed since it was read: If-Match does not have its current version. Read it again.";
        Self::new(ErrorKind::PreconditionFailed, "precondition-failed", detail)
    }

    /// Returns the error of a missing `If-Match` (RFC 6585, section 3).
    #[must_use]
    pub fn precondition_required() -> Self {
        let detail =
            "The change could overwrite another one. Send If-Match with the ETag of the last response, or with *.";
        Self::new(ErrorKind::PreconditionRequired, "precondition-required", detail)
    }

    /// Returns the error of a body that arrives too slowly.
    pub fn too_slow(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::TooSlow, "too-slow", detail)
    }

    /// Returns the error of a body over its `limit`, in bytes.
    #[must_use]
    pub fn too_large(limit: u64) -> Self {
        Self::new(ErrorKind::TooLarge, "too-large", format!("The body is larger than {limit} bytes."))
    }

    /// Returns the error of a body with another content type than those in `accepted`, which is a
    /// list for the header `Accept`.
    #[must_use]
    pub fn unsupported_media_type(accepted: &str) -> Self {
        let detail = format!("Send a body with a Content-Type that this route takes: {accepted}.");
        Self::new(ErrorKind::UnsupportedMediaType, "unsupported-media-type", detail).with_member("accept", accepted)
    }

    /// Returns the error of a body in another charset than `accepted`, which describes those of its
    /// type.
    #[must_use]
    pub fn unsupported_charset(accepted: &str) -> Self {
        let detail = format!("The charset of the body is not supported; send {accepted}.");
        Self::new(ErrorKind::UnsupportedMediaType, "unsupported-media-type", detail)
    }

    /// Returns the error of a body with another content coding than `accepted`.
    #[must_use]
    pub fn unsupported_coding(accepted: &str) -> Self {
        let detail = format!("The body has a content coding that is not supported; send it plain or as {accepted}.");
        Self::new(ErrorKind::UnsupportedMediaType, "unsupported-media-type", detail)
            .with_member("accept_encoding", accepted)
    }

    /// Fields are missing, unknown, of a wrong type or out of range. The error lists the first
    /// 20 of them; the member `more_errors` counts the others.
    #[must_use]
    pub fn invalid(mut fields: Vec<FieldError>) -> Self {
        let mut error = Self::new(ErrorKind::Invalid, "validation", "Some fields cannot be accepted.");
        if let more @ 1.. = fields.len().saturating_sub(MAX_FIELDS) {
            fields.truncate(MAX_FIELDS);
            error = error.with_member("more_errors", more);
        }
        error.0.fields = fields;
        error
    }

    /// Returns the error of one invalid field.
    pub fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(field, message)])
    }

    /// Like [`Error::invalid`], about the request as a whole.
    pub fn unprocessable(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid, code, detail)
    }

    /// Returns the error of a client that has done something too often. It may retry after `wait`,
    /// which becomes the member `retry_after`, in whole seconds, and the header `Retry-After`.
    pub fn too_many_requests(code: &'static str, detail: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(ErrorKind::TooManyRequests, code, detail).with_member("retry_after", seconds.max(1))
    }

    /// Returns the error of a reached limit of this process; `detail` names the limit.
    pub fn busy(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Busy, "busy", detail)
    }

    /// This instance is stopping and has not handled the request.
    #[must_use]
    pub fn stopping() -> Self {
        Self::new(ErrorKind::Stopping, "stopping", "This instance is stopping; another one will answer.")
    }

    /// Returns the error of an unavailable `service`.
    #[must_use]
    pub fn unavailable(service: &str) -> Self {
        Self::new(
            ErrorKind::Unavailable,
            "unavailable",
            format!("The service {service} does not answer; try again shortly."),
        )
        .with_member("service", service)
    }

    /// Returns the error of an unexpected failure. `cause` goes to the log, never to the client.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Internal,
            "internal",
            "Something went wrong on our side. If you report it, give the request id.",
        )
        .caused_by(cause)
    }

    /// Adds an extension member to the problem (RFC 9457, section 3.2).
    #[must_use]
    pub fn with_member(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the end of the problem's type, such as `out-of-stock`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Returns the message for the client.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns the invalid fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// Returns the extension members of the problem.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.0.members
    }

    /// Returns the cause, for the log only.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Returns the message for an operator at a terminal: the cause, else the invalid fields, else
    /// the detail.
    #[must_use]
    pub fn operator_message(&self) -> String {
        let fields: Vec<String> =
            self.fields().iter().map(|field| format!("{} {}", field.field, field.message)).collect();
        match self.cause() {
            Some(cause) => cause.to_owned(),
            None if fields.is_empty() => self.detail().to_owned(),
            None => fields.join("; "),
        }
    }

    /// Whether a unique index rejected a write.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.0.code == "duplicate"
    }

    /// Logs a failure of background work: as a warning during an outage, else as an error.
    pub fn log(&self, message: &str) {
        if self.is_outage() {
            tracing::warn!(error = %self, "{message}");
        } else {
            tracing::error!(error = %self, "{message}");
        }
    }

    /// Whether a dependency is unavailable or overloaded. A later retry may succeed.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Busy | ErrorKind::Unavailable)
    }

    /// Whether a retry may succeed. The outcome of this attempt may be unknown.
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
    fn an_error_lists_a_bounded_number_of_short_fields() {
        let fields = |count: usize| (0..count).map(|number| FieldError::new(format!("{number}"), "x")).collect();
        let (few, many) = (Error::invalid(fields(20)), Error::invalid(fields(5_000)));
        assert_eq!((few.fields().len(), few.members().get("more_errors")), (20, None));
        assert_eq!((many.fields().len(), &many.members()["more_errors"]), (20, &4_980.into()));
        let long = FieldError::new("ä".repeat(60_000), "ö".repeat(60_000));
        assert_eq!((long.field, long.message), ("ä".repeat(100) + "…", "ö".repeat(200) + "…"));
        let nested = FieldError::unknown("a".repeat(101));
        assert!(nested.is_unknown() && nested.field.chars().count() == 101);
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (60_000, 60)] {
            let error = Error::too_many_requests("too-many-orders", "x", Duration::from_millis(millis));
            assert_eq!(error.members()["retry_after"], seconds, "{millis}");
        }
    }

    #[test]
    fn a_serialized_error_has_everything_but_its_cause() {
        let sent = Error::conflict("out-of-stock", "Too few left.").with_member("left", 1).caused_by("secret");
        let bytes = serde_json::to_vec(&sent).unwrap();
        let received: Error = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(received.kind(), ErrorKind::Conflict);
        assert_eq!(received.code(), "out-of-stock");
        assert_eq!(received.members()["left"], 1);
        assert_eq!(received.cause(), None);
    }
}
