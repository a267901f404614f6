//! What can go wrong, told apart as far as callers care: a test suite skips what is missing and
//! fails on what failed.

use std::fmt;

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a part does not run.
#[derive(Debug)]
pub enum Error {
    /// A program is not on this machine and cannot be brought there.
    Missing {
        /// What was looked for.
        what: &'static str,
        /// What stood in the way, and the command that would help.
        help: String,
    },
    /// It is there and did not do what it should.
    Failed(String),
}

impl Error {
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }

    /// For `map_err`: what was being done, and why it did not work.
    pub(crate) fn context<E: fmt::Display>(doing: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self::Failed(format!("{doing}: {error}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what, help } => write!(f, "{what} is missing: {help}"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}
