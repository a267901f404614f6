//! Amounts of money in minor units. Adding fails for different currencies and out of range.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::input::{Fields, Input};
use crate::{Currency, Error, Integer, Result};

/// An amount in the minor unit of its currency, from 0 to [`Money::MAX_AMOUNT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Money {
    amount: u64,
    currency: Currency,
}

#[derive(Deserialize)]
struct Unchecked {
    amount: Integer,
    currency: Currency,
}

const OUT_OF_RANGE: &str = "must be between 0 and 9,007,199,254,740,991";

impl Money {
    /// The largest amount, in minor units: 2^53 - 1, the largest integer that every JSON client
    /// reads exactly (RFC 7493, section 2.2).
    pub const MAX_AMOUNT: u64 = (1 << 53) - 1;

    /// Returns the amount of `amount` minor units.
    pub const fn new(amount: u64, currency: Currency) -> Result<Self, &'static str> {
        if amount > Self::MAX_AMOUNT {
            return Err(OUT_OF_RANGE);
        }
        Ok(Self { amount, currency })
    }

    /// Returns the amount of `amount` minor units, which the caller knows to be in range.
    pub(crate) const fn in_range(amount: u64, currency: Currency) -> Self {
        debug_assert!(amount <= Self::MAX_AMOUNT);
        Self { amount, currency }
    }

    /// Returns zero in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { amount: 0, currency }
    }

    /// Returns the number of minor units.
    #[must_use]
    pub const fn amount(self) -> u64 {
        self.amount
    }

    /// Returns the currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Returns the sum; `None` when the currencies differ or the sum is over [`Money::MAX_AMOUNT`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        Self::new(self.amount + other.amount, self.currency).ok()
    }

    /// Returns the difference, at least zero; `None` when the currencies differ.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        let amount = self.amount.saturating_sub(other.amount);
        (self.currency == other.currency).then_some(Self { amount, currency: self.currency })
    }

    /// Whether the amount is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.amount == 0
    }

    /// Returns the sum of all amounts; `None` without any amount, because there is no currency.
    ///
    /// # Errors
    /// An internal error when two amounts cannot be added ([`Money::checked_add`]): callers refuse
    /// mixed currencies before they add.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Option<Self>> {
        let mut amounts = amounts.into_iter();
        let Some(first) = amounts.next() else { return Ok(None) };
        amounts
            .try_fold(first, |sum, next| {
                sum.checked_add(next).ok_or_else(|| Error::internal(format!("{sum} and {next} cannot be added")))
            })
            .map(Some)
    }
}

impl TryFrom<Unchecked> for Money {
    type Error = &'static str;

    fn try_from(Unchecked { amount, currency }: Unchecked) -> Result<Self, Self::Error> {
        Self::new(u64::try_from(amount.get()).map_err(|_| OUT_OF_RANGE)?, currency)
    }
}

impl Input for Money {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (amount, currency) = (fields.required::<Integer>("amount"), fields.required("currency"));
        let amount = u64::try_from(amount?.get()).unwrap_or(u64::MAX);
        match Self::new(amount, currency?) {
            Ok(money) => Some(money),
            Err(message) => fields.refuse("amount", message),
        }
    }
}

impl fmt::Display for Money {
    /// Formats the amount in major units: `4.99 EUR`.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn money(amount: u64, code: &str) -> Money {
        Money::new(amount, Currency::try_from(code).unwrap()).unwrap()
    }

    #[test]
    fn amounts_out_of_range_are_rejected() {
        for amount in [0, 1, Money::MAX_AMOUNT] {
            let read: Money = serde_json::from_value(json!({"amount": amount, "currency": "EUR"})).unwrap();
            assert_eq!(Ok(read), Money::new(amount, Currency::EUR));
        }
        for amount in [Money::MAX_AMOUNT + 1, u64::MAX] {
            assert!(Money::new(amount, Currency::EUR).is_err(), "{amount}");
            assert!(serde_json::from_value::<Money>(json!({"amount": amount, "currency": "EUR"})).is_err(), "{amount}");
        }
        for bad in [json!({"amount": -1, "currency": "EUR"}), json!({"amount": 1, "currency": "euro"}), json!(1)] {
            assert!(serde_json::from_value::<Money>(bad.clone()).is_err(), "{bad}");
        }
        let max = money(Money::MAX_AMOUNT, "EUR");
        assert_eq!(max.checked_add(money(1, "EUR")), None);
    }

    #[test]
    fn currencies_do_not_mix() {
        let (euro, dollar) = (money(1, "EUR"), money(1, "USD"));
        assert_eq!(euro.checked_add(dollar), None);
        assert_eq!(euro.checked_add(euro), Some(money(2, "EUR")));
        assert_eq!(euro.minus(dollar), None);
        assert_eq!(euro.minus(money(2, "EUR")), Some(Money::zero(Currency::EUR)));
    }

    #[test]
    fn a_sum_adds_everything_or_fails() {
        let sum = |amounts: &[Money]| Money::sum(amounts.iter().copied()).map_err(|error| error.kind());
        let (euro, dollar, max) = (money(1, "EUR"), money(1, "USD"), money(Money::MAX_AMOUNT, "EUR"));
        assert_eq!(sum(&[]), Ok(None));
        assert_eq!(sum(&[euro, euro, euro]), Ok(Some(money(3, "EUR"))));
        assert_eq!(sum(&[euro, dollar]), Err(crate::ErrorKind::Internal));
        assert_eq!(sum(&[max, euro]), Err(crate::ErrorKind::Internal));
    }

    #[test]
    fn is_shown_with_the_decimals_of_its_currency() {
        for (code, shown) in [("EUR", "4.05 EUR"), ("JPY", "405 JPY"), ("KWD", "0.405 KWD")] {
            assert_eq!(money(405, code).to_string(), shown);
        }
    }
}
