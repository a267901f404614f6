//! An open load: clients arrive at a constant rate, independent of response times. They respect
//! `Retry-After`, and repeat an order under its key until it is answered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use journeys::{Customer, Outcome, PASSWORD, Product, Request, unique};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::environment::{Customers, Environment};
use crate::random::Random;

/// Clients that arrive each second at a fleet of release builds.
pub(crate) const ARRIVAL_RATE: u32 = 100;
/// Clients that arrive each second at a fleet of debug builds, which serve about a quarter of the
/// requests of release builds. More of them would measure an overload instead of the fault.
pub(crate) const SHORT_ARRIVAL_RATE: u32 = 40;
/// Time that a client waits for a response. Longer than the target of 6 s, to measure by how much a
/// response misses it.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(12);
/// Attempts of a request that is neither an order nor a read of the catalogue.
const MAX_ATTEMPTS: u32 = 3;
/// Longest back-off of a client, unless `Retry-After` is longer.
const MAX_BACKOFF: Duration = Duration::from_secs(4);
/// Time for which a client repeats an order, or the deletion of an account.
const RETRY_TIMEOUT: Duration = Duration::from_mins(2);
/// Successful responses of each kind, in a row, that make a recovery.
const RECOVERY_STREAK: usize = 3;
const POLL_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Browse,
    Cart,
    Order,
    SignIn,
}

/// The order of arrivals: of 24 clients, 12 browse, 8 use a cart, 3 order and one signs in.
const ARRIVALS: [Kind; 24] = {
    use Kind::{Browse, Cart, Order, SignIn};
    [
        Browse, Cart, Browse, Order, Browse, Cart, Browse, Cart, Browse, Cart, Browse, Order, //
        Browse, Cart, Browse, SignIn, Browse, Cart, Browse, Cart, Browse, Cart, Browse, Order,
    ]
};

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Browse, Self::Cart, Self::Order, Self::SignIn];

    /// Whether docs/api.md lists this status for a well-formed request with a valid token.
    fn is_expected(self, status: u16) -> bool {
        match self {
            Self::Browse | Self::Cart | Self::SignIn => status == 200,
            Self::Order => matches!(status, 201 | 202 | 409),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) kind: Kind,
    pub(crate) begun: Instant,
    pub(crate) elapsed: Duration,
    pub(crate) status: Option<u16>,
    /// Kind, status, problem type and service; equal for equal problems.
    pub(crate) summary: String,
    /// True without a response: missing responses are counted separately.
    pub(crate) is_documented: bool,
}

impl Attempt {
    fn new(kind: Kind, begun: Instant, outcome: &Outcome) -> Self {
        let (status, elapsed) = (outcome.status(), outcome.elapsed);
        let Ok(response) = &outcome.response else {
            return Self { kind, begun, elapsed, status, summary: format!("{kind:?}: no answer"), is_documented: true };
        };
        let problem = response["type"].as_str().unwrap_or_default();
        let is_problem =
            response.header("Content-Type") == "application/problem+json" && problem.starts_with("urn:souk:problem:");
        let is_documented = match response.status {
            200..400 => kind.is_expected(response.status),
            502..=504 => is_problem && response.header("Retry-After").parse::<u32>().is_ok(),
            _ => is_problem && kind.is_expected(response.status),
        };
        let service = response["service"].as_str().unwrap_or_default();
        let summary = format!("{kind:?}: {} {problem} {service}", response.status);
        Self { kind, begun, elapsed, status, summary, is_documented }
    }

    pub(crate) fn is_successful(&self) -> bool {
        self.status.is_some_and(|status| self.kind.is_expected(status))
    }
}

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) attempts: Vec<Attempt>,
    /// Successful responses to orders, in the form that `souk audit --orders` reads.
    pub(crate) confirmed_orders: Vec<Value>,
}

pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    arrivals: JoinHandle<()>,
    clients: Arc<Clients>,
}

struct Clients {
    record: Mutex<Record>,
    /// Indexes of customers whose carts are not empty.
    filled_carts: Mutex<VecDeque<usize>>,
    customers: Customers,
    products: Arc<Vec<Product>>,
}

