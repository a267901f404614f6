//! Tax classes of products.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The tax class of a product. A country has a tax rate for each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaxClass {
    /// The normal rate of most goods.
    #[default]
    Standard,
    /// The reduced rate, for instance of food and books in many countries.
    Reduced,
    /// A second reduced rate, in countries that have two.
    SecondReduced,
    /// A rate below 5 %, in countries that have one.
    SuperReduced,
    /// No tax.
    Zero,
}

impl TaxClass {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Standard, Self::Reduced, Self::SecondReduced, Self::SuperReduced, Self::Zero];

    /// Returns the name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Reduced => "reduced",
            Self::SecondReduced => "second-reduced",
            Self::SuperReduced => "super-reduced",
            Self::Zero => "zero",
        }
    }
}

impl fmt::Display for TaxClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_one_of_serde() {
        for class in TaxClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
