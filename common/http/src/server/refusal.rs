//! Answers to requests that the server refuses before Rocket sees them.

use hyper::StatusCode;
use serde_json::json;
use souk_types::RequestId;

/// Why the server refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The head is no valid HTTP/1.1; the text names the fault.
    Malformed(&'static str),
    /// The path does not name a resource in the one form that the API uses.
    NotFound,
    /// The head did not arrive in time.
    TooSlow,
    /// The target is longer than [`super::head::MAX_TARGET`].
    TargetTooLong,
    /// The client expects something other than `100-continue`.
    Expectation,
    /// The head is larger than [`super::head::MAX_HEAD`].
    HeadTooLarge,
    /// The method or the transfer coding is not implemented for any route.
    NotImplemented(&'static str),
    /// The version is neither HTTP/1.1 nor HTTP/1.0.
    Version,
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    fn code_and_title(self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed(_) | Self::Expectation | Self::NotImplemented(_) | Self::Version => {
                ("malformed", "The request cannot be read")
            }
            Self::NotFound => ("not-found", "Not found"),
            Self::TooSlow => ("too-slow", "Too slow"),
            Self::TargetTooLong | Self::HeadTooLarge => ("too-large", "Too large"),
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Malformed(detail) | Self::NotImplemented(detail) => detail,
            Self::NotFound => "There is no such route.",
            Self::TooSlow => "The headers of the request did not arrive in time.",
            Self::TargetTooLong => "The URL of the request is longer than 8 KiB.",
            Self::Expectation => "The only expectation that the server meets is 100-continue.",
            Self::HeadTooLarge => "The headers of the request are larger than 32 KiB, or more than 100.",
            Self::Version => "The server speaks HTTP/1.1 and HTTP/1.0.",
        }
    }

    /// Logs the refusal and returns the body of its answer, as problem+json.
    pub(super) fn log_and_describe(self, id: &RequestId, method: &str) -> String {
        let (code, title) = self.code_and_title();
        let (request_id, status) = (id.as_str(), self.status().as_u16());
        tracing::info!(request_id, method, route = "", status, code, "request");
        let r#type = format!("urn:souk:problem:{code}");
        json!({"type": r#type, "title": title, "status": status, "detail": self.detail(), "request_id": request_id})
            .to_string()
    }
}
