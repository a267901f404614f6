//! Why a request has no result.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};
use souk_contract::api::ApiResponse;
use souk_types::{Error, ErrorKind, FieldError};

/// Why a request has no result.
#[derive(Debug, Clone)]
pub(crate) enum Problem {
    /// The service does not answer now, or is too busy. The request may have been executed.
    Unavailable,
    /// The service has refused the request, or failed.
    Refused(Box<Refusal>),
}

/// The response of a service that is no success: its problem+json.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// `urn:souk:problem:...`; see [`Refusal::code`].
    #[serde(default, rename = "type")]
    kind: String,
    /// The message in English.
    #[serde(default)]
    pub(crate) detail: String,
    /// The fields that cannot be accepted, with messages in English.
    #[serde(default, rename = "errors")]
    pub(crate) fields: Vec<FieldError>,
    /// Members that some problems have: `retry_after`, `quote`.
    #[serde(flatten)]
    pub(crate) members: Map<String, Value>,
}

impl Refusal {
    /// Returns the end of the problem's type, such as `out-of-stock`.
    pub(crate) fn code(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }
}

impl Problem {
    pub(super) fn of_response(response: &ApiResponse) -> Self {
        if matches!(response.status, 502..=504) {
            return Self::Unavailable;
        }
        let refusal = serde_json::from_str(&response.body);
        let refusal = refusal.unwrap_or_else(|_| Refusal { status: response.status, ..Refusal::default() });
        Self::Refused(Box::new(refusal))
    }

    /// Returns the refusal with this status.
    pub(crate) fn refused(status: u16) -> Self {
        Self::Refused(Box::new(Refusal { status, ..Refusal::default() }))
    }

    /// Returns the problem of a request that this service refuses itself.
    pub(crate) fn of_request(error: &Error) -> Self {
        let (status, kind) = (souk_http::status(error.kind()).code, problem_type(error));
        Self::Refused(Box::new(Refusal { status, kind, detail: error.to_string(), ..Refusal::default() }))
    }

    /// Returns the status of the service's response.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Unavailable => 503,
            Self::Refused(refusal) => refusal.status,
        }
    }

    /// Whether the token is missing, expired or revoked.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        self.status() == 401
    }

    /// Returns a member of the problem that is text.
    pub(crate) fn member(&self, name: &str) -> Option<&str> {
        match self {
            Self::Unavailable => None,
            Self::Refused(refusal) => refusal.members.get(name)?.as_str(),
        }
    }

    /// Whether the service cannot accept this field.
    pub(crate) fn refuses(&self, field: &str) -> bool {
        match self {
            Self::Unavailable => false,
            Self::Refused(refusal) => refusal.fields.iter().any(|refused| refused.field == field),
        }
    }

    /// Returns the end of the problem's type, such as `out-of-stock`; empty when the service does
    /// not answer.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Unavailable => "",
            Self::Refused(refusal) => refusal.code(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if error.is_outage() {
            return Self::Unavailable;
        }
        let status = if error.kind() == ErrorKind::TooLarge { 413 } else { 500 };
        let kind = problem_type(&error);
        Self::Refused(Box::new(Refusal { status, kind, detail: error.to_string(), ..Refusal::default() }))
    }
}

fn problem_type(error: &Error) -> String {
    format!("urn:souk:problem:{}", error.code())
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => f.write_str("the service does not answer"),
            Self::Refused(refusal) => write!(f, "{} {} {}", refusal.status, refusal.code(), refusal.detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> ApiResponse {
        ApiResponse { status, headers: Vec::new(), body: body.to_owned() }
    }

    #[test]
    fn a_refusal_has_its_fields_and_members() {
        let body = r#"{"type": "urn:souk:problem:validation", "title": "T", "status": 422, "detail": "D",
            "request_id": "r", "errors": [{"field": "email", "message": "is missing"}], "more_errors": 2}"#;
        let Problem::Refused(refusal) = Problem::of_response(&response(422, body)) else { panic!("not refused") };
        assert_eq!((refusal.status, refusal.code(), &*refusal.detail), (422, "validation", "D"));
        assert_eq!((&*refusal.fields[0].field, &*refusal.fields[0].message), ("email", "is missing"));
        assert_eq!(refusal.members["more_errors"], 2);
    }

    #[test]
    fn an_outage_is_no_refusal() {
        for status in [502, 503, 504] {
            assert!(matches!(Problem::of_response(&response(status, "{}")), Problem::Unavailable), "{status}");
        }
        assert!(matches!(Problem::from(Error::unavailable("shopping")), Problem::Unavailable));
        assert_eq!(Problem::of_response(&response(404, "no JSON")).status(), 404);
        assert_eq!(Problem::from(Error::internal("cause")).status(), 500);
    }
}
