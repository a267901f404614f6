//! What was typed into the forms of an order, and the requests that it becomes.

use serde_json::{Value, json};
use souk_types::{Currency, Error, FieldError};

use crate::api::admin_orders::AdminOrder;
use crate::fields::FormState;
use crate::form::Form;
use crate::idempotency::{key_of, new_key};
use crate::locale::Key;
use crate::visit::Visit;

/// The beginning of the names of the fields with the pieces of a parcel; the product follows.
pub(super) const SHIP: &str = "ship-";
/// The beginning of the names of the fields with the pieces of a refund; the product follows.
pub(super) const REFUND: &str = "refund-";

/// What an admin does with an order: the end of the URL of its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderAction {
    Ship,
    Deliver,
    Capture,
    Cancel,
    Refund,
    RetryRefunds,
    Note,
}

impl OrderAction {
    /// Returns the action whose form is sent to a URL with this end.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "ship" => Self::Ship,
            "deliver" => Self::Deliver,
            "capture" => Self::Capture,
            "cancel" => Self::Cancel,
            "refund" => Self::Refund,
            "retry" => Self::RetryRefunds,
            "note" => Self::Note,
            _ => return None,
        })
    }
}

/// The forms of an order: what was typed into one of them, and a key for each that must do its
/// work once.
pub(super) struct OrderForms {
    pub(super) state: FormState,
    pub(super) ship_key: String,
    pub(super) refund_key: String,
    pub(super) note_key: String,
    /// The products of the request's lines, in its order.
    lines: Vec<String>,
}

impl OrderForms {
    /// Returns the forms before anything is typed.
    pub(super) fn new() -> Result<Self, Error> {
        let (ship_key, refund_key, note_key) = (new_key()?, new_key()?, new_key()?);
        Ok(Self { state: FormState::default(), ship_key, refund_key, note_key, lines: Vec::new() })
    }

    /// Returns the forms after one of them was sent.
    pub(super) fn of(form: &Form, action: OrderAction) -> Result<Self, Error> {
        let mut forms = Self { state: FormState::of(form), ..Self::new()? };
        match action {
            OrderAction::Ship => forms.ship_key = key_of(form)?,
            OrderAction::Refund => forms.refund_key = key_of(form)?,
            OrderAction::Note => forms.note_key = key_of(form)?,
            _ => {}
        }
        Ok(forms)
    }

    /// Uses other keys: one belongs to a request with other content.
    pub(super) fn renew_keys(&mut self) -> Result<(), Error> {
        (self.ship_key, self.refund_key, self.note_key) = (new_key()?, new_key()?, new_key()?);
        Ok(())
    }

    /// Fills in what a form has before it is changed: a parcel of all that is left.
    pub(super) fn fill_in(&mut self, order: &AdminOrder) {
        for item in &order.order.items {
            let name = format!("{SHIP}{}", item.product.id);
            if !self.state.has(&name) {
                self.state.set(&name, order.pieces(item.product.id).left.to_string());
            }
        }
    }

    /// Returns the parcel as the API takes it; `None` when a field is wrong.
    pub(super) fn parcel(&mut self, visit: &Visit<'_>, form: &Form) -> Option<Value> {
        let lines = self.pieces(visit, form, SHIP)?;
        if lines.is_empty() {
            let (first, _) = form.fields().find(|(name, _)| name.starts_with(SHIP)).unwrap_or(("carrier", ""));
            self.state.refuse(first, visit.text("orders-ship-nothing").to_string());
            return None;
        }
        let lines: Vec<Value> =
            lines.into_iter().map(|(id, pieces)| json!({"product_id": id, "quantity": pieces})).collect();
        let mut parcel = json!({"lines": lines});
        for name in ["carrier", "tracking"] {
            if let Some(value) = self.state.optional(name) {
                parcel[name] = value.into();
            }
        }
        Some(parcel)
    }

