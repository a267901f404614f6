//! A limit of concurrent requests, which the networks of clients share: a permit goes to the
//! network that has used the least time lately. So a flood from some hundred addresses waits for
//! visitors who ask for a page now and then.
//!
//! Visitors, and the requests of one network, are served newest first: the oldest have probably
//! timed out. After a stall, the service handles current requests before its backlog.
//!
//! A network is *heavy* while it has used much time lately; all others are *visitors*. While
//! requests wait for a processor, heavy networks get fewer permits, and in the end one in all,
//! which rests between two requests, so that the requests of visitors find the processors free.
//! That applies while there are visitors only: heavy networks that are alone may use all permits.

mod scheduling_delay;
mod usage;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use souk_types::Network;
use tokio::sync::oneshot;

use self::scheduling_delay::HeavyShare;
use self::usage::Usages;

/// Requests that may wait. When one more arrives, the network with the most loses its oldest.
const MAX_WAITING: usize = 1_024;
/// Time after its latest request in which a network counts as active.
const ACTIVE_WINDOW: Duration = Duration::from_secs(5);

/// A number of permits. Clones share them.
#[derive(Clone)]
pub(super) struct ConcurrencyLimiter(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Permits of networks that were heavy when they got them.
    heavy: usize,
    /// Their maximum while there are visitors.
    heavy_share: HeavyShare,
    /// Until when they get no permit while there are visitors.
    rest_until: Option<Instant>,
    /// The visitor that was the last to send a request, and when.
    last_visit: Option<(Network, Instant)>,
    /// When a heavy network last sent a request.
    last_heavy: Option<Instant>,
    /// Whether a task measures how late timers are. There is one while heavy networks are active.
    is_measuring: bool,
    /// The number of requests in `queues`.
    waiting: usize,
    /// The requests that wait, by network. No queue is empty; the newest request is at the back.
    queues: HashMap<Network, VecDeque<Waiting>>,
    usages: Usages,
}

struct Waiting {
    since: Instant,
    is_heavy: bool,
    permit: oneshot::Sender<Permit>,
}

/// A permit to serve a request. Dropping it releases the permit.
pub(super) struct Permit {
    limiter: ConcurrencyLimiter,
    network: Network,
    /// From when on its time counts: for a heavy network from its arrival, because a flood waits
    /// most of the time, otherwise from the permit.
    since: Instant,
    served_since: Instant,
    is_heavy: bool,
}

/// Counts the time of a request of a heavy network that waits and gets no permit: it times out, is
/// cancelled, or loses its place.
struct UnservedWait<'l> {
    limiter: &'l ConcurrencyLimiter,
    network: Network,
    since: Instant,
    is_over: bool,
}

/// A permit on its way to a request that waits.
struct Granted {
    permit: Permit,
    receiver: oneshot::Sender<Permit>,
}

impl ConcurrencyLimiter {
    pub(super) fn new(permits: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: permits,
            heavy: 0,
            heavy_share: HeavyShare::all(permits),
            rest_until: None,
            last_visit: None,
            last_heavy: None,
            is_measuring: false,
            waiting: 0,
            queues: HashMap::new(),
            usages: Usages::default(),
        })))
    }

    /// Returns a permit; `None` when there is none within `timeout`, or when too many requests
    /// wait.
    pub(super) async fn acquire(&self, network: Network, timeout: Duration) -> Option<Permit> {
        let (receiver, mut wait, is_heavy) = {
            let (mut state, now) = (self.state(), Instant::now());
            let is_heavy = state.usages.is_heavy(network, now);
            if state.note_arrival(network, is_heavy, now) {
                scheduling_delay::start(self);
            }
            // A heavy network waits behind others that wait, also at the end of a rest.
            let may_be_next = !is_heavy || (state.waiting == 0 && state.may_serve_heavy(now));
            if state.free > 0 && may_be_next {
                state.free -= 1;
                return Some(state.permit(self, network, now, is_heavy));
            }
            state.make_room();
            let (permit, receiver) = oneshot::channel();
            state.queues.entry(network).or_default().push_back(Waiting { since: now, is_heavy, permit });
            state.waiting += 1;
            (receiver, UnservedWait { limiter: self, network, since: now, is_over: !is_heavy }, is_heavy)
        };
        if is_heavy {
            self.serve_waiting();
        }
        let permit = tokio::time::timeout(timeout, receiver).await.ok()?.ok()?;
        wait.is_over = true;
        Some(permit)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the free permits to requests that wait.
    fn serve_waiting(&self) {
        loop {
            let granted = {
                let mut state = self.state();
                if state.free == 0 {
                    return;
                }
                let granted = state.next(self, Instant::now());
                state.free -= usize::from(granted.is_some());
                granted
            };
            let Some(granted) = granted else { return };
            granted.send();
        }
    }
}

