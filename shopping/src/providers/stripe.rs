//! Stripe's HTTP API, as far as a shop needs it: payment intents, refunds, and notices (webhooks, in [`webhook`]). Requests carry
//! idempotency keys of ours, so that each may be sent again. Nothing here is kept: the order has the intent's id before any
//! money can move. See <https://docs.stripe.com/api>.

pub mod webhook;

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_http::config::HttpUrl;
use souk_types::{Error, Result};
use ureq::http::StatusCode;

use self::webhook::SigningSecret;
use crate::domain::payment::{Charge, Means, Method, News, Payment, Provider, Status};

/// The version of the API that the answers are read in.
const VERSION: &str = "2024-06-20";
/// An answer takes a second or so; a request of a client ends within five.
const TIMEOUT: Duration = Duration::from_millis(2_500);
/// An intent has some kilobytes.
const MAX_ANSWER: u64 = 256 * 1024;

/// What is needed to take money by Stripe.
#[derive(Debug, Clone)]
pub struct Options {
    /// Signs our requests.
    pub key: SecretKey,
    /// Signs Stripe's notices.
    pub webhook: SigningSecret,
    /// Where the API is.
    pub url: HttpUrl,
}

/// A key of the API: `sk_...`, or `rk_...` for one with fewer rights.
#[derive(Clone)]
pub struct SecretKey(String);

impl FromStr for SecretKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good =
            (text.starts_with("sk_") || text.starts_with("rk_")) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(Self(text.to_owned())) } else { Err("must be a secret key of Stripe, sk_... or rk_...") }
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey")
    }
}

/// What Stripe made of a card: `pm_...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PaymentMethod(String);

impl TryFrom<String> for PaymentMethod {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if text.starts_with("pm_") && text.len() <= 255 && text.bytes().all(is_plain) {
            return Ok(Self(text));
        }
        Err("must be the id of a payment method, pm_...")
    }
}

impl From<PaymentMethod> for String {
    fn from(method: PaymentMethod) -> Self {
        method.0
    }
}

/// The API.
pub struct Stripe {
    options: Options,
    agent: ureq::Agent,
}

/// A payment intent, as far as we read it.
#[derive(Debug, Clone, Deserialize)]
struct Intent {
    id: String,
    status: String,
    client_secret: Option<String>,
}

impl Intent {
    fn news(&self) -> News {
        News::of(match self.status.as_str() {
            "succeeded" => Status::Captured,
            "canceled" => Status::Cancelled,
            "requires_capture" => Status::Review,
            "requires_payment_method" | "requires_confirmation" => Status::Open,
            // `processing`, `requires_action`, and what Stripe may think of yet.
            _ => Status::Processing,
        })
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    r#type: String,
    code: Option<String>,
    message: Option<String>,
}

/// What Stripe answered.
enum Answer {
    Intent(Intent),
    Refused(StatusCode, Reason),
}

impl Stripe {
    pub(crate) fn new(options: Options) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        Self { options, agent: config.build().into() }
    }

    pub(crate) fn webhook(&self) -> &SigningSecret {
        &self.options.webhook
    }

