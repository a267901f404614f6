//! The time that each network uses: that of the service of its requests, and of a heavy network's
//! waiting.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use souk_types::Network;

/// Seconds after which used time counts half.
const HALF_LIFE_SECONDS: f64 = 10.0;
/// Seconds that a visitor uses with a few pages. Networks below it rank equal, so that new networks
/// do not come before those of visitors.
const LIGHT_USE_SECONDS: f64 = 0.5;
/// Seconds from which a network is heavy: 7 % of the time. A visitor with a request each second is
/// heavy when one takes 70 ms to serve. A client that always has a request under way is heavy after
/// one second.
const HEAVY_USE_SECONDS: f64 = 1.0;
/// Seconds that count for a request while it is served, so that no network gets all permits at
/// once.
const EXPECTED_SECONDS: f64 = 0.05;
/// Networks whose time is remembered.
const MAX_NETWORKS: usize = 10_000;

#[derive(Default)]
pub(super) struct Usages(HashMap<Network, Usage>);

/// The time of one network.
struct Usage {
    serving: usize,
    /// Seconds, as they counted at this time.
    seconds: f64,
    at: Instant,
}

impl Usages {
    /// Counts a request that is being served.
    pub(super) fn begin(&mut self, network: Network, now: Instant) {
        self.of(network, now).serving += 1;
    }

    /// Counts the time of a request that was served.
    pub(super) fn end(&mut self, network: Network, time: Duration, now: Instant) {
        let usage = self.of(network, now);
        usage.serving = usage.serving.saturating_sub(1);
        usage.add(time, now);
    }

    /// Counts time of a network.
    pub(super) fn add(&mut self, network: Network, time: Duration, now: Instant) {
        self.of(network, now).add(time, now);
    }

    /// The network with the lowest rank is served next.
    #[allow(clippy::cast_precision_loss, reason = "a number of permits")]
    pub(super) fn rank(&self, network: Network, now: Instant) -> f64 {
        if network.is_unspecified() {
            return LIGHT_USE_SECONDS;
        }
        let rank =
            |usage: &Usage| (usage.seconds_at(now) + usage.serving as f64 * EXPECTED_SECONDS).max(LIGHT_USE_SECONDS);
        self.0.get(&network).map_or(LIGHT_USE_SECONDS, rank)
    }

    /// Whether the network is heavy: it has used much time lately. The shop's own requests, which
    /// have no network, count as those of a visitor.
    pub(super) fn is_heavy(&self, network: Network, now: Instant) -> bool {
        !network.is_unspecified() && self.seconds(network, now) > HEAVY_USE_SECONDS
    }

    /// Returns the seconds of a network, as they count now.
    pub(super) fn seconds(&self, network: Network, now: Instant) -> f64 {
        self.0.get(&network).map_or(0.0, |usage| usage.seconds_at(now))
    }

    fn of(&mut self, network: Network, now: Instant) -> &mut Usage {
        if self.0.len() >= MAX_NETWORKS && !self.0.contains_key(&network) {
            self.remove_idle(now);
        }
        self.0.entry(network).or_insert_with(|| Usage { serving: 0, seconds: 0.0, at: now })
    }

    /// Removes the time of networks that use little, or of all that use nothing now if that leaves
    /// many.
    fn remove_idle(&mut self, now: Instant) {
        self.0.retain(|_, usage| usage.serving > 0 || usage.seconds_at(now) > LIGHT_USE_SECONDS);
        if self.0.len() > MAX_NETWORKS / 2 {
            self.0.retain(|_, usage| usage.serving > 0);
        }
    }
}

impl Usage {
    fn seconds_at(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        self.seconds * (-age / HALF_LIFE_SECONDS).exp2()
    }

    fn add(&mut self, time: Duration, now: Instant) {
        (self.seconds, self.at) = (self.seconds_at(now) + time.as_secs_f64(), now);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn time_counts_half_after_ten_seconds() {
        let now = Instant::now();
        let mut usage = Usage { serving: 0, seconds: 8.0, at: now };
        let later = now + Duration::from_secs(10);
        assert!((usage.seconds_at(later) - 4.0).abs() < 1e-9);
        usage.add(Duration::from_secs(2), later);
        assert!((usage.seconds_at(later + Duration::from_secs(10)) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_client_that_always_waits_is_heavy_and_a_visitor_is_not() {
        let (mut usages, mut now) = (Usages::default(), Instant::now());
        let [flood, visitor, own] = [1, 2, 0].map(|host| Network::from(IpAddr::from([host, 0, 0, 0])));
        for _ in 0..60 {
            now += Duration::from_secs(1);
            usages.add(flood, Duration::from_millis(900), now);
            usages.add(visitor, Duration::from_millis(60), now);
            usages.add(own, Duration::from_secs(1), now);
        }
        assert!(usages.is_heavy(flood, now));
        assert!(!usages.is_heavy(visitor, now) && !usages.is_heavy(own, now));
        assert!(usages.rank(flood, now) > usages.rank(visitor, now));
        assert!(usages.rank(own, now) <= usages.rank(visitor, now));
        now += Duration::from_mins(1);
        assert!(!usages.is_heavy(flood, now));
    }

    #[test]
    fn the_number_of_networks_is_bounded() {
        let (mut usages, now) = (Usages::default(), Instant::now());
        for host in 0..=u16::MAX {
            let [high, low] = host.to_be_bytes();
            usages.add(IpAddr::from([203, 0, high, low]).into(), Duration::from_secs(1), now);
        }
        assert!(usages.0.len() <= MAX_NETWORKS);
    }
}
