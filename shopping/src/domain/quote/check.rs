//! The check of a stored quote by the audit. It uses the sums of the quote only, not the rules that
//! it was computed by, which may have changed since.

use souk_types::Money;

use super::{Quote, QuoteLine};
use crate::domain::rounding::Rounding;

impl Quote {
    /// Returns what does not add up.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let sum = |amounts: &mut dyn Iterator<Item = Money>| amounts.map(u128_of).sum::<u128>();
        let gross = sum(&mut self.lines.iter().map(|line| line.gross));
        let taxed = sum(&mut self.taxes.iter().flat_map(|tax| [tax.net, tax.tax]));
        let (tax, line_tax) =
            (sum(&mut self.taxes.iter().map(|tax| tax.tax)), sum(&mut self.lines.iter().map(|line| line.tax)));
        let off_lines = sum(&mut self.lines.iter().map(|line| line.discount));
        let used = sum(&mut self.discounts.iter().map(|discount| discount.amount));
        let added_tax = if self.prices_include_tax { 0 } else { u128_of(self.shipping.tax) };
        if self.amounts().any(|amount| amount.currency() != self.total.currency()) {
            Some("it has amounts in several currencies")
        } else if self.lines.iter().any(|line| !self.is_consistent(line)) {
            Some("the price, the tax and the gross amount of a line do not agree")
        } else if gross + u128_of(self.shipping.price) + added_tax != u128_of(self.total) {
            Some("the lines and shipping do not add up to the total")
        } else if taxed != u128_of(self.total) {
            Some("the net amounts and taxes by rate do not add up to the total")
        } else if tax != line_tax + u128_of(self.shipping.tax) {
            Some("the taxes by rate are not those of the lines and of shipping")
        } else if off_lines > used {
            Some("the lines have more discount than the discounts take off")
        } else {
            None
        }
    }

    fn amounts(&self) -> impl Iterator<Item = Money> {
        let lines = self.lines.iter().flat_map(|line| [line.unit_price, line.discount, line.net, line.tax, line.gross]);
        let taxes = self.taxes.iter().flat_map(|tax| [tax.net, tax.tax]);
        let discounts = self.discounts.iter().map(|discount| discount.amount);
        lines.chain(taxes).chain(discounts).chain([self.shipping.price, self.shipping.tax])
    }

    fn is_consistent(&self, line: &QuoteLine) -> bool {
        let rounding = Rounding::of(self.total.currency());
        let subtotal = u128_of(line.unit_price) * u128::from(line.quantity.get());
        let (base, expected_tax) = if self.prices_include_tax {
            let net = rounding.net_of(line.gross.amount(), line.tax_rate_bp);
            (line.gross, line.gross.amount().checked_sub(net))
        } else {
            (line.net, Some(rounding.tax_on(line.net.amount(), line.tax_rate_bp)))
        };
        u128_of(base) + u128_of(line.discount) == subtotal
            && u128_of(line.net) + u128_of(line.tax) == u128_of(line.gross)
            && expected_tax == Some(line.tax.amount())
    }
}

fn u128_of(amount: Money) -> u128 {
    amount.amount().into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn quote(change: impl Fn(&mut Value)) -> Quote {
        let euros = |amount: u64| json!({"amount": amount, "currency": "EUR"});
        let mut quote = json!({
            "lines": [{"product_id": "01890a5d-ac96-774b-bcce-b302099a8057", "name": "Tea", "quantity": 2,
                "unit_price": euros(1190), "discount": euros(380), "net": euros(1681), "tax": euros(319),
                "gross": euros(2000), "tax_rate_bp": 1900}],
            "shipping": {"options": [], "chosen": "parcel", "price": euros(500), "tax": euros(80)},
            "discounts": [{"code": "TEA", "amount": euros(380)}],
            "taxes": [{"rate_bp": 1900, "net": euros(2101), "tax": euros(399)}],
            "tax_basis": {"country": "DE", "scheme": "domestic", "is_estimate": false},
            "total": euros(2500), "prices_include_tax": true, "missing": [],
        });
        change(&mut quote);
        serde_json::from_value(quote).unwrap()
    }

    #[test]
    fn each_wrong_amount_is_found() {
        assert_eq!(quote(|_| ()).contradiction(), None);
        for path in [
            "/lines/0/unit_price",
            "/lines/0/discount",
            "/lines/0/net",
            "/lines/0/tax",
            "/lines/0/gross",
            "/shipping/price",
            "/shipping/tax",
            "/taxes/0/net",
            "/taxes/0/tax",
            "/total",
        ] {
            for change in [-1, 1] {
                let wrong = quote(|quote| {
                    let amount = quote.pointer_mut(&format!("{path}/amount")).unwrap();
                    *amount = json!(amount.as_i64().unwrap() + change);
                });
                assert!(wrong.contradiction().is_some(), "{path} {change}");
            }
            let foreign = quote(|quote| *quote.pointer_mut(&format!("{path}/currency")).unwrap() = json!("USD"));
            assert!(foreign.contradiction().is_some(), "{path} in another currency");
        }
        let rate = quote(|quote| quote["lines"][0]["tax_rate_bp"] = json!(700));
        assert!(rate.contradiction().is_some());
        let discount = quote(|quote| quote["discounts"][0]["amount"]["amount"] = json!(379));
        assert!(discount.contradiction().is_some());
    }
}
