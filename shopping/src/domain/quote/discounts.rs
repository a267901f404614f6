//! The discounts of a quote. All discounts that combine apply together; each of the others applies
//! alone. Of these sets, the one with the lowest price for the customer is used; of equal ones,
//! that of the combining discounts, then the oldest. No set is used when that is cheaper, because
//! shipping is free from a total that the discounts undercut. Within a set, percentages come before
//! amounts, older discounts before younger ones, and each takes its part of what the earlier ones
//! have left.

use souk_contract::products::ProductSnapshot;
use souk_types::{Currency, Money, Timestamp};

use super::QuoteInput;
use crate::domain::discount::{Benefit, Code, Discount, DiscountId, DiscountRefusal};
use crate::domain::rounding::Rounding;
use crate::domain::shop::ShopConfig;

/// The goods that discounts take something off.
pub(super) struct Goods<'q> {
    /// The products, with the amounts of their lines.
    pub(super) lines: Vec<(&'q ProductSnapshot, u64)>,
    pub(super) currency: Currency,
    pub(super) rounding: Rounding,
    /// Whether some of them are shipped.
    pub(super) is_shipped: bool,
}

impl Goods<'_> {
    fn total(&self) -> u64 {
        self.lines.iter().fold(0, |sum: u64, (_, amount)| sum.saturating_add(*amount))
    }
}

/// The discounts that are used, and the amounts that they take off.
#[derive(Default)]
pub(super) struct Applied<'q> {
    /// The amount off each line.
    pub(super) by_line: Vec<u64>,
    pub(super) frees_shipping: bool,
    /// The amount that each discount takes off the goods.
    pub(super) used: Vec<(&'q Discount, u64)>,
    /// The codes of the request that do not apply.
    pub(super) refused: Vec<(&'q Code, Option<DiscountId>, DiscountRefusal)>,
}

/// Chooses the discounts. `shipping` is the price of shipping for goods that cost an amount.
pub(super) fn apply<'q>(
    input: &'q QuoteInput,
    shop: &'q ShopConfig,
    goods: &Goods<'_>,
    now: Timestamp,
    shipping: impl Fn(u64) -> u64,
) -> Applied<'q> {
    let (candidates, mut refused) = candidates(input, shop, goods, now);
    let (combining, alone): (Vec<&Discount>, Vec<&Discount>) =
        candidates.iter().partition(|discount| discount.terms.combines);
    let sets = std::iter::once(combining).chain(alone.into_iter().map(|discount| vec![discount]));
    let price = |applied: &Applied<'_>| {
        let left = goods.total().saturating_sub(applied.by_line.iter().sum::<u64>());
        left.saturating_add(if applied.frees_shipping { 0 } else { shipping(left) })
    };
    let evaluated = sets.filter(|set| !set.is_empty()).map(|set| evaluate(set, goods));
    let none = || Applied { by_line: vec![0; goods.lines.len()], ..Applied::default() };
    // `min_by_key` returns the first of equal ones.
    let mut best = evaluated.chain([none()]).min_by_key(price).unwrap_or_else(none);
    let reason = if best.used.is_empty() { DiscountRefusal::NoGain } else { DiscountRefusal::NotCombinable };
    for code in codes(input) {
        if let Some(discount) = shop.discount_by_code(code)
            && candidates.iter().any(|candidate| candidate.id == discount.id)
            && best.used.iter().all(|(used, _)| used.id != discount.id)
        {
            refused.push((code, Some(discount.id), reason));
        }
    }
    best.refused = refused;
    best
}

type Refused<'q> = Vec<(&'q Code, Option<DiscountId>, DiscountRefusal)>;

/// Returns the discounts that could apply, oldest first, and the codes that cannot.
fn candidates<'q>(
    input: &'q QuoteInput,
    shop: &'q ShopConfig,
    goods: &Goods<'_>,
    now: Timestamp,
) -> (Vec<&'q Discount>, Refused<'q>) {
    let mut refused = Vec::new();
    let mut named = Vec::new();
    for code in codes(input) {
        match shop.discount_by_code(code) {
            None => refused.push((code, None, DiscountRefusal::Unknown)),
            Some(discount) => match refusal_for(discount, input, goods, now) {
                Some(reason) => refused.push((code, Some(discount.id), reason)),
                None => named.push(discount.id),
            },
        }
    }
    let is_candidate = |discount: &&Discount| match discount.terms.code {
        Some(_) => named.contains(&discount.id),
        None => refusal_for(discount, input, goods, now).is_none(),
    };
    (shop.discounts.iter().filter(is_candidate).collect(), refused)
}

/// Returns the codes of the request, each once.
fn codes(input: &QuoteInput) -> impl Iterator<Item = &Code> {
    let codes = &input.request.codes;
    let is_first = |position: usize, code: &Code| codes[..position].iter().all(|other| other.folded() != code.folded());
    codes.iter().enumerate().filter(move |(position, code)| is_first(*position, code)).map(|(_, code)| code)
}

fn refusal_for(discount: &Discount, input: &QuoteInput, goods: &Goods<'_>, now: Timestamp) -> Option<DiscountRefusal> {
    let exhausted = || input.exhausted.iter().find(|(id, _)| *id == discount.id).map(|(_, reason)| *reason);
    // A total above the largest amount is refused later.
    let total = Money::new(goods.total(), goods.currency).unwrap_or(Money::zero(goods.currency));
    discount.terms.refusal_for(total, now).or_else(|| {
        let covers_none = goods.lines.iter().all(|(product, _)| !discount.terms.covers(product));
        let has_no_shipping = discount.is_free_shipping() && !goods.is_shipped;
        if covers_none || has_no_shipping { Some(DiscountRefusal::NoProduct) } else { exhausted() }
    })
}

fn evaluate<'q>(mut set: Vec<&'q Discount>, goods: &Goods<'_>) -> Applied<'q> {
    set.sort_by_key(|discount| match discount.terms.benefit {
        Benefit::Percent(_) => 0,
        Benefit::Amount(_) => 1,
        Benefit::FreeShipping => 2,
    });
    let mut left: Vec<u64> = goods.lines.iter().map(|(_, amount)| *amount).collect();
    let mut applied = Applied::default();
    for discount in set {
        let covered = goods.lines.iter().zip(&left).map(
            |((product, _), left)| {
                if discount.terms.covers(product) { *left } else { 0 }
            },
        );
        let covered: Vec<u64> = covered.collect();
        let total = covered.iter().fold(0, |sum: u64, amount| sum.saturating_add(*amount));
        let amount = match discount.terms.benefit {
            Benefit::Percent(percentage) => goods.rounding.share(total, percentage.into()),
            Benefit::Amount(price) => price.amount().min(total),
            Benefit::FreeShipping => {
                applied.frees_shipping = true;
                0
            }
        };
        if amount > 0 {
            for (left, part) in left.iter_mut().zip(goods.rounding.spread(amount, &covered)) {
                *left = left.saturating_sub(part);
            }
        }
        applied.used.push((discount, amount));
    }
    applied.by_line = goods.lines.iter().zip(left).map(|((_, amount), left)| amount - left).collect();
    applied
}
