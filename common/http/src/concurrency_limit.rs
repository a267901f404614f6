//! A limit of concurrent requests, which the networks of clients share: a permit goes to the
//! network that has used the least service time lately. So a flood from some hundred addresses
//! waits for visitors who ask for a page now and then.
//!
//! Networks that have used little, and requests of one network, are served newest first: the oldest
//! have probably timed out. After a stall, the service handles current requests before its backlog.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use souk_types::Network;
use tokio::sync::oneshot;

/// Requests that may wait. When one more arrives, the network with the most loses its oldest.
const MAX_WAITING: usize = 1_024;
/// Service time counts half after this time, in seconds.
const HALF_LIFE: f64 = 10.0;
/// Seconds of service time that a visitor uses with a few pages. Networks below it are equal: new
/// networks do not come before those of visitors.
const LITTLE: f64 = 0.5;
/// Seconds that count for a request while it is served, so that no network gets all permits at
/// once.
const EXPECTED_TIME: f64 = 0.05;
/// Networks whose service time is remembered.
const MAX_NETWORKS: usize = 10_000;

/// A number of permits. Clones share them.
#[derive(Clone)]
pub(super) struct ConcurrencyLimiter(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// The number of requests in `queues`.
    waiting: usize,
    /// The requests that wait, by network. No queue is empty; the newest request is at the back.
    queues: HashMap<Network, VecDeque<Waiting>>,
    used: HashMap<Network, Usage>,
}

struct Waiting {
    since: Instant,
    permit: oneshot::Sender<Permit>,
}

/// The service time of one network.
struct Usage {
    serving: usize,
    /// Seconds of service, as they counted at this time.
    seconds: f64,
    at: Instant,
}

/// A permit to serve a request. Dropping it releases the permit.
pub(super) struct Permit {
    limiter: ConcurrencyLimiter,
    network: Network,
    since: Instant,
}

