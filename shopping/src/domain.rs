//! Types and pure rules: no I/O, no async; callers pass the current time.

pub(crate) mod cart;
pub(crate) mod cart_orders;
pub(crate) mod catalogue;
pub(crate) mod checkout_request;
pub(crate) mod discount;
pub(crate) mod discount_use;
pub(crate) mod guest_cart;
mod location;
pub(crate) mod order;
pub(crate) mod owner;
pub(crate) mod payment;
pub(crate) mod public_shop;
pub(crate) mod quote;
mod rounding;
pub(crate) mod saved_views;
pub(crate) mod settings;
pub(crate) mod shipping;
pub(crate) mod shop;
pub(crate) mod tax;
pub(crate) mod tax_rates;
mod tracking;
mod vat_number;
pub(crate) mod wishlist;
