//! Rate limits that the instances of a service share. Every instance counts at once what it allows,
//! and tells the others five times a second over the bus. So a limit holds for the whole fleet but
//! for that moment, without a write to the database for each request. While the broker is away,
//! each instance counts for itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::DefaultClock;
use souk_bus::Bus;
use souk_contract::limits::{LimitUse, LimitUses};
use tokio::time::{MissedTickBehavior, interval};

use super::{Limiter, PerMinute, RateLimiter};
use crate::Instance;

/// Pause between two broadcasts.
const INTERVAL: Duration = Duration::from_millis(200);
/// Keys that are counted between two broadcasts. The uses of further ones are not shared.
const MAX_KEYS: usize = 10_000;

/// The limits that the instances of one service share. Cheap to clone. The default shares nothing:
/// it is for a shop in one process.
#[derive(Clone, Default)]
pub struct SharedLimits(Arc<Inner>);

#[derive(Default)]
struct Inner {
    limiters: Mutex<HashMap<&'static str, Limiter>>,
    /// Uses since the last broadcast, by the limit and the hash of the key; `None` when nothing is
    /// shared.
    uses: Option<Mutex<HashMap<(&'static str, u64), u32>>>,
}

impl SharedLimits {
    /// Starts to exchange uses with the other instances of this instance's service. Needs a Tokio
    /// runtime.
    #[must_use]
    pub fn start(bus: &Bus, instance: &Instance) -> Self {
        let shared = Self::exchanging();
        let (received, own) = (shared.clone(), instance.clone());
        bus.on_broadcast(move |message: LimitUses| received.receive(&own, &message));
        tokio::spawn(shared.clone().send_uses(bus.clone(), instance.clone()));
        shared
    }

    fn exchanging() -> Self {
        Self(Arc::new(Inner { limiters: Mutex::default(), uses: Some(Mutex::default()) }))
    }

    /// Returns a limiter with this rate for each key. `name` is the same in all instances, and
    /// unique within the service.
    #[must_use]
    pub fn limiter<K: Hash>(&self, name: &'static str, rate: PerMinute) -> RateLimiter<K> {
        let limiter = Limiter::new(rate);
        lock(&self.0.limiters).insert(name, limiter.clone());
        let uses = self.0.uses.is_some().then(|| Uses { shared: self.clone(), name });
        RateLimiter { limiter, clock: DefaultClock::default(), uses, keys: PhantomData }
    }

    fn receive(&self, own: &Instance, message: &LimitUses) {
        if message.service != own.service || message.instance == own.name {
            return;
        }
        let limiters = lock(&self.0.limiters);
        for LimitUse { limit, key, times } in message.uses.iter().take(LimitUses::MAX) {
            // Another version of the service may have other limits.
            if let Some(limiter) = limiters.get(limit.as_str()) {
                limiter.count(*key, *times);
            }
        }
    }

    /// Sends what was counted, until the process ends.
    async fn send_uses(self, bus: Bus, Instance { service, name, .. }: Instance) {
        let mut due = interval(INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            for uses in self.take().chunks(LimitUses::MAX) {
                let message = LimitUses { service: service.clone(), instance: name.clone(), uses: uses.to_vec() };
                if let Err(error) = bus.broadcast(&message).await {
                    tracing::debug!(%error, "the uses of rate limits cannot be sent");
                }
            }
        }
    }

    fn take(&self) -> Vec<LimitUse> {
        let uses = self.0.uses.as_ref().map(|uses| std::mem::take(&mut *lock(uses))).unwrap_or_default();
        uses.into_iter().map(|((limit, key), times)| LimitUse { limit: limit.to_owned(), key, times }).collect()
    }

    fn count(&self, limit: &'static str, key: u64) {
        let Some(uses) = &self.0.uses else { return };
        let mut uses = lock(uses);
        if uses.len() < MAX_KEYS || uses.contains_key(&(limit, key)) {
            let times = uses.entry((limit, key)).or_default();
            *times = times.saturating_add(1);
        }
    }
}

/// Counts the uses of one limiter for the next broadcast.
pub(super) struct Uses {
    shared: SharedLimits,
    name: &'static str,
}

impl Uses {
    pub(super) fn count(&self, key: u64) {
        self.shared.count(self.name, key);
    }
}

/// Ignores the panic of another holder: no critical section here leaves a partial change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(service: &str, instance: &str, uses: &[LimitUse]) -> LimitUses {
        LimitUses { service: service.to_owned(), instance: instance.to_owned(), uses: uses.to_vec() }
    }

    #[test]
    fn the_uses_of_another_instance_count() {
        let [one, other] = [SharedLimits::exchanging(), SharedLimits::exchanging()];
        let [at_one, at_other] = [&one, &other].map(|shared| shared.limiter::<&str>("orders", PerMinute::new(3)));
        let mails = other.limiter::<&str>("mails", PerMinute::new(3));
        assert_eq!((at_one.check(&"ana"), at_one.check(&"ana")), (Ok(()), Ok(())));
        let uses = one.take();
        assert_eq!(uses.iter().map(|entry| (&*entry.limit, entry.times)).collect::<Vec<_>>(), [("orders", 2)]);
        let [own, second] = ["one", "other"].map(|name| Instance::new("shopping", name));
        one.receive(&own, &from("shopping", "one", &uses));
        assert_eq!((at_one.check(&"ana"), at_one.check(&"ana").is_err()), (Ok(()), true), "its own count once");
        other.receive(&second, &from("customer", "one", &uses));
        other.receive(&second, &from("shopping", "one", &uses));
        assert_eq!((at_other.check(&"ana"), at_other.check(&"ana").is_err()), (Ok(()), true));
        assert_eq!((at_other.check(&"ben"), mails.check(&"ana")), (Ok(()), Ok(())), "other keys and limits");
        other.receive(&second, &from("shopping", "one", &[LimitUse { times: u32::MAX, ..uses[0].clone() }]));
        assert!(at_other.check(&"ana").is_err());
    }

    #[test]
    fn refused_uses_are_not_shared() {
        let shared = SharedLimits::exchanging();
        let orders = shared.limiter::<u8>("orders", PerMinute::new(1));
        assert_eq!((orders.check(&1).is_ok(), orders.check(&1).is_ok()), (true, false));
        assert_eq!(shared.take().iter().map(|entry| entry.times).sum::<u32>(), 1);
        assert_eq!(shared.take(), []);
    }

    #[test]
    fn the_memory_of_uses_is_bounded() {
        let shared = SharedLimits::exchanging();
        let requests = shared.limiter::<usize>("requests", PerMinute::new(10));
        for key in 0..2 * MAX_KEYS {
            assert_eq!(requests.check(&key), Ok(()));
        }
        assert_eq!(shared.take().len(), MAX_KEYS);
    }
}
