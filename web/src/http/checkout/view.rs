//! The template of the checkout.

use askama::Template;
use souk_contract::shopping::MAX_CODE;

use super::buyer::Buyer;
use super::draft::{BILLING, CheckoutDraft, MAIN, NEW_ADDRESS, write_total};
use super::pricing::Priced;
use super::refusal::Alert;
use crate::api::quote::{Days, Quote, ShippingOption};
use crate::fields::address::{self, AddressForm};
use crate::fields::{Field, FieldMessage, FormState, Kind, SelectOption};
use crate::locale::Key;
use crate::page::Frame;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "checkout.html")]
pub(super) struct CheckoutPage {
    page: Frame,
    errors: Vec<FieldMessage>,
    alert: Option<Alert>,
    key: String,
    /// The address of the account; `None` for a guest, who types one.
    account_email: Option<String>,
    email: Field,
    sign_in_url: String,
    is_digital: bool,
    saved_addresses: Vec<SavedChoice>,
    address_error: Option<String>,
    address: Vec<Field>,
    has_billing_address: bool,
    billing: Vec<Field>,
    vat_number: Field,
    methods: Vec<MethodChoice>,
    method_error: Option<String>,
    /// Why no method is offered, if it is so.
    no_method: Option<String>,
    payments: Vec<PaymentChoice>,
    demo_token: Field,
    note: Field,
    quote: Option<Quote>,
    /// Why the order has no total yet, if it is so. It can then not be placed.
    no_total: Option<String>,
    total_field: String,
    is_estimate: bool,
    /// The codes that apply or not, which can be removed.
    codes: Vec<CodeLine>,
}

struct SavedChoice {
    id: String,
    lines: Vec<String>,
    is_selected: bool,
}

struct MethodChoice {
    option: ShippingOption,
    days: String,
    is_selected: bool,
}

struct PaymentChoice {
    method: String,
    label: String,
    hint: String,
    is_selected: bool,
}

struct CodeLine {
    code: String,
    /// Why it does not apply.
    reason: Option<String>,
}

/// The outcomes of the demo provider, as `docs/api.md` lists them.
const DEMO_TOKENS: [(&str, Key); 11] = [
    ("demo_ok", Key("demo-ok")),
    ("demo_declined", Key("demo-declined")),
    ("demo_review", Key("demo-review")),
    ("demo_timeout", Key("demo-timeout")),
    ("demo_twice", Key("demo-twice")),
    ("demo_underpaid", Key("demo-underpaid")),
    ("demo_refused", Key("demo-refused")),
    ("demo_refund_pending", Key("demo-refund-pending")),
    ("demo_refund_failed", Key("demo-refund-failed")),
    ("demo_refund_reversed", Key("demo-refund-reversed")),
    ("demo_late", Key("demo-late")),
];

/// Builds the page.
pub(super) fn build(
    visit: &Visit<'_>,
    page: Frame,
    buyer: Buyer,
    draft: &CheckoutDraft,
    priced: Priced,
    alert: Option<Alert>,
) -> CheckoutPage {
    let (language, state) = (visit.language, &draft.state);
    let ships_to = page.shop.ships_to.as_deref().filter(|_| !buyer.is_digital);
    let main =
        AddressForm { countries: ships_to, section: if buyer.is_digital { "billing" } else { MAIN.section }, ..MAIN };
    let is_new_address = buyer.chosen_address(state).is_none();
    let saved_addresses = saved_addresses(visit, &buyer, state);
    // Without a complete address, the price is that of the home country.
    let is_at_home = MAIN.is_at_home(state, page.shop.home_country.as_ref());
    let lacks_place = is_new_address && priced.lacks_address() && !is_at_home;
    let (no_method, methods) = methods(visit, &page, state, &priced, lacks_place);
    let no_total = no_total(visit, &priced, lacks_place, buyer.is_digital);
    let shown_total = priced.quote.as_ref().filter(|_| no_total.is_none()).map(|quote| quote.total);
    let email_hint = if buyer.is_digital { Key("checkout-email-hint-digital") } else { Key("checkout-email-hint") };
    CheckoutPage {
        errors: state.errors().to_vec(),
        alert,
        key: draft.key.clone(),
        email: Field { max: 254, ..Field::email(state, visit.text("checkout-email")) }.hint(visit.text(email_hint)),
        sign_in_url: visit.sign_in_url(&visit.url("/checkout")),
        is_digital: buyer.is_digital,
        address_error: state.error("address_id").map(ToOwned::to_owned),
        saved_addresses,
        address: main.fields(language, state),
        has_billing_address: draft.has_billing_address(),
        billing: BILLING.fields(language, state),
        vat_number: Field {
            is_required: false,
            max: 20,
            is_priced: true,
            ..Field::new(state, "vat_number", visit.text("checkout-vat-number"))
        },
        method_error: state.error("shipping_method").map(ToOwned::to_owned),
        methods,
        no_method,
        payments: payments(visit, &page, state),
        demo_token: demo_token(visit, state),
        note: Field {
            kind: Kind::Long,
            is_required: false,
            max: 500,
            ..Field::new(state, "note", visit.text("checkout-note"))
        },
        total_field: shown_total.map(write_total).unwrap_or_default(),
        no_total,
        is_estimate: priced.lacks_address() || (is_new_address && MAIN.is_blank(state)),
        codes: priced.quote.as_ref().map(|quote| codes(visit, quote)).unwrap_or_default(),
        quote: priced.quote,
        account_email: buyer.profile.map(|profile| profile.email),
        page,
    }
}