impl Load {
    pub(crate) fn start(environment: &Environment, arrival_rate: u32, mut random: Random) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = Arc::new(Clients {
            record: Mutex::default(),
            filled_carts: Mutex::default(),
            customers: Arc::clone(&environment.customers),
            products: Arc::clone(&environment.products),
        });
        let (is_stopped, shared) = (Arc::clone(&stop), Arc::clone(&clients));
        let arrivals = tokio::spawn(async move {
            let mut due = interval(Duration::from_secs(1) / arrival_rate);
            due.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut running = JoinSet::new();
            for kind in ARRIVALS.into_iter().cycle() {
                due.tick().await;
                if is_stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (clients, random) = (Arc::clone(&shared), random.split());
                running.spawn(async move { clients.visit(kind, random).await });
                while running.try_join_next().is_some() {}
            }
            running.join_all().await;
        });
        Self { stop, arrivals, clients }
    }

    pub(crate) fn requests(&self) -> usize {
        self.clients.record().attempts.len()
    }

    /// Returns the time from the end of the fault until requests of every kind succeed again.
    pub(crate) async fn time_to_recover(&self, ended: Instant, timeout: Duration) -> Option<Duration> {
        // Requests that begin from now on are recorded behind this index.
        let first = self.requests();
        while ended.elapsed() < timeout {
            if let Some(time) = recovery(&self.clients.record().attempts[first..], ended) {
                return Some(time);
            }
            sleep(POLL_INTERVAL).await;
        }
        None
    }

    /// Lets no further client arrive, waits for the others, and returns their record.
    pub(crate) async fn stop(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        if let Err(error) = self.arrivals.await {
            eprintln!("the load ended early: {error}");
        }
        std::mem::take(&mut *self.clients.record())
    }
}

/// Returns the time from `ended` to the last response of the first streak of successful ones, for
/// the slowest kind. Counts requests that began after `ended`, in the order of their beginning.
fn recovery(attempts: &[Attempt], ended: Instant) -> Option<Duration> {
    let mut slowest = Duration::ZERO;
    for kind in Kind::ALL {
        let mut of_kind: Vec<&Attempt> =
            attempts.iter().filter(|attempt| attempt.kind == kind && attempt.begun >= ended).collect();
        of_kind.sort_by_key(|attempt| attempt.begun);
        let is_successful = |streak: &&[&Attempt]| streak.iter().all(|attempt| attempt.is_successful());
        let streak = of_kind.windows(RECOVERY_STREAK).find(is_successful)?;
        let answered = streak.iter().map(|attempt| attempt.begun + attempt.elapsed).max()?;
        slowest = slowest.max(answered - ended);
    }
    Some(slowest)
}

