//! A request on its way. Nothing happens before it is awaited; then it is an [`Answer`], and a shop that cannot be
//! reached is a failure. Journeys in which the shop goes down [`attempt`](Ask::attempt) instead.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::answer::{Answer, Outcome};
use crate::eventually;

/// A whole catalogue goes in with one request, and an unoptimised shop takes its time over it.
const TIME_OUT: Duration = Duration::from_mins(3);

/// Where the shop is. A shop that is opened again is somewhere else, and everybody who holds its address knows.
#[derive(Clone, Default)]
pub(crate) struct Address(Arc<RwLock<String>>);

impl Address {
    pub(crate) fn moves_to(&self, url: &str) {
        url.trim_end_matches('/').clone_into(&mut self.0.write().unwrap());
    }

    fn of(&self, path: &str) -> String {
        format!("{}{path}", self.0.read().unwrap())
    }
}

/// The way into a shop.
#[derive(Clone)]
pub(crate) struct Door {
    address: Address,
    client: Client,
}

impl Door {
    /// Each test has a door of its own: connections do not outlive the runtime that opened them.
    pub(crate) fn at(address: Address) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(TIME_OUT).build().unwrap();
        Self { address, client }
    }

    pub(crate) fn url(&self) -> String {
        self.address.of("")
    }

    pub(crate) fn asks(&self, method: Method, path: &str) -> Ask {
        let asked = format!("{method} {path}");
        Ask { asked, request: self.client.request(method, self.address.of(path)) }
    }
}

/// A request that can be given more before it is sent.
#[must_use = "nothing is asked until it is awaited"]
pub struct Ask {
    asked: String,
    request: RequestBuilder,
}

impl Ask {
    /// With one more header.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("it can be sent in a header");
        Self { request: self.request.header(name, value), ..self }
    }

    /// With query parameters.
    pub fn query(self, parameters: &[(&str, &str)]) -> Self {
        Self { request: self.request.query(parameters), ..self }
    }

    /// With a JSON body.
    pub fn json(self, body: Value) -> Self {
        Self { request: self.request.json(&body), ..self }
    }

    /// With a body that does not say what it is.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { request: self.request.body(body.into()), ..self }
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        Self { request: self.request.bearer_auth(token), ..self }
    }

    /// The answer, asked for again until it has this status.
    pub async fn until(self, status: u16) -> Answer {
        self.repeated(|answer| answer.status == status).await
    }

    /// The answer, asked for again while the shop has no time: it hashes few passwords at once and sends the others
    /// away for a moment.
    pub async fn unless_busy(self) -> Answer {
        self.repeated(|answer| answer.status != 503).await
    }

    /// Asks as a client does that means to succeed and may repeat: again after `Retry-After` while the shop is busy or a part of it is
    /// away, and again when there was no answer at all. Every attempt is told, the last one is the outcome.
    pub async fn patiently(self, patience: Duration) -> Vec<Outcome> {
        let begun = Instant::now();
        let mut outcomes = Vec::new();
        loop {
            let again = Self { asked: self.asked.clone(), request: self.request.try_clone().unwrap() };
            let outcome = again.outcome().await;
            let pause = outcome.comes_again_after();
            outcomes.push(outcome);
            match pause {
                Some(pause) if begun.elapsed() + pause < patience => tokio::time::sleep(pause).await,
                _ => return outcomes,
            }
        }
    }

    /// What comes of it, an answer or not, and how long it took.
    pub async fn outcome(self) -> Outcome {
        let (asked, begun) = (self.asked.clone(), Instant::now());
        let answer = self.attempt().await.map_err(|error| format!("{error:?}"));
        Outcome { asked, answer, took: begun.elapsed() }
    }

    async fn repeated(self, enough: impl Fn(&Answer) -> bool) -> Answer {
        let again = || Self { asked: self.asked.clone(), request: self.request.try_clone().unwrap() };
        eventually("another answer", async || {
            let answer = again().await;
            if enough(&answer) { Ok(answer) } else { Err(answer) }
        })
        .await
    }

    /// The answer, or why there is none: then nobody knows whether it was done.
    pub async fn attempt(self) -> Result<Answer, reqwest::Error> {
        Answer::read(self.asked, self.request.send().await?).await
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.asked)
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let asked = self.asked.clone();
            self.attempt().await.unwrap_or_else(|error| panic!("{asked}: no answer: {error:?}"))
        })
    }
}
