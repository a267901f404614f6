//! Client of VIES, the European Commission's register of VAT numbers.
//! See <https://ec.europa.eu/taxation_customs/vies/#/technical-information>.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use souk_http::config::HttpUrl;
use souk_types::{Error, Result};
use tokio::time::Instant;

use crate::domain::tax::VatNumber;

/// Timeout of one look-up, so that a slow register delays a quote but does not fail it.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// Maximum size of a response, in bytes.
const MAX_RESPONSE: u64 = 64 * 1024;

/// How long an answer is cached: a quote is followed by others and by the order.
const CACHE_TTL: Duration = Duration::from_mins(10);
/// Maximum number of cached answers.
const MAX_CACHED: usize = 1_000;

const PRODUCTION: &str = "https://ec.europa.eu/taxation_customs/vies/rest-api";

/// The base URL of the API.
#[derive(Debug, Clone)]
pub(crate) struct ViesUrl(String);

impl Default for ViesUrl {
    fn default() -> Self {
        Self(PRODUCTION.to_owned())
    }
}

impl FromStr for ViesUrl {
    type Err = <HttpUrl as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url: HttpUrl = text.parse()?;
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

pub(crate) struct Vies {
    url: ViesUrl,
    agent: ureq::Agent,
    /// Numbers, whether they are valid, and when that was looked up.
    cache: Mutex<HashMap<String, (bool, Instant)>>,
}

/// A response. When a member state's register is down, `isValid` is false and `userError` names the
/// problem.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    is_valid: Option<bool>,
    user_error: Option<String>,
}

impl Vies {
    pub(crate) fn new(url: ViesUrl) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        Self { url, agent: config.build().into(), cache: Mutex::default() }
    }

    /// Whether the register knows the number. Errors: `unavailable` when it does not answer.
    pub(crate) async fn is_valid(&self, number: &VatNumber) -> Result<bool> {
        if let Some(is_valid) = self.cached(number) {
            return Ok(is_valid);
        }
        let is_valid = self.look_up(number).await?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(number.to_string(), (is_valid, Instant::now()));
        Ok(is_valid)
    }

    fn cached(&self, number: &VatNumber) -> Option<bool> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_valid, since) = cache.get(&number.to_string())?;
        (since.elapsed() < CACHE_TTL).then_some(*is_valid)
    }

    async fn look_up(&self, number: &VatNumber) -> Result<bool> {
        let base = &self.url.0;
        let url = format!("{base}/ms/{}/vat/{}", number.prefix(), number.number().replace('+', "%2B"));
        let agent = self.agent.clone();
        let look_up = move || -> Result<_, ureq::Error> {
            let response = agent.get(&url).header("Accept", "application/json").call()?;
            let status = response.status();
            Ok((status, response.into_body().into_with_config().limit(MAX_RESPONSE).read_to_vec()?))
        };
        let unavailable = |cause: String| Error::unavailable("vies").caused_by(cause);
        let result = tokio::task::spawn_blocking(look_up).await.map_err(Error::internal)?;
        let (status, body) = result.map_err(|error| unavailable(error.to_string()))?;
        if !status.is_success() {
            return Err(unavailable(format!("status {status}")));
        }
        let response: Response = serde_json::from_slice(&body).map_err(|error| unavailable(error.to_string()))?;
        match (response.is_valid, response.user_error.as_deref()) {
            (Some(is_valid), None | Some("VALID" | "INVALID")) => Ok(is_valid),
            (_, problem) => Err(unavailable(problem.unwrap_or("no result").to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rocket::http::{ContentType, Status};
    use rocket::{State, get, routes};
    use souk_types::ErrorKind;

    use super::*;

    #[derive(Default)]
    struct LookUps(AtomicUsize);

    /// Answers like VIES: the number decides.
    #[get("/ms/<prefix>/vat/<number>")]
    fn vat(prefix: &str, number: &str, look_ups: &State<LookUps>) -> (Status, (ContentType, String)) {
        look_ups.0.fetch_add(1, Ordering::SeqCst);
        let (status, body) = match (prefix, number) {
            ("DE", "111111111") => (Status::Ok, r#"{"isValid": true, "userError": "VALID", "name": "---"}"#),
            ("DE", "222222222") => (Status::Ok, r#"{"isValid": false, "userError": "INVALID"}"#),
            ("DE", "333333333") => (Status::Ok, r#"{"isValid": false, "userError": "MS_UNAVAILABLE"}"#),
            ("DE", "444444444") => (Status::Ok, "<html>"),
            _ => (Status::InternalServerError, "{}"),
        };
        (status, (ContentType::JSON, body.to_owned()))
    }

    #[rocket::async_test]
    async fn an_answer_is_valid_invalid_or_none() {
        let config = rocket::Config { port: 0, log_level: rocket::config::LogLevel::Off, ..rocket::Config::default() };
        let (sender, port) = tokio::sync::oneshot::channel();
        let sender = Mutex::new(Some(sender));
        let started = rocket::fairing::AdHoc::on_liftoff("port", move |rocket| {
            let port = rocket.config().port;
            let sender = sender.lock().ok().and_then(|mut sender| sender.take());
            Box::pin(async move {
                sender.map(|sender| sender.send(port));
            })
        });
        let server = rocket::custom(config).mount("/", routes![vat]).manage(LookUps::default()).attach(started);
        let server = server.ignite().await.unwrap();
        let stop = server.shutdown();
        let running = tokio::spawn(server.launch());
        let vies = Vies::new(format!("http://127.0.0.1:{}/", port.await.unwrap()).parse().unwrap());
        for (number, expected) in [
            ("DE111111111", Ok(true)),
            ("DE111111111", Ok(true)),
            ("DE222222222", Ok(false)),
            ("DE333333333", Err(ErrorKind::Unavailable)),
            ("DE444444444", Err(ErrorKind::Unavailable)),
            ("DE555555555", Err(ErrorKind::Unavailable)),
        ] {
            let number = VatNumber::try_from(number.to_owned()).unwrap();
            assert_eq!(vies.is_valid(&number).await.map_err(|error| error.kind()), expected, "{number}");
        }
        stop.notify();
        running.await.unwrap().unwrap();
        let number = VatNumber::try_from("DE111111111".to_owned()).unwrap();
        assert_eq!(vies.is_valid(&number).await.ok(), Some(true), "the answer is cached");
        let number = VatNumber::try_from("DE666666666".to_owned()).unwrap();
        assert!(vies.is_valid(&number).await.is_err(), "the server is gone");
    }
}
