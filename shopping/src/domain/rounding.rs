//! Rounding of prices, discounts and taxes: half up, once for each line of a quote and for each tax
//! rate of its shipping; sums are never rounded. The tax in a refund has a rule of its own
//! (`order/refund_shares.rs`). All amounts are multiples of the smallest sum
//! that the currency can be paid in.

use souk_types::Currency;

/// Basis points of the whole: 100 %.
pub(crate) const WHOLE_BP: u32 = 10_000;

/// Rounds to amounts that can be paid in one currency.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounding {
    /// The smallest difference between two amounts, in minor units.
    step: u64,
}

impl Rounding {
    pub(crate) fn of(currency: Currency) -> Self {
        Self { step: currency.price_step() }
    }

    /// Returns `part` basis points of an amount.
    pub(crate) fn share(self, amount: u64, part_bp: u32) -> u64 {
        self.fraction(amount, part_bp.into(), WHOLE_BP.into())
    }

    /// Returns the tax on a net amount.
    pub(crate) fn tax_on(self, net: u64, rate_bp: u32) -> u64 {
        self.share(net, rate_bp)
    }

    /// Returns the net amount of an amount that includes the tax.
    pub(crate) fn net_of(self, gross: u64, rate_bp: u32) -> u64 {
        self.fraction(gross, WHOLE_BP.into(), u64::from(WHOLE_BP) + u64::from(rate_bp))
    }

    /// Returns the share of `part` of `whole` pieces in an amount. The shares of consecutive pieces
    /// are differences of two such shares, and add up to the amount.
    pub(crate) fn pieces(self, amount: u64, part: u32, whole: u32) -> u64 {
        self.fraction(amount, part.min(whole).into(), whole.max(1).into())
    }

    /// Spreads an amount in proportion to the weights, by the largest-remainder method: each part
    /// is rounded down, and the steps that are left go to the parts with the largest remainders; of
    /// equal remainders, the first. The parts add up to the amount. Without any weight, all of it
    /// goes to the first part.
    pub(crate) fn spread(self, amount: u64, weights: &[u64]) -> Vec<u64> {
        let whole: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        if whole == 0 {
            let mut parts = vec![0; weights.len()];
            if let Some(first) = parts.first_mut() {
                *first = amount;
            }
            return parts;
        }
        let steps = u128::from(amount / self.step);
        let exact = |weight: &u64| (steps * u128::from(*weight) / whole, steps * u128::from(*weight) % whole);
        let (mut parts, remainders): (Vec<u128>, Vec<u128>) = weights.iter().map(exact).unzip();
        let mut by_remainder: Vec<usize> = (0..parts.len()).collect();
        by_remainder.sort_by_key(|&part| std::cmp::Reverse(remainders[part]));
        let left = steps - parts.iter().sum::<u128>();
        for (part, _) in by_remainder.into_iter().zip(0..left) {
            parts[part] += 1;
        }
        // A part is at most the amount.
        parts.into_iter().map(|part| u64::try_from(part).unwrap_or(u64::MAX) * self.step).collect()
    }

    /// Returns `amount * numerator / denominator`, rounded half up. It is at most the amount when
    /// the fraction is at most 1.
    fn fraction(self, amount: u64, numerator: u64, denominator: u64) -> u64 {
        let steps = u128::from(amount / self.step);
        let denominator = u128::from(denominator);
        let rounded = (2 * steps * u128::from(numerator) + denominator) / (2 * denominator);
        u64::try_from(rounded).unwrap_or(u64::MAX).saturating_mul(self.step)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CENTS: Rounding = Rounding { step: 1 };

    #[test]
    fn halves_are_rounded_up() {
        for (net, rate_bp, tax) in [(50, 1900, 10), (53, 1900, 10), (3, 5000, 2), (1, 4999, 0), (0, 1900, 0)] {
            assert_eq!(CENTS.tax_on(net, rate_bp), tax, "{net} at {rate_bp}");
        }
        for (gross, rate_bp, net) in [(119, 1900, 100), (100, 1900, 84), (1, 10_000, 1), (3, 10_000, 2), (5, 0, 5)] {
            assert_eq!(CENTS.net_of(gross, rate_bp), net, "{gross} at {rate_bp}");
        }
    }

    #[test]
    fn an_amount_is_a_multiple_of_the_step() {
        let fils = Rounding::of(Currency::try_from("KWD").unwrap());
        assert_eq!(fils.tax_on(5120, 1500), 770);
        assert_eq!(fils.spread(1000, &[1, 1, 1]), [340, 330, 330]);
        let ariary = Rounding::of(Currency::try_from("MGA").unwrap());
        assert_eq!(ariary.share(10_000, 150), 200);
    }

    #[test]
    fn the_largest_remainders_get_what_is_left() {
        for (amount, weights, parts) in [
            (100, &[1, 1, 1][..], &[34, 33, 33][..]),
            (10, &[499, 1200, 300], &[2, 6, 2]),
            (2, &[1, 1, 1], &[1, 1, 0]),
            (5, &[0, 0], &[5, 0]),
            (5, &[], &[]),
            (0, &[3, 4], &[0, 0]),
            (7, &[0, 5], &[0, 7]),
        ] {
            assert_eq!(CENTS.spread(amount, weights), parts, "{amount} over {weights:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_add_up_and_never_exceed_their_weights(
            weights in proptest::collection::vec(0u64..10_000_000_000_000, 1..30),
            share in 0u32..=10_000,
        ) {
            let whole: u64 = weights.iter().sum();
            let amount = CENTS.share(whole, share);
            let parts = CENTS.spread(amount, &weights);
            prop_assert_eq!(parts.iter().sum::<u64>(), amount);
            prop_assert!(parts.iter().zip(&weights).all(|(part, weight)| part <= weight));
        }

        #[test]
        fn adding_and_removing_a_tax_agree(net in 0u64..1_000_000_000_000, rate_bp in 0u32..=10_000) {
            let gross = net + CENTS.tax_on(net, rate_bp);
            prop_assert_eq!(CENTS.net_of(gross, rate_bp), net);
            let net_again = CENTS.net_of(gross, rate_bp);
            prop_assert!((net_again + CENTS.tax_on(net_again, rate_bp)).abs_diff(gross) <= 1);
        }

        #[test]
        fn the_shares_of_all_pieces_add_up(amount in 0u64..1_000_000_000_000, cuts in proptest::collection::vec(1u32..50, 1..20)) {
            let whole: u32 = cuts.iter().sum();
            let (mut before, mut sum) = (0, 0);
            for cut in cuts {
                sum += CENTS.pieces(amount, before + cut, whole) - CENTS.pieces(amount, before, whole);
                before += cut;
            }
            prop_assert_eq!(sum, amount);
        }
    }
}
