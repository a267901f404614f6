//! The page of one order: what was bought, what has happened, and what to do next.

use askama::Template;
use rocket::get;
use rocket::http::Status;
use souk_contract::role::Permission;
use souk_contract::shopping::OrderId;
use souk_http::Param;
use souk_types::Money;

use super::super::mails;
use super::done::{Done, RefundOutcome};
use super::draft::{OrderForms, REFUND, SHIP};
use super::events::{self, Event, Technical};
use super::staff::Staff;
use super::{Admin, Nav, Section, attention_text, moment, order_path, payment_text, reason_text, status_key, tone};
use crate::api::admin_orders::AdminOrder;
use crate::api::order::{OrderItem, OrderStatus, ShippedLine};
use crate::fields::{Field, FieldMessage, Kind, address};
use crate::idempotency::new_key;
use crate::locale::Key;
use crate::page::{Frame, Page, PageResult};
use crate::visit::Visit;

/// The latest mails that the page shows.
const MAILS: usize = 10;

#[derive(Template)]
#[template(path = "admin/orders/show.html")]
struct OrderPage {
    page: Frame,
    nav: Nav,
    order: AdminOrder,
    /// The URL of the page, to which the names of the forms are added.
    path: String,
    notice: Option<(&'static str, String)>,
    errors: Vec<FieldMessage>,
    status: String,
    tone: &'static str,
    placed: String,
    /// `None` when nothing is left, or only what the role may not do.
    next: Option<Next>,
    /// When the order is cancelled, unless its payment is captured before.
    capture_until: Option<String>,
    lines: Vec<Line>,
    payment: Option<PaymentFacts>,
    shipping_address: Vec<String>,
    billing_address: Vec<String>,
    shipping_method: Option<String>,
    parcels: Vec<Parcel>,
    refunds: Vec<RefundRow>,
    notes: Vec<Event>,
    events: Vec<Event>,
    technical: Vec<Technical>,
    ship_fields: Vec<Field>,
    ship_key: String,
    note_key: String,
    refund: Option<RefundForm>,
    note_field: Field,
    /// The latest mails about the order; `None` while `mail` does not answer.
    mails: Option<Vec<mails::Row>>,
    /// The key of the forms that send a mail again.
    mail_key: String,
    /// The text of the button that cancels; `None` when nothing can be cancelled.
    cancel: Option<String>,
    /// Whether the role may record that parcels have arrived.
    may_deliver: bool,
    /// Whether a refund has failed that the role may request again.
    may_retry_refunds: bool,
}

/// The one thing to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Capture,
    Ship,
    Deliver,
}

impl Next {
    const fn permission(self) -> Permission {
        match self {
            Self::Capture => Permission::MoveMoney,
            Self::Ship | Self::Deliver => Permission::FulfilOrders,
        }
    }
}

/// A line of the order.
struct Line {
    item: OrderItem,
    shipped: u32,
    refunded: u32,
    left: u32,
    /// The pieces that can be refunded.
    refundable: u32,
    ship: Pieces,
    refund: Pieces,
}

/// A field for pieces.
struct Pieces {
    name: String,
    value: String,
    error: Option<String>,
}

struct PaymentFacts {
    method: String,
    status: String,
    captured: Money,
    refunded: Money,
    reason: Option<String>,
    /// Why an admin must act.
    attention: Option<String>,
    disputes: Vec<String>,
}

struct Parcel {
    id: String,
    contents: String,
    sent: String,
    by: String,
    carrier: Option<String>,
    tracking: Option<(String, Option<String>)>,
    delivered: Option<String>,
}

struct RefundRow {
    amount: Money,
    status: Key,
    contents: String,
    reason: String,
    at: String,
    by: Option<String>,
}

struct RefundForm {
    key: String,
    fields: Vec<Field>,
    is_shipping: bool,
    is_restock: bool,
    shipping_error: Option<String>,
    is_open: bool,
}

