//! The price of one unit of a product.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::input::{Fields, Input};
use crate::{Currency, Integer, Money, NumberError, Quantity, Result};

/// The price of one unit, from 0 to [`Price::MAX_AMOUNT`] minor units, in steps that payment
/// providers can charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Money", into = "Money")]
pub struct Price(Money);

const OUT_OF_RANGE: &str = "must be between 0 and 9,999,999,999";

impl Price {
    /// The largest price, in minor units. A line of [`Quantity::MAX`] such units, and a cart of
    /// such lines, stay far below [`Money::MAX_AMOUNT`].
    pub const MAX_AMOUNT: u64 = 9_999_999_999;

    /// Returns the price of `amount` minor units.
    pub fn new(amount: u64, currency: Currency) -> Result<Self, &'static str> {
        if amount > Self::MAX_AMOUNT {
            return Err(OUT_OF_RANGE);
        }
        if !amount.is_multiple_of(currency.price_step()) {
            return Err(NOT_CHARGEABLE);
        }
        Money::new(amount, currency).map(Self)
    }

    /// Reads a price in major units: `326`, `3.26`, `3.2600`.
    pub fn from_major(text: &str, currency: Currency) -> Result<Self, &'static str> {
        Self::from_integer(Integer::from_decimal(text, currency.exponent()), currency, major(currency.exponent()))
    }

    /// Reads a price in minor units: `326`, `326.0`.
    pub fn from_minor(text: &str, currency: Currency) -> Result<Self, &'static str> {
        Self::from_integer(Integer::from_decimal(text, 0), currency, MINOR)
    }

    fn from_integer(
        amount: Result<Integer, NumberError>,
        currency: Currency,
        messages: Messages,
    ) -> Result<Self, &'static str> {
        let amount = amount.map_err(|error| match error {
            NumberError::NotANumber => messages.not_a_number,
            NumberError::NotExact => messages.not_exact,
            NumberError::TooLarge => messages.out_of_range,
        })?;
        let Amount(amount) = amount.try_into().map_err(|_| messages.out_of_range)?;
        Self::new(amount, currency)
    }

    /// Returns the number of minor units.
    #[must_use]
    pub const fn amount(self) -> u64 {
        self.0.amount()
    }

    /// Returns the currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.0.currency()
    }

    /// Returns the price of `quantity` units.
    #[must_use]
    pub fn line_total(self, quantity: Quantity) -> Money {
        const { assert!(Self::MAX_AMOUNT * Quantity::MAX as u64 <= Money::MAX_AMOUNT) };
        Money::in_range(self.amount() * u64::from(quantity.get()), self.currency())
    }
}

const NOT_CHARGEABLE: &str = "cannot be charged: payments have two decimals of a currency with three (5.120 KWD, not \
                              5.124), and none of MGA";

/// The minor units of a price.
#[derive(Deserialize)]
#[serde(try_from = "Integer")]
struct Amount(u64);

impl TryFrom<Integer> for Amount {
    type Error = &'static str;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        match u64::try_from(number.get()) {
            Ok(amount @ 0..=Price::MAX_AMOUNT) => Ok(Self(amount)),
            _ => Err(OUT_OF_RANGE),
        }
    }
}

struct Messages {
    not_a_number: &'static str,
    not_exact: &'static str,
    out_of_range: &'static str,
}

const fn major(exponent: u32) -> Messages {
    Messages {
        not_a_number: "must be a price in whole units, such as 326 or 3.26: with a point before the decimals, \
                   and without other separators",
        not_exact: "has more decimals than the currency",
        out_of_range: match exponent {
            0 => OUT_OF_RANGE,
            2 => "must be between 0 and 99,999,999.99",
            3 => "must be between 0 and 9,999,999.99",
            _ => "must be between 0 and 9,999,999,999 minor units of the currency",
        },
    }
}

const MINOR: Messages = Messages {
    not_a_number: "must be a price in minor units, such as 326 (see price_in), without separators",
    not_exact: "must be a whole number of minor units (see price_in)",
    out_of_range: OUT_OF_RANGE,
};

impl TryFrom<Money> for Price {
    type Error = &'static str;

    fn try_from(money: Money) -> Result<Self, Self::Error> {
        Self::new(money.amount(), money.currency())
    }
}

impl From<Price> for Money {
    fn from(price: Price) -> Self {
        price.0
    }
}

