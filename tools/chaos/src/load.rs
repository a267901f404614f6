//! People who come by the clock, 100 a second, however long the shop takes to answer: half of them
//! look round, a third are busy with their carts, the others order and sign in. They behave as
//! clients should: they wait as long as `Retry-After` says, and an order is repeated under its key
//! until it is answered. Everything that they are told is written down.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use journeys::{Customer, Outcome, PASSWORD, Product, Request, unique};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::random::Random;
use crate::scene::{People, Scene};

const PER_SECOND: u32 = 100;
/// A client that has heard nothing for so long gives up. Answers are due within 6 s; this is more,
/// to see by how much they miss.
const CLIENT: Duration = Duration::from_secs(12);
/// How often somebody tries whose request is not worth more.
const TRIES: u32 = 3;
/// Who is sent away again and again waits longer each time, up to this, or as long as they are
/// told.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How long somebody goes on who wants to know what became of an order, or wants to be forgotten.
const PATIENCE: Duration = Duration::from_mins(2);
/// So many good answers in a row of each kind are a recovery.
const IN_A_ROW: usize = 3;
/// How often it is looked whether there are.
const GLANCE: Duration = Duration::from_millis(50);

/// What somebody came for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Browse,
    Cart,
    Order,
    SignIn,
}

/// Of 24 arrivals 12 browse, 8 are about carts, 3 order and one signs in.
const TURNS: [Kind; 24] = {
    use Kind::{Browse, Cart, Order, SignIn};
    [
        Browse, Cart, Browse, Order, Browse, Cart, Browse, Cart, Browse, Cart, Browse, Order, //
        Browse, Cart, Browse, SignIn, Browse, Cart, Browse, Cart, Browse, Cart, Browse, Order,
    ]
};

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Browse, Self::Cart, Self::Order, Self::SignIn];

    /// What docs/api.md has for a request of this kind that is well made and comes with a good
    /// token.
    fn may_be_told(self, status: u16) -> bool {
        match self {
            Self::Browse | Self::Cart | Self::SignIn => status == 200,
            Self::Order => matches!(status, 201 | 202 | 409),
        }
    }
}

/// One request and what came of it, as far as the table needs it.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) kind: Kind,
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    /// `None` when there was no answer.
    pub(crate) status: Option<u16>,
    /// What was asked and what was answered, without what differs each time.
    pub(crate) summary: String,
    /// Whether docs/api.md has such an answer; none at all is not judged here.
    pub(crate) is_documented: bool,
}

impl Attempt {
    fn of(kind: Kind, begun: Instant, outcome: &Outcome) -> Self {
        let (status, took) = (outcome.status(), outcome.elapsed);
        let Ok(answer) = &outcome.response else {
            return Self { kind, begun, took, status, summary: format!("{kind:?}: no answer"), is_documented: true };
        };
        let says = answer["type"].as_str().unwrap_or_default();
        let is_problem =
            answer.header("Content-Type") == "application/problem+json" && says.starts_with("urn:souk:problem:");
        let is_documented = match answer.status {
            200..400 => kind.may_be_told(answer.status),
            502..=504 => is_problem && answer.header("Retry-After").parse::<u32>().is_ok(),
            _ => is_problem && kind.may_be_told(answer.status),
        };
        let who = answer["service"].as_str().unwrap_or_default();
        Self { kind, begun, took, status, summary: format!("{kind:?}: {} {says} {who}", answer.status), is_documented }
    }

    /// It was served, or told for good reason that it cannot be.
    pub(crate) fn is_good(&self) -> bool {
        self.status.is_some_and(|status| self.kind.may_be_told(status))
    }
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) attempts: Vec<Attempt>,
    /// Promises to customers, answers of 2xx to orders, as `souk audit --orders` reads them.
    pub(crate) told: Vec<Value>,
}

/// People who come until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    running: JoinHandle<()>,
    notes: Arc<Notes>,
}

/// What all of them write into, and share.
struct Notes {
    seen: Mutex<Seen>,
    /// Whose carts have something in them, by number.
    filled: Mutex<VecDeque<usize>>,
    people: People,
    goods: Arc<Vec<Product>>,
}