#[get("/admin/orders/<id>?<done>")]
pub(super) async fn show(visit: Visit<'_>, id: Param<OrderId>, done: Option<&str>) -> PageResult {
    let admin = Admin::of(&visit, Permission::ViewOrders).await?;
    let notice = done.and_then(|done| Done::notice(&visit, done));
    page(&visit, &admin, id.0, OrderForms::new()?, notice, Status::Ok).await
}

/// Renders the page with what was typed into its forms.
pub(super) async fn page(
    visit: &Visit<'_>,
    admin: &Admin,
    id: OrderId,
    mut forms: OrderForms,
    notice: Option<(&'static str, String)>,
    status: Status,
) -> PageResult {
    let (order, staff, mails) = tokio::join!(
        visit.api.any_order(&admin.token, id),
        Staff::read(visit, admin),
        visit.api.mails(&admin.token, None, Some(id), MAILS, None)
    );
    let order = order?;
    let mails = mails.inspect_err(|problem| tracing::warn!(%problem, "the mails of an order cannot be read")).ok();
    let mails = mails.map(|mails| mails.items.into_iter().map(|mail| mails::Row::new(visit.language, mail)).collect());
    let title = visit.text("order-title").arg("number", order.order.name()).to_string();
    let (mut page, nav) = admin.frame(visit, Section::Orders, title).await?;
    // A refused form has a URL of its own, which no other language has.
    (page.path, page.query) = (order_path(&id), String::new());
    forms.fill_in(&order);
    let home = page.shop.home_country.clone();
    let lines = |address: &souk_types::Address| address::lines(visit.language, address, home.as_ref());
    let parts = Parts { visit, staff: &staff, order: &order, forms: &forms };
    let chosen = order.order.quote.shipping.chosen.as_deref();
    let method = order.order.quote.shipping.options.iter().find(|option| Some(option.id.as_str()) == chosen);
    let template = OrderPage {
        path: visit.url(&order_path(&id)),
        notice,
        errors: parts.errors(),
        status: visit.text(status_key(order.order.status)).to_string(),
        tone: tone(order.order.status),
        placed: moment(visit.language, order.order.created_at),
        next: next(&order).filter(|next| admin.may(next.permission())),
        capture_until: order.order.reserved_until.map(|until| moment(visit.language, until)),
        lines: parts.lines(),
        payment: parts.payment(),
        shipping_address: order.order.shipping_address.as_ref().map(lines).unwrap_or_default(),
        billing_address: order.order.billing_address.as_ref().map(lines).unwrap_or_default(),
        shipping_method: method.map(|option| option.name.clone()),
        parcels: parts.parcels(),
        refunds: parts.refunds(),
        notes: parts.notes(),
        events: events::events(visit.language, &staff, &order),
        technical: events::technical(visit.language, &order),
        ship_fields: parts.ship_fields(),
        refund: parts.refund_form().filter(|_| admin.may(Permission::MoveMoney)),
        note_field: parts.note_field(),
        cancel: cancel(order.order.status)
            .filter(|_| admin.may(Permission::MoveMoney))
            .map(|key| visit.text(key).to_string()),
        may_deliver: admin.may(Permission::FulfilOrders),
        may_retry_refunds: RefundOutcome::of_order(&order.order) == RefundOutcome::Failed
            && admin.may(Permission::MoveMoney),
        mails,
        mail_key: new_key()?,
        ship_key: forms.ship_key,
        note_key: forms.note_key,
        page,
        nav,
        order,
    };
    Ok(Page::personal(&template)?.status(status).into())
}

fn next(order: &AdminOrder) -> Option<Next> {
    let is_digital = order.order.items.iter().all(|item| item.product.digital);
    let payment = order.order.payment.as_ref().map(|payment| payment.status.as_str());
    match order.order.status {
        OrderStatus::Reserved if payment == Some("authorized") => Some(Next::Capture),
        OrderStatus::Confirmed | OrderStatus::PartiallyShipped if order.left() > 0 => Some(Next::Ship),
        OrderStatus::Confirmed if is_digital => Some(Next::Deliver),
        OrderStatus::Shipped => Some(Next::Deliver),
        _ => None,
    }
}

const fn cancel(status: OrderStatus) -> Option<Key> {
    match status {
        OrderStatus::Reserved | OrderStatus::Paid | OrderStatus::Confirmed => Some(Key("orders-cancel")),
        OrderStatus::PartiallyShipped => Some(Key("orders-cancel-rest")),
        _ => None,
    }
}

/// What the parts of the page are made of.
struct Parts<'a> {
    visit: &'a Visit<'a>,
    staff: &'a Staff<'a>,
    order: &'a AdminOrder,
    forms: &'a OrderForms,
}

