//! Client of Stripe's HTTP API: payment intents and refunds. [`webhook`] verifies webhooks, [`event`]
//! reads them. Every
//! request that changes something carries an idempotency key, so that it can be repeated. See
//! <https://docs.stripe.com/api>.

mod amount;
pub(crate) mod event;
pub(crate) mod webhook;

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use souk_http::config::HttpUrl;
use souk_types::{Error, Result};
use ureq::http::StatusCode;

use self::amount::charge_to_stripe;
use self::webhook::SigningSecret;
use super::PaymentProvider;
use crate::domain::payment::{Charge, Payment, PaymentDetails, PaymentMethod, PaymentStatus};

/// The version of Stripe's API. It decides the fields of responses.
const VERSION: &str = "2024-06-20";
/// Timeout of one request. Two requests fit into a client's request timeout of 5 s.
const TIMEOUT: Duration = Duration::from_millis(2_500);
/// Maximum size of a response, in bytes. A payment intent has some kilobytes.
const MAX_RESPONSE: u64 = 256 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct StripeOptions {
    pub(crate) key: SecretKey,
    pub(crate) webhook: SigningSecret,
    pub(crate) url: HttpUrl,
}

/// A secret API key, `sk_...`, or a restricted one, `rk_...`.
#[derive(Clone)]
pub(crate) struct SecretKey(String);

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

pub(crate) struct Stripe {
    options: StripeOptions,
    agent: ureq::Agent,
}

/// The fields of a payment intent that the shop reads.
#[derive(Debug, Clone, Deserialize)]
struct Intent {
    id: String,
    status: String,
    client_secret: Option<String>,
}

