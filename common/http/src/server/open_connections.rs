//! The connections of a process: a bounded number. When all are open, a new one replaces the one
//! that has waited longest for its client: for a request, or until the client reads its answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub(super) struct OpenConnections {
    max: usize,
    state: Mutex<State>,
    /// A connection closed or began to wait.
    changed: Notify,
}

#[derive(Default)]
struct State {
    open: usize,
    /// Connections that wait for their clients, longest first.
    waiting: BTreeMap<u64, Arc<Notify>>,
    next_wait_order: u64,
}

/// The slot of an open connection. Dropping it lets another connection open.
pub(super) struct Slot {
    connections: Arc<OpenConnections>,
    /// The key in `waiting`.
    wait_order: AtomicU64,
    is_waiting: AtomicBool,
    is_busy: AtomicBool,
    replaced: Arc<Notify>,
}

/// A request that is being served on a connection. Dropping it marks the connection as waiting.
pub(super) struct InFlight(Arc<Slot>);

impl OpenConnections {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, state: Mutex::default(), changed: Notify::new() })
    }

    /// Waits for a slot. While all are taken, asks waiting connections to close.
    pub(super) async fn admit(self: &Arc<Self>) -> Arc<Slot> {
        loop {
            let changed = self.changed.notified();
            if let Some(slot) = self.try_admit() {
                return slot;
            }
            changed.await;
        }
    }

    fn try_admit(self: &Arc<Self>) -> Option<Arc<Slot>> {
        let mut state = self.state();
        if state.open >= self.max {
            if let Some((_, oldest)) = state.waiting.pop_first() {
                oldest.notify_one();
            }
            return None;
        }
        state.open += 1;
        let replaced = Arc::default();
        let wait_order = AtomicU64::new(state.add_waiting(&replaced));
        drop(state);
        Some(Arc::new(Slot {
            connections: Arc::clone(self),
            wait_order,
            is_waiting: AtomicBool::new(true),
            is_busy: AtomicBool::new(false),
            replaced,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add_waiting(&mut self, replaced: &Arc<Notify>) -> u64 {
        let wait_order = self.next_wait_order;
        self.next_wait_order += 1;
        self.waiting.insert(wait_order, Arc::clone(replaced));
        wait_order
    }
}

impl Slot {
    /// Marks the connection as busy. It is not replaced while the request is served, unless the
    /// client does not read the answer.
    pub(super) fn begin_request(self: &Arc<Self>) -> InFlight {
        self.is_busy.store(true, Ordering::Relaxed);
        self.stop_waiting();
        InFlight(Arc::clone(self))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    /// Marks the connection as waiting: the client does not read the answer.
    pub(super) fn begin_stall(&self) {
        self.start_waiting();
    }

    /// Marks the connection as busy again: the client reads.
    pub(super) fn end_stall(&self) {
        if self.is_busy() {
            self.stop_waiting();
        }
    }

    /// Waits until this connection must make room for another one.
    pub(super) async fn replaced(&self) {
        loop {
            self.replaced.notified().await;
            if self.is_waiting.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn start_waiting(&self) {
        if !self.is_waiting.swap(true, Ordering::Relaxed) {
            let mut state = self.connections.state();
            self.wait_order.store(state.add_waiting(&self.replaced), Ordering::Relaxed);
            drop(state);
            self.connections.changed.notify_one();
        }
    }

    fn stop_waiting(&self) {
        if self.is_waiting.swap(false, Ordering::Relaxed) {
            self.connections.state().waiting.remove(&self.wait_order.load(Ordering::Relaxed));
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Relaxed);
        self.0.start_waiting();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        state.waiting.remove(&self.wait_order.load(Ordering::Relaxed));
        state.open -= 1;
        drop(state);
        self.connections.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_replaced(slot: &Slot) -> bool {
        timeout(Duration::ZERO, slot.replaced()).await.is_ok()
    }

    #[tokio::test]
    async fn a_new_connection_replaces_the_one_that_waits_longest() {
        let connections = OpenConnections::new(2);
        let (busy, waiting) = (connections.admit().await, connections.admit().await);
        let request = busy.begin_request();
        assert!(connections.try_admit().is_none());
        assert!(is_replaced(&waiting).await && !is_replaced(&busy).await);
        drop(waiting);
        let newer = connections.try_admit().unwrap();
        drop(request);
        assert!(connections.try_admit().is_none());
        assert!(is_replaced(&newer).await, "the busy one waits for a shorter time");
        assert!(connections.try_admit().is_none());
        assert!(is_replaced(&busy).await);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_its_answer_is_replaced() {
        let connections = OpenConnections::new(1);
        let slot = connections.admit().await;
        let _request = slot.begin_request();
        slot.begin_stall();
        slot.end_stall();
        assert!(connections.try_admit().is_none());
        assert!(!is_replaced(&slot).await);
        slot.begin_stall();
        assert!(connections.try_admit().is_none());
        assert!(is_replaced(&slot).await);
    }

    #[tokio::test]
    async fn a_new_connection_waits_while_all_are_busy() {
        let connections = OpenConnections::new(1);
        let slot = connections.admit().await;
        let request = slot.begin_request();
        let waiting = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.admit().await }
        });
        tokio::task::yield_now().await;
        drop(request);
        slot.replaced().await;
        drop(slot);
        waiting.await.unwrap();
    }
}