impl Parts<'_> {
    fn lines(&self) -> Vec<Line> {
        let field = |prefix: &str, item: &OrderItem| {
            let name = format!("{prefix}{}", item.product.id);
            let state = &self.forms.state;
            Pieces { value: state.value(&name).to_owned(), error: state.error(&name).map(ToOwned::to_owned), name }
        };
        let line = |item: &OrderItem| {
            let pieces = self.order.pieces(item.product.id);
            Line {
                shipped: pieces.shipped,
                refunded: pieces.refunded,
                left: pieces.left,
                refundable: item.quantity.saturating_sub(pieces.refunded),
                ship: field(SHIP, item),
                refund: field(REFUND, item),
                item: item.clone(),
            }
        };
        self.order.order.items.iter().map(line).collect()
    }

    fn payment(&self) -> Option<PaymentFacts> {
        let language = self.visit.language;
        let payment = self.order.order.payment.as_ref()?;
        let dispute = |dispute: &crate::api::order::Dispute| {
            let status = language.text_of_code("code-dispute-", &dispute.status);
            let status = status.unwrap_or_else(|| dispute.status.clone());
            let reason = dispute.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("{}: {status}{reason}", language.money(dispute.amount))
        };
        let is_urgent =
            matches!(payment.status.as_str(), "refund-failed" | "underpaid" | "overpaid" | "authorized" | "disputed");
        Some(PaymentFacts {
            method: payment.method.clone(),
            status: payment_text(language, &payment.status),
            captured: payment.captured,
            refunded: payment.refunded,
            reason: payment.reason.clone(),
            attention: is_urgent.then(|| attention_text(language, &payment.status)),
            disputes: payment.disputes.iter().map(dispute).collect(),
        })
    }

    fn contents(&self, lines: &[ShippedLine]) -> String {
        let line =
            |line: &ShippedLine| format!("{} × {}", line.quantity, self.order.order.product_name(&line.product_id));
        lines.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    fn parcels(&self) -> Vec<Parcel> {
        let language = self.visit.language;
        let parcel = |parcel: &crate::api::order::Shipment| Parcel {
            id: parcel.id.to_string(),
            contents: self.contents(&parcel.lines),
            sent: moment(language, parcel.shipped_at),
            by: self.staff.name(parcel.by),
            carrier: parcel.carrier.clone(),
            tracking: parcel.tracking.clone().map(|tracking| (tracking, parcel.tracking_url.clone())),
            delivered: parcel.delivered_at.map(|at| moment(language, at)),
        };
        self.order.order.shipments.iter().map(parcel).collect()
    }

    fn refunds(&self) -> Vec<RefundRow> {
        let language = self.visit.language;
        let row = |refund: &crate::api::order::Refund| RefundRow {
            amount: refund.amount,
            status: match RefundOutcome::of_status(&refund.status) {
                RefundOutcome::Pending => Key("orders-refund-pending"),
                RefundOutcome::Failed => Key("orders-refund-failed"),
                RefundOutcome::Made => Key("orders-refund-succeeded"),
            },
            contents: self.contents(&refund.lines),
            // The reason of a cancellation is a code; other reasons are the shop's words.
            reason: reason_text(language, &refund.reason),
            at: moment(language, refund.created_at),
            by: refund.by.map(|by| self.staff.name(Some(by))),
        };
        self.order.order.refunds.iter().map(row).collect()
    }

    fn notes(&self) -> Vec<Event> {
        let language = self.visit.language;
        let note = |note: &crate::api::admin_orders::StaffNote| Event {
            at: moment(language, note.at),
            text: note.text.clone(),
            by: Some(self.staff.name(note.by)),
        };
        self.order.notes.iter().rev().map(note).collect()
    }

    /// Returns the messages about the fields, each with the label of its field.
    fn errors(&self) -> Vec<FieldMessage> {
        let mut fields = self.ship_fields();
        fields.extend(self.refund_form().into_iter().flat_map(|form| form.fields));
        fields.push(self.note_field());
        let product = |name: &str| {
            let id = name.strip_prefix(SHIP).or_else(|| name.strip_prefix(REFUND))?;
            let item = self.order.order.items.iter().find(|item| item.product.id.to_string() == id)?;
            Some(self.visit.text("orders-pieces-of").arg("name", item.product.name.as_str()).to_string())
        };
        let field = |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.label.clone());
        let label = |name: &str| field(name).or_else(|| product(name));
        self.forms.state.errors().iter().map(|error| error.labelled(label(&error.field))).collect()
    }

    fn note_field(&self) -> Field {
        let note = Field::new(&self.forms.state, "text", self.visit.text("orders-note"));
        Field { kind: Kind::Long, max: 2_000, ..note }
    }

    fn ship_fields(&self) -> Vec<Field> {
        let field = |name: &str, label: Key, max: usize| Field {
            is_required: false,
            is_wide: false,
            max,
            ..Field::new(&self.forms.state, name, self.visit.text(label))
        };
        vec![field("carrier", Key("orders-carrier"), 50), field("tracking", Key("orders-tracking"), 100)]
    }

    /// Money is refunded after the order is confirmed; until then the order is cancelled.
    fn refund_form(&self) -> Option<RefundForm> {
        let is_sold = matches!(
            self.order.order.status,
            OrderStatus::Confirmed | OrderStatus::PartiallyShipped | OrderStatus::Shipped | OrderStatus::Delivered
        );
        if !is_sold {
            return None;
        }
        let state = &self.forms.state;
        let field = |name: &str, label: Key, hint: Key| {
            Field { is_wide: false, ..Field::new(state, name, self.visit.text(label)) }.hint(self.visit.text(hint))
        };
        let amount = field("amount", Key("orders-refund-amount"), Key("orders-refund-amount-hint"));
        let reason = field("reason", Key("orders-refund-reason"), Key("orders-refund-reason-hint"));
        Some(RefundForm {
            key: self.forms.refund_key.clone(),
            fields: vec![Field { is_required: false, max: 20, ..amount }, reason],
            is_shipping: state.has("shipping"),
            is_restock: state.has("restock"),
            shipping_error: state.error("shipping").map(ToOwned::to_owned),
            // The other forms have no field with this name.
            is_open: state.has("reason"),
        })
    }
}

impl OrderPage {
    /// Whether this is what to do next.
    fn is_next(&self, next: &str) -> bool {
        next == match self.next {
            Some(Next::Capture) => "capture",
            Some(Next::Ship) => "ship",
            Some(Next::Deliver) => "deliver",
            None => "",
        }
    }

    /// Whether pieces of the order are to be sent, or were sent.
    fn has_parcels(&self) -> bool {
        self.order.left() > 0 || !self.parcels.is_empty()
    }

    /// Returns the sum that the customer has got back, if there is one.
    fn refunded(&self) -> Option<&Money> {
        self.order.order.refunded.as_ref().filter(|refunded| !refunded.is_zero())
    }
}
