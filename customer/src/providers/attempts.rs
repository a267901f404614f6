//! Limits of attempts to guess a password or a refresh token. Each process counts for itself, and
//! forgets a key a minute after its last attempt.
//!
//! An account is never locked. Attempts from networks where the customer has not signed in before
//! share one count, which an attacker may use up. From a known network, the right password always
//! works; a wrong one is counted afterwards, so that all accounts answer alike.

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use souk_http::rate_limit::RateLimiter;
use souk_types::{Error, Network, Result};

use crate::options::Options;

pub(crate) struct Attempts {
    by_network: RateLimiter<Network>,
    /// By the hash of an account, which is shorter than an e-mail address.
    by_account: RateLimiter<u64>,
    refused_tokens: RateLimiter<Network>,
    hasher: RandomState,
}

impl Attempts {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            by_network: RateLimiter::new(options.attempts_per_address),
            by_account: RateLimiter::new(options.attempts_per_account),
            refused_tokens: RateLimiter::new(options.attempts_per_address),
            hasher: RandomState::new(),
        }
    }

    /// Counts an attempt with a password, right or wrong, before the password is hashed.
    pub(crate) fn count(&self, network: Network) -> Result<()> {
        self.by_network.check(&network).map_err(too_many)
    }

    /// Counts an attempt on an account, or on an e-mail address that may have none, from an unknown
    /// network. Called before the password is hashed.
    pub(crate) fn count_from_elsewhere(&self, account: &impl Hash) -> Result<()> {
        self.by_account.check(&self.hasher.hash_one(account)).map_err(too_many)
    }

    /// Counts a wrong password for an account from a network that it knows.
    pub(crate) fn count_failure(&self, account: &impl Hash, network: Network) -> Result<()> {
        self.by_account.check(&self.hasher.hash_one((account, network))).map_err(too_many)
    }

    /// Counts a refused refresh token. Valid ones are not limited.
    pub(crate) fn count_refused_token(&self, network: Network) -> Result<()> {
        self.refused_tokens.check(&network).map_err(too_many)
    }
}

fn too_many(wait: Duration) -> Error {
    Error::too_many_requests("too-many-attempts", "Too many attempts. Try again later.", wait)
}
