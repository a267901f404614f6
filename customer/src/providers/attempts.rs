//! Limits of attempts to guess a password or a refresh token. All instances count together, and
//! forget a key a minute after its last attempt.
//!
//! Wrong passwords never lock an account; only an operator does. Attempts from networks where the
//! customer has not signed in before share one count, which an attacker may use up. From a known
//! network, the right password always works; a wrong one is counted afterwards, so that all
//! accounts answer alike.

use std::time::Duration;

use souk_http::rate_limit::shared::SharedLimits;
use souk_http::rate_limit::{PerMinute, RateLimiter};
use souk_types::{Email, Error, Network, Result};

use crate::options::Options;

pub(crate) struct Attempts {
    by_network: RateLimiter<Network>,
    /// Attempts from networks that the account does not know.
    from_unknown_network: RateLimiter<Email>,
    /// Wrong passwords from a network that the account knows.
    failures: RateLimiter<(Email, Network)>,
    refused_tokens: RateLimiter<Network>,
    challenges: RateLimiter<()>,
}

/// Challenges for passkeys that one instance makes in a minute, for all clients: each is a document
/// for five minutes, and a client with many networks could fill the database.
const CHALLENGES: PerMinute = PerMinute::new(3_000);

impl Attempts {
    pub(crate) fn new(limits: &SharedLimits, options: &Options) -> Self {
        let (per_network, per_account) = (options.attempts_per_network, options.attempts_per_account);
        Self {
            by_network: limits.limiter("attempts", per_network),
            from_unknown_network: limits.limiter("attempts-from-elsewhere", per_account),
            failures: limits.limiter("failed-attempts", per_account),
            refused_tokens: limits.limiter("refused-tokens", per_network),
            challenges: RateLimiter::new(CHALLENGES),
        }
    }

    /// Counts an attempt with a password, right or wrong, before the password is hashed.
    pub(crate) fn count(&self, network: Network) -> Result<()> {
        self.by_network.check(&network).map_err(too_many)
    }

    /// Counts an attempt on an e-mail address, which may have no account, from an unknown network.
    /// Called before the password is hashed.
    pub(crate) fn count_from_unknown_network(&self, email: &Email) -> Result<()> {
        self.from_unknown_network.check(email).map_err(too_many)
    }

    /// Counts a wrong password for an account from a network that it knows.
    pub(crate) fn count_failure(&self, email: &Email, network: Network) -> Result<()> {
        self.failures.check(&(email.clone(), network)).map_err(too_many)
    }

    /// Counts a challenge for a sign-in with a passkey, of any client.
    pub(crate) fn count_challenge(&self) -> Result<()> {
        self.challenges.check(&()).map_err(too_many)
    }

    /// Counts a refused refresh token. Valid ones are not limited.
    pub(crate) fn count_refused_token(&self, network: Network) -> Result<()> {
        self.refused_tokens.check(&network).map_err(too_many)
    }
}

fn too_many(wait: Duration) -> Error {
    Error::too_many_requests("too-many-attempts", "Too many attempts. Try again later.", wait)
}
