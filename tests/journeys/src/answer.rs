//! What the shop said. The methods that begin with `expect` fail the test at the line that calls them, and show the
//! whole answer.

use std::fmt;
use std::ops::Index;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use crate::goods::Product;

/// An answer over HTTP.
#[derive(Debug, Clone)]
pub struct Answer {
    asked: String,
    /// The status.
    pub status: u16,
    headers: HeaderMap,
    /// The body: JSON, or a string of any other text, or null when there is none.
    pub body: Value,
}

impl Answer {
    pub(crate) async fn read(asked: String, response: Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let mut answer = Self { asked, status, headers, body: Value::Null };
        if answer.header("Content-Type").contains("json") {
            answer.body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{answer}{text}: {error}"));
        } else if !text.is_empty() {
            answer.body = text.into();
        }
        Ok(answer)
    }

    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The id of what the answer shows.
    #[track_caller]
    pub fn id(&self) -> &str {
        self["id"].as_str().unwrap_or_else(|| panic!("{self} has no id"))
    }

    /// The items of the list, the cart or the order that the answer shows.
    #[track_caller]
    pub fn items(&self) -> &[Value] {
        self["items"].as_array().unwrap_or_else(|| panic!("{self} has no items"))
    }

    /// The line of a cart, an order or a wishlist that is about `product`; null when there is none.
    #[track_caller]
    pub fn line(&self, product: &Product) -> &Value {
        self.items().iter().find(|line| line["product"]["id"] == *product.id).unwrap_or(&Value::Null)
    }

    /// Expects this status.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Expects a problem as the API documents it: this status, `urn:souk:problem:{kind}`, and the request's id.
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

    /// Expects a `422` that names these fields, all of them and no other, in whatever order.
    #[track_caller]
    pub fn expect_bad_fields(self, fields: &[&str]) -> Self {
        let answer = self.expect_problem(422, "validation");
        let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{answer} names no field"));
        assert!(errors.iter().all(|error| error["message"].is_string()), "{answer}");
        let mut named: Vec<&str> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        let mut fields = fields.to_vec();
        named.sort_unstable();
        named.dedup();
        fields.sort_unstable();
        assert_eq!(named, fields, "{answer}");
        answer
    }
}

impl Index<&str> for Answer {
    type Output = Value;

    fn index(&self, member: &str) -> &Value {
        &self.body[member]
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} {}", self.asked, self.status, self.body)
    }
}

/// One request and what came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The request.
    pub asked: String,
    /// What the shop said, or why there was no answer.
    pub answer: Result<Answer, String>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// The status; `None` when there was no answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().ok().map(|answer| answer.status)
    }

    /// When a client should come again: after as many seconds as the shop says, or after one, when it says nothing. `None` for an answer that
    /// will not change.
    pub fn comes_again_after(&self) -> Option<Duration> {
        match &self.answer {
            Ok(answer) if matches!(answer.status, 429 | 502 | 503 | 504) => {
                Some(answer.header("Retry-After").parse().map_or(AGAIN, Duration::from_secs))
            }
            Ok(_) => None,
            Err(_) => Some(AGAIN),
        }
    }
}

/// How long a client waits that was not told.
const AGAIN: Duration = Duration::from_secs(1);

/// The names of an object's members, sorted.
pub fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}
