//! Use cases, one file per noun: load, apply rules, save, call other services, publish events.

pub(crate) mod admin_orders;
pub(crate) mod cart;
mod catalogue;
pub(crate) mod checkout;
pub(crate) mod discounts;
pub(crate) mod erasure;
pub(crate) mod export;
pub(crate) mod fulfilment;
pub(crate) mod guest_cart;
pub(crate) mod guest_orders;
pub mod ledger;
pub(crate) mod order;
mod order_log;
pub(crate) mod order_mail;
pub(crate) mod payment;
pub(crate) mod quote;
pub(crate) mod refunds;
pub(crate) mod saved_views;
pub(crate) mod shop;
pub(crate) mod timeline;
pub(crate) mod wishlist;