    /// Returns the refund as the API takes it; `None` when a field is wrong. `currency` is that of
    /// the order.
    pub(super) fn refund(&mut self, visit: &Visit<'_>, form: &Form, currency: Currency) -> Option<Value> {
        let lines = self.pieces(visit, form, REFUND);
        let amount = self.state.optional("amount").map(|typed| visit.language.read_money(typed, currency));
        if matches!(amount, Some(None)) {
            self.state.refuse("amount", visit.text("orders-amount-invalid").to_string());
            return None;
        }
        let (lines, amount) = (lines?, amount.flatten());
        let (shipping, restock) = (self.state.has("shipping"), self.state.has("restock"));
        if lines.is_empty() && !shipping && amount.is_none() {
            self.state.refuse("amount", visit.text("orders-refund-nothing").to_string());
            return None;
        }
        let line = |(id, pieces): (String, u32)| json!({"product_id": id, "quantity": pieces, "restock": restock});
        let lines: Vec<Value> = lines.into_iter().map(line).collect();
        let mut refund = json!({"lines": lines, "reason": self.state.value("reason")});
        if shipping {
            refund["shipping"] = true.into();
        }
        if let Some(amount) = amount {
            refund["amount"] = json!(amount);
        }
        Some(refund)
    }

    /// Returns the products with more than no pieces; `None` when a number is wrong.
    fn pieces(&mut self, visit: &Visit<'_>, form: &Form, prefix: &str) -> Option<Vec<(String, u32)>> {
        let mut lines = Vec::new();
        let mut is_valid = true;
        for (name, value) in form.fields() {
            let Some(product) = name.strip_prefix(prefix) else { continue };
            let text = value.trim();
            if matches!(text, "" | "0") {
                continue;
            }
            if let Ok(pieces) = text.parse() {
                lines.push((product.to_owned(), pieces));
            } else {
                is_valid = false;
                self.state.refuse(name, visit.text("orders-pieces-invalid").to_string());
            }
        }
        self.lines = lines.iter().map(|(product, _)| product.clone()).collect();
        is_valid.then_some(lines)
    }

    /// Shows the messages about the fields that the API has refused. Returns whether every one is a
    /// field of the form.
    pub(super) fn refuse(&mut self, visit: &Visit<'_>, action: OrderAction, refused: &[FieldError]) -> bool {
        let mut all = !refused.is_empty();
        for refused in refused {
            match self.form_field(action, &refused.field) {
                Some((field, message)) => self.state.refuse(&field, visit.text(message).to_string()),
                None => all = false,
            }
        }
        all
    }

    /// Returns the field of the form for a field of the request, and what to enter.
    fn form_field(&self, action: OrderAction, field: &str) -> Option<(String, Key)> {
        let mut parts = field.split('.');
        let field = |name: &str, message: Key| Some((name.to_owned(), message));
        match (action, parts.next()?) {
            (OrderAction::Ship, "carrier") => field("carrier", Key("orders-carrier-invalid")),
            (OrderAction::Ship, "tracking") => field("tracking", Key("orders-tracking-invalid")),
            (OrderAction::Ship | OrderAction::Refund, "lines") => {
                let prefix = if action == OrderAction::Ship { SHIP } else { REFUND };
                let product = self.lines.get(parts.next()?.parse::<usize>().ok()?)?;
                field(&format!("{prefix}{product}"), Key("orders-pieces-invalid"))
            }
            (OrderAction::Refund, "amount") => field("amount", Key("orders-amount-invalid")),
            (OrderAction::Refund, "shipping") => field("shipping", Key("orders-shipping-invalid")),
            (OrderAction::Refund, "reason") => field("reason", Key("orders-reason-invalid")),
            (OrderAction::Note, "text") => field("text", Key("orders-note-invalid")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_field_is_found_in_the_form() {
        let forms = OrderForms { lines: vec!["tea".to_owned(), "cup".to_owned()], ..OrderForms::new().unwrap() };
        for (action, field, expected) in [
            (OrderAction::Ship, "lines.1.quantity", Some("ship-cup")),
            (OrderAction::Refund, "lines.0.product_id", Some("refund-tea")),
            (OrderAction::Refund, "amount.amount", Some("amount")),
            (OrderAction::Refund, "lines", None),
            (OrderAction::Ship, "lines.2.quantity", None),
            (OrderAction::Ship, "reason", None),
            (OrderAction::Note, "text", Some("text")),
        ] {
            let found = forms.form_field(action, field);
            assert_eq!(found.as_ref().map(|(field, _)| field.as_str()), expected, "{field}");
        }
    }
}
