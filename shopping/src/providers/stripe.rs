//! Client of Stripe's HTTP API: payment intents and refunds. [`webhook`] verifies webhooks,
//! [`event`] reads them. Every request that changes something carries an idempotency key, so that
//! it can be repeated. See <https://docs.stripe.com/api>.

mod amount;
pub(crate) mod event;
mod objects;
pub(crate) mod webhook;

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use souk_contract::api::REQUEST_TIMEOUT;
use souk_http::config::HttpUrl;
use souk_types::{Error, Id, Result};
use ureq::http::StatusCode;

use self::amount::{charge_to_stripe, to_stripe};
use self::objects::{Intent, List, Refund};
use self::webhook::SigningSecret;
use super::{PaymentProvider, refused};
use crate::domain::payment::report::{PaymentReport, ProviderPaymentStatus, RefundReport, RefundRequest};
use crate::domain::payment::state::Payment;
use crate::domain::payment::{ChargeRequest, PaymentDetails, PaymentMethod, ReturnUrl};

/// The version of Stripe's API. It decides the fields of responses.
const VERSION: &str = "2024-06-20";
/// Timeout of one request. Two requests fit into [`REQUEST_TIMEOUT`].
const TIMEOUT: Duration = Duration::from_millis(REQUEST_TIMEOUT.as_secs() * 1_000 / 2);
/// Maximum size of a response, in bytes. The longest is a page of refunds, each with up to 25 KB of
/// metadata.
const MAX_RESPONSE: u64 = 4 * 1024 * 1024;
/// Refunds in one page of a list: Stripe's maximum.
const PAGE: usize = 100;
/// Maximum number of pages that the shop reads of one list.
const MAX_PAGES: usize = 50;

#[derive(Debug, Clone)]
pub(crate) struct StripeOptions {
    pub(crate) key: SecretKey,
    pub(crate) webhook: SigningSecret,
    pub(crate) url: HttpUrl,
    /// Where banks return customers to, for orders that name no address.
    pub(crate) return_url: Option<ReturnUrl>,
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

#[derive(Deserialize)]
struct ErrorBody {
    error: StripeError,
}

#[derive(Deserialize)]
struct StripeError {
    r#type: String,
    code: Option<String>,
    decline_code: Option<String>,
    param: Option<String>,
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
enum Response<T> {
    Done(T),
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

    /// Posts a form to `path`, or gets `path` without one. Errors: transient ones only.
    async fn send<T: DeserializeOwned>(&self, path: String, form: Option<Form>) -> Result<Response<T>> {
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
            return serde_json::from_slice(&body).map(Response::Done).map_err(unreadable);
        }
        let ErrorBody { error } = serde_json::from_slice(&body).map_err(unreadable)?;
        if is_final(status) {
            return Ok(Response::Refused(status, error));
        }
        Err(Error::unavailable("payment").caused_by(format!("{status}, {}", error.log_text())))
    }

    /// Captures or cancels a payment intent. When Stripe refuses, reports the current state.
    async fn change(&self, payment: &Payment, action: &str) -> Result<(PaymentReport, Option<StripeError>)> {
        let reference = &payment.reference;
        // Stripe repeats its first response to a key for a day, refusals included. The change
        // itself can be repeated, so each attempt has a key of its own.
        let form = Some((expand_charge(), format!("{reference}-{action}-{}", Id::<Intent>::new())));
        match self.send::<Intent>(format!("payment_intents/{reference}/{action}"), form).await? {
            Response::Done(intent) => Ok((intent.report(payment.amount.currency())?, None)),
            Response::Refused(_, error) => Ok((self.check(payment).await?, Some(error))),
        }
    }
}

/// Returns the object of a response to a read. Errors: `internal` when Stripe refuses.
fn found<T>(response: Response<T>) -> Result<T> {
    match response {
        Response::Done(found) => Ok(found),
        Response::Refused(status, error) => Err(Error::internal(format!("stripe: {status}, {}", error.log_text()))),
    }
}

/// Whether a refusal with this status stays the same when the request is repeated. Errors about the
/// key of the shop, the rate of requests and concurrent ones do not concern the payment.
fn is_final(status: StatusCode) -> bool {
    let about_the_shop = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS
    );
    status.is_client_error() && !about_the_shop
}

/// The amount that is refunded is a field of the charge.
fn expand_charge() -> Vec<(&'static str, String)> {
    vec![("expand[]", "latest_charge".to_owned())]
}

/// Converts Stripe's refusal of a payment into words for the client. See
/// <https://docs.stripe.com/error-codes>.
fn refusal(error: &StripeError) -> Error {
    let reason = match (error.code.as_deref(), error.param.as_deref()) {
        (Some("amount_too_small"), _) => "The total is below the minimum of the payment provider.",
        (Some("amount_too_large"), _) => "The total is above the maximum of the payment provider.",
        (_, Some("currency")) => "The payment provider does not take this currency.",
        (_, Some("return_url")) => "The payment provider needs payment.return_url for this payment.",
        (_, Some("amount")) => "The payment provider does not take this total.",
        _ => "The payment provider refuses this payment.",
    };
    refused(reason).caused_by(format!("stripe: {}", error.log_text()))
}

