//! How many requests a process works on at the same time, and who is next. When more come than can be served, who came last is next: who
//! waits longest is the one most likely to have gone away, or to be told to come again anyway, and serving in the order of arrival would
//! make everybody as late as the first. So after a standstill the shop serves those who come now, and not its past.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// A number of turns. Cheap to clone; clones share it.
#[derive(Clone)]
pub(super) struct ConcurrencyLimiter(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// The newest is at the back.
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

/// The right to be served, until it is dropped.
pub(super) struct Permit(ConcurrencyLimiter);

impl ConcurrencyLimiter {
    pub(super) fn new(number: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: number, waiting: VecDeque::new() })))
    }

    /// Waits for a turn; `None` when there was none within that time.
    pub(super) async fn take(&self, within: Duration) -> Option<Permit> {
        let called = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Some(Permit(self.clone()));
            }
            // Who has given up is at the front, since all wait equally long.
            while state.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                state.waiting.pop_front();
            }
            let (call, called) = oneshot::channel();
            state.waiting.push_back(call);
            called
        };
        tokio::time::timeout(within, called).await.ok()?.ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            while state.waiting.back().is_some_and(oneshot::Sender::is_closed) {
                state.waiting.pop_back();
            }
            let next = state.waiting.pop_back();
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        // Outside the lock: whoever gave up at this moment drops the turn again, and the next one gets it.
        if let Some(next) = next {
            let _ = next.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_mins(1);

    /// Somebody who waits, and is in the line already.
    fn waits(turns: &ConcurrencyLimiter) -> tokio::task::JoinHandle<Option<Permit>> {
        let in_line = || turns.state().waiting.iter().filter(|call| !call.is_closed()).count();
        let before = in_line();
        let own = turns.clone();
        let waiting = tokio::spawn(async move { own.take(LONG).await });
        while in_line() == before {
            std::thread::yield_now();
        }
        waiting
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_came_last_is_next() {
        let turns = ConcurrencyLimiter::new(2);
        let (first, second) = (turns.take(SOON).await.unwrap(), turns.take(SOON).await.unwrap());
        assert!(turns.take(SOON).await.is_none(), "there are two");
        let (early, late) = (waits(&turns), waits(&turns));
        drop(first);
        let late = late.await.unwrap().unwrap();
        assert!(!early.is_finished());
        drop((second, late));
        early.await.unwrap().unwrap();
        assert_eq!(turns.state().free, 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_who_has_gone_gets_a_turn() {
        let turns = ConcurrencyLimiter::new(1);
        let only = turns.take(SOON).await.unwrap();
        let (stays, goes) = (waits(&turns), waits(&turns));
        goes.abort();
        assert!(goes.await.is_err());
        for _ in 0..10 {
            assert!(turns.take(SOON).await.is_none());
        }
        assert!(turns.state().waiting.len() <= 12);
        drop(only);
        drop(stays.await.unwrap().unwrap());
        assert_eq!(turns.state().free, 1);
        drop(turns.take(SOON).await.unwrap());
        assert_eq!(turns.state().free, 1);
    }
}
