//! The world in which the journeys take place: a [`Shop`], and the people in it. A [`Visitor`] has not signed in, a
//! [`Customer`] and an [`Admin`] have; what they do reads as prose and gives an [`Answer`], about which the test says
//! what it expects.
//!
//! A journey joins the shop that `SOUK_URL` names (with an admin's `SOUK_ADMIN_EMAIL` and `SOUK_ADMIN_PASSWORD`) or
//! opens one for the tests of its file. Everybody makes their own products and customers, so that journeys can run at
//! the same time in a shop that others use as well. Only journeys about the process itself open an [`OwnShop`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "this is the ground that tests stand on: when it does not hold, they fail by panicking"
)]
#![allow(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "a test need not look again at what it has expected"
)]

mod admin;
mod answer;
mod ask;
mod browser;
mod customer;
pub mod failpoints;
mod fleet;
pub mod forgery;
mod goods;
mod load;
mod market;
mod process;
mod shop;
mod visitor;

use std::fmt::Display;
use std::time::{Duration, Instant};

use uuid::Uuid;

pub use crate::fleet::{OwnFleet, time_until};
pub use admin::Admin;
pub use answer::{Answer, Outcome, members};
pub use ask::Ask;
pub use browser::Browser;
pub use customer::Customer;
pub use goods::{Books, Product, euros, goods, money};
pub use load::Load;
pub use market::Market;
pub use process::{Finished, Souk, souk};
pub use reqwest::Method;
pub use shop::{OwnShop, Shop};
pub use visitor::Visitor;

/// What everybody signs up with.
pub const PASSWORD: &str = "correct horse battery";

/// Far beyond what anything takes; only a test that fails waits so long. It is also the time in which a restarted shop
/// must have tidied up what a crash left behind.
const PATIENCE: Duration = Duration::from_mins(1);
/// Short enough for a test not to dawdle.
const GLANCE: Duration = Duration::from_millis(20);

/// Looks until it sees what it waits for, and returns that; an `Err` says what there was instead.
pub async fn eventually<T, E: Display>(what: &str, mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(instead) => assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}; instead: {instead}"),
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Waits until every service has erased what it had, by this receipt, and returns it then.
pub async fn erased_everywhere(visitor: &Visitor, receipt: &str) -> Answer {
    eventually("every service to erase", async || {
        let answer = visitor.looks_at_receipt(receipt).await;
        if answer.status == 200 && answer["completed_at"].is_string() { Ok(answer) } else { Err(answer) }
    })
    .await
}

/// Does everything at the same time; the results are in the order of the deeds.
pub async fn at_once<D>(deeds: impl IntoIterator<Item = D>) -> Vec<D::Output>
where
    D: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
{
    let running: Vec<_> = deeds.into_iter().map(|deed| tokio::spawn(deed.into_future())).collect();
    let mut results = Vec::with_capacity(running.len());
    for deed in running {
        results.push(deed.await.expect("it ends without a panic"));
    }
    results
}

/// A word that nobody has used before.
pub fn unique(word: &str) -> String {
    format!("{word}{}", Uuid::now_v7().simple())
}

/// An e-mail address that nobody has used before.
pub fn new_email(name: &str) -> String {
    format!("{}@example.com", unique(&format!("{}.", name.to_lowercase())))
}
