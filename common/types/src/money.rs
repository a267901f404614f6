//! Amounts of money in minor units. Sums are checked: an amount cannot overflow, go negative or mix currencies without
//! the caller being told.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Quantity;
use crate::input::{Fields, Input};

/// The most that one amount may be, in minor units: large enough for any price, and a cart of the most expensive
/// things still fits the integers that JSON clients can hold (2^53).
const MAX_AMOUNT: u64 = 9_999_999_999;

/// An amount in the minor unit of its currency (499 EUR is 4.99 euros).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Minor units.
    pub amount: u64,
    /// ISO 4217.
    pub currency: Currency,
}

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro, the default where nothing names a currency.
    pub const EUR: Self = Self(*b"EUR");

    /// The code, such as `EUR`.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many minor units make a whole one, as a power of ten (ISO 4217, column "minor unit").
    #[must_use]
    pub fn exponent(self) -> u32 {
        match self.code() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
            | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }
}

/// Active ISO 4217 codes of currencies that people pay with, sorted, three letters each.
const CODES: &[[u8; 3]] = &[
    *b"AED", *b"AFN", *b"ALL", *b"AMD", *b"AOA", *b"ARS", *b"AUD", *b"AWG", *b"AZN", *b"BAM", *b"BBD", *b"BDT",
    *b"BGN", *b"BHD", *b"BIF", *b"BMD", *b"BND", *b"BOB", *b"BRL", *b"BSD", *b"BTN", *b"BWP", *b"BYN", *b"BZD",
    *b"CAD", *b"CDF", *b"CHF", *b"CLP", *b"CNY", *b"COP", *b"CRC", *b"CUP", *b"CVE", *b"CZK", *b"DJF", *b"DKK",
    *b"DOP", *b"DZD", *b"EGP", *b"ERN", *b"ETB", *b"EUR", *b"FJD", *b"FKP", *b"GBP", *b"GEL", *b"GHS", *b"GIP",
    *b"GMD", *b"GNF", *b"GTQ", *b"GYD", *b"HKD", *b"HNL", *b"HTG", *b"HUF", *b"IDR", *b"ILS", *b"INR", *b"IQD",
    *b"IRR", *b"ISK", *b"JMD", *b"JOD", *b"JPY", *b"KES", *b"KGS", *b"KHR", *b"KMF", *b"KPW", *b"KRW", *b"KWD",
    *b"KYD", *b"KZT", *b"LAK", *b"LBP", *b"LKR", *b"LRD", *b"LSL", *b"LYD", *b"MAD", *b"MDL", *b"MGA", *b"MKD",
    *b"MMK", *b"MNT", *b"MOP", *b"MRU", *b"MUR", *b"MVR", *b"MWK", *b"MXN", *b"MYR", *b"MZN", *b"NAD", *b"NGN",
    *b"NIO", *b"NOK", *b"NPR", *b"NZD", *b"OMR", *b"PAB", *b"PEN", *b"PGK", *b"PHP", *b"PKR", *b"PLN", *b"PYG",
    *b"QAR", *b"RON", *b"RSD", *b"RUB", *b"RWF", *b"SAR", *b"SBD", *b"SCR", *b"SDG", *b"SEK", *b"SGD", *b"SHP",
    *b"SLE", *b"SOS", *b"SRD", *b"SSP", *b"STN", *b"SVC", *b"SYP", *b"SZL", *b"THB", *b"TJS", *b"TMT", *b"TND",
    *b"TOP", *b"TRY", *b"TTD", *b"TWD", *b"TZS", *b"UAH", *b"UGX", *b"USD", *b"UYU", *b"UZS", *b"VED", *b"VES",
    *b"VND", *b"VUV", *b"WST", *b"XAF", *b"XCD", *b"XOF", *b"XPF", *b"YER", *b"ZAR", *b"ZMW", *b"ZWG",
];

