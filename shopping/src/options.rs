//! The operator's settings: how long stock is reserved, and the payment methods. The one-process
//! shop reads them from the environment too, because some are secrets. `.env.example` documents
//! each variable.

use std::str::FromStr;
use std::time::Duration;

use souk_http::config::Environment;

use crate::domain::payment::PaymentMethod;
use crate::providers::PaymentOptions;
use crate::providers::stripe::{SecretKey, StripeOptions};

const STRIPE_URL: &str = "https://api.stripe.com";
const DEFAULT_RESERVATION_TIME: Duration = Duration::from_mins(15);
/// Maximum reservation time, in seconds: one day. Reserved stock cannot be sold.
const MAX_RESERVATION_SECONDS: u64 = 24 * 60 * 60;

/// The settings of the service.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long stock is reserved for an order. An order that is not paid by then is cancelled.
    pub(crate) reservation_time: Duration,
    pub(crate) payments: PaymentOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self { reservation_time: DEFAULT_RESERVATION_TIME, payments: PaymentOptions::default() }
    }
}

impl Options {
    /// Reads `RESERVATION_SECONDS`, `PAYMENT_METHODS` and `STRIPE_...`, and collects problems.
    pub fn read(environment: &mut Environment) -> Self {
        let default = Self::default();
        let reservation_time = environment.optional::<ReservationTime>("RESERVATION_SECONDS");
        let methods =
            environment.optional::<Methods>("PAYMENT_METHODS").map_or(default.payments.methods, |methods| methods.0);
        let key: Option<SecretKey> = environment.optional("STRIPE_SECRET_KEY");
        let webhook = environment.optional("STRIPE_WEBHOOK_SECRET");
        let url = environment.optional("STRIPE_URL").or_else(|| STRIPE_URL.parse().ok());
        let stripe = match (key, webhook, url) {
            (Some(key), Some(webhook), Some(url)) => Some(StripeOptions { key, webhook, url }),
            (None, None, _) => None,
            _ => {
                environment.add_problem("STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET must both be set");
                None
            }
        };
        match (methods.contains(&PaymentMethod::Stripe), &stripe) {
            (true, None) => environment.add_problem("PAYMENT_METHODS contains stripe, which needs STRIPE_SECRET_KEY"),
            (false, Some(_)) => {
                environment.add_problem("STRIPE_SECRET_KEY is set, but PAYMENT_METHODS does not contain stripe");
            }
            _ => {}
        }
        Self {
            reservation_time: reservation_time.map_or(default.reservation_time, |time| time.0),
            payments: PaymentOptions { methods, stripe },
        }
    }
}

struct ReservationTime(Duration);

impl FromStr for ReservationTime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(seconds @ 1..=MAX_RESERVATION_SECONDS) => Ok(Self(Duration::from_secs(seconds))),
            _ => Err("must be a number of seconds, 1 to 86400"),
        }
    }
}

struct Methods(Vec<PaymentMethod>);

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
    fn missing_variables_have_defaults() {
        let mut environment = Environment::from_pairs([]);
        let options = Options::read(&mut environment);
        assert_eq!(options.reservation_time, Duration::from_mins(15));
        assert_eq!(options.payments.methods, [PaymentMethod::Demo]);
        assert_eq!(environment.problems(), [] as [String; 0]);
    }

    #[test]
    fn stripe_needs_its_keys() {
        let both = ("PAYMENT_METHODS", "stripe, demo");
        let mut environment = Environment::from_pairs([both, KEY, WEBHOOK, ("RESERVATION_SECONDS", "60")]);
        let options = Options::read(&mut environment);
        assert_eq!((options.payments.methods.len(), options.reservation_time), (2, Duration::from_mins(1)));
        assert_eq!(options.payments.stripe.map(|stripe| stripe.url.as_str().to_owned()).as_deref(), Some(STRIPE_URL));
        assert_eq!(environment.problems(), [] as [String; 0]);
    }

    #[test]
    fn incomplete_or_invalid_settings_are_problems() {
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
    fn debug_output_hides_secrets() {
        let mut environment = Environment::from_pairs([("PAYMENT_METHODS", "stripe"), KEY, WEBHOOK]);
        let debug = format!("{:?}", Options::read(&mut environment));
        assert!(!debug.contains("1234567890"), "{debug}");
    }
}
