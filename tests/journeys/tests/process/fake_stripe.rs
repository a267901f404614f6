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
    pub(crate) refunds: usize,
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
            .mount("/", routes![create_intent, confirm_intent, get_intent, capture_or_cancel_intent, create_refund])
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
}

#[derive(FromForm)]
struct Refund {
    payment_intent: String,
}

#[post("/v1/payment_intents", data = "<new>")]
fn create_intent(account: &State<SharedAccount>, request: Authorized, new: Form<NewIntent>) -> Reply {
    handle_once(account, &request, "open", |intents| {
        assert_eq!(new.automatic_payment_methods["allow_redirects"], "never");
        let (amount, currency, order) = (new.amount, new.currency.clone(), new.metadata["order"].clone());
        intents.push(Intent { amount, currency, order, status: "requires_payment_method", captures: 0, refunds: 0 });
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
    handle_once(account, &request, "confirm", |intents| {
        let (number, intent) = (number_of(id), &mut intents[number_of(id)]);
        if intent.status != "requires_payment_method" {
            return unexpected_state(number, intent);
        }
        match confirmation.payment_method.as_str() {
            "pm_card_visa" => (intent.status, intent.captures) = ("succeeded", intent.captures + 1),
            "pm_card_slow" => intent.status = "processing",
            "pm_card_review" => intent.status = "requires_capture",
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
    handle_once(account, &request, action, |intents| {
        let (number, intent) = (number_of(id), &mut intents[number_of(id)]);
        match (action, intent.status) {
            ("capture", "requires_capture") => (intent.status, intent.captures) = ("succeeded", intent.captures + 1),
            ("cancel", "requires_capture" | "requires_payment_method") => intent.status = "canceled",
            _ => return unexpected_state(number, intent),
        }
        (Status::Ok, intent_json(number, intent))
    })
}

#[post("/v1/refunds", data = "<refund>")]
fn create_refund(account: &State<SharedAccount>, request: Authorized, refund: Form<Refund>) -> Reply {
    handle_once(account, &request, "refund", |intents| {
        let intent = &mut intents[number_of(&refund.payment_intent)];
        if intent.status != "succeeded" || intent.refunds > 0 {
            return (
                Status::BadRequest,
                error("invalid_request_error", "charge_already_refunded", "Already refunded."),
            );
        }
        intent.refunds += 1;
        (Status::Ok, json!({"id": "re_1", "object": "refund", "status": "succeeded"}))
    })
}

/// Carries out a change once for each idempotency key, as Stripe does.
fn handle_once(
    account: &SharedAccount,
    request: &Authorized,
    kind: &str,
    change: impl FnOnce(&mut Vec<Intent>) -> Reply,
) -> Reply {
    let mut account = account.lock().unwrap();
    if account.down {
        return (Status::ServiceUnavailable, error("api_error", "down", "Service unavailable."));
    }
    let Some(key) = request.idempotency_key.clone() else {
        return (Status::BadRequest, error("invalid_request_error", "no_key", "Every change has an idempotency key."));
    };
    let reply = if let Some(reply) = account.responses.get(&key) {
        reply.clone()
    } else {
        let reply = change(&mut account.intents);
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
        "currency": intent.currency,
        "status": intent.status,
        "client_secret": format!("pi_{number}_secret_Fh3k"),
        "metadata": {"order": intent.order},
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
