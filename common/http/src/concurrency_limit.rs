//! A limit of concurrent requests. Excess requests are served last-in, first-out; the oldest have
//! probably timed out. After a stall, the service handles current requests before its backlog.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// A number of permits. Clones share them.
#[derive(Clone)]
pub(super) struct ConcurrencyLimiter(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// The newest request is at the back.
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

/// A permit to serve a request. Dropping it releases the permit.
pub(super) struct Permit(ConcurrencyLimiter);

impl ConcurrencyLimiter {
    pub(super) fn new(permits: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: permits, waiting: VecDeque::new() })))
    }

    /// Returns a permit; `None` when there is none within `timeout`.
    pub(super) async fn acquire(&self, timeout: Duration) -> Option<Permit> {
        let receiver = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Some(Permit(self.clone()));
            }
            // All requests have the same timeout, so those that have given up are at the front.
            while state.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                state.waiting.pop_front();
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(sender);
            receiver
        };
        tokio::time::timeout(timeout, receiver).await.ok()?.ok()
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
        // Outside the lock: a receiver that has timed out drops the permit, which locks again.
        if let Some(next) = next {
            let _ = next.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_mins(1);

    fn spawn_waiting(limiter: &ConcurrencyLimiter) -> tokio::task::JoinHandle<Option<Permit>> {
        let waiting = || limiter.state().waiting.iter().filter(|sender| !sender.is_closed()).count();
        let before = waiting();
        let own = limiter.clone();
        let task = tokio::spawn(async move { own.acquire(LONG).await });
        while waiting() == before {
            std::thread::yield_now();
        }
        task
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_newest_request_gets_the_next_permit() {
        let limiter = ConcurrencyLimiter::new(2);
        let (first, second) = (limiter.acquire(SHORT).await.unwrap(), limiter.acquire(SHORT).await.unwrap());
        assert!(limiter.acquire(SHORT).await.is_none());
        let (early, late) = (spawn_waiting(&limiter), spawn_waiting(&limiter));
        drop(first);
        let late = late.await.unwrap().unwrap();
        assert!(!early.is_finished());
        drop((second, late));
        early.await.unwrap().unwrap();
        assert_eq!(limiter.state().free, 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cancelled_request_gets_no_permit() {
        let limiter = ConcurrencyLimiter::new(1);
        let only = limiter.acquire(SHORT).await.unwrap();
        let (stays, cancelled) = (spawn_waiting(&limiter), spawn_waiting(&limiter));
        cancelled.abort();
        assert!(cancelled.await.is_err());
        for _ in 0..10 {
            assert!(limiter.acquire(SHORT).await.is_none());
        }
        assert!(limiter.state().waiting.len() <= 12);
        drop(only);
        drop(stays.await.unwrap().unwrap());
        assert_eq!(limiter.state().free, 1);
        drop(limiter.acquire(SHORT).await.unwrap());
        assert_eq!(limiter.state().free, 1);
    }
}
