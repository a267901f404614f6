//! The operator's settings. The one-process shop reads them from the environment too.
//! `.env.example` documents each variable.

use std::str::FromStr;

use souk_http::config::Environment;

/// Largest file, in bytes.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;
const MAX_ROWS: usize = 200_000;

/// The settings of the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    pub(crate) import_limits: ImportLimits,
}

/// The limits of an import. An import needs memory for the whole file until the commit: about ten
/// times the file's size, and at least 2 KB for each row. An operator can lower them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImportLimits {
    pub(crate) bytes: u64,
    pub(crate) rows: usize,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { bytes: MAX_BYTES, rows: MAX_ROWS }
    }
}

impl Options {
    /// Reads `MAX_IMPORT_BYTES` and `MAX_IMPORT_ROWS`, and collects problems.
    pub fn read(environment: &mut Environment) -> Self {
        environment.refuse_former_name("IMPORT_BYTES", "MAX_IMPORT_BYTES");
        environment.refuse_former_name("IMPORT_ROWS", "MAX_IMPORT_ROWS");
        let default = ImportLimits::default();
        let bytes = environment.optional("MAX_IMPORT_BYTES").map(|UpTo(bytes): UpTo<MAX_BYTES>| bytes);
        let rows: Option<UpTo<{ MAX_ROWS as u64 }>> = environment.optional("MAX_IMPORT_ROWS");
        let rows = rows.and_then(|UpTo(rows)| usize::try_from(rows).ok());
        let import_limits = ImportLimits { bytes: bytes.unwrap_or(default.bytes), rows: rows.unwrap_or(default.rows) };
        Self { import_limits }
    }
}

/// A number from 1 to `MAX`.
struct UpTo<const MAX: u64>(u64);

impl<const MAX: u64> FromStr for UpTo<MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=MAX).contains(number));
        number.map(Self).ok_or_else(|| format!("must be a whole number from 1 to {MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_can_lower_the_limits() {
        let read = |variables: &[(&str, &str)]| {
            let mut environment = Environment::from_pairs(variables.iter().copied());
            (Options::read(&mut environment).import_limits, environment.problems().len())
        };
        let default = ImportLimits::default();
        let lower = ImportLimits { bytes: 8_388_608, rows: 60_000 };
        assert_eq!(read(&[]), (default, 0));
        assert_eq!(read(&[("MAX_IMPORT_BYTES", "8388608"), ("MAX_IMPORT_ROWS", "60000")]), (lower, 0));
        assert_eq!(read(&[("MAX_IMPORT_ROWS", "200000")]), (default, 0));
        assert_eq!(read(&[("MAX_IMPORT_ROWS", "200001")]), (default, 1));
        assert_eq!(read(&[("MAX_IMPORT_BYTES", "0"), ("MAX_IMPORT_ROWS", "many")]), (default, 2));
    }
}
