//! Rules of refunds.

use souk_contract::products::ProductId;

use super::{Records, Reservations, sold};

/// No more pieces and no more money are refunded than were bought and captured. The refunds of all
/// the money return all the tax. The pieces that go back on sale are those of the refunds.
pub(super) fn check(records: &Records, reservations: &Reservations<'_>, findings: &mut Vec<String>) {
    for entry in &records.orders {
        let order = entry.order;
        for line in &entry.lines {
            let of_line = |pieces: &&(ProductId, u32)| pieces.0 == line.product;
            let refunded: u32 =
                entry.refunds.iter().flat_map(|refund| &refund.pieces).filter(of_line).map(|it| it.1).sum();
            if refunded > line.quantity.get() {
                let bought = line.quantity.get();
                findings.push(format!("order {order}: {refunded} of {bought} pieces of {} are refunded", line.product));
            }
        }
        let succeeded = entry.refunds.iter().filter(|refund| refund.has_succeeded);
        let sum: u64 = succeeded.map(|refund| refund.amount.amount()).sum();
        let refunded = entry.payment.as_ref().map_or(0, |payment| payment.refunded.amount());
        if sum > refunded {
            findings.push(format!("order {order} has refunds of {sum}, and its payment refunded {refunded}"));
        }
        for refund in entry.refunds.iter().filter(|refund| refund.taxed > refund.amount.amount()) {
            let (taxed, amount) = (refund.taxed, refund.amount);
            findings.push(format!(
                "order {order}: net amounts and taxes of a refund are {taxed}, and the refund is {amount}"
            ));
        }
        let (tax, all): (u64, u64) = (
            entry.refunds.iter().map(|refund| refund.tax).sum(),
            entry.refunds.iter().map(|refund| refund.amount.amount()).sum(),
        );
        if tax > entry.tax || (all >= entry.total.amount() && tax != entry.tax) {
            findings.push(format!("order {order} has taxes of {}, and its refunds of {all} return {tax}", entry.tax));
        }
        if let Some(reservation) = sold(reservations, entry)
            && !entry.has_open_work
            && !is_same(&entry.returned, &reservation.returned)
        {
            findings.push(format!("order {order} returned other pieces than {:?}", reservation.returned));
        }
    }
}

/// Whether two lists have the same elements, each once.
fn is_same(one: &[(ProductId, u32)], other: &[(ProductId, u32)]) -> bool {
    one.len() == other.len() && one.iter().all(|element| other.contains(element))
}
