//! The operator's settings. The one-process shop reads them from the environment too.
//! `.env.example` documents each variable.

use souk_http::config::Environment;
use souk_http::rate_limit::PerMinute;

/// The settings of the service.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Attempts with a password from one network.
    pub(crate) attempts_per_address: PerMinute,
    /// Attempts with a password of one account from all networks where it has not signed in before,
    /// and wrong ones from each where it has.
    pub(crate) attempts_per_account: PerMinute,
}

impl Default for Options {
    /// Enough for an office behind one address, and for a person who has forgotten the password.
    fn default() -> Self {
        Self { attempts_per_address: PerMinute::new(30), attempts_per_account: PerMinute::new(10) }
    }
}

impl Options {
    /// Reads `ATTEMPTS_PER_ADDRESS` and `ATTEMPTS_PER_ACCOUNT`, and collects problems.
    pub fn read(environment: &mut Environment) -> Self {
        let default = Self::default();
        let per_address = environment.optional("ATTEMPTS_PER_ADDRESS");
        let per_account = environment.optional("ATTEMPTS_PER_ACCOUNT");
        Self {
            attempts_per_address: per_address.unwrap_or(default.attempts_per_address),
            attempts_per_account: per_account.unwrap_or(default.attempts_per_account),
        }
    }
}
