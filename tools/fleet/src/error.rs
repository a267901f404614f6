//! Errors of this crate. A test suite skips what is missing and fails on the rest.

use std::fmt;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a component does not run.
#[derive(Debug)]
pub enum Error {
    /// A program is not installed and cannot be installed.
    Missing {
        /// What is missing.
        what: &'static str,
        /// Why it cannot be installed, and the command that would help.
        help: String,
    },
    /// The operation failed.
    Failed(String),
}

impl Error {
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }

    /// For `map_err`: adds what was attempted.
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