impl State {
    /// Returns whether a task has to begin to measure.
    fn note_arrival(&mut self, network: Network, is_heavy: bool, now: Instant) -> bool {
        if !is_heavy {
            // Requests that pages send in the shop's own name are no visits.
            if !network.is_unspecified() {
                self.last_visit = Some((network, now));
            }
            return false;
        }
        self.last_heavy = Some(now);
        !std::mem::replace(&mut self.is_measuring, true)
    }

    fn may_serve_heavy(&self, now: Instant) -> bool {
        let has_permit = self.heavy < self.heavy_share.permits() && self.rest_until.is_none_or(|until| until <= now);
        has_permit || !self.has_visitor(now)
    }

    /// A network that has become heavy since its last request is no visitor any more.
    fn has_visitor(&self, now: Instant) -> bool {
        let is_visitor = |(network, at)| is_active(Some(at), now) && !self.usages.is_heavy(network, now);
        self.last_visit.is_some_and(is_visitor)
    }

    /// Returns a permit, which the caller has taken from the free ones.
    fn permit(&mut self, limiter: &ConcurrencyLimiter, network: Network, since: Instant, is_heavy: bool) -> Permit {
        let now = Instant::now();
        self.heavy += usize::from(is_heavy);
        self.usages.begin(network, now);
        Permit { limiter: limiter.clone(), network, since, served_since: now, is_heavy }
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

    /// Takes the next request that waits and may be served.
    fn next(&mut self, limiter: &ConcurrencyLimiter, now: Instant) -> Option<Granted> {
        loop {
            let may_serve_heavy = self.may_serve_heavy(now);
            let newest = |queue: &VecDeque<Waiting>| queue.back().map(|request| request.since);
            let may_serve = |network: Network| may_serve_heavy || !self.usages.is_heavy(network, now);
            let queues = self.queues.iter().filter(|(network, _)| may_serve(**network));
            let ranked = queues.map(|(network, queue)| (self.usages.rank(*network, now), newest(queue), *network));
            let first = ranked.min_by(|(a, a_since, _), (b, b_since, _)| a.total_cmp(b).then(b_since.cmp(a_since)));
            let (_, _, network) = first?;
            let is_heavy = self.usages.is_heavy(network, now);
            let request = self.take(network, VecDeque::pop_back)?;
            if !request.permit.is_closed() {
                let since = if request.is_heavy { request.since } else { now };
                let permit = self.permit(limiter, network, since, is_heavy);
                return Some(Granted { permit, receiver: request.permit });
            }
        }
    }
}

fn is_active(last: Option<Instant>, now: Instant) -> bool {
    last.is_some_and(|last| now.saturating_duration_since(last) < ACTIVE_WINDOW)
}

impl Granted {
    /// Not while the state is locked: a receiver that has timed out drops the permit, which locks.
    fn send(self) {
        let _ = self.receiver.send(self.permit);
    }
}

impl Drop for UnservedWait<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let now = Instant::now();
            self.limiter.state().usages.add(self.network, now.saturating_duration_since(self.since), now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = Instant::now();
        let next = {
            let mut state = self.limiter.state();
            state.usages.end(self.network, now.saturating_duration_since(self.since), now);
            if self.is_heavy {
                state.heavy -= 1;
                let rest = state.heavy_share.rest_after(now.saturating_duration_since(self.served_since));
                state.rest_until = state.rest_until.max(rest.map(|rest| now + rest));
            }
            let next = state.next(&self.limiter, now);
            state.free += usize::from(next.is_none());
            next
        };
        if let Some(next) = next {
            next.send();
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
            self.limiter.state().usages.add(network(host), time, now);
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
            limiter.state().usages.add(network(host), Duration::from_secs(1), now);
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

    /// A limiter with four permits, one network that has used much, and one permit at most for such
    /// networks, as after late timers.
    fn congested() -> ConcurrencyLimiter {
        let (limiter, now) = (ConcurrencyLimiter::new(4), Instant::now());
        limiter.state().usages.add(network(1), Duration::from_secs(20), now);
        limiter.state().heavy_share = HeavyShare::of(1.0, 4);
        limiter
    }

    #[tokio::test]
    async fn a_network_that_uses_much_leaves_permits_to_visitors_while_processors_are_busy() {
        let limiter = congested();
        let visitor = limiter.acquire(network(2), SHORT).await.unwrap();
        let flood = limiter.acquire(network(1), SHORT).await.unwrap();
        assert!(limiter.acquire(network(1), SHORT).await.is_none(), "a second one waits");
        let more = [limiter.acquire(network(3), SHORT).await, limiter.acquire(network(4), SHORT).await];
        assert!(more.iter().all(Option::is_some), "visitors do not");
        drop((visitor, more));
        assert!(limiter.acquire(network(1), SHORT).await.is_none());
        drop(flood);
        assert!(limiter.acquire(network(1), SHORT).await.is_some());
    }

    #[tokio::test]
    async fn a_permit_of_networks_that_use_much_rests_between_two_requests() {
        let limiter = congested();
        limiter.state().heavy_share = HeavyShare::of(0.25, 4);
        let _visitor = limiter.acquire(network(2), SHORT).await.unwrap();
        let mut flood = limiter.acquire(network(1), SHORT).await.unwrap();
        flood.served_since -= Duration::from_millis(100);
        drop(flood);
        assert!(limiter.acquire(network(1), SHORT).await.is_none());
        assert!(limiter.acquire(network(3), SHORT).await.is_some(), "a visitor does not wait");
        let rest = limiter.state().rest_until.unwrap() - Instant::now();
        assert!(rest > Duration::from_millis(250) && rest < Duration::from_millis(350), "{rest:?}");
        limiter.state().rest_until = Some(Instant::now());
        assert!(limiter.acquire(network(1), SHORT).await.is_some());
    }

    #[tokio::test]
    async fn after_a_rest_the_network_that_has_used_less_comes_first() {
        let limiter = congested();
        limiter.state().usages.add(network(5), Duration::from_secs(5), Instant::now());
        let _visitor = limiter.acquire(network(2), SHORT).await.unwrap();
        let flood = limiter.acquire(network(1), SHORT).await.unwrap();
        let start = |host| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(network(host), LONG).await })
        };
        let lighter = start(5);
        tokio::task::yield_now().await;
        limiter.state().heavy_share = HeavyShare::of(0.5, 4);
        drop(flood);
        limiter.state().rest_until = Some(Instant::now());
        let heavier = start(1);
        let permit = lighter.await.unwrap();
        assert!(permit.is_some() && !heavier.is_finished());
        heavier.abort();
    }

    #[tokio::test]
    async fn a_request_that_may_be_served_does_not_wait_for_one_that_may_not() {
        let limiter = congested();
        let own = IpAddr::from([0, 0, 0, 0]).into();
        limiter.state().usages.add(own, Duration::from_mins(1), Instant::now());
        let _visitor = limiter.acquire(network(2), SHORT).await.unwrap();
        // These hold the other permits, as from the time before timers were late.
        limiter.state().heavy_share = HeavyShare::of(3.0, 4);
        let mut flood = Vec::new();
        for _ in 0..3 {
            flood.push(limiter.acquire(network(1), SHORT).await.unwrap());
        }
        limiter.state().heavy_share = HeavyShare::of(1.0, 4);
        let start = |network| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(network, LONG).await.is_some() })
        };
        let (_waits, served) = (start(network(1)), start(own));
        tokio::task::yield_now().await;
        flood.pop();
        assert!(served.await.unwrap());
    }

    #[tokio::test]
    async fn waiting_counts_for_a_network_that_is_heavy_only() {
        let busy = Busy::new().await;
        busy.has_used(1, Duration::from_secs(2));
        let seconds = |host| busy.limiter.state().usages.seconds(network(host), Instant::now());
        let before = seconds(1);
        for host in [1, 2] {
            assert!(busy.limiter.acquire(network(host), Duration::from_millis(300)).await.is_none());
        }
        let cancelled = busy.join(1, 10).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancelled.abort();
        assert!(cancelled.await.is_err());
        // 0.6 s, and a little less for the time before.
        assert!(seconds(1) > before + 0.3, "{before} {}", seconds(1));
        assert!(seconds(2) < 0.01);
    }

    #[tokio::test]
    async fn measurements_last_as_long_as_a_network_uses_much() {
        let limiter = congested();
        for _ in 0..2 {
            drop(limiter.acquire(network(1), SHORT).await);
            assert!(limiter.state().is_measuring);
            limiter.state().heavy_share = HeavyShare::of(1.0, 4);
            limiter.state().last_heavy = Instant::now().checked_sub(ACTIVE_WINDOW);
            while limiter.state().is_measuring {
                tokio::time::sleep(SHORT).await;
            }
            assert_eq!(limiter.state().heavy_share.permits(), 4);
        }
    }

    #[tokio::test]
    async fn a_network_that_is_alone_may_use_all_permits() {
        let limiter = ConcurrencyLimiter::new(4);
        limiter.state().heavy_share = HeavyShare::of(1.0, 4);
        // Its first requests are those of a visitor.
        drop(limiter.acquire(network(1), SHORT).await);
        limiter.state().usages.add(network(1), Duration::from_secs(20), Instant::now());
        let mut permits = Vec::new();
        for _ in 0..4 {
            permits.push(limiter.acquire(network(1), SHORT).await.unwrap());
        }
    }

    #[tokio::test]
    async fn requests_that_wait_are_served_when_the_processors_are_free_again() {
        let limiter = congested();
        let _visitor = limiter.acquire(network(2), SHORT).await.unwrap();
        let _flood = limiter.acquire(network(1), SHORT).await.unwrap();
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire(network(1), LONG).await }
        });
        tokio::task::yield_now().await;
        limiter.state().heavy_share = HeavyShare::of(2.0, 4);
        limiter.serve_waiting();
        assert!(waiting.await.unwrap().is_some());
        assert_eq!(limiter.state().free, 2);
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
}
