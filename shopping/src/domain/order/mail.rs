//! The mails about an order.

use souk_contract::products::ProductId;
use souk_contract::shopping::{
    LateMoney, OrderMail, OrderMailLine, OrderMailParcel, OrderMailSubject, OrderMailTax, Shop,
};
use souk_types::Money;

use super::{Order, OrderStatus};
use crate::domain::payment::state::PaymentStatus;
use crate::domain::quote::QuoteLine;

impl Order {
    /// Returns a mail with the data of the order as it is now. `key` is the key of a guest's link.
    /// `None` when the order is in another state than the subject says, or is erased.
    pub(crate) fn mail(&self, subject: OrderMailSubject, key: Option<String>, shop: Shop) -> Option<OrderMail> {
        let is_current = match subject {
            OrderMailSubject::Received => self.was_confirmed(),
            OrderMailSubject::PaymentFailed | OrderMailSubject::Cancelled => self.has_ended(),
            OrderMailSubject::PaymentWaiting => self.status == OrderStatus::Reserved,
            OrderMailSubject::ParcelSent { .. } | OrderMailSubject::Refunded { .. } => true,
        };
        let to = self.buyer.email().filter(|_| is_current)?.clone();
        let quote = &self.quote;
        let line = |line: &QuoteLine| OrderMailLine {
            name: line.name.clone(),
            quantity: line.quantity.get(),
            total: line.price(),
        };
        let chosen = quote.shipping.options.iter().find(|option| Some(&option.id) == quote.shipping.chosen.as_ref());
        let zero = Money::zero(quote.total.currency());
        Some(OrderMail {
            to,
            customer: self.customer,
            language: self.language,
            number: self.number.as_ref().map(ToString::to_string).unwrap_or_default(),
            key,
            placed_at: self.created_at,
            lines: quote.lines.iter().map(line).collect(),
            shipping_method: chosen.map(|option| option.name.clone()),
            shipping: quote.shipping.price,
            discount: Money::sum(quote.lines.iter().map(|line| line.discount)).ok().flatten().unwrap_or(zero),
            taxes: quote.taxes.iter().map(|tax| OrderMailTax { rate_bp: tax.rate_bp, tax: tax.tax }).collect(),
            total: quote.total,
            prices_include_tax: quote.prices_include_tax,
            shipping_address: self.buyer.shipping_address().cloned(),
            parcel: self.parcel(subject),
            refund: self.refund_for_mail(subject),
            late_money: Some(self.late_money()),
            shop,
        })
    }

    /// A payment has failed for certain only when the provider says so, and when it was authorized:
    /// an order that has ended cancels an authorization. An order that has expired continues when
    /// its money arrives.
    fn late_money(&self) -> LateMoney {
        match self.payment_status() {
            None | Some(PaymentStatus::Declined | PaymentStatus::Cancelled | PaymentStatus::Authorized) => {
                LateMoney::None
            }
            Some(_) if self.has_expired() => LateMoney::Accepted,
            Some(_) => LateMoney::Refunded,
        }
    }

    pub(super) fn refund_for_mail(&self, subject: OrderMailSubject) -> Option<(Money, String)> {
        let OrderMailSubject::Refunded { refund } = subject else { return None };
        let refund = self.refunds.iter().find(|known| known.id == refund)?;
        Some((refund.amount(), refund.reason_for_customer().to_owned()))
    }

    fn parcel(&self, subject: OrderMailSubject) -> Option<OrderMailParcel> {
        let OrderMailSubject::ParcelSent { shipment } = subject else { return None };
        let shipment = self.shipments.iter().find(|known| known.id() == shipment)?;
        let name = |product: ProductId| {
            let item = self.items.iter().find(|item| item.product.id == product);
            item.map(|item| item.product.name.clone()).unwrap_or_default()
        };
        let lines = shipment.lines().iter().map(|line| (name(line.product_id), line.quantity.get()));
        Some(OrderMailParcel {
            carrier: shipment.carrier().map(str::to_owned),
            tracking: shipment.tracking().map(str::to_owned),
            lines: lines.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use souk_types::{Error, Timestamp};

    use super::super::StatusReason;
    use super::super::tests::{apply, in_state, report};
    use super::*;
    use crate::domain::payment::report::ProviderPaymentStatus;

    #[test]
    fn money_that_arrives_late_is_accepted_only_for_an_order_that_continues_when_paid_late() {
        let expire = |order: &mut Order| order.expire_reservation(Timestamp::now()).unwrap();
        let reject = |order: &mut Order| {
            let refusal = Error::conflict("payment-refused", "refused");
            order.reject(refusal, StatusReason::PaymentRefused, true, Timestamp::now()).unwrap();
        };
        let none = |_: &mut Order| {};
        for (case, status, end, expected) in [
            ("expired", None, &expire as &dyn Fn(&mut Order), LateMoney::Accepted),
            ("expired in progress", Some(ProviderPaymentStatus::Processing), &expire, LateMoney::Accepted),
            ("expired while authorized", Some(ProviderPaymentStatus::Authorized), &expire, LateMoney::None),
            ("refused", None, &reject, LateMoney::Refunded),
            ("declined", Some(ProviderPaymentStatus::Declined), &none, LateMoney::None),
            ("cancelled", Some(ProviderPaymentStatus::Cancelled), &none, LateMoney::None),
        ] {
            let mut order = in_state(OrderStatus::Reserved);
            if let Some(status) = status {
                apply(&mut order, &report(status));
            }
            end(&mut order);
            assert_eq!(order.late_money(), expected, "{case}");
        }
    }
}
