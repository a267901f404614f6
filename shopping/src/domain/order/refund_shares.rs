//! How a refund divides what the customer paid: the money of single pieces, and the tax in it.
//!
//! All shares are cumulative: a refund gets the rounded share of everything up to it, minus that of
//! everything before it. The refunds of a line therefore add up to the line, and their taxes to its
//! tax, to the cent and in any order.

use serde::{Deserialize, Serialize};
use souk_contract::products::ProductId;
use souk_types::{Currency, Money};

use crate::domain::rounding::Rounding;

/// What the customer has bought: lines and shipping, as they were charged.
#[derive(Debug, Clone)]
pub(super) struct Sold {
    pub(super) lines: Vec<SoldLine>,
    /// The shipping: one part for each tax rate, because its tax follows the goods.
    pub(super) shipping: Vec<Paid>,
    pub(super) currency: Currency,
}

/// A line of an order.
#[derive(Debug, Clone)]
pub(super) struct SoldLine {
    pub(super) product: ProductId,
    pub(super) quantity: u32,
    pub(super) paid: Paid,
}

/// What was paid for a line or for the shipping, after discounts and with tax.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paid {
    pub(super) gross: Money,
    /// The taxes in it: none when no tax is due.
    pub(super) tax: Money,
    /// The rate in basis points: 1900 is 19 %.
    pub(super) rate_bp: u32,
}

/// The tax of one rate in a refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefundTax {
    rate_bp: u32,
    net: Money,
    tax: Money,
}

impl RefundTax {
    pub(super) fn tax(&self) -> u64 {
        self.tax.amount()
    }

    pub(super) fn gross(&self) -> u64 {
        self.net.amount() + self.tax.amount()
    }
}

impl Paid {
    /// The tax in the first `gross` of it.
    fn tax_in(&self, gross: Money) -> u64 {
        share(self.tax.amount(), gross.amount(), self.gross.amount())
    }

    fn left(&self, taken: Money) -> Money {
        self.gross.minus(taken).unwrap_or(self.gross)
    }
}

/// Returns `whole * part / all`, rounded down: the whole when `part` is all of it.
fn share(whole: u64, part: u64, all: u64) -> u64 {
    if all == 0 || part >= all {
        return whole;
    }
    // The result is smaller than `whole`.
    u64::try_from(u128::from(whole) * u128::from(part) / u128::from(all)).unwrap_or(whole)
}

impl Sold {
    /// The lines, then the shipping.
    fn parts(&self) -> impl Iterator<Item = &Paid> {
        self.lines.iter().map(|line| &line.paid).chain(&self.shipping)
    }

    fn money(&self, amount: u64) -> Money {
        Money::new(amount, self.currency).unwrap_or(Money::zero(self.currency))
    }

    /// Returns nothing of each part.
    pub(super) fn no_shares(&self) -> Vec<Money> {
        self.parts().map(|_| self.money(0)).collect()
    }

    pub(super) fn total(&self, shares: &[Money]) -> Money {
        self.money(shares.iter().map(|share| share.amount()).sum())
    }

    /// Returns the money of `pieces` of a line of which `before` are refunded: at most what is left
    /// of the line after refunds of free amounts.
    pub(super) fn pieces(&self, index: usize, before: u32, pieces: u32, taken: &[Money]) -> Money {
        let line = &self.lines[index];
        let rounding = Rounding::of(self.currency);
        let first = |pieces: u32| rounding.pieces(line.paid.gross.amount(), pieces, line.quantity);
        let left = line.paid.left(taken[index]).amount();
        self.money((first(before + pieces) - first(before)).min(left))
    }

    /// Adds what is left of the shipping to `shares`, and returns it.
    pub(super) fn take_shipping(&self, taken: &[Money], shares: &mut [Money]) -> Money {
        let first = self.lines.len();
        for (index, part) in self.shipping.iter().enumerate() {
            shares[first + index] = part.left(taken[first + index]);
        }
        self.shipping_in(shares)
    }

    /// The part of the shares that is for the shipping.
    pub(super) fn shipping_in(&self, shares: &[Money]) -> Money {
        self.total(&shares[self.lines.len()..])
    }

    /// Spreads a free amount over what is left of the parts, by the largest-remainder method. When
    /// `available`, all the money that can be refunded, is more than that, the customer has
    /// overpaid: this surplus belongs to no part and is refunded first.
    pub(super) fn spread(&self, amount: Money, available: Money, taken: &[Money]) -> Vec<Money> {
        let left: Vec<u64> = self.parts().zip(taken).map(|(part, taken)| part.left(*taken).amount()).collect();
        let all: u64 = left.iter().sum();
        let surplus = available.amount().saturating_sub(all);
        let amount = amount.amount().saturating_sub(surplus).min(all);
        let shares = Rounding::of(self.currency).spread(amount, &left);
        shares.into_iter().map(|share| self.money(share)).collect()
    }

    /// Reduces shares to a sum of `amount`, in proportion.
    pub(super) fn limit(&self, amount: Money, shares: &[Money]) -> Vec<Money> {
        let weights: Vec<u64> = shares.iter().map(|share| share.amount()).collect();
        let parts = Rounding::of(self.currency).spread(amount.amount(), &weights);
        parts.into_iter().map(|part| self.money(part)).collect()
    }

