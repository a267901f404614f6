//! A fake of the part of Stripe's API that the shop uses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use rocket::form::{Form, FromForm};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::{Shutdown, State, get, post, routes};
use serde_json::{Value, json};
use sha2::Sha256;

pub(crate) const SECRET_KEY: &str = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_5WbX7FtFcXq9Xq9Xq9Xq";

pub(crate) struct FakeStripe {
    pub(crate) url: String,
    account: Arc<Mutex<Account>>,
    shutdown: Shutdown,
}

#[derive(Clone)]
pub(crate) struct Intent {
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) order: String,
    pub(crate) status: &'static str,
    pub(crate) captures: usize,
    /// The captured amount.
    pub(crate) received: u64,
    pub(crate) refunds: Vec<Refund>,
    next_action: Value,
    last_payment_error: Value,
}

#[derive(Clone)]
pub(crate) struct Refund {
    pub(crate) amount: u64,
    pub(crate) status: &'static str,
    /// The shop's id of it; empty for a refund on Stripe's dashboard.
    shop_id: String,
}

impl Intent {
    fn capture(&mut self, amount: u64) {
        (self.status, self.captures, self.received) = ("succeeded", self.captures + 1, amount);
    }

    /// Returns the sum of the refunds that have not failed.
    fn refunded(&self) -> u64 {
        let failed = |refund: &&Refund| matches!(refund.status, "failed" | "canceled");
        self.refunds.iter().filter(|refund| !failed(refund)).map(|refund| refund.amount).sum()
    }
}

impl FakeStripe {
    pub(crate) async fn start() -> Self {
        let account = Arc::<Mutex<Account>>::default();
        let no_ctrlc = rocket::config::Shutdown { ctrlc: false, ..rocket::config::Shutdown::default() };
        let config = rocket::Config {
            port: 0,
            log_level: rocket::log::LogLevel::Off,
            shutdown: no_ctrlc,
            ..rocket::Config::default()
        };
        let (bound, port) = tokio::sync::oneshot::channel();
        let bound = Mutex::new(Some(bound));
        let server = rocket::custom(config)
            .manage(Arc::clone(&account))
            .mount(
                "/",
                routes![
                    create_intent,
                    confirm_intent,
                    get_intent,
                    capture_or_cancel_intent,
                    create_refund,
                    list_refunds
                ],
            )
            .attach(rocket::fairing::AdHoc::on_liftoff("port", move |server| {
                if let Some(bound) = bound.lock().unwrap().take() {
                    bound.send(server.config().port).unwrap();
                }
                Box::pin(async {})
            }));
        let server = server.ignite().await.unwrap();
        let shutdown = server.shutdown();
        tokio::spawn(server.launch());
        Self { url: format!("http://127.0.0.1:{}", port.await.unwrap()), account, shutdown }
    }

    /// Returns number and state of the one intent of an order.
    pub(crate) fn intent(&self, order: &str) -> (usize, Intent) {
        let account = self.account.lock().unwrap();
        let mut found = account.intents.iter().enumerate().filter(|(_, intent)| intent.order == order);
        let (number, intent) = found.next().unwrap();
        assert!(found.next().is_none(), "an order has two payments");
        (number, intent.clone())
    }

    /// The customer pays the whole amount in Stripe's form.
    pub(crate) fn pay(&self, order: &str) {
        let (number, intent) = self.intent(order);
        self.account.lock().unwrap().intents[number].capture(intent.amount);
    }

    /// The customer authenticates a payment at the bank, or fails to.
    pub(crate) fn authenticate(&self, order: &str, succeeds: bool) {
        let (number, _) = self.intent(order);
        let intent = &mut self.account.lock().unwrap().intents[number];
        assert_eq!(intent.status, "requires_action");
        intent.next_action = Value::Null;
        if succeeds {
            intent.capture(intent.amount);
        } else {
            intent.status = "requires_payment_method";
            intent.last_payment_error = json!({"code": "payment_intent_authentication_failure"});
        }
    }

    /// Returns the number of payment intents that the shop has created.
    pub(crate) fn intents(&self) -> usize {
        self.account.lock().unwrap().intents.len()
    }

    /// Carries out the next request of this kind and returns an error instead of its response.
    pub(crate) fn lose_response_to(&self, kind: &'static str) {
        self.account.lock().unwrap().lost_response = Some(kind);
    }

    /// Starts or stops rejecting every change with `503`.
    pub(crate) fn set_down(&self, down: bool) {
        self.account.lock().unwrap().down = down;
    }

    /// Captures only this amount of the next payment.
    pub(crate) fn capture_only(&self, amount: u64) {
        self.account.lock().unwrap().capture_only = Some(amount);
    }

