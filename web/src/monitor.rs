//! The instances of all services, as their broadcasts describe them, and the queues on the broker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use souk_bus::{Bus, QueueState};
use souk_contract::EVENTS;
use souk_contract::access::called_services;
use souk_contract::instance::{InstanceState, StopInstance};
use souk_types::{Error, Result};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

/// An instance that has been silent for longer is probably gone. It broadcasts its state each
/// second.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// An instance that has been silent for longer is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(2);
/// Instances that are kept; more are ignored.
const MAX_INSTANCES: usize = 500;
/// Age from which the queues are read again. That takes a connection and about forty round trips.
const MAX_QUEUE_AGE: Duration = Duration::from_secs(5);

/// What is known of the shop's processes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Monitor {
    bus: Bus,
    instances: Arc<Mutex<Instances>>,
    queues: Arc<AsyncMutex<Option<(Instant, Queues)>>>,
}

/// The queues on the broker.
#[derive(Debug, Clone)]
pub(crate) enum Queues {
    /// A shop in one process has no broker.
    None,
    Known(Vec<QueueState>),
    /// The broker does not answer.
    Unknown,
}

/// An instance and its last state.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) state: InstanceState,
    /// Whether it has stopped broadcasting its state.
    pub(crate) is_silent: bool,
    /// Whether an admin may stop it: another instance of its service goes on.
    pub(crate) may_stop: bool,
}

/// The last state of each instance, by service and name.
#[derive(Default)]
struct Instances(BTreeMap<(String, String), Seen>);

struct Seen {
    state: InstanceState,
    at: Instant,
}

impl Monitor {
    /// Listens to the broadcasts of all instances from now on.
    pub(crate) fn start(bus: &Bus) -> Self {
        let monitor = Self { bus: bus.clone(), instances: Arc::default(), queues: Arc::default() };
        let instances = Arc::clone(&monitor.instances);
        bus.on_broadcast(move |state: InstanceState| lock(&instances).put(state, Instant::now()));
        let instances = Arc::clone(&monitor.instances);
        bus.on_broadcast(move |stop: StopInstance| lock(&instances).mark_stopping(stop));
        monitor
    }

    /// Returns all known instances, by service and name.
    pub(crate) fn instances(&self) -> Vec<Instance> {
        lock(&self.instances).list(Instant::now())
    }

    /// Asks an instance to stop. Errors: `NotFound`; `last-instance` when no other
    /// instance of its service runs; the broker is not connected.
    pub(crate) async fn stop(&self, service: &str, name: &str) -> Result<()> {
        let instances = self.instances();
        let instance = instances
            .iter()
            .find(|instance| instance.state.service == service && instance.state.instance == name)
            .ok_or_else(|| Error::not_found("instance"))?;
        if !instance.may_stop {
            return Err(Error::conflict("last-instance", "No other instance of this service is running."));
        }
        self.bus.broadcast(&StopInstance { service: service.to_owned(), instance: name.to_owned() }).await
    }

    /// Returns the queues on the broker. They are up to 5 s old; one request reads them, and others
    /// wait for it.
    pub(crate) async fn queues(&self) -> Queues {
        let mut cached = self.queues.lock().await;
        if let Some((at, queues)) = &*cached
            && at.elapsed() < MAX_QUEUE_AGE
        {
            return queues.clone();
        }
        let queues = match self.bus.queues(&called_services(), EVENTS).await {
            Ok(Some(queues)) => Queues::Known(queues),
            Ok(None) => Queues::None,
            Err(error) => {
                tracing::warn!(%error, "the queues of the broker cannot be read");
                Queues::Unknown
            }
        };
        *cached = Some((Instant::now(), queues.clone()));
        queues
    }
}

impl Instances {
    fn put(&mut self, state: InstanceState, now: Instant) {
        self.0.retain(|_, seen| now - seen.at < FORGOTTEN_AFTER);
        let key = (state.service.clone(), state.instance.clone());
        if self.0.len() < MAX_INSTANCES || self.0.contains_key(&key) {
            self.0.insert(key, Seen { state, at: now });
        }
    }

