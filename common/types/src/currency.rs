//! ISO 4217 currencies.

use std::fmt;

use iso_currency::Currency as Iso;
use serde::{Deserialize, Serialize};

/// A currency of ISO 4217 in which prices can be paid: no fund, metal, unit of account or code for
/// tests, and none that has been replaced. The list and the exponents are those of the crate
/// `iso_currency`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(Iso);

/// Currencies in use that the crate counts as replaced: ISO 4217 lists `VES` beside `VED`.
const NOT_REPLACED: [Iso; 1] = [Iso::VES];

impl Currency {
    /// The euro, the default currency.
    pub const EUR: Self = Self(Iso::EUR);

    /// Returns the code, such as `EUR`.
    #[must_use]
    pub fn code(&self) -> &str {
        self.0.code()
    }

    /// Returns the number of decimals: `10^exponent` minor units make a major one (ISO 4217, column
    /// "minor unit").
    #[must_use]
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }

    /// Returns the smallest difference between two prices, in minor units. Cards cannot pay the
    /// third decimal of a currency, nor parts of an ariary. See
    /// <https://docs.stripe.com/currencies#three-decimal>.
    #[must_use]
    pub fn price_step(self) -> u64 {
        match (self.code(), self.exponent()) {
            ("MGA", exponent) => 10u64.pow(exponent),
            (_, 3) => 10,
            _ => 1,
        }
    }
}

impl TryFrom<&str> for Currency {
    type Error = &'static str;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let pays = |iso: &Iso| {
            let is_replaced = iso.is_superseded().is_some() && !NOT_REPLACED.contains(iso);
            !iso.is_fund() && !iso.is_special() && !is_replaced
        };
        Iso::from_code(text).filter(pays).map(Self).ok_or("is not the ISO 4217 code of a currency in use")
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::try_from(text.as_str())
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_codes_are_currencies() {
        for bad in [
            "", "eur", "EURO", "XXX", "XTS", "XAU", "XDR", "CLF", "CHE", "USN", "ABC", "E R", "BGN", "HRK", "ANG",
            "CUC", "SLL", "ZWL", "BTC",
        ] {
            assert!(Currency::try_from(bad).is_err(), "{bad}");
            assert!(serde_json::from_value::<Currency>(bad.into()).is_err(), "{bad} through serde");
        }
        assert_eq!(serde_json::from_str::<Currency>("\"EUR\"").unwrap(), Currency::EUR);
    }
    #[test]
    fn exponents_are_those_of_the_standard() {
        for (code, exponent) in [
            ("EUR", 2),
            ("XCG", 2),
            ("VES", 2),
            ("ZWG", 2),
            ("ISK", 0),
            ("JPY", 0),
            ("UGX", 0),
            ("XAF", 0),
            ("BHD", 3),
            ("KWD", 3),
            ("TND", 3),
            ("HUF", 2),
            ("MGA", 2),
        ] {
            let currency = Currency::try_from(code).unwrap();
            assert_eq!((currency.code(), currency.exponent()), (code, exponent));
        }
    }
}
