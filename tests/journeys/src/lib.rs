//! Test clients and fixtures for black-box tests of a whole shop over HTTP.
//!
//! [`Shop::shared`] is the shop at `SOUK_URL` (with the admin account `SOUK_ADMIN_EMAIL` and
//! `SOUK_ADMIN_PASSWORD`), or a one-process shop for all tests of a file. Each test creates its own
//! products and customers, so that tests run at the same time in one shop. Journeys that stop or
//! kill processes start a [`TestShop`] or a [`TestFleet`] of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fixture reports failure by panicking"
)]
#![allow(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "a test may ignore the response after an expectation"
)]

mod admin;
mod backup_key;
mod browser;
mod buyers;
mod canary;
mod client;
mod customer;
pub mod failpoints;
mod fixtures;
mod fleet;
pub mod forgery;
mod html;
mod load;
mod mail;
mod page;
mod passkey;
mod process;
mod product;
mod raw;
mod request;
mod response;
mod shop;
pub mod stripe;
mod visitor;
mod wait;

pub use crate::fleet::TestFleet;
pub use admin::Admin;
pub use backup_key::BackupKey;
pub use browser::Browser;
pub use buyers::{Buyers, RunningBuyers};
pub use canary::Canary;
pub use client::Client;
pub use customer::Customer;
pub use fixtures::{
    PASSWORD, UNKNOWN_ID, address, check_stock, confirmed_quantities, new_email, order_with, run_concurrently,
    statuses, unique,
};
pub use html::HtmlForm;
pub use load::Load;
pub use mail::{Mail, TestSmtp};
pub use process::{CommandOutput, RunningCommand, run_souk};
pub use product::{Product, Stock, euros, money, product_json};
pub use raw::{RawConnection, RawResponse};
pub use request::Request;
pub use reqwest::Method;
pub use response::{Outcome, Response, members};
pub use shop::{Shop, TestShop};
pub use visitor::Visitor;
pub use wait::{time_until, wait_for};
