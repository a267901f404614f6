//! Journeys that run in any shop: the one at `SOUK_URL`, or a one-process shop that they start.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account_deletion;
mod account_mail;
mod admin_orders;
mod attack_accounts;
mod attack_addresses;
mod attack_input;
mod attack_objects;
mod attack_pages;
mod attack_requests;
mod attack_text;
mod attack_tokens;
mod bad_input;
mod cart;
mod catalogue;
mod checkout;
mod concurrent_buyers;
mod export;
mod guest_cart;
mod guest_order;
mod http_headers;
mod import;
mod media_types;
mod model_based;
mod new_customer;
mod order_claim;
mod order_terms;
mod page_account;
mod page_admin_catalogue;
mod page_admin_orders;
mod page_admin_system;
mod page_admin_views;
mod page_checkout;
mod page_words;
mod payment;
mod pricing;
mod raw_requests;
mod refunds;
mod second_step;
mod sessions;
mod staff;
mod storefront;
mod storefront_security;
mod text;
mod tutorial_traps;