#[rocket::async_trait]
impl PaymentProvider for Stripe {
    async fn open(&self, charge: &ChargeRequest) -> Result<Payment> {
        let form = vec![
            ("amount", charge_to_stripe(charge.amount)?.to_string()),
            ("currency", charge.amount.currency().code().to_ascii_lowercase()),
            ("automatic_payment_methods[enabled]", "true".to_owned()),
            ("metadata[order]", charge.order.to_string()),
        ];
        let form = Some((form, format!("{}-open", charge.order)));
        let intent: Intent = match self.send("payment_intents".to_owned(), form).await? {
            Response::Done(intent) => intent,
            Response::Refused(_, error) => return Err(refusal(&error)),
        };
        let action = intent.client_action().filter(|_| charge.details.client_pays());
        Ok(Payment::open(PaymentMethod::Stripe, intent.id, charge.amount, action))
    }

    async fn charge(&self, payment: &Payment, charge: &ChargeRequest) -> Result<PaymentReport> {
        let PaymentDetails::Stripe { token: Some(token), return_url } = &charge.details else {
            return self.check(payment).await;
        };
        let reference = &payment.reference;
        let mut form = vec![("payment_method", token.as_str().to_owned())];
        if let Some(url) = return_url.as_ref().or(self.options.return_url.as_ref()) {
            form.push(("return_url", url.as_str().to_owned()));
        }
        let path = format!("payment_intents/{reference}/confirm");
        let (status, error) = match self.send::<Intent>(path, Some((form, format!("{reference}-confirm")))).await? {
            Response::Done(intent) => return intent.report(payment.amount.currency()),
            Response::Refused(status, error) => (status, error),
        };
        // The card is unknown to Stripe or was declined, or the intent cannot be confirmed any
        // more.
        let mut report = self.check(payment).await?;
        if report.status != ProviderPaymentStatus::Open {
            return Ok(report);
        }
        let is_about_the_card =
            status == StatusCode::PAYMENT_REQUIRED || error.param.as_deref() == Some("payment_method");
        let is_unknown_card = error.code.as_deref() == Some("resource_missing");
        if !is_about_the_card && !is_unknown_card {
            return Err(refusal(&error));
        }
        report.status = ProviderPaymentStatus::Declined;
        report.reason = objects::reason(error.decline_code.as_ref().or(error.code.as_ref()));
        Ok(report)
    }

    async fn check(&self, payment: &Payment) -> Result<PaymentReport> {
        let path = format!("payment_intents/{}?expand%5B%5D=latest_charge", payment.reference);
        let intent: Intent = found(self.send(path, None).await?)?;
        let report = intent.report(payment.amount.currency())?;
        let refunds = if intent.is_refunded() { self.refunds(payment).await? } else { Vec::new() };
        Ok(PaymentReport { refunds, ..report })
    }

    async fn capture(&self, payment: &Payment) -> Result<PaymentReport> {
        match self.change(payment, "capture").await? {
            (report, Some(error)) if report.status == ProviderPaymentStatus::Authorized => {
                let detail = "The payment provider refuses to capture this payment; cancel the order.";
                Err(Error::conflict("payment-refused", detail).caused_by(format!("stripe: {}", error.log_text())))
            }
            (report, _) => Ok(report),
        }
    }

    async fn cancel(&self, payment: &Payment) -> Result<PaymentReport> {
        let (report, refusal) = self.change(payment, "cancel").await?;
        if let Some(error) = refusal {
            let (reference, reason) = (&payment.reference, error.log_text());
            tracing::warn!(reference, reason, status = ?report.status, "stripe refused to cancel a payment");
        }
        Ok(report)
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundReport> {
        let RefundRequest { id, order, payment, amount } = request;
        let form = vec![
            ("payment_intent", payment.clone()),
            ("amount", to_stripe(*amount)?.to_string()),
            ("metadata[order]", order.to_string()),
            ("metadata[refund]", id.to_string()),
        ];
        let form = Some((form, format!("refund-{id}")));
        match self.send::<Refund>("refunds".to_owned(), form).await? {
            Response::Done(refund) => Ok(RefundReport { id: Some(*id), ..refund.report(amount.currency())? }),
            Response::Refused(_, error) => {
                tracing::warn!(%order, refund = %id, reason = error.log_text(), "stripe refused a refund");
                let reason = objects::reason(error.code.as_ref().or(Some(&error.r#type)));
                Ok(RefundReport::refused(request, reason.as_deref().unwrap_or_default()))
            }
        }
    }

    async fn refunds(&self, payment: &Payment) -> Result<Vec<RefundReport>> {
        let first = format!("refunds?payment_intent={}&limit={PAGE}", payment.reference);
        let mut path = first.clone();
        let mut reports = Vec::new();
        for _ in 0..MAX_PAGES {
            let List { data, has_more } = found(self.send::<List<Refund>>(path, None).await?)?;
            for refund in &data {
                reports.push(refund.report(payment.amount.currency())?);
            }
            match data.last() {
                Some(last) if has_more => path = format!("{first}&starting_after={}", last.id),
                _ => return Ok(reports),
            }
        }
        Err(Error::internal(format!("stripe: payment {} has over {} refunds", payment.reference, MAX_PAGES * PAGE)))
    }
}
