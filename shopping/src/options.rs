//! What a shop may decide for itself about orders: how long stock is held, and how one can pay. Read from the environment, in the
//! one-process shop too, because there are secrets among it; `.env.example` explains each variable.

use std::str::FromStr;
use std::time::Duration;

use souk_http::config::Environment;

use crate::domain::payment::{self, Method};
use crate::providers::stripe;

/// Where Stripe is.
const STRIPE_URL: &str = "https://api.stripe.com";
/// A day: stock that is held for longer is not for sale.
const LONGEST_HOLD: u64 = 24 * 60 * 60;

/// What a shop may decide for itself.
#[derive(Debug, Clone)]
pub struct Options {
    /// Stock is held for an order for so long; one that is not paid by then is off.
    pub held_for: Duration,
    /// The ways to pay.
    pub payments: payment::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self { held_for: Duration::from_mins(15), payments: payment::Options::default() }
    }
}

impl Options {
    /// Reads `RESERVATION_SECONDS`, `PAYMENT_METHODS` and `STRIPE_...`; what is not right is noted.
    pub fn read(environment: &mut Environment) -> Self {
        let default = Self::default();
        let held_for = environment.optional::<Hold>("RESERVATION_SECONDS").map_or(default.held_for, |hold| hold.0);
        let methods =
            environment.optional::<Methods>("PAYMENT_METHODS").map_or(default.payments.methods, |list| list.0);
        let key: Option<stripe::SecretKey> = environment.optional("STRIPE_SECRET_KEY");
        let webhook = environment.optional("STRIPE_WEBHOOK_SECRET");
        let url = environment.optional("STRIPE_URL").or_else(|| STRIPE_URL.parse().ok());
        let stripe = match (key, webhook, url) {
            (Some(key), Some(webhook), Some(url)) => Some(stripe::Options { key, webhook, url }),
            (None, None, _) => None,
            _ => {
                environment.add_problem("STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET go together");
                None
            }
        };
        match (methods.contains(&Method::Stripe), &stripe) {
            (true, None) => environment.add_problem("PAYMENT_METHODS names stripe, which needs STRIPE_SECRET_KEY"),
            (false, Some(_)) => {
                environment.add_problem("STRIPE_SECRET_KEY is set and PAYMENT_METHODS does not name stripe");
            }
            _ => {}
        }
        Self { held_for, payments: payment::Options { methods, stripe } }
    }
}

struct Hold(Duration);

impl FromStr for Hold {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(seconds @ 1..=LONGEST_HOLD) => Ok(Self(Duration::from_secs(seconds))),
            _ => Err("must be a number of seconds, 1 to 86400"),
        }
    }
}

struct Methods(Vec<Method>);

impl FromStr for Methods {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_test_1234567890");
    const WEBHOOK: (&str, &str) = ("STRIPE_WEBHOOK_SECRET", "whsec_1234567890abcdef");

    #[test]
    fn what_is_not_said_has_a_default() {
        let mut environment = Environment::from_pairs([]);
        let options = Options::read(&mut environment);
        assert_eq!(options.held_for, Duration::from_mins(15));
        assert_eq!(options.payments.methods, [Method::Demo]);
        assert_eq!(environment.problems(), [] as [String; 0]);
    }

    #[test]
    fn stripe_needs_its_keys() {
        let both = ("PAYMENT_METHODS", "stripe, demo");
        let mut environment = Environment::from_pairs([both, KEY, WEBHOOK, ("RESERVATION_SECONDS", "60")]);
        let options = Options::read(&mut environment);
        assert_eq!((options.payments.methods.len(), options.held_for), (2, Duration::from_mins(1)));
        assert_eq!(options.payments.stripe.map(|stripe| stripe.url.as_str().to_owned()).as_deref(), Some(STRIPE_URL));
        assert_eq!(environment.problems(), [] as [String; 0]);
    }

    #[test]
    fn half_of_it_is_refused() {
        for (variables, problems) in [
            (vec![KEY, ("PAYMENT_METHODS", "stripe")], 2),
            (vec![WEBHOOK], 1),
            (vec![KEY, WEBHOOK], 1),
            (vec![("PAYMENT_METHODS", "stripe")], 1),
            (vec![("PAYMENT_METHODS", "gold")], 1),
            (vec![("PAYMENT_METHODS", "stripe"), KEY, ("STRIPE_WEBHOOK_SECRET", "secret")], 3),
            (vec![("RESERVATION_SECONDS", "0")], 1),
            (vec![("RESERVATION_SECONDS", "86401")], 1),
        ] {
            let mut environment = Environment::from_pairs(variables.clone());
            Options::read(&mut environment);
            assert_eq!(environment.problems().len(), problems, "{variables:?}: {:?}", environment.problems());
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut environment = Environment::from_pairs([("PAYMENT_METHODS", "stripe"), KEY, WEBHOOK]);
        let shown = format!("{:?}", Options::read(&mut environment));
        assert!(!shown.contains("1234567890"), "{shown}");
    }
}