fn saved_addresses(visit: &Visit<'_>, buyer: &Buyer, state: &FormState) -> Vec<SavedChoice> {
    let chosen = state.value("address_id");
    let (shop, _) = visit.app.shop.cached();
    let choice = |saved: &crate::api::account::SavedAddress| SavedChoice {
        id: saved.id.to_string(),
        lines: address::lines(visit.language, &saved.address, shop.home_country.as_ref()),
        is_selected: saved.id.to_string() == chosen,
    };
    buyer.addresses().iter().map(choice).collect()
}

/// Returns the methods of shipping, or why there is none.
fn methods(
    visit: &Visit<'_>,
    page: &Frame,
    state: &FormState,
    priced: &Priced,
    lacks_place: bool,
) -> (Option<String>, Vec<MethodChoice>) {
    if lacks_place {
        return (Some(visit.text("checkout-methods-need-address").to_string()), Vec::new());
    }
    let options = priced.quote.iter().flat_map(|quote| &quote.shipping.options);
    let methods: Vec<MethodChoice> = options
        .map(|option| MethodChoice {
            option: option.clone(),
            days: days(visit, page, option.days),
            is_selected: option.id == state.value("shipping_method"),
        })
        .collect();
    let problem = match &priced.quote {
        Some(_) => Key("checkout-no-method"),
        None if priced.is_refused => Key("checkout-methods-refused"),
        None => Key("checkout-methods-unavailable"),
    };
    (methods.is_empty().then(|| visit.text(problem).to_string()), methods)
}

/// Returns why the order has no total that the visitor can agree to: the price is that of another
/// country, or nothing ships to the address.
fn no_total(visit: &Visit<'_>, priced: &Priced, lacks_place: bool, is_digital: bool) -> Option<String> {
    if lacks_place {
        return Some(visit.text("checkout-total-needs-address").to_string());
    }
    (!is_digital && priced.has_no_method()).then(|| visit.text("checkout-no-method").to_string())
}

/// Writes a time until delivery. Goods that a customer collects may be ready at once.
fn days(visit: &Visit<'_>, page: &Frame, days: Days) -> String {
    match (days.from, days.to) {
        (0, 0) => visit.text("checkout-days-today").to_string(),
        (0, to) => visit.text("checkout-days-within").arg("count", to).to_string(),
        _ => page.delivery(&days),
    }
}

fn payments(visit: &Visit<'_>, page: &Frame, state: &FormState) -> Vec<PaymentChoice> {
    let has_stripe_key = visit.app.options.stripe_key.is_some();
    let mut choices: Vec<PaymentChoice> = Vec::new();
    for method in &page.shop.payment_methods {
        let (label, hint) = match method.as_str() {
            "demo" => (Key("payment-demo"), Key("payment-demo-hint")),
            "stripe" if has_stripe_key => (Key("payment-stripe"), Key("payment-stripe-hint")),
            _ => continue,
        };
        choices.push(PaymentChoice {
            method: method.clone(),
            label: visit.text(label).to_string(),
            hint: visit.text(hint).to_string(),
            is_selected: state.value("payment") == method,
        });
    }
    if !choices.iter().any(|choice| choice.is_selected)
        && let Some(first) = choices.first_mut()
    {
        first.is_selected = true;
    }
    choices
}

fn demo_token(visit: &Visit<'_>, state: &FormState) -> Field {
    let chosen = state.optional("demo_token").unwrap_or("demo_ok");
    let option = |(token, label): &(&str, Key)| SelectOption {
        value: (*token).to_owned(),
        label: visit.text(*label).to_string(),
        is_selected: *token == chosen,
    };
    let options = DEMO_TOKENS.iter().map(option).collect();
    Field { kind: Kind::Select, options, ..Field::new(state, "demo_token", visit.text("demo-outcome")) }
}

fn codes(visit: &Visit<'_>, quote: &Quote) -> Vec<CodeLine> {
    let reason = |reason: &str| {
        let text = visit.language.text_of_code("code-", reason);
        text.unwrap_or_else(|| visit.text("cart-code-refused").to_string())
    };
    let named = quote.discounts.iter().filter_map(|discount| {
        Some(CodeLine { code: discount.code.clone()?, reason: discount.reason.as_deref().map(reason) })
    });
    named.collect()
}

impl CheckoutPage {
    /// Whether another address than a saved one is typed.
    fn is_new_address(&self) -> bool {
        !self.saved_addresses.iter().any(|choice| choice.is_selected)
    }
}
