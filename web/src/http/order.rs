//! The page of an order, for its customer or for a guest with the link: what happened and what
//! comes next, cancelling, and paying at Stripe.

mod timeline;

use askama::Template;
use rocket::{Route, get, post, routes};
use souk_contract::shopping::OrderId;
use souk_http::Param;

use self::timeline::Event;
use crate::api::order::{Access, Order, OrderStatus, Refund, Shipment};
use crate::fields::address;
use crate::form::Form;
use crate::links::encode;
use crate::locale::Key;
use crate::page::{Answer, Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

/// Stripe's library, and what it needs of the content security policy
/// (<https://docs.stripe.com/security/guide#content-security-policy>).
const STRIPE_SOURCES: [(&str, &str); 3] = [
    ("script-src", "https://js.stripe.com https://*.js.stripe.com"),
    ("frame-src", "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com"),
    ("connect-src", "https://api.stripe.com"),
];

pub(super) fn routes() -> Vec<Route> {
    routes![show, cancel, pay]
}

/// The routes of links in mails, which name no language.
pub(super) fn root_routes() -> Vec<Route> {
    routes![from_mail]
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    page: Frame,
    order: Order,
    /// Whether the visitor has just placed it.
    is_new: bool,
    /// Whether the key in the URL opens it.
    is_of_guest: bool,
    status: String,
    next: String,
    events: Vec<Event>,
    shipping_address: Vec<String>,
    billing_address: Vec<String>,
    /// The method of shipping, if there is one.
    shipping_method: Option<String>,
    cancel_url: String,
    /// Where the customer can pay now.
    pay_url: Option<String>,
    /// The page of the bank, for a payment that began there.
    bank_url: Option<String>,
    /// Whether a script reads the page again until the payment is decided.
    is_waiting: bool,
    /// What went wrong with the last form.
    problem: Option<String>,
}

/// Stripe adds `redirect_status` to the URL when it leads a customer back
/// (<https://docs.stripe.com/payments/payment-intents/verifying-status>). The shop may learn of the
/// payment some seconds later.
#[get("/order/<id>?<key>&<placed>&<problem>&<redirect_status>")]
async fn show(
    visit: Visit<'_>,
    id: Param<OrderId>,
    key: Option<&str>,
    placed: Option<&str>,
    problem: Option<&str>,
    redirect_status: Option<&str>,
) -> PageResult {
    let access = access(&visit, key).await?;
    let order = visit.api.order(&access, id.0).await?;
    let title = visit.text("order-title").arg("number", order.name()).to_string();
    let page = visit.frame(title).await?;
    let secret = order.payment.as_ref().and_then(|payment| payment.client_secret.as_ref());
    let redirect_status = redirect_status.filter(|_| order.is_in_checkout());
    let has_paid = matches!(redirect_status, Some("succeeded" | "processing" | "pending"));
    let has_failed = redirect_status == Some("failed");
    let problem = match problem {
        Some(_) => Some(Key("order-cancel-problem")),
        None => has_failed.then_some(Key("order-payment-failed")),
    };
    let can_pay = secret.is_some() && visit.app.options.stripe_key.is_some() && !has_paid;
    let home = page.shop.home_country.clone();
    let lines = |address: &souk_types::Address| address::lines(visit.language, address, home.as_ref());
    let chosen = order.quote.shipping.chosen.as_deref();
    let method = order.quote.shipping.options.iter().find(|option| Some(option.id.as_str()) == chosen);
    let is_refused = matches!(order.status, OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Refunded);
    let template = OrderPage {
        is_new: placed.is_some() && !is_refused && !has_failed,
        is_of_guest: matches!(access, Access::Key(_)),
        status: visit.text(status_key(order.status)).to_string(),
        next: if has_paid { visit.text("order-next-wait").to_string() } else { next_text(&visit, &order) },
        events: timeline::events(&visit, &order),
        shipping_address: order.shipping_address.as_ref().map(lines).unwrap_or_default(),
        billing_address: order.billing_address.as_ref().map(lines).unwrap_or_default(),
        shipping_method: method.map(|option| option.name.clone()),
        cancel_url: visit.url(&order_path(&order.id, "/cancel", key, "")),
        pay_url: can_pay.then(|| visit.url(&order_path(&order.id, "/pay", key, ""))),
        bank_url: order.payment.as_ref().and_then(|payment| payment.redirect_url.clone()),
        is_waiting: order.is_in_checkout() && !can_pay,
        problem: problem.map(|text| visit.text(text).to_string()),
        order,
        page,
    };
    Ok(Page::personal(&template)?.into())
}

#[post("/order/<id>/cancel?<key>", data = "<_form>")]
async fn cancel(visit: Visit<'_>, id: Param<OrderId>, key: Option<&str>, _form: Form) -> PageResult {
    let access = access(&visit, key).await?;
    let problem = match visit.api.cancel_order(&access, id.0).await {
        Ok(()) => "",
        // It was sent or cancelled meanwhile: the page shows its state.
        Err(problem) if problem.status() == 409 => "problem=state",
        Err(problem) => return Err(problem.into()),
    };
    Ok(Answer::SeeOther(visit.url(&order_path(&id.0, "", key, problem))))
}

#[derive(Template)]
#[template(path = "pay.html")]
struct PayPage {
    page: Frame,
    order: Order,
    /// The publishable key of the shop at Stripe.
    stripe_key: String,
    client_secret: String,
    /// The page of the order, to which Stripe leads back.
    order_url: String,
}

/// The payment at Stripe, the only page with a script of another site.
#[get("/order/<id>/pay?<key>")]
async fn pay(visit: Visit<'_>, id: Param<OrderId>, key: Option<&str>) -> PageResult {
    let access = access(&visit, key).await?;
    let order = visit.api.order(&access, id.0).await?;
    let order_url = visit.url(&order_path(&order.id, "", key, "placed=true"));
    let secret = order.payment.as_ref().and_then(|payment| payment.client_secret.clone());
    let (Some(secret), Some(stripe_key)) = (secret, visit.app.options.stripe_key.clone()) else {
        return Ok(Answer::SeeOther(order_url));
    };
    let page = visit.frame(visit.text("pay-title").to_string()).await?;
    let template = PayPage { page, order, stripe_key, client_secret: secret.0, order_url };
    let page = Page::personal(&template)?;
    Ok(STRIPE_SOURCES.iter().fold(page, |page, (directive, source)| page.allow(directive, source)).into())
}

#[get("/order/<id>?<key>")]
fn from_mail(visit: Visit<'_>, id: Param<OrderId>, key: Option<&str>) -> Answer {
    Answer::SeeOther(visit.url(&order_path(&id.0, "", key, "")))
}

/// Returns the URL of the page of an order that the visitor has placed. A guest needs its key,
/// which the browser has for a day if it placed the order.
pub(super) fn order_url(visit: &Visit<'_>, order: &str) -> Option<String> {
    if visit.session.is_signed_in() {
        return Some(visit.url(&order_path(&order, "", None, "")));
    }
    let (_, key) = visit.session.last_order().filter(|(id, _)| id == order)?;
    Some(visit.url(&order_path(&order, "", Some(&key), "")))
}

/// Returns the path of an order below the prefix of a language. `step` is the end of the path,
/// `query` what follows the key.
pub(super) fn order_path(id: &impl std::fmt::Display, step: &str, key: Option<&str>, query: &str) -> String {
    let key = key.map(|key| format!("key={}", encode(key))).unwrap_or_default();
    let query: Vec<&str> = [key.as_str(), query].into_iter().filter(|part| !part.is_empty()).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/order/{id}{step}{mark}{}", query.join("&"))
}

/// A key in the URL takes the place of a session.
async fn access(visit: &Visit<'_>, key: Option<&str>) -> Result<Access, PageError> {
    match key.filter(|key| !key.is_empty()) {
        Some(key) => Ok(Access::Key(key.to_owned())),
        None => Ok(Access::Customer(visit.require_customer().await?)),
    }
}

/// Returns the name of a state.
pub(super) fn status_key(status: OrderStatus) -> Key {
    match status {
        OrderStatus::Pending => Key("order-status-pending"),
        OrderStatus::Reserved => Key("order-status-reserved"),
        OrderStatus::Paid => Key("order-status-paid"),
        OrderStatus::Confirmed => Key("order-status-confirmed"),
        OrderStatus::PartiallyShipped => Key("order-status-partially-shipped"),
        OrderStatus::Shipped => Key("order-status-shipped"),
        OrderStatus::Delivered => Key("order-status-delivered"),
        OrderStatus::Rejected => Key("order-status-rejected"),
        OrderStatus::Cancelled => Key("order-status-cancelled"),
        OrderStatus::Refunded => Key("order-status-refunded"),
    }
}

/// Returns one sentence about what comes next.
fn next_text(visit: &Visit<'_>, order: &Order) -> String {
    let payment = order.payment.as_ref().map_or("", |payment| payment.status.as_str());
    let key = match (order.status, payment) {
        (OrderStatus::Reserved, "open") => Key("order-next-pay"),
        (OrderStatus::Reserved, "authorized") => Key("order-next-review"),
        (OrderStatus::Reserved, "underpaid") => Key("order-next-underpaid"),
        (OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid, _) => Key("order-next-wait"),
        (OrderStatus::Confirmed, _) if order.shipping_address.is_none() => Key("order-next-digital"),
        (OrderStatus::Confirmed, _) => Key("order-next-ship"),
        (OrderStatus::PartiallyShipped, _) => Key("order-next-rest"),
        (OrderStatus::Shipped, _) => Key("order-next-arrive"),
        (OrderStatus::Delivered, _) => Key("order-next-delivered"),
        (OrderStatus::Rejected, _) => timeline::rejected_key(order.reason()),
        (OrderStatus::Cancelled, _) if order.has_captured() => Key("order-next-refund"),
        (OrderStatus::Cancelled, "open" | "processing") => Key("order-next-late"),
        (OrderStatus::Cancelled, _) => Key("order-next-cancelled"),
        (OrderStatus::Refunded, _) => Key("order-next-refunded"),
    };
    visit.text(key).to_string()
}

impl OrderPage {
    /// Says when a mail comes: none is sent before the order is confirmed.
    fn mail_text(&self, email: &str) -> String {
        let key = if self.order.is_in_checkout() { Key("order-mail-later") } else { Key("order-mail") };
        self.page.text(key).arg("email", email.to_owned()).to_string()
    }

    /// Whether the guest has no mail with the link to this page yet.
    fn needs_link(&self) -> bool {
        self.is_of_guest && self.order.is_in_checkout()
    }

    /// Whether the cart can be ordered again, because this order was rejected.
    fn can_order_again(&self) -> bool {
        self.order.status == OrderStatus::Rejected
    }

    /// Returns the class of the state's label.
    fn tone(&self) -> &'static str {
        match self.order.status {
            OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Refunded => "tone-off",
            OrderStatus::Pending | OrderStatus::Reserved => "tone-wait",
            _ => "tone-good",
        }
    }

    /// Returns what is in a parcel.
    fn contents(&self, parcel: &Shipment) -> String {
        let line = |line: &crate::api::order::ShippedLine| {
            format!("{} × {}", line.quantity, self.order.product_name(&line.product_id))
        };
        parcel.lines.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    /// Says how far a refund is, and why it was made.
    fn refund_text(&self, refund: &Refund) -> String {
        let status = match refund.status.as_str() {
            "pending" => Key("refund-pending"),
            "failed" => Key("refund-failed"),
            _ => Key("refund-succeeded"),
        };
        // The reason of a cancellation is a code; other reasons are the shop's words.
        let reason = match timeline::known_reason(&refund.reason) {
            Some(key) => self.page.text(key).to_string(),
            None => refund.reason.clone(),
        };
        format!("{}: {reason}", self.page.text(status))
    }

    /// Returns the sum that the customer has got back, if there is one.
    fn refunded(&self) -> Option<&souk_types::Money> {
        self.order.refunded.as_ref().filter(|refunded| !refunded.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_order_has_its_key() {
        for (step, key, query, expected) in [
            ("", None, "", "/order/7"),
            ("/pay", Some("a b"), "", "/order/7/pay?key=a%20b"),
            ("", Some("k"), "placed=true", "/order/7?key=k&placed=true"),
            ("", None, "placed=true", "/order/7?placed=true"),
        ] {
            assert_eq!(order_path(&7, step, key, query), expected);
        }
    }
}