impl TryFrom<&str> for Currency {
    type Error = &'static str;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let code: Option<[u8; 3]> = text.as_bytes().try_into().ok();
        let known = code.filter(|code| CODES.binary_search(code).is_ok());
        known.map(Self).ok_or("is not an ISO 4217 currency code")
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

impl Money {
    /// Nothing, in `currency`.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self { amount: 0, currency }
    }

    /// An amount in minor units.
    pub fn new(amount: u64, currency: Currency) -> Result<Self, &'static str> {
        if amount > MAX_AMOUNT {
            return Err("must be between 0 and 9,999,999,999");
        }
        Ok(Self { amount, currency })
    }

    /// Reads an amount in whole units as people write it: `326`, `3.26`.
    pub fn from_major(text: &str, currency: Currency) -> Result<Self, &'static str> {
        const BAD: &str = "is not a price in whole units, such as 326 or 3.26";
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let exponent = currency.exponent() as usize;
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(BAD);
        }
        if fraction.len() > exponent {
            return Err("has more decimals than the currency");
        }
        let amount = format!("{whole}{fraction:0<exponent$}").parse().map_err(|_| "is too large")?;
        Self::new(amount, currency)
    }

    /// This, `quantity` times. Cannot overflow: both are bounded.
    #[must_use]
    pub fn times(self, quantity: Quantity) -> Self {
        Self { amount: self.amount * u64::from(quantity.get()), ..self }
    }

    /// The sum, unless the currencies differ. Cannot overflow for as many lines as a cart may have.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        (self.currency == other.currency)
            .then(|| Self { amount: self.amount.saturating_add(other.amount), currency: self.currency })
    }
}

impl fmt::Display for Money {
    /// For people: `4.99 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = self.currency.exponent();
        let unit = 10u64.pow(exponent);
        let code = self.currency.code();
        match exponent {
            0 => write!(f, "{} {code}", self.amount),
            digits => {
                write!(f, "{}.{:0width$} {code}", self.amount / unit, self.amount % unit, width = digits as usize)
            }
        }
    }
}

impl Input for Money {
    fn read(fields: &mut Fields) -> Option<Self> {
        let amount = fields.required::<u64>("amount");
        let currency = fields.required::<Currency>("currency");
        match Self::new(amount?, currency?) {
            Ok(money) => Some(money),
            Err(message) => fields.refuse("amount", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd() -> Currency {
        Currency::try_from("USD").unwrap()
    }

    #[test]
    fn whole_units_become_minor_ones() {
        let yen = Currency::try_from("JPY").unwrap();
        for (text, currency, amount) in [
            ("326", usd(), Ok(32_600)),
            ("3.26", usd(), Ok(326)),
            ("3.2", usd(), Ok(320)),
            ("0", usd(), Ok(0)),
            ("980", yen, Ok(980)),
        ] {
            assert_eq!(Money::from_major(text, currency).map(|money| money.amount), amount, "{text}");
        }
        for bad in ["", "-1", "1,5", "1e3", ".5", "5.", "3.261", "NaN", "99999999999999999999999", "100000000"] {
            assert!(Money::from_major(bad, usd()).is_err(), "{bad}");
        }
        assert!(Money::from_major("9.5", yen).is_err());
    }

    #[test]
    fn is_shown_with_the_decimals_of_its_currency() {
        for (code, shown) in [("EUR", "4.05 EUR"), ("JPY", "405 JPY"), ("KWD", "0.405 KWD")] {
            assert_eq!(Money { amount: 405, currency: Currency::try_from(code).unwrap() }.to_string(), shown);
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        let euro = Money::zero(Currency::EUR);
        assert_eq!(euro.plus(Money::zero(usd())), None);
        assert_eq!(euro.plus(euro), Some(euro));
    }

    #[test]
    fn codes_can_be_searched() {
        assert!(CODES.is_sorted());
    }

    #[test]
    fn only_known_codes_are_currencies() {
        for bad in ["", "eur", "EURO", "XXX", "ABC", "E R"] {
            assert!(Currency::try_from(bad).is_err(), "{bad}");
        }
    }
}