impl Load {
    /// The first come at once.
    pub(crate) fn begins(scene: &Scene, mut random: Random) -> Self {
        let (stop, seen, filled) = (Arc::new(AtomicBool::new(false)), Mutex::default(), Mutex::default());
        let notes =
            Arc::new(Notes { seen, filled, people: Arc::clone(&scene.people), goods: Arc::clone(&scene.goods) });
        let (stopping, writing) = (Arc::clone(&stop), Arc::clone(&notes));
        let running = tokio::spawn(async move {
            let mut due = interval(Duration::from_secs(1) / PER_SECOND);
            due.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut coming = JoinSet::new();
            for kind in TURNS.into_iter().cycle() {
                due.tick().await;
                if stopping.load(Ordering::Relaxed) {
                    break;
                }
                let (notes, random) = (Arc::clone(&writing), random.split());
                coming.spawn(async move { notes.visit(kind, random).await });
                while coming.try_join_next().is_some() {}
            }
            // Whoever is inside is served, or gives up.
            coming.join_all().await;
        });
        Self { stop, running, notes }
    }

    /// So many requests have been made by now.
    pub(crate) fn requests(&self) -> usize {
        self.notes.seen().attempts.len()
    }

    /// How long after `back` the first requests in a row were answered well, of every kind; `None`
    /// when that takes too long.
    pub(crate) async fn recovers(&self, back: Instant, within: Duration) -> Option<Duration> {
        // What was begun after it is written down after it.
        let before = self.requests();
        while back.elapsed() < within {
            if let Some(recovered) = recovered(&self.notes.seen().attempts[before..], back) {
                return Some(recovered);
            }
            sleep(GLANCE).await;
        }
        None
    }

    /// Nobody comes any more; what those saw who came.
    pub(crate) async fn ends(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        if let Err(error) = self.running.await {
            eprintln!("the load ended early: {error}");
        }
        std::mem::take(&mut *self.notes.seen())
    }
}

/// For the slowest kind: when the last of so many in a row was answered. Only requests count that
/// were begun after `back`, in their order.
fn recovered(attempts: &[Attempt], back: Instant) -> Option<Duration> {
    let mut slowest = Duration::ZERO;
    for kind in Kind::ALL {
        let mut of_kind: Vec<&Attempt> =
            attempts.iter().filter(|attempt| attempt.kind == kind && attempt.begun >= back).collect();
        of_kind.sort_by_key(|attempt| attempt.begun);
        let row = of_kind.windows(IN_A_ROW).find(|row| row.iter().all(|attempt| attempt.is_good()))?;
        let answered = row.iter().map(|attempt| attempt.begun + attempt.took).max()?;
        slowest = slowest.max(answered - back);
    }
    Some(slowest)
}

