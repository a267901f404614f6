//! What is to do in a new shop before its first sale.

use super::super::{Admin, Section};
use crate::api::shop::Shop;
use crate::locale::Key;
use crate::visit::Visit;

/// The legal name in the settings that a shop has until an admin stores others.
const SAMPLE_LEGAL_NAME: &str = "Souk Sample Shop";
/// The payment method that moves no money.
const DEMO_PAYMENT: &str = "demo";

/// A thing to do.
pub(super) struct Todo {
    pub(super) text: Key,
    /// The page on which it is done; `None` where no page can do it.
    pub(super) url: Option<String>,
    /// Why it is urgent.
    pub(super) hint: Option<Key>,
}

/// Returns what the role can do.
pub(super) fn list(visit: &Visit<'_>, admin: &Admin, shop: &Shop) -> Vec<Todo> {
    let sample = (shop.legal_name == SAMPLE_LEGAL_NAME).then_some(Key("overview-todo-sample"));
    let is_demo = shop.payment_methods.iter().any(|method| method == DEMO_PAYMENT);
    let demo = is_demo.then_some(Key("overview-todo-demo"));
    let page = |section: Section| Some(visit.url(section.path()));
    let todo = [
        (Section::Settings, Key("overview-todo-settings"), page(Section::Settings), sample),
        (Section::Shipping, Key("overview-todo-shipping"), page(Section::Shipping), None),
        (Section::Taxes, Key("overview-todo-taxes"), page(Section::Taxes), None),
        (Section::Products, Key("overview-todo-products"), page(Section::Products), None),
        (Section::Settings, Key("overview-todo-payment"), None, demo),
        (Section::Staff, Key("overview-todo-staff"), page(Section::Staff), None),
    ];
    let is_allowed = |section: Section| section.permission().is_none_or(|permission| admin.may(permission));
    let allowed = todo.into_iter().filter(|(section, ..)| is_allowed(*section));
    allowed.map(|(_, text, url, hint)| Todo { text, url, hint }).collect()
}
