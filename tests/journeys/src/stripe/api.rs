//! The routes of the fake that the shop calls.

use std::collections::HashMap;

use rocket::form::{Form, FromForm};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::{Route, State, get, post, routes};
use serde_json::{Value, json};

use super::json::{intent_json, refund_json};
use super::{Account, Intent, Refund, Reply, SECRET_KEY, SharedAccount, number_of};

pub(super) fn routes() -> Vec<Route> {
    routes![create_intent, confirm_intent, get_intent, capture_or_cancel_intent, create_refund, list_refunds]
}

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
    if account.fails_lookups {
        return (Status::ServiceUnavailable, error("api_error", "down", "Service unavailable."));
    }
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

fn unexpected_state(number: usize, intent: &Intent) -> Reply {
    let mut body = error("invalid_request_error", "payment_intent_unexpected_state", "Not in this state.");
    body["error"]["payment_intent"] = intent_json(number, intent);
    (Status::BadRequest, body)
}

fn error(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": message}})
}
