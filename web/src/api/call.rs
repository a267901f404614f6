//! One request: building, sending, and reading its response.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use souk_bus::CALL_TIMEOUT;
use souk_contract::api::{ApiCall, ApiMethod, ApiRequest, ApiResponse, CustomerApi, MailApi, ProductsApi, ShoppingApi};
use souk_types::Error;

use super::{Api, Problem, Result, Token};

/// Timeout of work that changes something, such as a request that may call a payment provider. A
/// page must answer within 5 s.
pub(crate) const CHANGE_TIMEOUT: Duration = Duration::from_millis(4_500);

/// The services that have an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Customer,
    Mail,
    Products,
    Shopping,
}

impl Service {
    /// The services that store something, in the order of their names.
    pub(crate) const ALL: [Self; 4] = [Self::Customer, Self::Mail, Self::Products, Self::Shopping];

    /// Returns its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Mail => "mail",
            Self::Products => "products",
            Self::Shopping => "shopping",
        }
    }
}

/// What a service has stored, with the entity tag that a change of it sends back.
#[derive(Debug, Clone)]
pub(crate) struct Tagged<T> {
    pub(crate) value: T,
    /// The value of `If-Match`: `"3"`, with its quotes.
    pub(crate) tag: String,
}

/// A request that is being built.
#[must_use]
pub(crate) struct Call<'a> {
    api: Api<'a>,
    service: Service,
    method: ApiMethod,
    target: String,
    headers: Vec<(String, String)>,
    body: Result<String>,
    is_base64: bool,
    /// `None` for that of the method.
    timeout: Option<Duration>,
}

impl<'a> Api<'a> {
    /// Begins a request. `target` is the path below the service's prefix, with its query.
    pub(crate) fn call(self, service: Service, method: ApiMethod, target: impl Into<String>) -> Call<'a> {
        let (target, headers, body) = (target.into(), Vec::new(), Ok(String::new()));
        Call { api: self, service, method, target, headers, body, is_base64: false, timeout: None }
    }

    /// Begins a request that reads.
    pub(crate) fn get(self, service: Service, target: impl Into<String>) -> Call<'a> {
        self.call(service, ApiMethod::Get, target)
    }

    /// Begins a `POST`.
    pub(crate) fn post(self, service: Service, target: impl Into<String>) -> Call<'a> {
        self.call(service, ApiMethod::Post, target)
    }
}

impl Call<'_> {
    /// Adds the token of a customer or a guest.
    pub(crate) fn token(self, token: &Token) -> Self {
        self.header("Authorization", format!("Bearer {}", token.0))
    }

    /// Adds the `User-Agent` of the visitor's browser, and the language of the page.
    pub(crate) fn browser(self) -> Self {
        match self.api.user_agent {
            Some(value) => self.header("User-Agent", value),
            None => self,
        }
        .language()
    }

    /// Adds the language of the page, in which the visitor gets mails.
    pub(crate) fn language(self) -> Self {
        match self.api.language {
            Some(tag) => self.header("Accept-Language", tag),
            None => self,
        }
    }

    /// Adds a header: `Idempotency-Key`, `If-Match`.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a body.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_string(body).map_err(|error| Problem::from(Error::internal(error)));
        self.header("Content-Type", "application/json")
    }

    /// Adds a body of another type than JSON.
    pub(crate) fn text(mut self, content_type: &str, body: String) -> Self {
        self.body = Ok(body);
        self.header("Content-Type", content_type)
    }

    /// Adds a file of at most [`MAX_FILE`](souk_contract::api::MAX_FILE) bytes.
    pub(crate) fn file(mut self, content_type: &str, file: &[u8]) -> Self {
        (self.body, self.is_base64) = (Ok(STANDARD.encode(file)), true);
        self.header("Content-Type", content_type)
    }

    /// Waits longer for the response than pages usually do.
    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request and reads the JSON of its response, and its entity tag.
    pub(crate) async fn send_tagged<T: DeserializeOwned>(self) -> Result<Tagged<T>> {
        let service = self.service;
        let response = self.response().await?;
        let tag = response.header("ETag").unwrap_or_default().to_owned();
        Ok(Tagged { value: read(service, &response)?, tag })
    }

    /// Sends the request and reads the JSON of its response.
    pub(crate) async fn send<T: DeserializeOwned>(self) -> Result<T> {
        let service = self.service;
        read(service, &self.response().await?)
    }

    /// Sends a request whose response has no body, or none that matters.
    pub(crate) async fn send_without_reply(self) -> Result<()> {
        self.response().await.map(drop)
    }

    /// Sends the request and returns its response, with its headers. Errors: a status other than
    /// 2xx.
    pub(crate) async fn response(self) -> Result<ApiResponse> {
        let response = self.any_response().await?;
        if (200..300).contains(&response.status) { Ok(response) } else { Err(Problem::of_response(&response)) }
    }

    /// Sends the request and returns its response, whatever its status.
    pub(super) async fn any_response(self) -> Result<ApiResponse> {
        let (service, timeout) = (self.service, self.timeout());
        let request = ApiRequest {
            method: self.method,
            target: self.target,
            headers: self.headers,
            client: self.api.client,
            body: self.body?,
            is_base64: self.is_base64,
        };
        let bus = self.api.bus;
        Ok(match service {
            Service::Customer => bus.call_within(timeout, CustomerApi::from_request(request)).await,
            Service::Mail => bus.call_within(timeout, MailApi::from_request(request)).await,
            Service::Products => bus.call_within(timeout, ProductsApi::from_request(request)).await,
            Service::Shopping => bus.call_within(timeout, ShoppingApi::from_request(request)).await,
        }?)
    }

    fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(if self.method == ApiMethod::Get { CALL_TIMEOUT } else { CHANGE_TIMEOUT })
    }
}

fn read<T: DeserializeOwned>(service: Service, response: &ApiResponse) -> Result<T> {
    serde_json::from_str(&response.body)
        .map_err(|error| Error::internal(format!("a response of {service:?} cannot be read: {error}")).into())
}