impl ConcurrencyLimiter {
    pub(super) fn new(permits: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: permits, waiting: 0, queues: HashMap::new(), used: HashMap::new() })))
    }

    /// Returns a permit; `None` when there is none within `timeout`, or when too many requests
    /// wait.
    pub(super) async fn acquire(&self, network: Network, timeout: Duration) -> Option<Permit> {
        let receiver = {
            let (mut state, now) = (self.state(), Instant::now());
            if state.free > 0 {
                state.free -= 1;
                state.usage(network, now).serving += 1;
                return Some(Permit { limiter: self.clone(), network, since: now });
            }
            state.make_room();
            let (permit, receiver) = oneshot::channel();
            state.queues.entry(network).or_default().push_back(Waiting { since: now, permit });
            state.waiting += 1;
            receiver
        };
        tokio::time::timeout(timeout, receiver).await.ok()?.ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn usage(&mut self, network: Network, now: Instant) -> &mut Usage {
        if self.used.len() >= MAX_NETWORKS && !self.used.contains_key(&network) {
            self.remove_idle(now);
        }
        self.used.entry(network).or_insert_with(|| Usage { serving: 0, seconds: 0.0, at: now })
    }

    /// Removes the service time of networks that use little, or of all that use nothing now if that
    /// leaves many.
    fn remove_idle(&mut self, now: Instant) {
        self.used.retain(|_, usage| usage.serving > 0 || usage.seconds_at(now) > LITTLE);
        if self.used.len() > MAX_NETWORKS / 2 {
            self.used.retain(|_, usage| usage.serving > 0);
        }
    }

    /// Makes room for another request that waits.
    fn make_room(&mut self) {
        if self.waiting < MAX_WAITING {
            return;
        }
        self.remove_cancelled();
        let largest = self.queues.iter().max_by_key(|(_, queue)| queue.len()).map(|(network, _)| *network);
        if self.waiting >= MAX_WAITING
            && let Some(network) = largest
        {
            self.take(network, VecDeque::pop_front);
        }
    }

    /// Removes requests that no longer wait.
    fn remove_cancelled(&mut self) {
        for queue in self.queues.values_mut() {
            queue.retain(|request| !request.permit.is_closed());
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        self.waiting = self.queues.values().map(VecDeque::len).sum();
    }

    fn take(&mut self, network: Network, take: impl Fn(&mut VecDeque<Waiting>) -> Option<Waiting>) -> Option<Waiting> {
        let queue = self.queues.get_mut(&network)?;
        let taken = take(queue);
        if queue.is_empty() {
            self.queues.remove(&network);
        }
        self.waiting -= usize::from(taken.is_some());
        taken
    }

    /// Takes the next request that waits.
    fn next(&mut self, now: Instant) -> Option<(Network, oneshot::Sender<Permit>)> {
        loop {
            let rank = |network: &Network| self.used.get(network).map_or(LITTLE, |usage| usage.rank(now));
            let newest = |queue: &VecDeque<Waiting>| queue.back().map(|request| request.since);
            let ranked = self.queues.iter().map(|(network, queue)| (rank(network), newest(queue), *network));
            let first = ranked.min_by(|(a, a_since, _), (b, b_since, _)| a.total_cmp(b).then(b_since.cmp(a_since)));
            let (_, _, network) = first?;
            let request = self.take(network, VecDeque::pop_back)?;
            if !request.permit.is_closed() {
                self.usage(network, now).serving += 1;
                return Some((network, request.permit));
            }
        }
    }
}

impl Usage {
    /// The network with the lowest rank is served next.
    #[allow(clippy::cast_precision_loss, reason = "a number of permits")]
    fn rank(&self, now: Instant) -> f64 {
        (self.seconds_at(now) + self.serving as f64 * EXPECTED_TIME).max(LITTLE)
    }

    fn seconds_at(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        self.seconds * (-age / HALF_LIFE).exp2()
    }

    fn add(&mut self, time: Duration, now: Instant) {
        (self.seconds, self.at) = (self.seconds_at(now) + time.as_secs_f64(), now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = Instant::now();
        let next = {
            let mut state = self.limiter.state();
            let usage = state.usage(self.network, now);
            usage.serving = usage.serving.saturating_sub(1);
            usage.add(now.saturating_duration_since(self.since), now);
            let next = state.next(now);
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        // Outside the lock: a receiver that has timed out drops the permit, which locks again.
        if let Some((network, next)) = next {
            let _ = next.send(Self { limiter: self.limiter.clone(), network, since: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::task::JoinHandle;

    use super::*;

    const SHORT: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_mins(1);

    fn network(host: u16) -> Network {
        let [high, low] = host.to_be_bytes();
        IpAddr::from([203, 0, high, low]).into()
    }

    /// A limiter with one permit, which is in use, and the order in which requests are served.
    struct Busy {
        limiter: ConcurrencyLimiter,
        permit: Permit,
        served: Arc<Mutex<Vec<u16>>>,
    }

    impl Busy {
        async fn new() -> Self {
            let limiter = ConcurrencyLimiter::new(1);
            let permit = limiter.acquire(network(0), SHORT).await.unwrap();
            Self { limiter, permit, served: Arc::default() }
        }

        /// Counts service time of a network.
        fn has_used(&self, host: u16, time: Duration) {
            let now = Instant::now();
            self.limiter.state().usage(network(host), now).add(time, now);
        }

        /// Lets a request of the network wait. It is known by `name` when it is served.
        async fn join(&self, host: u16, name: u16) -> JoinHandle<bool> {
            let (limiter, served) = (self.limiter.clone(), Arc::clone(&self.served));
            let request = tokio::spawn(async move {
                let permit = limiter.acquire(network(host), LONG).await;
                if permit.is_some() {
                    served.lock().unwrap().push(name);
                }
                permit.is_some()
            });
            // The test has one thread, so the request now waits.
            tokio::task::yield_now().await;
            request
        }

        /// Frees the permit and returns the requests in the order in which they were served.
        async fn serve(self, requests: Vec<JoinHandle<bool>>) -> Vec<u16> {
            drop(self.permit);
            for request in requests {
                request.await.unwrap();
            }
            assert_eq!(self.limiter.state().free, 1);
            assert_eq!(self.limiter.state().waiting, 0);
            std::mem::take(&mut *self.served.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn of_one_network_the_newest_request_is_served_first() {
        let busy = Busy::new().await;
        assert!(busy.limiter.acquire(network(1), SHORT).await.is_none());
        let requests = vec![busy.join(1, 10).await, busy.join(1, 11).await, busy.join(1, 12).await];
        assert_eq!(busy.serve(requests).await, [12, 11, 10]);
    }

    #[tokio::test]
    async fn a_network_that_asks_little_comes_before_one_that_asks_much() {
        let busy = Busy::new().await;
        busy.has_used(1, Duration::from_secs(10));
        busy.has_used(2, Duration::from_secs(1));
        let mut requests = Vec::new();
        busy.has_used(3, Duration::from_millis(200));
        for (host, name) in [(1, 10), (2, 20), (3, 30), (4, 40), (3, 31), (1, 11), (2, 21)] {
            requests.push(busy.join(host, name).await);
        }
        // A new network is no better than one that has used little.
        assert_eq!(busy.serve(requests).await, [31, 40, 30, 21, 20, 11, 10]);
    }

    #[tokio::test]
    async fn a_network_does_not_get_all_permits_at_once() {
        let limiter = ConcurrencyLimiter::new(4);
        let now = Instant::now();
        for host in [1, 2] {
            limiter.state().usage(network(host), now).add(Duration::from_secs(1), now);
        }
        let mut permits = Vec::new();
        for _ in 0..4 {
            permits.push(limiter.acquire(network(0), SHORT).await.unwrap());
        }
        let start = |host| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(network(host), LONG).await })
        };
        let one = start(2);
        tokio::task::yield_now().await;
        let many = [start(1), start(1), start(1)];
        tokio::task::yield_now().await;
        drop((permits.pop(), permits.pop()));
        assert!(one.await.unwrap().is_some());
        drop(permits);
        for request in many {
            assert!(request.await.unwrap().is_some());
        }
    }

    #[test]
    fn service_time_counts_half_after_ten_seconds() {
        let now = Instant::now();
        let mut usage = Usage { serving: 0, seconds: 8.0, at: now };
        let later = now + Duration::from_secs(10);
        assert!((usage.seconds_at(later) - 4.0).abs() < 1e-9);
        usage.add(Duration::from_secs(2), later);
        assert!((usage.seconds_at(later + Duration::from_secs(10)) - 3.0).abs() < 1e-9);
    }

    #[tokio::test]
    async fn a_full_queue_loses_the_oldest_request_of_the_network_with_the_most() {
        let busy = Busy::new().await;
        let mut flood = Vec::new();
        for number in 0..MAX_WAITING {
            flood.push(busy.join(1, u16::try_from(number).unwrap()).await);
        }
        let visitor = busy.join(2, 5_000).await;
        assert!(!flood.remove(0).await.unwrap(), "the oldest loses its place");
        flood.insert(0, visitor);
        let served = busy.serve(flood).await;
        assert_eq!((served.len(), served[0]), (MAX_WAITING, 5_000));
    }

    #[tokio::test]
    async fn a_cancelled_request_gets_no_permit() {
        let busy = Busy::new().await;
        let (stays, cancelled) = (busy.join(1, 1).await, busy.join(1, 2).await);
        cancelled.abort();
        assert!(cancelled.await.is_err());
        for _ in 0..2 * MAX_WAITING {
            assert!(busy.limiter.acquire(network(2), Duration::ZERO).await.is_none());
        }
        assert!(busy.limiter.state().waiting <= MAX_WAITING);
        assert_eq!(busy.serve(vec![stays]).await, [1]);
    }

    #[test]
    fn the_number_of_networks_is_bounded() {
        let (limiter, now) = (ConcurrencyLimiter::new(1), Instant::now());
        for host in 0..=u16::MAX {
            limiter.state().usage(network(host), now).add(Duration::from_secs(1), now);
        }
        assert!(limiter.state().used.len() <= MAX_NETWORKS);
    }
}
