//! A queue for a few workers that no network can fill. The networks that wait are served round
//! robin, one caller of each; networks that the account knows come before all others. When the
//! queue is full, the network with the most waiting callers loses its newest one.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use souk_types::Network;
use tokio::sync::oneshot;

/// Workers and the callers that wait for one. Cheap to clone; clones share them.
#[derive(Clone)]
pub(super) struct FairQueue(Arc<Mutex<State>>);

/// The class of a waiting caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Priority {
    /// Served first: the account knows the network.
    Known,
    Other,
}

/// A caller and its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    network: Network,
    priority: Priority,
}

impl Caller {
    /// Returns the caller from a network that is known to the account, or is not.
    pub(crate) fn new(network: Network, is_known: bool) -> Self {
        Self { network, priority: if is_known { Priority::Known } else { Priority::Other } }
    }

    /// Returns the operator, on this machine.
    pub(crate) fn operator() -> Self {
        Self::owner(IpAddr::from(Ipv4Addr::LOCALHOST).into())
    }

    /// Returns the caller from a network who has shown to own the account.
    pub(crate) fn owner(network: Network) -> Self {
        Self::new(network, true)
    }
}

/// The right of one caller to a worker. Dropping it passes the worker on.
#[derive(Debug)]
pub(super) struct Permit(FairQueue);

struct State {
    free_workers: usize,
    max_waiting: usize,
    known: Waiting,
    others: Waiting,
}

/// The waiting callers by network. The network at the front is served next.
#[derive(Default)]
struct Waiting(VecDeque<(Network, VecDeque<oneshot::Sender<Permit>>)>);

impl FairQueue {
    pub(super) fn new(workers: usize, max_waiting: usize) -> Self {
        let (known, others) = (Waiting::default(), Waiting::default());
        Self(Arc::new(Mutex::new(State { free_workers: workers, max_waiting, known, others })))
    }

    /// Waits for a worker. Returns `None` when the queue has no place for this caller, or when it
    /// lost its place to a network with fewer callers.
    pub(super) async fn wait(&self, Caller { network, priority }: Caller) -> Option<Permit> {
        let permit = {
            let mut state = self.state();
            if state.free_workers > 0 {
                state.free_workers -= 1;
                return Some(Permit(self.clone()));
            }
            state.make_room(network, priority).then(|| {
                let (sender, permit) = oneshot::channel();
                state.queue(priority).push(network, sender);
                permit
            })
        };
        permit?.await.ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for FairQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FairQueue")
    }
}

impl State {
    fn queue(&mut self, priority: Priority) -> &mut Waiting {
        match priority {
            Priority::Known => &mut self.known,
            Priority::Other => &mut self.others,
        }
    }

    /// Whether the queue has a place for another caller of `network`, which another network may
    /// lose.
    fn make_room(&mut self, network: Network, priority: Priority) -> bool {
        if self.known.len() + self.others.len() < self.max_waiting {
            return true;
        }
        self.known.remove_cancelled();
        self.others.remove_cancelled();
        if self.known.len() + self.others.len() < self.max_waiting {
            return true;
        }
        if priority == Priority::Known && self.others.len() > 0 {
            self.others.drop_newest_of_largest();
            return true;
        }
        let queue = self.queue(priority);
        let has_fewer = queue.count(network) + 1 < queue.largest();
        if has_fewer {
            queue.drop_newest_of_largest();
        }
        has_fewer
    }

    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        self.known.next().or_else(|| self.others.next())
    }
}

impl Waiting {
    fn len(&self) -> usize {
        self.0.iter().map(|(_, callers)| callers.len()).sum()
    }

    fn count(&self, network: Network) -> usize {
        self.0.iter().find(|(waiting, _)| *waiting == network).map_or(0, |(_, callers)| callers.len())
    }

    fn largest(&self) -> usize {
        self.0.iter().map(|(_, callers)| callers.len()).max().unwrap_or(0)
    }

    fn push(&mut self, network: Network, caller: oneshot::Sender<Permit>) {
        match self.0.iter_mut().find(|(waiting, _)| *waiting == network) {
            Some((_, callers)) => callers.push_back(caller),
            None => self.0.push_back((network, VecDeque::from([caller]))),
        }
    }

