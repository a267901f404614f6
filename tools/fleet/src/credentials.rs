//! The users of a fleet on its servers: one for each service, and the operator's.

use crate::error::{Error, Result};
use crate::service::Service;

/// The user of operators, with all rights.
pub(crate) const OPERATOR: &str = "souk";

/// Users and their random passwords.
#[derive(Clone)]
pub(crate) struct Credentials(Vec<(&'static str, String)>);

impl Credentials {
    pub(crate) fn new() -> Result<Self> {
        let users = [OPERATOR].into_iter().chain(Service::ALL.map(Service::name));
        users.map(|user| Ok((user, random_hex()?))).collect::<Result<_>>().map(Self)
    }

    /// Returns users and passwords, the operator's first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(user, password)| (*user, password.as_str()))
    }

    /// Returns `user:password`, for a URL.
    pub(crate) fn user_info(&self, user: &str) -> String {
        format!("{user}:{}", self.password(user))
    }

    pub(crate) fn password(&self, user: &str) -> &str {
        self.all().find(|(known, _)| *known == user).map_or("", |(_, password)| password)
    }
}

/// Returns 32 hexadecimal digits.
pub(crate) fn random_hex() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::context("no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
