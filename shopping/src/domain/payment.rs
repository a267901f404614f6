//! Paying: what a client may ask for, what is kept of a payment, and the one thing that whoever moves money must be able to do,
//! [`Provider`]. There are two: [`demo`], which moves none, and [`stripe`]. When a payment is begun, and what follows from its
//! news, is in [`crate::application::checkout`].

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use souk_contract::shopping::OrderId;
use souk_store::Database;
use souk_types::input::{Fields, Input};
use souk_types::{Error, Money, Result, Timestamp};

use crate::providers::demo::{Bank, DemoToken};
use crate::providers::stripe::{self, PaymentMethod, Stripe};

/// How an order is to be paid: `{"method": "demo", "token": "demo_ok"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase")]
pub enum Means {
    /// By nobody's money.
    Demo {
        /// How it shall end.
        token: DemoToken,
    },
    /// By a card or what else Stripe takes.
    Stripe {
        /// What the client had Stripe make of the card; without it, the client pays by itself, with the payment's `client_secret`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<PaymentMethod>,
    },
}

/// Who moves the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Nobody.
    Demo,
    /// Stripe.
    Stripe,
}

impl FromStr for Method {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "demo" => Ok(Self::Demo),
            "stripe" => Ok(Self::Stripe),
            _ => Err("must be demo or stripe"),
        }
    }
}

impl Means {
    /// Who is to move the money.
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Demo { .. } => Method::Demo,
            Self::Stripe { .. } => Method::Stripe,
        }
    }

    /// Whether the shop pays in the client's name, or the client by itself.
    #[must_use]
    pub fn pays_by_itself(&self) -> bool {
        matches!(self, Self::Stripe { token: None })
    }

    /// Forgets what stands for somebody's card.
    pub fn forget(&mut self) {
        if let Self::Stripe { token } = self {
            *token = None;
        }
    }
}

impl Input for Means {
    fn read(fields: &mut Fields) -> Option<Self> {
        match fields.required("method") {
            Some(Method::Demo) => Some(Self::Demo { token: fields.required("token")? }),
            Some(Method::Stripe) => Some(Self::Stripe { token: fields.optional("token") }),
            None => {
                // Which tokens there are, the method says; but a text they all are.
                fields.required::<String>("token");
                None
            }
        }
    }
}

/// What is kept of an order's payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Who moves the money.
    pub method: Method,
    /// Where it is.
    pub status: Status,
    /// The provider's name for it.
    pub reference: String,
    /// By which the client can pay by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<ClientSecret>,
}

/// A payment as the customer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentView {
    method: Method,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<ClientSecret>,
}

/// Lets a client pay one payment with Stripe's own programs. For its customer's eyes only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientSecret(String);

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSecret")
    }
}

/// Where the money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Where it was; nobody has paid yet.
    Open,
    /// On its way, or nobody knows.
    Processing,
    /// Set aside, until the shop takes it or lets it go.
    Review,
    /// With the shop.
    Captured,
    /// Where it was, and it will not come.
    Declined,
    /// Where it was: the payment was called off.
    Cancelled,
    /// With the customer again.
    Refunded,
}

/// What a provider says of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Where the money is.
    pub status: Status,
    /// Why, where that is worth telling the customer.
    pub reason: Option<String>,
}

impl News {
    pub(crate) fn of(status: Status) -> Self {
        Self { status, reason: None }
    }
}

/// News that come by themselves.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The provider's name for this notice: the same when it comes again.
    pub id: String,
    /// Of which order.
    pub order: OrderId,
    /// The provider's name for the payment.
    pub reference: String,
    /// What it says.
    pub news: News,
}

/// What is to be paid.
#[derive(Debug, Clone)]
pub struct Charge {
    /// For which order; the provider makes one payment of it, however often it is asked.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// How.
    pub means: Means,
    /// Until when the goods are held.
    pub until: Timestamp,
}

/// Somebody who moves money. Everything may be asked again and is done once.
///
/// Errors: a transient one when it is not known whether it was done; the next question tells.
#[rocket::async_trait]
pub trait Provider: Send + Sync {
    /// Makes a payment that moves no money yet.
    async fn open(&self, charge: &Charge) -> Result<Payment>;
    /// Asks for the money.
    async fn pay(&self, reference: &str, charge: &Charge) -> Result<News>;
    /// Asks how it stands.
    async fn look_up(&self, reference: &str) -> Result<News>;
    /// Takes what is set aside.
    async fn capture(&self, reference: &str) -> Result<News>;
    /// Calls it off. The news say whether it was too late.
    async fn cancel(&self, reference: &str) -> Result<News>;
    /// Gives the money back.
    async fn refund(&self, reference: &str) -> Result<News>;
}

/// The ways to pay in this shop.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which are taken; the first is for those who do not say how they pay.
    pub methods: Vec<Method>,
    /// What Stripe needs to be among them.
    pub stripe: Option<stripe::Options>,
}

impl Default for Options {
    fn default() -> Self {
        Self { methods: vec![Method::Demo], stripe: None }
    }
}

/// Those who move money for this shop. Cheap to clone.
#[derive(Clone)]
pub struct Payments {
    default: Method,
    providers: BTreeMap<Method, Arc<dyn Provider>>,
    pub(crate) bank: Bank,
    pub(crate) stripe: Option<Arc<Stripe>>,
}

