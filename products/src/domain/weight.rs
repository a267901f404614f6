//! The weight of a product.

use serde::{Deserialize, Serialize};
use souk_types::Integer;

/// The weight of one unit with its packaging, in grams: 0 to 1,000,000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Integer")]
pub struct Weight(u32);

impl Weight {
    const MAX: u32 = 1_000_000;
    pub(crate) const OUT_OF_RANGE: &str = "must be between 0 and 1,000,000";

    /// Returns the number of grams.
    #[must_use]
    pub fn grams(self) -> u32 {
        self.0
    }
}

impl TryFrom<Integer> for Weight {
    type Error = &'static str;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        match u32::try_from(number.get()) {
            Ok(grams) if grams <= Self::MAX => Ok(Self(grams)),
            _ => Err(Self::OUT_OF_RANGE),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_weight_is_a_whole_number_of_grams_up_to_one_tonne() {
        for (value, grams) in [
            (json!(0), Some(0)),
            (json!(250.0), Some(250)),
            (json!(1_000_000), Some(1_000_000)),
            (json!(1_000_001), None),
            (json!(-1), None),
            (json!(0.5), None),
            (json!("250"), None),
            (Value::Null, None),
        ] {
            assert_eq!(serde_json::from_value(value.clone()).ok().map(Weight::grams), grams, "{value}");
        }
    }
}