    /// Returns the taxes in `shares`, one for each rate, in the order of the rates.
    pub(super) fn taxes(&self, taken: &[Money], shares: &[Money]) -> Vec<RefundTax> {
        let mut taxes: Vec<RefundTax> = Vec::new();
        for ((part, taken), share) in self.parts().zip(taken).zip(shares).filter(|(_, share)| !share.is_zero()) {
            let after = taken.checked_add(*share).unwrap_or(*taken);
            let tax = part.tax_in(after) - part.tax_in(*taken);
            let net = share.amount() - tax;
            match taxes.iter_mut().find(|known| known.rate_bp == part.rate_bp) {
                Some(known) => {
                    known.net = self.money(known.net.amount() + net);
                    known.tax = self.money(known.tax.amount() + tax);
                }
                None => taxes.push(RefundTax { rate_bp: part.rate_bp, net: self.money(net), tax: self.money(tax) }),
            }
        }
        taxes.sort_by_key(|tax| tax.rate_bp);
        taxes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euros(amount: u64) -> Money {
        Money::new(amount, Currency::EUR).unwrap()
    }

    fn paid(gross: u64, tax: u64, rate_bp: u32) -> Paid {
        Paid { gross: euros(gross), tax: euros(tax), rate_bp }
    }

    fn sold(lines: &[(u32, u64, u64, u32)], shipping: &[Paid]) -> Sold {
        let line = |(quantity, gross, tax, rate_bp): &(u32, u64, u64, u32)| SoldLine {
            product: ProductId::new(),
            quantity: *quantity,
            paid: paid(*gross, *tax, *rate_bp),
        };
        Sold { lines: lines.iter().map(line).collect(), shipping: shipping.to_vec(), currency: Currency::EUR }
    }

    fn add(taken: &mut [Money], shares: &[Money]) {
        for (sum, share) in taken.iter_mut().zip(shares) {
            *sum = sum.checked_add(*share).unwrap();
        }
    }

    #[test]
    fn refunds_of_single_pieces_add_up_to_their_line() {
        for (quantity, gross, tax) in [(3, 1_000, 160), (7, 999, 71), (2, 1, 0), (999, 99_999, 15_966), (1, 5, 1)] {
            let sold = sold(&[(quantity, gross, tax, 1_900)], &[]);
            let mut taken = sold.no_shares();
            let mut taxed = 0;
            for before in 0..quantity {
                let mut shares = sold.no_shares();
                shares[0] = sold.pieces(0, before, 1, &taken);
                let fair = gross / u64::from(quantity);
                assert!((fair..=fair + 1).contains(&shares[0].amount()), "{gross} / {quantity}: {:?}", shares[0]);
                for part in sold.taxes(&taken, &shares) {
                    assert_eq!(part.net.amount() + part.tax.amount(), shares[0].amount());
                    taxed += part.tax.amount();
                }
                add(&mut taken, &shares);
            }
            assert_eq!((taken[0], taxed), (euros(gross), tax), "{quantity} pieces");
        }
    }

    /// Pseudo-random refunds of every kind: parts, rates and taxes add up to the order.
    #[test]
    fn all_refunds_of_an_order_add_up_to_its_gross_and_taxes() {
        let mut seed: u64 = 42;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..300 {
            let order = sold(
                &[
                    (3, 1_000 + random(500), 150 + random(50), 1_900),
                    (2, random(300), 0, 0),
                    (5, 77 + random(9), random(9), 700),
                ],
                &[paid(390, 62, 1_900), paid(100, 7, 700)],
            );
            let (mut taken, mut pieces) = (order.no_shares(), [0_u32; 3]);
            let (mut amounts, mut taxes) = (0, 0);
            let left = |taken: &[Money]| {
                order.total(&order.parts().map(|part| part.gross).collect::<Vec<_>>()).amount()
                    - order.total(taken).amount()
            };
            while left(&taken) > 0 {
                let line = usize::try_from(random(3)).unwrap();
                let mut shares = order.no_shares();
                match random(4) {
                    0 | 1 if pieces[line] < order.lines[line].quantity => {
                        shares[line] = order.pieces(line, pieces[line], 1, &taken);
                        pieces[line] += 1;
                    }
                    2 => drop(order.take_shipping(&taken, &mut shares)),
                    _ => {
                        let amount = 1 + random(left(&taken));
                        shares = order.spread(euros(amount), euros(left(&taken)), &taken);
                        assert_eq!(order.total(&shares), euros(amount));
                    }
                }
                let parts = order.taxes(&taken, &shares);
                let gross: u64 = parts.iter().map(|part| part.net.amount() + part.tax.amount()).sum();
                assert_eq!(gross, order.total(&shares).amount(), "net + tax = gross");
                amounts += gross;
                taxes += parts.iter().map(|part| part.tax.amount()).sum::<u64>();
                add(&mut taken, &shares);
            }
            for (part, taken) in order.parts().zip(&taken) {
                assert_eq!(part.gross, *taken);
            }
            let expected = (order.total(&taken).amount(), order.parts().map(|part| part.tax.amount()).sum::<u64>());
            assert_eq!((amounts, taxes), expected);
        }
    }

    #[test]
    fn a_surplus_is_refunded_first_and_belongs_to_no_part() {
        let sold = sold(&[(1, 1_000, 160, 1_900)], &[]);
        for (amount, available, expected) in
            [(1_500, 1_500, 1_000), (500, 1_500, 0), (600, 1_500, 100), (600, 1_000, 600), (600, 700, 600)]
        {
            let shares = sold.spread(euros(amount), euros(available), &sold.no_shares());
            assert_eq!(sold.total(&shares), euros(expected), "{amount} of {available}");
        }
    }
}