impl fmt::Display for Price {
    /// Formats the price in major units: `4.99 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Input for Price {
    fn read(fields: &mut Fields) -> Option<Self> {
        let amount = fields.required("amount");
        let currency = fields.required("currency");
        let Amount(amount) = amount?;
        match Self::new(amount, currency?) {
            Ok(price) => Some(price),
            Err(message) => fields.refuse("amount", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn usd() -> Currency {
        Currency::try_from("USD").unwrap()
    }

    #[test]
    fn prices_out_of_range_are_rejected() {
        for (amount, is_price) in
            [(0, true), (Price::MAX_AMOUNT, true), (Price::MAX_AMOUNT + 1, false), (u64::MAX, false)]
        {
            let body = json!({"amount": amount, "currency": "USD"});
            assert_eq!(Price::new(amount, usd()).is_ok(), is_price, "{amount}");
            assert_eq!(serde_json::from_value::<Price>(body.clone()).is_ok(), is_price, "{amount} through serde");
            assert_eq!(crate::input::from_json::<Price>(body).is_ok(), is_price, "{amount} from a client");
            let money = Money::new(amount, usd());
            assert_eq!(money.is_ok_and(|money| Price::try_from(money).is_ok()), is_price, "{amount} from money");
        }
    }

    #[test]
    fn major_units_become_minor_ones() {
        let yen = Currency::try_from("JPY").unwrap();
        let dinar = Currency::try_from("KWD").unwrap();
        for (text, currency, amount) in [
            ("326", usd(), 32_600),
            ("3.26", usd(), 326),
            ("3.2", usd(), 320),
            ("34.0000", usd(), 3400),
            ("1e2", usd(), 10_000),
            ("-0", usd(), 0),
            ("0", usd(), 0),
            ("980", yen, 980),
            ("980.00", yen, 980),
            ("5.1200", dinar, 5120),
        ] {
            assert_eq!(Price::from_major(text, currency).map(Price::amount), Ok(amount), "{text}");
        }
        for (bad, message) in [
            ("", major(2).not_a_number),
            ("1,5", major(2).not_a_number),
            ("34,00", major(2).not_a_number),
            ("1.234,56", major(2).not_a_number),
            ("1,234.56", major(2).not_a_number),
            (".5", major(2).not_a_number),
            ("5.", major(2).not_a_number),
            ("NaN", major(2).not_a_number),
            ("3.261", major(2).not_exact),
            ("34.001", major(2).not_exact),
            ("-1", "must be between 0 and 99,999,999.99"),
            ("100000000", "must be between 0 and 99,999,999.99"),
            ("1e400", "must be between 0 and 99,999,999.99"),
            ("99999999999999999999999", "must be between 0 and 99,999,999.99"),
        ] {
            assert_eq!(Price::from_major(bad, usd()), Err(message), "{bad}");
        }
        assert!(Price::from_major("9.5", yen).is_err());
        for (largest, more, currency, message) in [
            ("9999999999", "10000000000", yen, OUT_OF_RANGE),
            ("99999999.99", "100000000.00", usd(), "must be between 0 and 99,999,999.99"),
            ("9999999.99", "10000000.00", dinar, "must be between 0 and 9,999,999.99"),
        ] {
            assert!(Price::from_major(largest, currency).is_ok(), "{largest} {currency:?}");
            assert_eq!(Price::from_major(more, currency), Err(message));
        }
    }

    #[test]
    fn a_price_that_no_payment_can_have_is_refused() {
        for (code, amount, is_price) in [
            ("KWD", 5120, true),
            ("KWD", 5124, false),
            ("KWD", 1, false),
            ("KWD", 0, true),
            ("BHD", 1005, false),
            ("MGA", 500, true),
            ("MGA", 550, false),
            ("ISK", 501, true),
            ("JPY", 1, true),
            ("EUR", 1, true),
        ] {
            let body = json!({"amount": amount, "currency": code});
            let currency = Currency::try_from(code).unwrap();
            let major = Money::new(amount, currency).unwrap().to_string();
            let major = major.split_once(' ').unwrap().0;
            assert_eq!(
                serde_json::from_value::<Price>(body.clone()).is_ok(),
                is_price,
                "{code} {amount} through serde"
            );
            assert_eq!(crate::input::from_json::<Price>(body).is_ok(), is_price, "{code} {amount} from a client");
            assert_eq!(Price::from_major(major, currency).is_ok(), is_price, "{code} {major} in major units");
        }
    }

    #[test]
    fn minor_units_are_whole() {
        for (text, amount) in
            [("326", Ok(326)), ("326.0", Ok(326)), ("3.26", Err(MINOR.not_exact)), ("3,26", Err(MINOR.not_a_number))]
        {
            assert_eq!(Price::from_minor(text, usd()).map(Price::amount), amount, "{text}");
        }
    }

    #[test]
    fn the_largest_line_has_a_total() {
        let most = Quantity::try_from(u64::from(Quantity::MAX)).unwrap();
        let line = Price::new(Price::MAX_AMOUNT, usd()).unwrap().line_total(most);
        assert_eq!(line.amount(), 9_989_999_999_001);
        assert_eq!(serde_json::from_value::<Money>(json!(line)).unwrap(), line);
    }
}
