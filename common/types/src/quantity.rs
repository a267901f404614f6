//! The quantity of a product in a cart or an order.

use serde::{Deserialize, Serialize};

use crate::Integer;

/// A number of pieces, 1 to 999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Integer", into = "u32")]
pub struct Quantity(u32);

const OUT_OF_RANGE: &str = "must be between 1 and 999";

impl Quantity {
    /// The most pieces in one line of a cart or an order.
    pub const MAX: u32 = 999;

    /// Returns the number of pieces.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// Returns the sum. Errors: it is over [`Quantity::MAX`].
    pub fn checked_add(self, more: Self) -> Result<Self, &'static str> {
        Self::try_from(u64::from(self.0) + u64::from(more.0))
    }

    /// Returns the difference; `None` when nothing is left.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).filter(|left| *left > 0).map(Self)
    }
}

impl TryFrom<u64> for Quantity {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        match u32::try_from(number) {
            Ok(quantity @ 1..=Self::MAX) => Ok(Self(quantity)),
            _ => Err(OUT_OF_RANGE),
        }
    }
}

impl TryFrom<Integer> for Quantity {
    type Error = &'static str;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        u64::try_from(number.get()).map_err(|_| OUT_OF_RANGE)?.try_into()
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_a_double_is_refused_with_the_range_of_quantities() {
        for huge in ["9007199254740993", "-18446744073709551615", "1e300"] {
            let error = serde_json::from_str::<Quantity>(huge).unwrap_err().to_string();
            assert!(error.starts_with(OUT_OF_RANGE), "{huge}: {error}");
        }
    }

    #[test]
    fn only_whole_numbers_from_1_to_999_are_quantities() {
        for good in ["1", "999", "2.0", "1e2", "0.1e1"] {
            assert!(serde_json::from_str::<Quantity>(good).is_ok(), "{good}");
        }
        for bad in
            ["0", "1000", "-1", "1.5", "1e3", "-0", "1e-1", "\"1\"", "null", "99999999999999999999", "{\"$gt\":0}"]
        {
            assert!(serde_json::from_str::<Quantity>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sums_and_differences_stay_in_range() {
        let of = |number| Quantity::try_from(number).unwrap();
        assert_eq!(of(998).checked_add(of(1)), Ok(of(999)));
        assert!(of(999).checked_add(of(1)).is_err());
        assert_eq!(of(3).checked_sub(of(1)), Some(of(2)));
        assert_eq!(of(3).checked_sub(of(3)), None);
        assert_eq!(of(3).checked_sub(of(4)), None);
    }
}