    /// Asks for `path` with a form, under an idempotency key, or without both.
    async fn ask(&self, path: String, form: Option<(Vec<(&'static str, String)>, String)>) -> Result<Answer> {
        let url = format!("{}/v1/{path}", self.options.url.as_str().trim_end_matches('/'));
        let (agent, key) = (self.agent.clone(), format!("Bearer {}", self.options.key.0));
        let asking = move || -> Result<(StatusCode, Vec<u8>), ureq::Error> {
            let answer = match form {
                Some((form, once)) => agent
                    .post(&url)
                    .header("Authorization", key)
                    .header("Stripe-Version", VERSION)
                    .header("Idempotency-Key", once)
                    .send_form(form)?,
                None => agent.get(&url).header("Authorization", key).header("Stripe-Version", VERSION).call()?,
            };
            let status = answer.status();
            Ok((status, answer.into_body().into_with_config().limit(MAX_ANSWER).read_to_vec()?))
        };
        let answered = tokio::task::spawn_blocking(asking).await.map_err(Error::internal)?;
        let (status, body) = answered.map_err(|error| Error::unavailable("payment").caused_by(error))?;
        let unreadable = |error| Error::unavailable("payment").caused_by(format!("{status}: {error}"));
        if status.is_success() {
            return serde_json::from_slice(&body).map(Answer::Intent).map_err(unreadable);
        }
        let Refusal { error } = serde_json::from_slice(&body).map_err(unreadable)?;
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT => {
                Err(Error::unavailable("payment").caused_by(error.told()))
            }
            status if status.is_server_error() => Err(Error::unavailable("payment").caused_by(error.told())),
            status => Ok(Answer::Refused(status, error)),
        }
    }

    /// As [`Stripe::ask`], where a refusal would be our mistake.
    async fn require(&self, path: String, form: Option<(Vec<(&'static str, String)>, String)>) -> Result<Intent> {
        match self.ask(path, form).await? {
            Answer::Intent(intent) => Ok(intent),
            Answer::Refused(status, reason) => Err(Error::internal(format!("stripe: {status}, {}", reason.told()))),
        }
    }

    /// Something that only some states allow; in another, the state is the answer.
    async fn change(&self, reference: &str, what: &str) -> Result<News> {
        let form = Some((Vec::new(), format!("{reference}-{what}")));
        match self.ask(format!("payment_intents/{reference}/{what}"), form).await? {
            Answer::Intent(intent) => Ok(intent.news()),
            Answer::Refused(..) => self.look_up(reference).await,
        }
    }
}

impl Reason {
    /// For the log: Stripe's messages name no secret and no person.
    fn told(&self) -> String {
        format!("{} {}: {}", self.r#type, self.code.as_deref().unwrap_or("-"), self.message.as_deref().unwrap_or("-"))
    }
}

#[rocket::async_trait]
impl Provider for Stripe {
    async fn open(&self, charge: &Charge) -> Result<Payment> {
        let form = vec![
            ("amount", charge.amount.amount().to_string()),
            ("currency", charge.amount.currency().code().to_ascii_lowercase()),
            ("automatic_payment_methods[enabled]", "true".to_owned()),
            ("automatic_payment_methods[allow_redirects]", "never".to_owned()),
            ("metadata[order]", charge.order.to_string()),
        ];
        let intent = self.require("payment_intents".to_owned(), Some((form, format!("{}-open", charge.order)))).await?;
        let secret = intent.client_secret.filter(|_| charge.means.pays_by_itself());
        Ok(Payment::opened(Method::Stripe, intent.id, secret))
    }

    async fn pay(&self, reference: &str, charge: &Charge) -> Result<News> {
        let Means::Stripe { token: Some(token) } = &charge.means else { return self.look_up(reference).await };
        let form = vec![("payment_method", token.0.clone())];
        let path = format!("payment_intents/{reference}/confirm");
        match self.ask(path, Some((form, format!("{reference}-confirm")))).await? {
            Answer::Intent(intent) => Ok(intent.news()),
            Answer::Refused(StatusCode::PAYMENT_REQUIRED, reason) => {
                Ok(News { status: Status::Declined, reason: reason.message })
            }
            // A card that Stripe does not know, or an intent that is past this.
            Answer::Refused(_, reason) => match self.look_up(reference).await? {
                News { status: Status::Open, .. } => Ok(News { status: Status::Declined, reason: reason.message }),
                news => Ok(news),
            },
        }
    }

    async fn look_up(&self, reference: &str) -> Result<News> {
        self.require(format!("payment_intents/{reference}"), None).await.map(|intent| intent.news())
    }

    async fn capture(&self, reference: &str) -> Result<News> {
        self.change(reference, "capture").await
    }

    async fn cancel(&self, reference: &str) -> Result<News> {
        self.change(reference, "cancel").await
    }

    async fn refund(&self, reference: &str) -> Result<News> {
        let form = vec![("payment_intent", reference.to_owned())];
        match self.ask("refunds".to_owned(), Some((form, format!("{reference}-refund")))).await? {
            Answer::Intent(_) => Ok(News::of(Status::Refunded)),
            Answer::Refused(_, reason) if reason.code.as_deref() == Some("charge_already_refunded") => {
                Ok(News::of(Status::Refunded))
            }
            Answer::Refused(status, reason) => Err(Error::internal(format!("stripe: {status}, {}", reason.told()))),
        }
    }
}
