//! Journeys about the one-process shop: start-up, restart, crash recovery, backup, payment by
//! Stripe.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attempts;
mod backup;
mod canary;
mod cors;
mod crash_recovery;
mod encrypted_backup;
mod erasure_audit;
mod failpoints;
mod https;
mod late_payment;
mod mail;
mod migrate;
mod order_limits;
mod overload;
mod page_admin_dead_letters;
mod page_admin_mails;
mod page_admin_overview;
mod page_admin_settings;
mod page_admin_shipping;
mod page_admin_taxes;
mod refund_crash;
mod restart;
mod shop_settings;
mod smtp;
mod start_up;
mod stripe;
mod stripe_money;
