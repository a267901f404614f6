//! How large a file may be. All of a file is in memory until it is committed: some ten times its size, and no less than 2 KB a row.

use std::str::FromStr;

use souk_http::config::Environment;

/// The largest file that can be taken at all, in bytes.
pub(crate) const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// The longest one, in rows.
const MOST_ROWS: usize = 200_000;

/// What a service takes, which an operator may make smaller than what it could take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportLimits {
    /// Bytes of a file.
    pub(crate) bytes: u64,
    /// Rows of a file.
    pub(crate) rows: usize,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { bytes: MOST_BYTES, rows: MOST_ROWS }
    }
}

impl ImportLimits {
    /// Reads `IMPORT_BYTES` and `IMPORT_ROWS`; what is not right is noted.
    pub fn read(environment: &mut Environment) -> Self {
        let most = Self::default();
        Self {
            bytes: environment.optional("IMPORT_BYTES").map_or(most.bytes, |Within(bytes): Within<MOST_BYTES>| bytes),
            rows: environment
                .optional("IMPORT_ROWS")
                .and_then(|Within(rows): Within<{ MOST_ROWS as u64 }>| usize::try_from(rows).ok())
                .unwrap_or(most.rows),
        }
    }
}

/// A number from 1 to `MOST`.
struct Within<const MOST: u64>(u64);

impl<const MOST: u64> FromStr for Within<MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
        number.map(Self).ok_or_else(|| format!("has to be a whole number from 1 to {MOST}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_may_lower_them() {
        let read = |variables: &[(&str, &str)]| {
            let mut environment = Environment::from_pairs(variables.iter().copied());
            (ImportLimits::read(&mut environment), environment.problems().len())
        };
        let most = ImportLimits::default();
        let lower = ImportLimits { bytes: 8_388_608, rows: 60_000 };
        assert_eq!(read(&[]), (most, 0));
        assert_eq!(read(&[("IMPORT_BYTES", "8388608"), ("IMPORT_ROWS", "60000")]), (lower, 0));
        assert_eq!(read(&[("IMPORT_ROWS", "200000")]), (most, 0));
        assert_eq!(read(&[("IMPORT_ROWS", "200001")]), (most, 1));
        assert_eq!(read(&[("IMPORT_BYTES", "0"), ("IMPORT_ROWS", "many")]), (most, 2));
    }
}