    /// Removes the next caller; its network goes to the end.
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        while let Some((network, mut callers)) = self.0.pop_front() {
            let caller = callers.pop_front();
            if !callers.is_empty() {
                self.0.push_back((network, callers));
            }
            if let Some(caller) = caller.filter(|caller| !caller.is_closed()) {
                return Some(caller);
            }
        }
        None
    }

    /// Removes callers that no longer wait.
    fn remove_cancelled(&mut self) {
        for (_, callers) in &mut self.0 {
            callers.retain(|caller| !caller.is_closed());
        }
        self.0.retain(|(_, callers)| !callers.is_empty());
    }

    /// Ends the wait of one caller.
    fn drop_newest_of_largest(&mut self) {
        let largest = self.0.iter_mut().max_by_key(|(_, callers)| callers.len());
        if let Some((_, callers)) = largest {
            callers.pop_back();
        }
        self.0.retain(|(_, callers)| !callers.is_empty());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            let next = state.next();
            if next.is_none() {
                state.free_workers += 1;
            }
            next
        };
        // Outside the lock: a caller that has gone drops the permit, which locks again.
        if let Some(next) = next {
            let _ = next.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    fn caller(host: u8, priority: Priority) -> Caller {
        Caller { network: IpAddr::from([203, 0, 113, host]).into(), priority }
    }

    /// A queue whose one worker is busy, and the order in which callers are served.
    struct Busy {
        queue: FairQueue,
        permit: Permit,
        served: Arc<Mutex<Vec<u8>>>,
    }

    impl Busy {
        async fn with_places(max_waiting: usize) -> Self {
            let queue = FairQueue::new(1, max_waiting);
            let permit = queue.wait(caller(0, Priority::Other)).await.unwrap();
            Self { queue, permit, served: Arc::default() }
        }

        /// Lets a caller of the network wait. The result says whether it was served.
        async fn join(&self, host: u8, priority: Priority) -> JoinHandle<bool> {
            let (queue, served) = (self.queue.clone(), Arc::clone(&self.served));
            let caller = tokio::spawn(async move {
                let permit = queue.wait(caller(host, priority)).await;
                if permit.is_some() {
                    served.lock().unwrap().push(host);
                }
                permit.is_some()
            });
            // The test has one thread, so the caller now waits or has ended.
            tokio::task::yield_now().await;
            caller
        }

        /// Frees the worker and returns the networks in the order in which they were served.
        async fn serve(self, callers: Vec<JoinHandle<bool>>) -> Vec<u8> {
            drop(self.permit);
            for caller in callers {
                caller.await.unwrap();
            }
            std::mem::take(&mut *self.served.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn networks_are_served_round_robin_and_known_ones_first() {
        let busy = Busy::with_places(10).await;
        let mut callers = Vec::new();
        for (host, priority) in [(1, Priority::Other), (1, Priority::Other), (1, Priority::Other), (2, Priority::Other)]
        {
            callers.push(busy.join(host, priority).await);
        }
        callers.push(busy.join(3, Priority::Known).await);
        assert_eq!(busy.serve(callers).await, [3, 1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn a_full_queue_takes_a_place_from_the_network_with_the_most_callers() {
        let busy = Busy::with_places(3).await;
        let mut callers = Vec::new();
        for host in [1, 1, 1, 1, 2, 2, 3] {
            callers.push(busy.join(host, Priority::Other).await);
        }
        // The fourth of network 1 finds the queue full; network 2 takes the place of its third, but
        // not a second place; network 3 takes that of its second.
        assert_eq!(busy.serve(callers).await, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_known_network_takes_a_place_of_others_only() {
        let busy = Busy::with_places(2).await;
        let mut callers = Vec::new();
        for (host, priority) in [(1, Priority::Other), (2, Priority::Other), (3, Priority::Known), (4, Priority::Known)]
        {
            callers.push(busy.join(host, priority).await);
        }
        callers.push(busy.join(5, Priority::Known).await);
        callers.push(busy.join(6, Priority::Other).await);
        assert_eq!(busy.serve(callers).await, [3, 4]);
    }

    #[tokio::test]
    async fn a_caller_that_has_gone_keeps_no_place_and_no_worker() {
        let busy = Busy::with_places(1).await;
        let gone = busy.join(1, Priority::Other).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        let waiting = busy.join(2, Priority::Other).await;
        let queue = busy.queue.clone();
        assert_eq!(busy.serve(vec![waiting]).await, [2]);
        assert!(queue.wait(caller(3, Priority::Other)).await.is_some());
    }
}
