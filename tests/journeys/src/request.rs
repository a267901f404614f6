//! A request that is sent when it is awaited.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::response::{Outcome, Response};
use crate::wait::wait_for;

/// Request timeout. An unoptimised shop takes minutes to import the largest catalogue.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(3);

/// The shop's URL, shared by all its clients: a shop that is started again listens on another port.
#[derive(Clone, Default)]
pub(crate) struct BaseUrl(Arc<RwLock<String>>);

impl BaseUrl {
    pub(crate) fn new(url: &str) -> Self {
        let base = Self::default();
        base.set(url);
        base
    }

    pub(crate) fn set(&self, url: &str) {
        url.trim_end_matches('/').clone_into(&mut self.0.write().unwrap());
    }

    fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0.read().unwrap())
    }
}

#[derive(Clone)]
pub(crate) struct HttpClient {
    base: BaseUrl,
    client: reqwest::Client,
}

impl HttpClient {
    /// Creates a client. Each test needs its own, because connections end with the runtime that
    /// opened them.
    pub(crate) fn new(base: BaseUrl) -> Self {
        Self::at(base, None)
    }

    fn at(base: BaseUrl, address: Option<IpAddr>) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(REQUEST_TIMEOUT);
        Self { base, client: client.local_address(address).build().unwrap() }
    }

    /// Returns a client of the same shop that sends from this address.
    pub(crate) fn moved_to(&self, address: IpAddr) -> Self {
        Self::at(self.base.clone(), Some(address))
    }

    pub(crate) fn url(&self) -> String {
        self.base.join("")
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Request {
        let line = format!("{method} {path}");
        Request { line, builder: self.client.request(method, self.base.join(path)) }
    }
}

/// A request that is sent when it is awaited. It panics when there is no response.
#[must_use = "a request is sent when it is awaited"]
pub struct Request {
    line: String,
    builder: RequestBuilder,
}

impl Request {
    /// Adds a header.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a valid header value");
        Self { builder: self.builder.header(name, value), ..self }
    }

    /// Adds query parameters.
    pub fn query(self, parameters: &[(&str, &str)]) -> Self {
        Self { builder: self.builder.query(parameters), ..self }
    }

    /// Sets a JSON body.
    pub fn json(self, body: Value) -> Self {
        Self { builder: self.builder.json(&body), ..self }
    }

    /// Sets a body without a `Content-Type`.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { builder: self.builder.body(body.into()), ..self }
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        Self { builder: self.builder.bearer_auth(token), ..self }
    }

    /// Repeats the request until the response has this status.
    pub async fn until_status(self, status: u16) -> Response {
        self.repeat_until(|response| response.status == status).await
    }

    /// Repeats the request while the response is `503`: the shop bounds concurrent hashing.
    pub async fn retry_while_busy(self) -> Response {
        self.repeat_until(|response| response.status != 503).await
    }

    /// Retries after `Retry-After`, until a final response or `timeout`. Returns every attempt.
    pub async fn with_retries(self, timeout: Duration) -> Vec<Outcome> {
        let started = Instant::now();
        let mut outcomes = Vec::new();
        loop {
            let outcome = self.copy().outcome().await;
            let delay = outcome.retry_after();
            outcomes.push(outcome);
            match delay {
                Some(delay) if started.elapsed() + delay < timeout => tokio::time::sleep(delay).await,
                _ => return outcomes,
            }
        }
    }

    /// Sends the request and returns the response or the error, and how long it took.
    pub async fn outcome(self) -> Outcome {
        let (request, started) = (self.line.clone(), Instant::now());
        let response = self.try_send().await.map_err(|error| format!("{error:?}"));
        Outcome { request, response, elapsed: started.elapsed() }
    }

    /// Sends the request. After an error it is unknown whether the shop has carried it out.
    pub async fn try_send(self) -> Result<Response, reqwest::Error> {
        Response::read(self.line, self.builder.send().await?).await
    }

    async fn repeat_until(self, is_final: impl Fn(&Response) -> bool) -> Response {
        wait_for("another response", async || {
            let response = self.copy().await;
            if is_final(&response) { Ok(response) } else { Err(response) }
        })
        .await
    }

    fn copy(&self) -> Self {
        Self { line: self.line.clone(), builder: self.builder.try_clone().unwrap() }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl IntoFuture for Request {
    type Output = Response;
    type IntoFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let line = self.line.clone();
            self.try_send().await.unwrap_or_else(|error| panic!("{line}: no response: {error:?}"))
        })
    }
}
