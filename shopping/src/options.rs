//! The operator's settings: limits of orders and reservations, and the payment methods. The
//! one-process shop reads them from the environment too, because some are secrets. `.env.example`
//! documents each variable.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use souk_http::config::Environment;
use souk_http::rate_limit::PerMinute;
use souk_types::input::{from_json, parse_json};
use souk_types::{Error, FieldError};

use crate::domain::order::CheckoutLimits;
use crate::domain::payment::PaymentMethod;
use crate::domain::settings::Settings;
use crate::providers::PaymentOptions;
use crate::providers::stripe::{SecretKey, StripeOptions};
use crate::providers::vies::ViesUrl;

const STRIPE_URL: &str = "https://api.stripe.com";
const DEFAULT_RESERVATION_TIME: Duration = Duration::from_mins(15);
/// Long enough for a person to confirm a card payment.
const DEFAULT_SCARCE_RESERVATION_TIME: Duration = Duration::from_mins(5);
/// Maximum reservation time, in seconds: one day. Reserved stock cannot be sold.
const MAX_RESERVATION_SECONDS: u64 = 24 * 60 * 60;
const DEFAULT_ORDERS_PER_MINUTE: PerMinute = PerMinute::new(10);
/// A network may be an office, or the customers of a mobile provider.
const DEFAULT_GUEST_ORDERS_PER_MINUTE: PerMinute = PerMinute::new(30);
const DEFAULT_GUEST_CARTS_PER_MINUTE: PerMinute = PerMinute::new(120);
/// A checkout asks for several quotes.
const DEFAULT_VAT_CHECKS_PER_MINUTE: PerMinute = PerMinute::new(60);
const DEFAULT_MAX_PIECES_PER_ORDER: u32 = 1_000;
/// A network may be an office, or the customers of a mobile provider.
const DEFAULT_MAX_UNVERIFIED_PIECES: u32 = 200;
const DEFAULT_MAX_UNPAID_ORDERS: usize = 5;

/// The names that variables had in an earlier release.
const FORMER_NAMES: [(&str, &str); 7] = [
    ("ORDERS_PER_MINUTE", "ORDERS_PER_MINUTE_PER_CUSTOMER"),
    ("GUEST_ORDERS_PER_MINUTE", "GUEST_ORDERS_PER_MINUTE_PER_NETWORK"),
    ("GUEST_CARTS_PER_MINUTE", "GUEST_CARTS_PER_MINUTE_PER_NETWORK"),
    ("VAT_CHECKS_PER_MINUTE", "VAT_CHECKS_PER_MINUTE_PER_NETWORK"),
    ("ORDER_PIECES", "MAX_PIECES_PER_ORDER"),
    ("UNVERIFIED_PIECES", "MAX_UNVERIFIED_PIECES_PER_NETWORK"),
    ("UNPAID_ORDERS", "MAX_UNPAID_ORDERS_PER_CUSTOMER"),
];

/// The settings of the service.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) checkout_limits: CheckoutLimits,
    pub(crate) rate_limits: RateLimitOptions,
    pub(crate) payments: PaymentOptions,
    /// The settings of the shop until an admin stores others.
    pub(crate) settings: Option<Settings>,
    /// The register of VAT numbers.
    pub(crate) vies: ViesUrl,
}

/// How often a client may do what the shop limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimitOptions {
    /// Requests for new orders of one customer or guest.
    pub(crate) orders: PerMinute,
    /// Requests for new orders of all guests of one network.
    pub(crate) guest_orders: PerMinute,
    /// New guest tokens of one network.
    pub(crate) guest_carts: PerMinute,
    /// Quotes and orders of one network with a VAT number.
    pub(crate) vat_checks: PerMinute,
}

impl RateLimitOptions {
    fn read(environment: &mut Environment) -> Self {
        let mut rate = |name, default| environment.optional(name).unwrap_or(default);
        Self {
            orders: rate("ORDERS_PER_MINUTE_PER_CUSTOMER", DEFAULT_ORDERS_PER_MINUTE),
            guest_orders: rate("GUEST_ORDERS_PER_MINUTE_PER_NETWORK", DEFAULT_GUEST_ORDERS_PER_MINUTE),
            guest_carts: rate("GUEST_CARTS_PER_MINUTE_PER_NETWORK", DEFAULT_GUEST_CARTS_PER_MINUTE),
            vat_checks: rate("VAT_CHECKS_PER_MINUTE_PER_NETWORK", DEFAULT_VAT_CHECKS_PER_MINUTE),
        }
    }
}