impl Notes {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn filled(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.filled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn customer(&self, number: usize) -> Customer {
        self.people.read().unwrap_or_else(PoisonError::into_inner)[number].clone()
    }

    async fn visit(&self, kind: Kind, mut random: Random) {
        let everybody: Vec<usize> = (0..self.people.read().unwrap_or_else(PoisonError::into_inner).len()).collect();
        let number = *random.one_of(&everybody);
        // Everybody has a few things that they buy, so that no cart grows without end.
        let likes = number + *random.one_of(&[0, 1, 2]);
        let product = self.goods[likes % self.goods.len()].clone();
        let customer = self.customer(number);
        match kind {
            Kind::Browse => {
                let list = random.next().is_multiple_of(2);
                let ask = move || if list { customer.get("/products?limit=5") } else { customer.get_product(&product) };
                self.asks(kind, 1, ask).await;
            }
            Kind::Cart if random.next().is_multiple_of(4) => {
                self.asks(kind, TRIES, move || customer.get_cart()).await;
            }
            Kind::Cart => {
                let last = self.asks(kind, TRIES, move || customer.set_quantity(&product, 1)).await;
                if last.status() == Some(200) {
                    self.filled().push_back(number);
                }
            }
            Kind::Order => {
                let number = self.filled().pop_front().unwrap_or(number);
                self.orders(self.customer(number)).await;
            }
            Kind::SignIn => {
                let (visitor, email) = (customer.clone(), customer.email.clone());
                let ask = move || visitor.sign_in(&visitor.email, PASSWORD);
                if let Ok(answer) = self.asks(kind, TRIES, ask).await.response
                    && answer.status == 200
                {
                    let again = Customer::from_sign_in(&customer, &email, PASSWORD, &answer);
                    self.people.write().unwrap_or_else(PoisonError::into_inner)[number] = again;
                }
            }
        }
    }

    async fn orders(&self, customer: Customer) {
        let key = unique("key");
        let asking = customer.clone();
        let ask = || asking.place_order(&key);
        if let Ok(answer) = self.asks(Kind::Order, u32::MAX, ask).await.response
            && matches!(answer.status, 200..300)
        {
            let line = json!({"customer": customer.id, "key": key, "order": answer["id"], "status": answer["status"]});
            self.seen().told.push(line);
        }
    }

    /// Asks so many times at most, as long as it is of use, and returns what came of it in the end.
    async fn asks(&self, kind: Kind, tries: u32, ask: impl Fn() -> Request) -> Outcome {
        let first = Instant::now();
        let mut asked = 0;
        loop {
            let (ask, begun) = (ask(), Instant::now());
            let path = ask.to_string();
            let outcome = timeout(CLIENT, ask.outcome()).await.unwrap_or_else(|_| Outcome {
                request: path,
                response: Err(format!("no answer within {CLIENT:?}")),
                elapsed: begun.elapsed(),
            });
            self.seen().attempts.push(Attempt::of(kind, begun, &outcome));
            asked += 1;
            let pause = outcome.retry_after();
            let pause = pause.map(|pause| pause.saturating_mul(asked).min(LONGEST_PAUSE.max(pause)));
            match pause {
                Some(pause) if asked < tries && first.elapsed() + pause < PATIENCE => sleep(pause).await,
                _ => return outcome,
            }
        }
    }
}

/// Deletes an account, whatever that takes. Whether it was told to be done: `401` is what a
/// repetition is told.
pub(crate) async fn leaves(leaver: Customer) -> bool {
    let begun = Instant::now();
    loop {
        let tried = timeout(CLIENT, leaver.delete_account().outcome()).await;
        let (done, pause) = match tried {
            Ok(outcome) => (matches!(outcome.status(), Some(200..300 | 401)), outcome.retry_after()),
            Err(_) => (false, Some(Duration::from_secs(1))),
        };
        match pause {
            Some(pause) if begun.elapsed() + pause < PATIENCE => sleep(pause).await,
            _ => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of every kind, one a second after `back`, of which those of `kind` are good or not.
    fn attempts(back: Instant, kind: Kind, good: &[bool]) -> Vec<Attempt> {
        let of = |kind, at: usize, good: bool| Attempt {
            kind,
            begun: back + Duration::from_secs(1) * u32::try_from(at).unwrap_or_default(),
            took: Duration::from_millis(10),
            status: good.then_some(if kind == Kind::Order { 201 } else { 200 }),
            summary: String::new(),
            is_documented: true,
        };
        let others = Kind::ALL.into_iter().filter(|other| *other != kind);
        let others = others.flat_map(|other| (0..good.len()).map(move |at| of(other, at, true)));
        good.iter().enumerate().map(|(at, good)| of(kind, at, *good)).chain(others).collect()
    }

    #[test]
    fn a_recovery_is_so_many_good_answers_in_a_row_of_each_kind() {
        let back = Instant::now();
        for (good, seconds) in [
            (&[true, true, true, true][..], Some(2)),
            (&[true, true, false, true, true, true], Some(5)),
            (&[false, true, true], None),
            (&[true, true], None),
        ] {
            for kind in Kind::ALL {
                let expected = seconds.map(|seconds| Duration::from_millis(seconds * 1_000 + 10));
                assert_eq!(recovered(&attempts(back, kind, good), back), expected, "{kind:?} {good:?}");
            }
        }
    }

    #[test]
    fn the_load_is_what_was_promised() {
        let count = |kind| TURNS.iter().filter(|turn| **turn == kind).count();
        assert_eq!(Kind::ALL.map(count), [12, 8, 3, 1]);
    }
}