impl Intent {
    fn status(&self) -> PaymentStatus {
        match self.status.as_str() {
            "succeeded" => PaymentStatus::Captured,
            "canceled" => PaymentStatus::Cancelled,
            "requires_capture" => PaymentStatus::Authorized,
            "requires_payment_method" | "requires_confirmation" => PaymentStatus::Open,
            // `processing`, `requires_action`, and statuses that Stripe may add.
            _ => PaymentStatus::Processing,
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: StripeError,
}

#[derive(Deserialize)]
struct StripeError {
    r#type: String,
    code: Option<String>,
    message: Option<String>,
}

impl StripeError {
    /// Returns the text for the log. Stripe's messages contain no secrets and no personal data.
    fn log_text(&self) -> String {
        let (code, message) = (self.code.as_deref().unwrap_or("-"), self.message.as_deref().unwrap_or("-"));
        format!("{} {code}: {message}", self.r#type)
    }
}

/// A final response: Stripe has carried out or refused the request.
enum Response {
    Intent(Intent),
    Refused(StatusCode, StripeError),
}

/// A form and its idempotency key.
type Form = (Vec<(&'static str, String)>, String);

impl Stripe {
    pub(crate) fn new(options: StripeOptions) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        Self { options, agent: config.build().into() }
    }

    pub(crate) fn webhook(&self) -> &SigningSecret {
        &self.options.webhook
    }

    /// Posts a form to `path`, or gets `path` without one.
    async fn send(&self, path: String, form: Option<Form>) -> Result<Response> {
        let url = format!("{}/v1/{path}", self.options.url.as_str().trim_end_matches('/'));
        let (agent, authorization) = (self.agent.clone(), format!("Bearer {}", self.options.key.0));
        let send = move || -> Result<(StatusCode, Vec<u8>), ureq::Error> {
            let response = match form {
                Some((form, idempotency_key)) => agent
                    .post(&url)
                    .header("Authorization", authorization)
                    .header("Stripe-Version", VERSION)
                    .header("Idempotency-Key", idempotency_key)
                    .send_form(form)?,
                None => {
                    agent.get(&url).header("Authorization", authorization).header("Stripe-Version", VERSION).call()?
                }
            };
            let status = response.status();
            Ok((status, response.into_body().into_with_config().limit(MAX_RESPONSE).read_to_vec()?))
        };
        let result = tokio::task::spawn_blocking(send).await.map_err(Error::internal)?;
        let (status, body) = result.map_err(|error| Error::unavailable("payment").caused_by(error))?;
        let unreadable = |error| Error::unavailable("payment").caused_by(format!("{status}: {error}"));
        if status.is_success() {
            return serde_json::from_slice(&body).map(Response::Intent).map_err(unreadable);
        }
        let ErrorBody { error } = serde_json::from_slice(&body).map_err(unreadable)?;
        let is_transient = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT);
        if is_transient || status.is_server_error() {
            return Err(Error::unavailable("payment").caused_by(error.log_text()));
        }
        Ok(Response::Refused(status, error))
    }

    /// Like [`Stripe::send`], for requests whose refusal is a programming error.
    async fn send_valid(&self, path: String, form: Option<Form>) -> Result<Intent> {
        match self.send(path, form).await? {
            Response::Intent(intent) => Ok(intent),
            Response::Refused(status, error) => Err(unexpected(status, &error)),
        }
    }

    /// Captures or cancels a payment intent, and returns its status. When Stripe refuses, returns
    /// the current status.
    async fn change(&self, reference: &str, action: &str) -> Result<PaymentStatus> {
        let form = Some((Vec::new(), format!("{reference}-{action}")));
        match self.send(format!("payment_intents/{reference}/{action}"), form).await? {
            Response::Intent(intent) => Ok(intent.status()),
            Response::Refused(..) => self.check(reference).await,
        }
    }
}

fn unexpected(status: StatusCode, error: &StripeError) -> Error {
    Error::internal(format!("stripe: {status}, {}", error.log_text()))
}

#[rocket::async_trait]
impl PaymentProvider for Stripe {
    async fn open(&self, charge: &Charge) -> Result<Payment> {
        let form = vec![
            ("amount", charge_to_stripe(charge.amount)?.to_string()),
            ("currency", charge.amount.currency().code().to_ascii_lowercase()),
            ("automatic_payment_methods[enabled]", "true".to_owned()),
            ("automatic_payment_methods[allow_redirects]", "never".to_owned()),
            ("metadata[order]", charge.order.to_string()),
        ];
        let form = Some((form, format!("{}-open", charge.order)));
        let intent = self.send_valid("payment_intents".to_owned(), form).await?;
        let secret = intent.client_secret.filter(|_| charge.details.client_pays());
        Ok(Payment::open(PaymentMethod::Stripe, intent.id, secret))
    }

    async fn charge(&self, reference: &str, charge: &Charge) -> Result<PaymentStatus> {
        let PaymentDetails::Stripe { token: Some(token) } = &charge.details else { return self.check(reference).await };
        let form = vec![("payment_method", token.as_str().to_owned())];
        let path = format!("payment_intents/{reference}/confirm");
        match self.send(path, Some((form, format!("{reference}-confirm")))).await? {
            Response::Intent(intent) => Ok(intent.status()),
            Response::Refused(StatusCode::PAYMENT_REQUIRED, _) => Ok(PaymentStatus::Declined),
            // The card is unknown to Stripe, or the intent cannot be confirmed any more.
            Response::Refused(..) => Ok(match self.check(reference).await? {
                PaymentStatus::Open => PaymentStatus::Declined,
                status => status,
            }),
        }
    }

    async fn check(&self, reference: &str) -> Result<PaymentStatus> {
        self.send_valid(format!("payment_intents/{reference}"), None).await.map(|intent| intent.status())
    }

    async fn capture(&self, reference: &str) -> Result<PaymentStatus> {
        self.change(reference, "capture").await
    }

    async fn cancel(&self, reference: &str) -> Result<PaymentStatus> {
        self.change(reference, "cancel").await
    }

    async fn refund(&self, reference: &str) -> Result<PaymentStatus> {
        let form = vec![("payment_intent", reference.to_owned())];
        match self.send("refunds".to_owned(), Some((form, format!("{reference}-refund")))).await? {
            Response::Intent(_) => Ok(PaymentStatus::Refunded),
            Response::Refused(_, error) if error.code.as_deref() == Some("charge_already_refunded") => {
                Ok(PaymentStatus::Refunded)
            }
            Response::Refused(status, error) => Err(unexpected(status, &error)),
        }
    }
}