impl Payments {
    /// Errors: no method, or Stripe without its keys.
    pub(crate) fn open(options: Options, database: &Database) -> Result<Self> {
        let bank = Bank::open(database)?;
        let stripe = options.stripe.map(|options| Arc::new(Stripe::new(options)));
        let mut providers: BTreeMap<Method, Arc<dyn Provider>> = BTreeMap::new();
        for method in &options.methods {
            let provider: Arc<dyn Provider> = match (method, &stripe) {
                (Method::Demo, _) => Arc::new(bank.clone()),
                (Method::Stripe, Some(stripe)) => Arc::clone(stripe) as Arc<dyn Provider>,
                (Method::Stripe, None) => return Err(Error::internal("stripe is to be taken and has no keys")),
            };
            providers.insert(*method, provider);
        }
        let default = options.methods.first().copied().ok_or_else(|| Error::internal("there is no way to pay"))?;
        Ok(Self { default, providers, bank, stripe })
    }

    /// How an order is paid when the client did not say, or what it said. Errors: a method that is not taken here.
    pub(crate) fn choose(&self, means: Option<Means>) -> Result<Means> {
        let means = means.unwrap_or(match self.default {
            Method::Demo => Means::Demo { token: DemoToken::Ok },
            Method::Stripe => Means::Stripe { token: None },
        });
        if self.providers.contains_key(&means.method()) {
            return Ok(means);
        }
        Err(Error::invalid_field("payment.method", "is not taken in this shop"))
    }

    /// Who has the payments of a method. Errors: it is no longer taken, while orders that were paid by it are not at their end.
    pub(crate) fn provider(&self, method: Method) -> Result<&dyn Provider> {
        match self.providers.get(&method) {
            Some(provider) => Ok(&**provider),
            None => Err(Error::internal(format!("{method:?} has payments under way and is not configured any more"))),
        }
    }
}

impl Payment {
    pub(crate) fn opened(method: Method, reference: String, client_secret: Option<String>) -> Self {
        Self { method, status: Status::Open, reference, client_secret: client_secret.map(ClientSecret) }
    }

    /// Takes in what the provider says. `false` when it is nothing new: news may come twice and in any order, and money that has
    /// arrived can only go back.
    pub(crate) fn learn(&mut self, status: Status) -> bool {
        let outdated = match self.status {
            Status::Refunded => true,
            Status::Captured => status != Status::Refunded,
            Status::Open => false,
            _ => status == Status::Open,
        };
        if outdated || status == self.status {
            return false;
        }
        self.status = status;
        if !matches!(status, Status::Open | Status::Processing) {
            self.client_secret = None;
        }
        true
    }

    pub(crate) fn view(&self) -> PaymentView {
        PaymentView { method: self.method, status: self.status, client_secret: self.client_secret.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_come_twice_and_in_any_order() {
        use Status::{Cancelled, Captured, Declined, Open, Processing, Refunded, Review};
        for (before, news, after) in [
            (Open, Processing, Processing),
            (Open, Captured, Captured),
            (Processing, Open, Processing),
            (Processing, Review, Review),
            (Processing, Declined, Declined),
            (Review, Captured, Captured),
            (Review, Cancelled, Cancelled),
            // It was called off too late, or somebody tried once more.
            (Cancelled, Captured, Captured),
            (Declined, Captured, Captured),
            (Captured, Processing, Captured),
            (Captured, Declined, Captured),
            (Captured, Cancelled, Captured),
            (Captured, Refunded, Refunded),
            (Refunded, Captured, Refunded),
        ] {
            let mut payment = Payment::opened(Method::Demo, String::new(), None);
            payment.status = before;
            assert_eq!(payment.learn(news), before != after, "{before:?} {news:?}");
            assert_eq!(payment.status, after, "{before:?} {news:?}");
        }
    }

    #[test]
    fn what_a_client_may_ask_for() {
        let read = |json: serde_json::Value| souk_types::input::from_json::<Means>(json);
        let good = read(serde_json::json!({"method": "demo", "token": "demo_review"})).unwrap();
        assert_eq!(good, Means::Demo { token: DemoToken::Review });
        assert!(read(serde_json::json!({"method": "stripe"})).unwrap().pays_by_itself());
        for (bad, field) in [
            (serde_json::json!({"method": "demo"}), "token"),
            (serde_json::json!({"method": "demo", "token": "pm_card_visa"}), "token"),
            (serde_json::json!({"method": "stripe", "token": "4242 4242 4242 4242"}), "token"),
            (serde_json::json!({"token": "demo_ok"}), "method"),
            (serde_json::json!({"method": "gold", "token": "demo_ok"}), "method"),
        ] {
            let error = read(bad.clone()).unwrap_err();
            assert_eq!(error.fields().iter().map(|field| &*field.field).collect::<Vec<_>>(), [field], "{bad}");
        }
    }

    #[test]
    fn a_client_secret_is_not_shown_by_accident() {
        let payment = Payment::opened(Method::Stripe, "pi_1".to_owned(), Some("pi_1_secret_x".to_owned()));
        assert!(!format!("{payment:?}").contains("secret_x"));
    }
}
