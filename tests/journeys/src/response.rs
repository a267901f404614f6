//! The shop's response. Methods that begin with `expect` fail the test at the calling line and
//! print the whole response.

use std::fmt;
use std::io::Read;
use std::ops::Index;
use std::time::Duration;

use flate2::read::GzDecoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use crate::product::Product;

const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(1);

/// An HTTP response.
#[derive(Debug, Clone)]
pub struct Response {
    request: String,
    /// The status code.
    pub status: u16,
    headers: HeaderMap,
    /// The body: JSON, a string for any other text, or null when it is empty.
    pub body: Value,
    /// The body as it arrived.
    pub bytes: Vec<u8>,
}

impl Response {
    pub(crate) async fn read(request: String, response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes: Vec<u8> = response.bytes().await?.into();
        let text = text(&headers, &bytes);
        let mut read = Self { request, status, headers, body: Value::Null, bytes };
        if read.header("Content-Type").contains("json") && !text.is_empty() {
            read.body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{read}{text}: {error}"));
        } else if !text.is_empty() {
            read.body = text.into();
        }
        Ok(read)
    }

    /// Returns a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns all lines of a header.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// Returns the path and query of the request.
    pub fn address(&self) -> &str {
        self.request.split_once(' ').map_or("", |(_, address)| address)
    }

    /// Returns the HTML of a page.
    #[track_caller]
    pub fn html(&self) -> &str {
        self.body.as_str().unwrap_or_else(|| panic!("{self} is no page"))
    }

    /// Returns the member `id`.
    #[track_caller]
    pub fn id(&self) -> &str {
        self["id"].as_str().unwrap_or_else(|| panic!("{self} has no id"))
    }

    /// Returns the items of a list, a cart or an order.
    #[track_caller]
    pub fn items(&self) -> &[Value] {
        self["items"].as_array().unwrap_or_else(|| panic!("{self} has no items"))
    }

    /// Returns the line of a cart, an order or a wishlist for `product`, or null.
    #[track_caller]
    pub fn line(&self, product: &Product) -> &Value {
        self.items().iter().find(|line| line["product"]["id"] == *product.id).unwrap_or(&Value::Null)
    }

    /// Returns the states of an order's history, oldest first.
    #[track_caller]
    pub fn states(&self) -> Vec<&str> {
        let history = self["history"].as_array().unwrap_or_else(|| panic!("{self} has no history"));
        history.iter().map(|entry| entry["status"].as_str().unwrap()).collect()
    }

    /// Expects this status.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Expects a documented problem: this status, `urn:souk:problem:{kind}`, and the request id.
    #[track_caller]
    pub fn expect_problem(self, status: u16, kind: &str) -> Self {
        assert_eq!(self.status, status, "{self}");
        assert_eq!(self.headers.get(CONTENT_TYPE).unwrap(), "application/problem+json", "{self}");
        assert_eq!(self["type"], format!("urn:souk:problem:{kind}"), "{self}");
        assert_eq!(self["status"], status, "{self}");
        assert!(self["title"].as_str().is_some_and(|title| !title.is_empty()), "{self}");
        assert!(self["detail"].is_string(), "{self}");
        assert!(!self.header("X-Request-Id").is_empty(), "{self}");
        assert_eq!(self["request_id"], self.header("X-Request-Id"), "{self}");
        assert!(self["errors"].is_null() || status == 422, "{self}");
        self
    }

    /// Expects `401`: the token is missing, wrong, expired, or its account is deleted.
    #[track_caller]
    pub fn expect_unauthenticated(self) -> Self {
        self.expect_problem(401, "unauthenticated")
    }

    /// Expects `404`.
    #[track_caller]
    pub fn expect_not_found(self) -> Self {
        self.expect_problem(404, "not-found")
    }

    /// Expects a `422` that names exactly these fields, in any order.
    #[track_caller]
    pub fn expect_bad_fields(self, fields: &[&str]) -> Self {
        let response = self.expect_problem(422, "validation");
        let errors = response["errors"].as_array().unwrap_or_else(|| panic!("{response} names no field"));
        assert!(errors.iter().all(|error| error["message"].is_string()), "{response}");
        let mut named: Vec<&str> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        let mut fields = fields.to_vec();
        named.sort_unstable();
        named.dedup();
        fields.sort_unstable();
        assert_eq!(named, fields, "{response}");
        response
    }
}

impl Index<&str> for Response {
    type Output = Value;

    fn index(&self, member: &str) -> &Value {
        &self.body[member]
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} {}", self.request, self.status, self.body)
    }
}

/// One attempt of a request.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Method and path.
    pub request: String,
    /// The response, or the error of the client.
    pub response: Result<Response, String>,
    /// Time until the response was complete.
    pub elapsed: Duration,
}

impl Outcome {
    /// Returns the status, or `None` without a response.
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref().ok().map(|response| response.status)
    }

    /// Returns whether there was no response or a server error.
    pub fn is_failure(&self) -> bool {
        self.status().is_none_or(|status| status >= 500)
    }

    /// Returns the delay after which a client should retry; `None` for a final response.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.response {
            Ok(response) if matches!(response.status, 429 | 502 | 503 | 504) => {
                Some(response.header("Retry-After").parse().map_or(DEFAULT_RETRY_DELAY, Duration::from_secs))
            }
            Ok(_) => None,
            Err(_) => Some(DEFAULT_RETRY_DELAY),
        }
    }
}

/// Returns the names of an object's members, sorted.
pub fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

/// Decodes a body, which the client does not do by itself.
fn text(headers: &HeaderMap, body: &[u8]) -> String {
    let mut text = String::new();
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding == "gzip") {
        GzDecoder::new(body).read_to_string(&mut text).unwrap();
    } else {
        text.push_str(&String::from_utf8_lossy(body));
    }
    text
}