    /// Answers requests for refunds with this status, or refuses them with this error code.
    pub(crate) fn answer_refunds(&self, answer: Result<&'static str, &'static str>) {
        self.account.lock().unwrap().refund_answer = Some(answer);
    }

    /// Refuses the next payment intent with this error, about this parameter.
    pub(crate) fn refuse_next_intent(&self, code: &'static str, param: &'static str) {
        self.account.lock().unwrap().intent_refusal = Some((code, param));
    }

    /// Rejects the shop's secret key, or accepts it again.
    pub(crate) fn reject_key(&self, reject: bool) {
        self.account.lock().unwrap().rejects_key = reject;
    }

    /// Refunds on Stripe's dashboard, and returns a webhook about the charge.
    pub(crate) fn refund_by_hand(&self, order: &str, amount: u64) -> Value {
        let (number, _) = self.intent(order);
        let mut account = self.account.lock().unwrap();
        account.intents[number].refunds.push(Refund { amount, status: "succeeded", shop_id: String::new() });
        charge_refunded(number, &account.intents[number])
    }

    /// The customer's bank disputes the whole payment, or decides. Returns a webhook of this type.
    pub(crate) fn dispute(&self, order: &str, status: &str, kind: &str) -> Value {
        let (number, intent) = self.intent(order);
        let object = json!({
            "id": format!("dp_{number}"),
            "object": "dispute",
            "charge": format!("ch_{number}"),
            "payment_intent": format!("pi_{number}"),
            "amount": intent.received,
            "currency": intent.currency,
            "reason": "fraudulent",
            "status": status,
        });
        json!({"id": format!("evt_{kind}_{status}"), "object": "event", "type": kind, "data": {"object": object}})
    }

    /// Changes the status of an order's latest refund, and returns a webhook of this type about it.
    pub(crate) fn complete_refund(&self, order: &str, status: &'static str, kind: &str) -> Value {
        let (number, _) = self.intent(order);
        let mut account = self.account.lock().unwrap();
        account.intents[number].refunds.last_mut().unwrap().status = status;
        let object = refund_json(number, &account.intents[number], account.intents[number].refunds.len() - 1);
        json!({"id": format!("evt_{kind}_{status}"), "object": "event", "type": kind, "data": {"object": object}})
    }

    /// Fails one of an order's refunds, and returns a webhook about it.
    pub(crate) fn fail_refund(&self, order: &str, index: usize) -> Value {
        let (number, _) = self.intent(order);
        let intent = &mut self.account.lock().unwrap().intents[number];
        intent.refunds[index].status = "failed";
        let object = refund_json(number, intent, index);
        json!({"id": format!("evt_failed_{index}"), "object": "event", "type": "refund.failed", "data": {"object": object}})
    }

    /// Returns a webhook event about an order's intent.
    pub(crate) fn event(&self, id: &str, kind: &str, order: &str) -> Value {
        let (number, intent) = self.intent(order);
        json!({"id": id, "object": "event", "type": kind, "data": {"object": intent_json(number, &intent)}})
    }