impl Clients {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn filled_carts(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.filled_carts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn customer(&self, index: usize) -> Customer {
        self.customers.read().unwrap_or_else(PoisonError::into_inner)[index].clone()
    }

    async fn visit(&self, kind: Kind, mut random: Random) {
        let customers = self.customers.read().unwrap_or_else(PoisonError::into_inner).len();
        let index = random.below(customers);
        // Each customer buys from three products, so that carts stay small.
        let choice = index + random.below(3);
        let product = self.products[choice % self.products.len()].clone();
        let customer = self.customer(index);
        match kind {
            Kind::Browse => {
                let is_list = random.below(2) == 0;
                let request =
                    move || if is_list { customer.get("/products?limit=5") } else { customer.get_product(&product) };
                self.send(kind, 1, request).await;
            }
            Kind::Cart if random.below(4) == 0 => {
                self.send(kind, MAX_ATTEMPTS, move || customer.get_cart()).await;
            }
            Kind::Cart => {
                let last = self.send(kind, MAX_ATTEMPTS, move || customer.set_quantity(&product, 1)).await;
                if last.status() == Some(200) {
                    self.filled_carts().push_back(index);
                }
            }
            Kind::Order => {
                let index = self.filled_carts().pop_front().unwrap_or(index);
                self.place_order(self.customer(index)).await;
            }
            Kind::SignIn => {
                let (client, email) = (customer.clone(), customer.email.clone());
                let request = move || client.sign_in(&client.email, PASSWORD);
                if let Ok(response) = self.send(kind, MAX_ATTEMPTS, request).await.response
                    && response.status == 200
                {
                    let signed_in = Customer::from_sign_in(&customer, &email, PASSWORD, &response);
                    self.customers.write().unwrap_or_else(PoisonError::into_inner)[index] = signed_in;
                }
            }
        }
    }

    async fn place_order(&self, customer: Customer) {
        let key = unique("key");
        let client = customer.clone();
        let request = || client.place_order(&key);
        if let Ok(response) = self.send(Kind::Order, u32::MAX, request).await.response
            && matches!(response.status, 200..300)
        {
            let order =
                json!({"customer": customer.id, "key": key, "order": response["id"], "status": response["status"]});
            self.record().confirmed_orders.push(order);
        }
    }

    async fn send(&self, kind: Kind, max_attempts: u32, request: impl Fn() -> Request) -> Outcome {
        let first = Instant::now();
        let mut attempts = 0;
        loop {
            let (request, begun) = (request(), Instant::now());
            let description = request.to_string();
            let outcome = timeout(CLIENT_TIMEOUT, request.outcome()).await.unwrap_or_else(|_| Outcome {
                request: description,
                response: Err(format!("no answer within {CLIENT_TIMEOUT:?}")),
                elapsed: begun.elapsed(),
            });
            self.record().attempts.push(Attempt::new(kind, begun, &outcome));
            attempts += 1;
            let backoff = outcome.retry_after();
            let backoff = backoff.map(|delay| delay.saturating_mul(attempts).min(MAX_BACKOFF.max(delay)));
            match backoff {
                Some(delay) if attempts < max_attempts && first.elapsed() + delay < RETRY_TIMEOUT => sleep(delay).await,
                _ => return outcome,
            }
        }
    }
}

/// Returns whether the deletion was confirmed; a repetition is confirmed with 401.
pub(crate) async fn delete_account(customer: Customer) -> bool {
    let begun = Instant::now();
    loop {
        let attempt = timeout(CLIENT_TIMEOUT, customer.delete_account().outcome()).await;
        let (is_confirmed, backoff) = match attempt {
            Ok(outcome) => (matches!(outcome.status(), Some(200..300 | 401)), outcome.retry_after()),
            Err(_) => (false, Some(Duration::from_secs(1))),
        };
        match backoff {
            Some(delay) if begun.elapsed() + delay < RETRY_TIMEOUT => sleep(delay).await,
            _ => return is_confirmed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One request of every kind each second. Those of `kind` succeed as given, others always.
    fn attempts(ended: Instant, kind: Kind, successes: &[bool]) -> Vec<Attempt> {
        let attempt = |kind, at: usize, is_successful: bool| Attempt {
            kind,
            begun: ended + Duration::from_secs(1) * u32::try_from(at).unwrap_or_default(),
            elapsed: Duration::from_millis(10),
            status: is_successful.then_some(if kind == Kind::Order { 201 } else { 200 }),
            summary: String::new(),
            is_documented: true,
        };
        let others = Kind::ALL.into_iter().filter(|other| *other != kind);
        let others = others.flat_map(|other| (0..successes.len()).map(move |at| attempt(other, at, true)));
        successes.iter().enumerate().map(|(at, success)| attempt(kind, at, *success)).chain(others).collect()
    }

    #[test]
    fn recovery_needs_a_streak_of_successes_of_each_kind() {
        let ended = Instant::now();
        for (successes, seconds) in [
            (&[true, true, true, true][..], Some(2)),
            (&[true, true, false, true, true, true], Some(5)),
            (&[false, true, true], None),
            (&[true, true], None),
        ] {
            for kind in Kind::ALL {
                let expected = seconds.map(|seconds| Duration::from_millis(seconds * 1_000 + 10));
                assert_eq!(recovery(&attempts(ended, kind, successes), ended), expected, "{kind:?} {successes:?}");
            }
        }
    }

    #[test]
    fn arrivals_have_the_documented_mix() {
        let count = |kind| ARRIVALS.iter().filter(|arrival| **arrival == kind).count();
        assert_eq!(Kind::ALL.map(count), [12, 8, 3, 1]);
    }
}
