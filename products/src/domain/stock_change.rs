//! Changes of the available quantity by an admin.

use serde::{Deserialize, Serialize};
use souk_types::Integer;
use souk_types::input::{Fields, Input};

/// An available quantity that an admin sets: 0 to 1,000,000,000. Released holds and restocked sales
/// fit above it in 32 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Integer")]
pub(crate) struct AvailableQuantity(u32);

impl AvailableQuantity {
    pub(super) const MAX: i64 = 1_000_000_000;
    pub(crate) const OUT_OF_RANGE: &str = "must be between 0 and 1,000,000,000";
}

impl TryFrom<i64> for AvailableQuantity {
    type Error = &'static str;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        match u32::try_from(number) {
            Ok(available) if number <= Self::MAX => Ok(Self(available)),
            _ => Err(Self::OUT_OF_RANGE),
        }
    }
}

impl TryFrom<Integer> for AvailableQuantity {
    type Error = &'static str;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        number.get().try_into()
    }
}

impl From<AvailableQuantity> for u32 {
    fn from(available: AvailableQuantity) -> Self {
        available.0
    }
}

/// A number that an admin adds to the available quantity: -1,000,000,000 to 1,000,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Integer")]
pub(crate) struct StockDifference(i64);

impl StockDifference {
    pub(super) fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<Integer> for StockDifference {
    type Error = &'static str;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        let is_valid = number.get().abs() <= AvailableQuantity::MAX;
        if is_valid { Ok(Self(number.get())) } else { Err("must be between -1,000,000,000 and 1,000,000,000") }
    }
}

/// A change of the available quantity.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StockChange {
    /// Replaces the quantity. The admin must have seen the current one.
    Set(AvailableQuantity),
    /// Adds to the quantity, whatever it is.
    Add(StockDifference),
}

/// The body of `PUT /{id}/stock`.
pub(crate) struct SetStock(pub(crate) AvailableQuantity);

impl Input for SetStock {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.forbid("add", "is for PATCH; PUT sets available");
        Some(Self(fields.required("available")?))
    }
}

/// The body of `PATCH /{id}/stock`.
pub(crate) struct AddStock(pub(crate) StockDifference);

impl Input for AddStock {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.forbid("available", "is for PUT; PATCH adds to the available quantity");
        Some(Self(fields.required("add")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_limits() {
        for (number, is_quantity, is_difference) in [
            (0, true, true),
            (-1, false, true),
            (1_000_000_000, true, true),
            (1_000_000_001, false, false),
            (-1_000_000_000, false, true),
            (-1_000_000_001, false, false),
        ] {
            let integer = Integer::try_from(number).unwrap();
            assert_eq!(AvailableQuantity::try_from(number).is_ok(), is_quantity, "{number}");
            assert_eq!(StockDifference::try_from(integer).is_ok(), is_difference, "{number}");
        }
    }
}