    /// Returns the `Stripe-Signature` of a webhook's body.
    pub(crate) fn sign(body: &str, signed_at: SystemTime) -> String {
        let seconds = signed_at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
        mac.update(format!("{seconds}.{body}").as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={seconds},v1={hex}")
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        self.shutdown.clone().notify();
    }
}

#[derive(Default)]
struct Account {
    intents: Vec<Intent>,
    /// The response of each idempotency key.
    responses: HashMap<String, (Status, Value)>,
    lost_response: Option<&'static str>,
    down: bool,
    rejects_key: bool,
    capture_only: Option<u64>,
    /// Code and parameter of the error that refuses the next intent.
    intent_refusal: Option<(&'static str, &'static str)>,
    refund_answer: Option<Result<&'static str, &'static str>>,
}

type SharedAccount = Arc<Mutex<Account>>;
type Reply = (Status, rocket::serde::json::Value);

struct Authorized {
    idempotency_key: Option<String>,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Authorized {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let header = |name| request.headers().get_one(name);
        if header("Authorization") != Some(&format!("Bearer {SECRET_KEY}")) || header("Stripe-Version").is_none() {
            return Outcome::Error((Status::Unauthorized, ()));
        }
        Outcome::Success(Self { idempotency_key: header("Idempotency-Key").map(str::to_owned) })
    }
}

#[derive(FromForm)]
struct NewIntent {
    amount: u64,
    currency: String,
    metadata: HashMap<String, String>,
    automatic_payment_methods: HashMap<String, String>,
}

#[derive(FromForm)]
struct Confirmation {
    payment_method: String,
    return_url: Option<String>,
}

#[derive(FromForm)]
struct NewRefund {
    payment_intent: String,
    amount: u64,
    metadata: HashMap<String, String>,
}

#[post("/v1/payment_intents", data = "<new>")]
fn create_intent(account: &State<SharedAccount>, request: Authorized, new: Form<NewIntent>) -> Reply {
    handle_once(account, &request, "open", |account| {
        if let Some((code, param)) = account.intent_refusal.take() {
            let mut body = error("invalid_request_error", code, "Refused.");
            body["error"]["param"] = json!(param);
            return (Status::BadRequest, body);
        }
        let intents = &mut account.intents;
        assert_eq!(new.automatic_payment_methods, HashMap::from([("enabled".to_owned(), "true".to_owned())]));
        let (amount, currency, order) = (new.amount, new.currency.clone(), new.metadata["order"].clone());
        let (status, refunds) = ("requires_payment_method", Vec::new());
        let (next_action, last_payment_error) = (Value::Null, Value::Null);
        intents.push(Intent {
            amount,
            currency,
            order,
            status,
            captures: 0,
            received: 0,
            refunds,
            next_action,
            last_payment_error,
        });
        (Status::Ok, intent_json(intents.len() - 1, intents.last().unwrap()))
    })
}

#[post("/v1/payment_intents/<id>/confirm", data = "<confirmation>")]
fn confirm_intent(
    account: &State<SharedAccount>,
    request: Authorized,
    id: &str,
    confirmation: Form<Confirmation>,
) -> Reply {
    handle_once(account, &request, "confirm", |account| {
        let only = account.capture_only.take();
        let (number, intent) = (number_of(id), &mut account.intents[number_of(id)]);
        if intent.status != "requires_payment_method" {
            return unexpected_state(number, intent);
        }
        match confirmation.payment_method.as_str() {
            "pm_card_visa" => intent.capture(only.unwrap_or(intent.amount)),
            "pm_card_slow" => intent.status = "processing",
            "pm_card_review" => intent.status = "requires_capture",
            "pm_card_3ds" => {
                (intent.status, intent.next_action) = ("requires_action", json!({"type": "use_stripe_sdk"}));
            }
            "pm_ideal" => {
                let Some(return_url) = &confirmation.return_url else {
                    let mut body = error("invalid_request_error", "parameter_missing", "Provide a return_url.");
                    body["error"]["param"] = json!("return_url");
                    return (Status::BadRequest, body);
                };
                let redirect = json!({"url": format!("https://hooks.stripe.com/{number}"), "return_url": return_url});
                intent.status = "requires_action";
                intent.next_action = json!({"type": "redirect_to_url", "redirect_to_url": redirect});
            }
            "pm_card_declined" => {
                return (Status::PaymentRequired, error("card_error", "card_declined", "Your card was declined."));
            }
            _ => return (Status::BadRequest, error("invalid_request_error", "resource_missing", "No such card.")),
        }
        (Status::Ok, intent_json(number, intent))
    })
}

#[get("/v1/payment_intents/<id>")]
fn get_intent(account: &State<SharedAccount>, _request: Authorized, id: &str) -> Reply {
    let account = account.lock().unwrap();
    (Status::Ok, intent_json(number_of(id), &account.intents[number_of(id)]))
}

#[post("/v1/payment_intents/<id>/<action>", rank = 2)]
fn capture_or_cancel_intent(account: &State<SharedAccount>, request: Authorized, id: &str, action: &str) -> Reply {
    handle_once(account, &request, action, |account| {
        let only = account.capture_only.take();
        let (number, intent) = (number_of(id), &mut account.intents[number_of(id)]);
        match (action, intent.status) {
            ("capture", "requires_capture") => intent.capture(only.unwrap_or(intent.amount)),
            ("cancel", "requires_capture" | "requires_payment_method" | "requires_action") => {
                intent.status = "canceled";
            }
            _ => return unexpected_state(number, intent),
        }
        (Status::Ok, intent_json(number, intent))
    })
}

#[post("/v1/refunds", data = "<refund>")]
fn create_refund(account: &State<SharedAccount>, request: Authorized, refund: Form<NewRefund>) -> Reply {
    handle_once(account, &request, "refund", |account| {
        let refused = |code| (Status::BadRequest, error("invalid_request_error", code, "Refused."));
        let number = number_of(&refund.payment_intent);
        let intent = &mut account.intents[number];
        let left = intent.received - intent.refunded();
        let status = match account.refund_answer.unwrap_or(Ok("succeeded")) {
            Err(code) => return refused(code),
            Ok(_) if left == 0 => return refused("charge_already_refunded"),
            Ok(_) if refund.amount > left => return refused("amount_too_large"),
            Ok(status) => status,
        };
        intent.refunds.push(Refund { amount: refund.amount, status, shop_id: refund.metadata["refund"].clone() });
        (Status::Ok, refund_json(number, intent, intent.refunds.len() - 1))
    })
}

/// Lists the refunds of a payment, the newest first, as Stripe does.
#[get("/v1/refunds?<payment_intent>&<limit>&<starting_after>")]
fn list_refunds(
    account: &State<SharedAccount>,
    _request: Authorized,
    payment_intent: &str,
    limit: usize,
    starting_after: Option<&str>,
) -> Reply {
    assert!((1..=100).contains(&limit), "Stripe takes a limit of 1 to 100");
    let account = account.lock().unwrap();
    if account.down {
        return (Status::ServiceUnavailable, error("api_error", "down", "Service unavailable."));
    }
    let number = number_of(payment_intent);
    let intent = &account.intents[number];
    let all = (0..intent.refunds.len()).rev().map(|index| refund_json(number, intent, index));
    let mut rest: Vec<Value> = match starting_after {
        Some(last) => all.skip_while(|refund| refund["id"] != last).skip(1).collect(),
        None => all.collect(),
    };
    let has_more = rest.len() > limit;
    rest.truncate(limit);
    (Status::Ok, json!({"object": "list", "url": "/v1/refunds", "has_more": has_more, "data": rest}))
}

/// Carries out a change once for each idempotency key, as Stripe does.
fn handle_once(
    account: &SharedAccount,
    request: &Authorized,
    kind: &str,
    change: impl FnOnce(&mut Account) -> Reply,
) -> Reply {
    let mut account = account.lock().unwrap();
    if account.rejects_key {
        return (Status::Unauthorized, error("invalid_request_error", "api_key_expired", "Expired API Key."));
    }
    if account.down {
        return (Status::ServiceUnavailable, error("api_error", "down", "Service unavailable."));
    }
    let Some(key) = request.idempotency_key.clone() else {
        return (Status::BadRequest, error("invalid_request_error", "no_key", "Every change has an idempotency key."));
    };
    let reply = if let Some(reply) = account.responses.get(&key) {
        reply.clone()
    } else {
        let reply = change(&mut account);
        account.responses.insert(key, reply.clone());
        reply
    };
    if account.lost_response == Some(kind) {
        account.lost_response = None;
        return (Status::InternalServerError, error("api_error", "lost", "Internal error."));
    }
    reply
}

fn intent_json(number: usize, intent: &Intent) -> Value {
    json!({
        "id": format!("pi_{number}"),
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_received": intent.received,
        "currency": intent.currency,
        "status": intent.status,
        "latest_charge": if intent.captures > 0 { charge_json(number, intent) } else { Value::Null },
        "client_secret": format!("pi_{number}_secret_Fh3k"),
        "next_action": intent.next_action,
        "last_payment_error": intent.last_payment_error,
        "metadata": {"order": intent.order},
    })
}

fn charge_json(number: usize, intent: &Intent) -> Value {
    json!({
        "id": format!("ch_{number}"),
        "object": "charge",
        "payment_intent": format!("pi_{number}"),
        "amount": intent.amount,
        "amount_captured": intent.received,
        // Stripe counts what it releases of a partial capture as refunded.
        "amount_refunded": intent.amount - intent.received.min(intent.amount) + intent.refunded(),
        "refunded": intent.refunded() == intent.received,
        "captured": true,
        "currency": intent.currency,
        "metadata": {"order": intent.order},
    })
}

fn charge_refunded(number: usize, intent: &Intent) -> Value {
    let id = format!("evt_charge_{number}_{}", intent.refunds.len());
    json!({"id": id, "object": "event", "type": "charge.refunded", "data": {"object": charge_json(number, intent)}})
}

fn refund_json(number: usize, intent: &Intent, index: usize) -> Value {
    let refund = &intent.refunds[index];
    let failure = (refund.status == "failed").then_some("expired_or_canceled_card");
    json!({
        "id": format!("re_{number}_{index}"),
        "object": "refund",
        "payment_intent": format!("pi_{number}"),
        "amount": refund.amount,
        "currency": intent.currency,
        "status": refund.status,
        "failure_reason": failure,
        "metadata": {"order": intent.order, "refund": refund.shop_id},
    })
}

fn number_of(id: &str) -> usize {
    id.strip_prefix("pi_").and_then(|number| number.parse().ok()).unwrap()
}

fn unexpected_state(number: usize, intent: &Intent) -> Reply {
    let mut body = error("invalid_request_error", "payment_intent_unexpected_state", "Not in this state.");
    body["error"]["payment_intent"] = intent_json(number, intent);
    (Status::BadRequest, body)
}

fn error(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": message}})
}
