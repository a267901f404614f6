//! Errors of this crate. A test suite is skipped when a program is missing and fails on other
//! errors.

use std::fmt;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a component does not run.
#[derive(Debug)]
pub enum Error {
    /// A program is not installed and cannot be installed.
    Missing {
        /// The missing program.
        what: &'static str,
        /// Why it cannot be installed, and the command that would help.
        help: String,
    },
    /// The operation failed.
    Failed(String),
}

impl Error {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Returns a function for `map_err` that adds the attempted action.
    pub(crate) fn context<E: fmt::Display>(doing: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self::Failed(format!("{doing}: {error}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what, help } => write!(f, "{what} is missing: {help}"),
            Self::Failed(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
