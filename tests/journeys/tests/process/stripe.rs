//! Paying by Stripe, against a server that speaks what the shop uses of its API: cards that pay, that are declined, that are slow;
//! answers that get lost; notices that come twice, too late or from somebody else. Whatever happens, money is taken once and goes
//! back once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use journeys::{Ask, Books, Customer, Method, OwnShop, Product, euros, eventually};
use rocket::form::{Form, FromForm};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::{Shutdown, State, get, post, routes};
use serde_json::{Value, json};
use sha2::Sha256;

const KEY: &str = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";
const SIGNING_SECRET: &str = "whsec_5WbX7FtFcXq9Xq9Xq9Xq";

/// Stripe's books.
#[derive(Default)]
struct Account {
    intents: Vec<Intent>,
    /// What was answered under each idempotency key.
    answers: HashMap<String, (Status, Value)>,
    /// The answer to the next request of this kind is lost: the work is done, and an error is told.
    loses: Option<&'static str>,
    /// Nothing is done at all.
    down: bool,
}

#[derive(Clone)]
struct Intent {
    amount: u64,
    currency: String,
    order: String,
    status: &'static str,
    captures: usize,
    refunds: usize,
}

type Ledger = Arc<Mutex<Account>>;

/// Somebody who has the key.
struct Merchant {
    once: Option<String>,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Merchant {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let header = |name| request.headers().get_one(name);
        if header("Authorization") != Some(&format!("Bearer {KEY}")) || header("Stripe-Version").is_none() {
            return Outcome::Error((Status::Unauthorized, ()));
        }
        Outcome::Success(Self { once: header("Idempotency-Key").map(str::to_owned) })
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

fn shown(id: usize, intent: &Intent) -> Value {
    let (amount, status) = (intent.amount, intent.status);
    let metadata = json!({"order": intent.order});
    json!({"id": format!("pi_{id}"), "object": "payment_intent", "amount": amount, "currency": intent.currency,
        "status": status, "client_secret": format!("pi_{id}_secret_Fh3k"), "metadata": metadata})
}

fn error(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": message}})
}

type Reply = (Status, rocket::serde::json::Value);

/// Does something once for each idempotency key, as Stripe does; its answer may get lost.
fn once(ledger: &Ledger, merchant: &Merchant, what: &str, work: impl FnOnce(&mut Vec<Intent>) -> Reply) -> Reply {
    let mut books = ledger.lock().unwrap();
    if books.down {
        return (Status::ServiceUnavailable, error("api_error", "down", "Come back later."));
    }
    let Some(key) = merchant.once.clone() else {
        return (Status::BadRequest, error("invalid_request_error", "no_key", "Every change has an idempotency key."));
    };
    let answer = if let Some(answer) = books.answers.get(&key) {
        answer.clone()
    } else {
        let answer = work(&mut books.intents);
        books.answers.insert(key, answer.clone());
        answer
    };
    if books.loses == Some(what) {
        books.loses = None;
        return (Status::InternalServerError, error("api_error", "lost", "Something happened."));
    }
    answer
}

fn unexpected(id: usize, intent: &Intent) -> Reply {
    let mut refusal = error("invalid_request_error", "payment_intent_unexpected_state", "Not in this state.");
    refusal["error"]["payment_intent"] = shown(id, intent);
    (Status::BadRequest, refusal)
}

#[post("/v1/payment_intents", data = "<new>")]
fn open(ledger: &State<Ledger>, merchant: Merchant, new: Form<NewIntent>) -> Reply {
    once(ledger, &merchant, "open", |intents| {
        assert_eq!(new.automatic_payment_methods["allow_redirects"], "never");
        let (amount, currency, order) = (new.amount, new.currency.clone(), new.metadata["order"].clone());
        intents.push(Intent { amount, currency, order, status: "requires_payment_method", captures: 0, refunds: 0 });
        (Status::Ok, shown(intents.len() - 1, intents.last().unwrap()))
    })
}

/// The number of an intent.
fn number(id: &str) -> usize {
    id.strip_prefix("pi_").and_then(|number| number.parse().ok()).unwrap()
}

#[post("/v1/payment_intents/<id>/confirm", data = "<confirmation>")]
fn confirm(ledger: &State<Ledger>, merchant: Merchant, id: &str, confirmation: Form<Confirmation>) -> Reply {
    once(ledger, &merchant, "confirm", |intents| {
        let (id, intent) = (number(id), &mut intents[number(id)]);
        if intent.status != "requires_payment_method" {
            return unexpected(id, intent);
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
        (Status::Ok, shown(id, intent))
    })
}

#[get("/v1/payment_intents/<id>")]
fn look_up(ledger: &State<Ledger>, _merchant: Merchant, id: &str) -> Reply {
    let books = ledger.lock().unwrap();
    (Status::Ok, shown(number(id), &books.intents[number(id)]))
}

#[post("/v1/payment_intents/<id>/<what>", rank = 2)]
fn change(ledger: &State<Ledger>, merchant: Merchant, id: &str, what: &str) -> Reply {
    once(ledger, &merchant, what, |intents| {
        let (id, intent) = (number(id), &mut intents[number(id)]);
        match (what, intent.status) {
            ("capture", "requires_capture") => (intent.status, intent.captures) = ("succeeded", intent.captures + 1),
            ("cancel", "requires_capture" | "requires_payment_method") => intent.status = "canceled",
            _ => return unexpected(id, intent),
        }
        (Status::Ok, shown(id, intent))
    })
}

#[post("/v1/refunds", data = "<refund>")]
fn refund(ledger: &State<Ledger>, merchant: Merchant, refund: Form<Refund>) -> Reply {
    once(ledger, &merchant, "refund", |intents| {
        let intent = &mut intents[number(&refund.payment_intent)];
        if intent.status != "succeeded" || intent.refunds > 0 {
            return (Status::BadRequest, error("invalid_request_error", "charge_already_refunded", "Already."));
        }
        intent.refunds += 1;
        (Status::Ok, json!({"id": "re_1", "object": "refund", "status": "succeeded"}))
    })
}

/// A shop whose money Stripe moves, and Stripe.
struct Payments {
    shop: OwnShop,
    ledger: Ledger,
    stripe: Shutdown,
}

impl Payments {
    async fn open() -> Self {
        let ledger = Ledger::default();
        let config = rocket::Config { port: 0, log_level: rocket::log::LogLevel::Off, ..rocket::Config::default() };
        let (bound, address) = tokio::sync::oneshot::channel();
        let bound = Mutex::new(Some(bound));
        let stripe = rocket::custom(rocket::Config { shutdown: quiet(), ..config })
            .manage(Arc::clone(&ledger))
            .mount("/", routes![open, confirm, look_up, change, refund])
            .attach(rocket::fairing::AdHoc::on_liftoff("address", move |stripe| {
                if let Some(bound) = bound.lock().unwrap().take() {
                    bound.send(stripe.config().port).unwrap();
                }
                Box::pin(async {})
            }));
        let stripe = stripe.ignite().await.unwrap();
        let shutdown = stripe.shutdown();
        tokio::spawn(stripe.launch());
        let url = format!("http://127.0.0.1:{}", address.await.unwrap());
        let environment = [
            ("PAYMENT_METHODS", "stripe,demo"),
            ("STRIPE_URL", url.as_str()),
            ("STRIPE_SECRET_KEY", KEY),
            ("STRIPE_WEBHOOK_SECRET", SIGNING_SECRET),
        ];
        Self { shop: OwnShop::open_in(&["--no-demo", "--log", "debug"], &environment).await, ledger, stripe: shutdown }
    }

    /// Somebody who has two of ten packets of tea in the cart.
    async fn buyer(&self) -> (Customer, Product) {
        let tea = self.shop.admin().await.sells("tea", &euros(499), 10).await;
        let ana = self.shop.new_customer("Ana").await;
        ana.adds(&tea, 2).await.expect_status(200);
        (ana, tea)
    }

    async fn books(&self, product: &Product) -> Books {
        self.shop.admin().await.books(product).await
    }

    fn intent(&self, order: &str) -> (usize, Intent) {
        let books = self.ledger.lock().unwrap();
        let mut found = books.intents.iter().enumerate().filter(|(_, intent)| intent.order == order);
        let (id, intent) = found.next().unwrap();
        assert!(found.next().is_none(), "an order has one payment");
        (id, intent.clone())
    }

    fn loses_the_answer_to(&self, what: &'static str) {
        self.ledger.lock().unwrap().loses = Some(what);
    }

    /// Sends a notice about an order's payment, signed at that time.
    fn tells(&self, id: &str, kind: &str, order: &str, signed: SystemTime) -> Ask {
        let (number, intent) = self.intent(order);
        let body = json!({"id": id, "type": kind, "data": {"object": shown(number, &intent)}}).to_string();
        let seconds = signed.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes()).unwrap();
        mac.update(format!("{seconds}.{body}").as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let ask = self.shop.visitor().asks(Method::POST, "/shopping/payment/webhook");
        ask.header("Stripe-Signature", format!("t={seconds},v1={hex}")).body(body)
    }

    async fn becomes(&self, customer: &Customer, order: &str, status: &str) {
        eventually(&format!("the order to be {status}"), async || {
            let order = customer.order(order).await.expect_status(200);
            if order["status"] == status { Ok(()) } else { Err(order.to_string()) }
        })
        .await;
    }
}

impl Drop for Payments {
    fn drop(&mut self) {
        self.stripe.clone().notify();
    }
}

fn quiet() -> rocket::config::Shutdown {
    rocket::config::Shutdown { ctrlc: false, ..rocket::config::Shutdown::default() }
}

fn by_card(customer: &Customer, key: &str, card: &str) -> Ask {
    customer.orders(key).json(json!({"payment": {"method": "stripe", "token": card}}))
}

#[tokio::test]
async fn a_card_pays_once() {
    let payments = Payments::open().await;
    let (ana, tea) = payments.buyer().await;
    for _ in 0..2 {
        let order = by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
        assert_eq!(order["payment"], json!({"method": "stripe", "status": "captured"}));
        let (_, intent) = payments.intent(order.id());
        assert_eq!((intent.amount, intent.currency.as_str(), intent.captures), (998, "eur", 1));
    }
    assert_eq!(payments.books(&tea).await, Books { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn a_card_is_declined_or_unknown() {
    let payments = Payments::open().await;
    let (ana, tea) = payments.buyer().await;
    for card in ["pm_card_declined", "pm_nobody"] {
        by_card(&ana, card, card).await.expect_problem(402, "payment-declined");
        assert_eq!(ana.cart().await.items().len(), 1);
        assert_eq!(payments.books(&tea).await, Books { available: 10, reserved: 0, sold: 0 });
    }
    by_card(&ana, "good", "pm_card_visa").await.expect_status(201);
}

#[tokio::test]
async fn the_client_pays_by_itself_and_stripe_says_so() {
    let payments = Payments::open().await;
    let (ana, tea) = payments.buyer().await;
    // Nothing said: the first of the shop's methods.
    let order = ana.orders("key").await.expect_status(202);
    assert_eq!(order["payment"]["status"], "open");
    assert!(order["payment"]["client_secret"].as_str().unwrap().contains("_secret_"));
    let id = order.id();

    let now = SystemTime::now();
    let old = now - Duration::from_mins(10);
    payments.tells("evt_0", "payment_intent.succeeded", id, old).await.expect_problem(400, "malformed");
    let forged = payments.tells("evt_0", "payment_intent.succeeded", id, now);
    forged.body("{}").await.expect_problem(400, "malformed");
    payments.shop.visitor().asks(Method::POST, "/shopping/payment/webhook").await.expect_problem(400, "malformed");
    // Another card may still work.
    payments.tells("evt_1", "payment_intent.payment_failed", id, now).await.expect_status(204);
    assert_eq!(ana.order(id).await["status"], "reserved");

    for _ in 0..3 {
        payments.tells("evt_2", "payment_intent.succeeded", id, now).await.expect_status(204);
    }
    let order = ana.order(id).await.expect_status(200);
    assert_eq!(
        (&order["status"], &order["payment"]),
        (&"confirmed".into(), &json!({"method": "stripe", "status": "captured"}))
    );
    assert_eq!(payments.books(&tea).await, Books { available: 8, reserved: 0, sold: 2 });
    payments.tells("evt_3", "customer.created", id, now).await.expect_status(204);
}

#[tokio::test]
async fn a_refund_happens_once() {
    let payments = Payments::open().await;
    let (ana, tea) = payments.buyer().await;
    let order = by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
    payments.loses_the_answer_to("refund");
    ana.cancels(order.id()).await.expect_status(200);
    payments.becomes(&ana, order.id(), "refunded").await;
    ana.cancels(order.id()).await.expect_status(200);
    assert_eq!(payments.intent(order.id()).1.refunds, 1);
    assert_eq!(payments.books(&tea).await, Books { available: 10, reserved: 0, sold: 0 });
}

#[tokio::test]
async fn an_admin_takes_what_is_set_aside() {
    let payments = Payments::open().await;
    let admin = payments.shop.admin().await;
    let (ana, _) = payments.buyer().await;
    let order = by_card(&ana, "key", "pm_card_review").await.expect_status(202);
    assert_eq!(admin.captures(order.id()).await.expect_status(200)["status"], "confirmed");
    assert_eq!(payments.intent(order.id()).1.captures, 1);

    let (ben, tea) = payments.buyer().await;
    let order = by_card(&ben, "key", "pm_card_review").await.expect_status(202);
    ben.cancels(order.id()).await.expect_status(200);
    assert_eq!(payments.intent(order.id()).1.status, "canceled");
    assert_eq!(payments.books(&tea).await, Books { available: 10, reserved: 0, sold: 0 });
}

#[tokio::test]
async fn an_answer_is_lost() {
    let payments = Payments::open().await;
    let (ana, tea) = payments.buyer().await;
    // That of the new intent: nothing has moved, and the client tries again.
    payments.loses_the_answer_to("open");
    by_card(&ana, "key", "pm_card_visa").await.expect_problem(503, "unavailable");
    let order = by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
    assert_eq!(payments.intent(order.id()).1.captures, 1);

    // That of the payment: nobody knows, until it is looked up.
    let ben = payments.shop.new_customer("Ben").await;
    ben.adds(&tea, 1).await.expect_status(200);
    payments.loses_the_answer_to("confirm");
    let order = by_card(&ben, "key", "pm_card_visa").await.expect_status(202);
    payments.becomes(&ben, order.id(), "confirmed").await;
    assert_eq!(payments.intent(order.id()).1.captures, 1);
    assert_eq!(payments.books(&tea).await, Books { available: 7, reserved: 0, sold: 3 });
}

#[tokio::test]
async fn stripe_is_away() {
    let payments = Payments::open().await;
    let (ana, tea) = payments.buyer().await;
    payments.ledger.lock().unwrap().down = true;
    by_card(&ana, "key", "pm_card_visa").await.expect_problem(503, "unavailable");
    payments.ledger.lock().unwrap().down = false;
    by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
    assert_eq!(payments.books(&tea).await, Books { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn secrets_are_not_logged() {
    let payments = Payments::open().await;
    let (ana, _) = payments.buyer().await;
    let order = ana.orders("key").await.expect_status(202);
    let secret = order["payment"]["client_secret"].as_str().unwrap().to_owned();
    payments.tells("evt_1", "payment_intent.succeeded", order.id(), SystemTime::now()).await.expect_status(204);
    let (ben, _) = payments.buyer().await;
    by_card(&ben, "key", "pm_card_declined").await.expect_problem(402, "payment-declined");
    let log = payments.shop.log();
    assert!(log.contains("/payment/webhook"), "the log has the requests: {log}");
    for secret in [KEY, SIGNING_SECRET, &secret, "pm_card_declined"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
