//! The operator's settings. The one-process shop reads them from the environment too.
//! `.env.example` documents each variable.

use std::str::FromStr;

use souk_http::config::{Environment, HttpUrl};
use souk_http::rate_limit::PerMinute;

use crate::domain::relying_party::RelyingParty;

/// The names that variables had in an earlier release.
const FORMER_NAMES: [(&str, &str); 3] = [
    ("ATTEMPTS_PER_ADDRESS", "PASSWORD_ATTEMPTS_PER_MINUTE_PER_NETWORK"),
    ("ATTEMPTS_PER_ACCOUNT", "PASSWORD_ATTEMPTS_PER_MINUTE_PER_ACCOUNT"),
    ("STAFF_TOTP", "STAFF_SECOND_FACTOR"),
];

/// The settings of the service.
#[derive(Debug, Clone)]
pub struct Options {
    /// Attempts with a password from one network.
    pub(crate) attempts_per_network: PerMinute,
    /// Attempts with a password of one account from all networks where it has not signed in before,
    /// and wrong ones from each where it has.
    pub(crate) attempts_per_account: PerMinute,
    pub(crate) staff_second_factor: StaffSecondFactor,
    /// The shop as passkeys know it; `None` in a shop without a domain name.
    pub(crate) relying_party: Option<RelyingParty>,
}

/// Whether staff must sign in with a second factor: the code of an authenticator app, or a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StaffSecondFactor {
    #[default]
    Optional,
    /// Without the second step, an account has no role.
    Required,
}

impl FromStr for StaffSecondFactor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err("must be optional or required"),
        }
    }
}

impl Default for Options {
    /// Enough for an office behind one address, and for a person who has forgotten the password.
    fn default() -> Self {
        let (attempts_per_network, attempts_per_account) = (PerMinute::new(30), PerMinute::new(10));
        Self {
            attempts_per_network,
            attempts_per_account,
            staff_second_factor: StaffSecondFactor::default(),
            relying_party: None,
        }
    }
}

impl Options {
    /// Reads `PASSWORD_ATTEMPTS_PER_MINUTE_PER_NETWORK`,
    /// `PASSWORD_ATTEMPTS_PER_MINUTE_PER_ACCOUNT`, `STAFF_SECOND_FACTOR` and `PUBLIC_URL`, and
    /// collects problems. `public_url` is the address of a shop whose environment names none.
    pub fn read(environment: &mut Environment, public_url: Option<&str>) -> Self {
        for (former, name) in FORMER_NAMES {
            environment.refuse_former_name(former, name);
        }
        let default = Self::default();
        let per_network = environment.optional("PASSWORD_ATTEMPTS_PER_MINUTE_PER_NETWORK");
        let per_account = environment.optional("PASSWORD_ATTEMPTS_PER_MINUTE_PER_ACCOUNT");
        let named: Option<HttpUrl> = environment.optional("PUBLIC_URL");
        let public_url = named.as_ref().map(HttpUrl::as_str).or(public_url);
        Self {
            attempts_per_network: per_network.unwrap_or(default.attempts_per_network),
            attempts_per_account: per_account.unwrap_or(default.attempts_per_account),
            staff_second_factor: environment.optional("STAFF_SECOND_FACTOR").unwrap_or_default(),
            relying_party: public_url.and_then(RelyingParty::at),
        }
    }
}