    /// Counts an instance as stopping from the request on, so that no admin stops the other ones of
    /// its service before its next broadcast.
    fn mark_stopping(&mut self, stop: StopInstance) {
        if let Some(seen) = self.0.get_mut(&(stop.service, stop.instance)) {
            seen.state.is_stopping = true;
        }
    }

    fn list(&self, now: Instant) -> Vec<Instance> {
        let known = || self.0.values().filter(|seen| now - seen.at < FORGOTTEN_AFTER);
        let is_silent = |seen: &Seen| now - seen.at > SILENT_AFTER;
        let goes_on = |seen: &Seen| !is_silent(seen) && !seen.state.is_stopping;
        let instance = |seen: &Seen| {
            let is_peer =
                |other: &Seen| other.state.service == seen.state.service && other.state.instance != seen.state.instance;
            let may_stop = goes_on(seen) && known().any(|other| is_peer(other) && goes_on(other));
            Instance { state: seen.state.clone(), is_silent: is_silent(seen), may_stop }
        };
        known().map(instance).collect()
    }
}

fn lock(instances: &Mutex<Instances>) -> MutexGuard<'_, Instances> {
    instances.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use souk_contract::instance::Traffic;
    use souk_types::Timestamp;
    use souk_types::format::Format;

    use super::*;

    fn state(service: &str, instance: &str) -> InstanceState {
        InstanceState {
            service: service.to_owned(),
            instance: instance.to_owned(),
            version: "0.1.0".to_owned(),
            newest_format: Format::CURRENT,
            written_format: Format::CURRENT,
            started_at: Timestamp::now(),
            is_stopping: false,
            traffic: Traffic::default(),
            databases: Vec::new(),
            unanswered_services: Vec::new(),
        }
    }

    /// Returns service, name, silence and permission to stop.
    fn listed(instances: &Instances, now: Instant) -> Vec<(String, bool, bool)> {
        let listed = instances.list(now).into_iter();
        listed.map(|instance| (instance.state.instance, instance.is_silent, instance.may_stop)).collect()
    }

    #[tokio::test]
    async fn of_two_instances_that_admins_stop_at_once_one_goes_on() {
        let bus = Bus::local();
        let monitor = Monitor::start(&bus);
        for instance in ["w-1", "w-2"] {
            bus.broadcast(&state("web", instance)).await.unwrap();
        }
        let (one, other) = tokio::join!(monitor.stop("web", "w-1"), monitor.stop("web", "w-2"));
        assert!(one.is_ok());
        assert_eq!(other.unwrap_err().code(), "last-instance");
        assert_eq!(monitor.stop("web", "w-3").await.unwrap_err().kind(), souk_types::ErrorKind::NotFound);
    }

    #[test]
    fn an_instance_may_stop_while_another_one_of_its_service_goes_on() {
        let (mut instances, now) = (Instances::default(), Instant::now());
        let expected = |rows: &[(&str, bool, bool)]| -> Vec<(String, bool, bool)> {
            rows.iter().map(|(name, silent, may_stop)| ((*name).to_owned(), *silent, *may_stop)).collect()
        };
        for (service, instance) in [("mail", "m-1"), ("web", "w-1"), ("web", "w-2")] {
            instances.put(state(service, instance), now);
        }
        assert_eq!(
            listed(&instances, now),
            expected(&[("m-1", false, false), ("w-1", false, true), ("w-2", false, true)])
        );
        instances.put(InstanceState { is_stopping: true, ..state("web", "w-1") }, now);
        assert_eq!(listed(&instances, now)[1..], expected(&[("w-1", false, false), ("w-2", false, false)]));

        let later = now + SILENT_AFTER + Duration::from_secs(1);
        instances.put(state("web", "w-1"), later);
        assert_eq!(
            listed(&instances, later),
            expected(&[("m-1", true, false), ("w-1", false, false), ("w-2", true, false)])
        );
        let much_later = now + FORGOTTEN_AFTER;
        instances.put(state("mail", "m-2"), much_later);
        assert_eq!(listed(&instances, much_later), expected(&[("m-2", false, false), ("w-1", true, false)]));
    }
}
