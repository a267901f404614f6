//! The operator's settings. The one-process shop reads them from the environment too.
//! `.env.example` documents each variable.

use std::path::PathBuf;

use souk_http::config::{Environment, HttpUrl};

use crate::legal::LegalPages;

/// Values of a shop that its environment need not name.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The address of the shop.
    pub public_url: Option<String>,
}

/// The settings of the service.
pub struct Options {
    /// The address of the shop, without a slash at the end: canonical links begin with it.
    pub(crate) public_url: String,
    pub(crate) legal: LegalPages,
}

impl Options {
    /// Reads the variables and collects problems; `None` when there is one.
    pub fn read(environment: &mut Environment, defaults: &Defaults) -> Option<Self> {
        let public_url = match &defaults.public_url {
            Some(default) => environment.optional("PUBLIC_URL").or_else(|| default.parse().ok()),
            None => environment.required::<HttpUrl>("PUBLIC_URL"),
        };
        let folder: Option<PathBuf> = environment.optional("LEGAL_PAGES");
        let legal = LegalPages::load(folder.as_deref());
        let legal = legal.map_err(|problem| environment.add_problem(format!("LEGAL_PAGES: {problem}")));
        let public_url = public_url?.as_str().trim_end_matches('/').to_owned();
        Some(Self { public_url, legal: legal.ok()? })
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