impl Options {
    /// Reads the variables of `.env.example`, and collects problems. A shop with the keys of Stripe
    /// offers Stripe only, unless `PAYMENT_METHODS` names others. A shop without both offers
    /// `fallback`, so that no shop gives its goods away by default.
    pub fn read(environment: &mut Environment, fallback: Option<PaymentMethod>) -> Self {
        for (former, name) in FORMER_NAMES {
            environment.refuse_former_name(former, name);
        }
        let checkout_limits = read_checkout_limits(environment);
        let rate_limits = RateLimitOptions::read(environment);
        let named = environment.has("PAYMENT_METHODS");
        let methods = environment.optional::<Methods>("PAYMENT_METHODS").map(|methods| methods.0);
        let key: Option<SecretKey> = environment.optional("STRIPE_SECRET_KEY");
        let webhook = environment.optional("STRIPE_WEBHOOK_SECRET");
        let url = environment.optional("STRIPE_URL").or_else(|| STRIPE_URL.parse().ok());
        let return_url = environment.optional("STRIPE_RETURN_URL");
        let stripe = match (key, webhook, url) {
            (Some(key), Some(webhook), Some(url)) => Some(StripeOptions { key, webhook, url, return_url }),
            (None, None, _) => None,
            _ => {
                environment.add_problem("STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET must both be set");
                None
            }
        };
        let default = || if stripe.is_some() { Some(PaymentMethod::Stripe) } else { fallback };
        let methods = methods.unwrap_or_else(|| default().into_iter().collect());
        if methods.is_empty() && !named {
            environment.add_problem("PAYMENT_METHODS is missing: stripe, or demo, which moves no money");
        }
        if stripe.is_none() && methods.contains(&PaymentMethod::Stripe) {
            environment.add_problem("PAYMENT_METHODS contains stripe, which needs STRIPE_SECRET_KEY");
        }
        let vies = environment.optional("VIES_URL").unwrap_or_default();
        let settings = environment.optional::<SettingsFile>("SHOP_SETTINGS").map(|file| file.0);
        Self { checkout_limits, rate_limits, payments: PaymentOptions { methods, stripe }, settings, vies }
    }

    /// Whether an order can be paid by this method.
    #[must_use]
    pub fn offers(&self, method: PaymentMethod) -> bool {
        self.payments.methods.contains(&method)
    }
}

fn read_checkout_limits(environment: &mut Environment) -> CheckoutLimits {
    let full: Option<ReservationTime> = environment.optional("RESERVATION_SECONDS");
    let reservation_time = full.map_or(DEFAULT_RESERVATION_TIME, |time| time.0);
    let scarce: Option<ReservationTime> = environment.optional("SCARCE_RESERVATION_SECONDS");
    if scarce.as_ref().is_some_and(|scarce| scarce.0 > reservation_time) {
        environment.add_problem("SCARCE_RESERVATION_SECONDS must not be more than RESERVATION_SECONDS");
    }
    let scarce = scarce.map_or(DEFAULT_SCARCE_RESERVATION_TIME, |time| time.0);
    let pieces: Option<NonZeroU32> = environment.optional("MAX_PIECES_PER_ORDER");
    let unverified_pieces: Option<NonZeroU32> = environment.optional("MAX_UNVERIFIED_PIECES_PER_NETWORK");
    let unpaid_orders: Option<NonZeroU32> = environment.optional("MAX_UNPAID_ORDERS_PER_CUSTOMER");
    CheckoutLimits {
        max_order_pieces: pieces.map_or(DEFAULT_MAX_PIECES_PER_ORDER, NonZeroU32::get),
        max_unverified_pieces: unverified_pieces.map_or(DEFAULT_MAX_UNVERIFIED_PIECES, NonZeroU32::get),
        max_unpaid_orders: unpaid_orders
            .map_or(DEFAULT_MAX_UNPAID_ORDERS, |most| usize::try_from(most.get()).unwrap_or(usize::MAX)),
        reservation_time,
        scarce_reservation_time: scarce.min(reservation_time),
    }
}

struct ReservationTime(Duration);

impl FromStr for ReservationTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(seconds @ 1..=MAX_RESERVATION_SECONDS) => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(format!("must be a number of seconds, 1 to {MAX_RESERVATION_SECONDS}")),
        }
    }
}

/// The file that `SHOP_SETTINGS` names: the JSON of `PUT /shopping/admin/settings`.
struct SettingsFile(Settings);

impl FromStr for SettingsFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let text = std::fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))?;
        let settings = parse_json(&text).and_then(from_json).map_err(|error| problem(&error))?;
        Ok(Self(settings))
    }
}

