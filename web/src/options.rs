//! The operator's settings. The one-process shop reads them from the environment too.
//! `.env.example` documents each variable.

use std::path::PathBuf;
use std::str::FromStr;

use souk_http::config::{Environment, HttpUrl};

use crate::legal::LegalPages;

/// Values of a shop that its environment need not name.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The URL of the shop.
    pub public_url: Option<String>,
}

/// The settings of the service.
pub struct Options {
    /// The URL of the shop, without a slash at the end: canonical links begin with it.
    pub(crate) public_url: String,
    pub(crate) legal: LegalPages,
    /// The publishable key at Stripe, which its library in the browser needs. Without it, the pages
    /// do not offer Stripe.
    pub(crate) stripe_key: Option<String>,
}

impl Options {
    /// Reads the variables and collects problems; `None` when there is one.
    pub fn read(environment: &mut Environment, defaults: &Defaults) -> Option<Self> {
        let public_url = match &defaults.public_url {
            Some(default) => environment.optional("PUBLIC_URL").or_else(|| default.parse().ok()),
            None => environment.required::<HttpUrl>("PUBLIC_URL"),
        };
        let stripe_key = environment.optional::<PublishableKey>("STRIPE_PUBLISHABLE_KEY").map(|key| key.0);
        let folder: Option<PathBuf> = environment.optional("LEGAL_PAGES");
        let legal = LegalPages::load(folder.as_deref());
        let legal = legal.map_err(|problem| environment.add_problem(format!("LEGAL_PAGES: {problem}"))).ok();
        let (public_url, legal) = (public_url?.as_str().trim_end_matches('/').to_owned(), legal?);
        environment.problems().is_empty().then_some(Self { public_url, legal, stripe_key })
    }
}

/// A publishable key of Stripe. Every visitor can read it.
struct PublishableKey(String);

impl FromStr for PublishableKey {
    type Err = &'static str;

    /// Refuses every other key: a secret one would be published.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_key = text.starts_with("pk_") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_key { Ok(Self(text.to_owned())) } else { Err("must be a publishable key, which begins with pk_") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_names_its_address() {
        for (variables, problem) in [
            (&[("PUBLIC_URL", "https://shop.example/")][..], None),
            (&[], Some("PUBLIC_URL is missing")),
            (&[("PUBLIC_URL", "https://shop.example"), ("LEGAL_PAGES", "/nowhere")], Some("LEGAL_PAGES: ")),
            (
                &[("PUBLIC_URL", "https://shop.example"), ("STRIPE_PUBLISHABLE_KEY", "sk_test_1")],
                Some("STRIPE_PUBLISHABLE_KEY"),
            ),
        ] {
            let mut environment = Environment::from_pairs(variables.iter().copied());
            let options = Options::read(&mut environment, &Defaults::default());
            let problems = environment.problems();
            match problem {
                None => assert_eq!(options.map(|options| options.public_url).as_deref(), Some("https://shop.example")),
                Some(words) => assert!(options.is_none() && problems[0].contains(words), "{problems:?}"),
            }
        }
    }
}