/// Returns the detail of an error, and each invalid field.
fn problem(error: &Error) -> String {
    let field = |bad: &FieldError| format!("; {} {}", bad.field, bad.message);
    error.detail().trim_end_matches('.').to_owned() + &error.fields().iter().map(field).collect::<String>()
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

    const DEMO: (&str, &str) = ("PAYMENT_METHODS", "demo");
    const KEY: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_test_1234567890");
    const WEBHOOK: (&str, &str) = ("STRIPE_WEBHOOK_SECRET", "whsec_1234567890abcdef");

    #[test]
    fn demo_payments_must_be_named_beside_stripe_and_in_a_fleet() {
        use PaymentMethod::{Demo, Stripe};
        for (variables, fallback, methods, problems) in [
            (vec![], Some(Demo), vec![Demo], 0),
            (vec![], None, vec![], 1),
            (vec![("PAYMENT_METHODS", "")], None, vec![], 1),
            (vec![("PAYMENT_METHODS", "demo")], None, vec![Demo], 0),
            (vec![KEY, WEBHOOK], Some(Demo), vec![Stripe], 0),
            (vec![KEY, WEBHOOK], None, vec![Stripe], 0),
            (vec![KEY, WEBHOOK, ("PAYMENT_METHODS", "stripe")], Some(Demo), vec![Stripe], 0),
            (vec![KEY, WEBHOOK, ("PAYMENT_METHODS", "stripe,demo")], None, vec![Stripe, Demo], 0),
            // Stripe's payments in progress go on.
            (vec![KEY, WEBHOOK, ("PAYMENT_METHODS", "demo")], Some(Demo), vec![Demo], 0),
        ] {
            let mut environment = Environment::from_pairs(variables.clone());
            let options = Options::read(&mut environment, fallback);
            assert_eq!(options.payments.methods, methods, "{variables:?} {fallback:?}");
            assert_eq!(environment.problems().len(), problems, "{variables:?} {fallback:?}");
            assert_eq!(options.checkout_limits.reservation_time, Duration::from_mins(15));
        }
    }

    #[test]
    fn stripe_needs_its_keys() {
        let both = ("PAYMENT_METHODS", "stripe, demo");
        let mut environment = Environment::from_pairs([both, KEY, WEBHOOK, ("RESERVATION_SECONDS", "60")]);
        let options = Options::read(&mut environment, None);
        assert_eq!(
            (options.payments.methods.len(), options.checkout_limits.reservation_time),
            (2, Duration::from_mins(1))
        );
        assert_eq!(options.payments.stripe.map(|stripe| stripe.url.as_str().to_owned()).as_deref(), Some(STRIPE_URL));
        assert_eq!(environment.problems(), [] as [String; 0]);
    }

    #[test]
    fn incomplete_or_invalid_settings_are_problems() {
        for (variables, problems) in [
            (vec![KEY, ("PAYMENT_METHODS", "stripe")], 2),
            (vec![WEBHOOK, ("PAYMENT_METHODS", "demo")], 1),
            (vec![("PAYMENT_METHODS", "stripe")], 1),
            (vec![("PAYMENT_METHODS", "gold")], 1),
            (vec![("PAYMENT_METHODS", "stripe"), KEY, ("STRIPE_WEBHOOK_SECRET", "secret")], 3),
            (vec![DEMO, ("RESERVATION_SECONDS", "0")], 1),
            (vec![DEMO, ("RESERVATION_SECONDS", "86401")], 1),
            (vec![DEMO, ("RESERVATION_SECONDS", "60"), ("SCARCE_RESERVATION_SECONDS", "61")], 1),
            (
                vec![
                    DEMO,
                    ("ORDERS_PER_MINUTE_PER_CUSTOMER", "0"),
                    ("MAX_PIECES_PER_ORDER", "-1"),
                    ("MAX_UNPAID_ORDERS_PER_CUSTOMER", "many"),
                ],
                3,
            ),
            (vec![DEMO, ("MAX_UNVERIFIED_PIECES_PER_NETWORK", "0")], 1),
            (vec![DEMO, ("ORDER_PIECES", "5")], 1),
            (vec![DEMO, ("ORDER_PIECES", "5"), ("MAX_PIECES_PER_ORDER", "5")], 0),
        ] {
            let mut environment = Environment::from_pairs(variables.clone());
            Options::read(&mut environment, None);
            assert_eq!(environment.problems().len(), problems, "{variables:?}: {:?}", environment.problems());
        }
    }

    #[test]
    fn a_file_with_invalid_settings_is_a_problem() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("settings.json");
        let good = r#"{"name": "Tea House", "legal_name": "Tea House Ltd", "home_country": "DE", "currency": "EUR",
            "prices_include_tax": true}"#;
        for (text, problem) in [
            (Some(good.to_owned()), None),
            (None, Some("cannot be read")),
            (Some("{".to_owned()), Some("cannot be read as JSON")),
            (Some(good.replace("EUR", "euro")), Some("currency is not")),
            (Some(good.replace("\"name\"", "\"title\"")), Some("name is required; title is unknown")),
        ] {
            match &text {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let mut environment = Environment::from_pairs([DEMO, ("SHOP_SETTINGS", path.to_str().unwrap())]);
            let options = Options::read(&mut environment, None);
            assert_eq!(options.settings.is_some(), problem.is_none(), "{text:?}");
            let problems = environment.problems().join("\n");
            assert_eq!(problems.is_empty(), problem.is_none(), "{problems}");
            assert!(problem.is_none_or(|problem| problems.contains(problem)), "{text:?}: {problems}");
        }
    }

    #[test]
    fn debug_output_hides_secrets() {
        let mut environment = Environment::from_pairs([("PAYMENT_METHODS", "stripe"), KEY, WEBHOOK]);
        let debug = format!("{:?}", Options::read(&mut environment, None));
        assert!(!debug.contains("1234567890"), "{debug}");
    }
}
