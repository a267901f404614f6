//! The running instances of a fleet, from the broadcasts that each sends once a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocket::tokio::time::{Instant, timeout};
use souk_bus::{Bus, QueueState};
use souk_contract::EVENTS;
use souk_contract::access::called_services;
use souk_contract::instance::InstanceState;

use crate::databases::operator_message;
use crate::shop_args::BrokerArgs;

/// Time in which every instance broadcasts its state at least twice.
pub(crate) const LISTEN_FOR: Duration = Duration::from_millis(2_500);
/// Time to connect to the broker.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time without a broadcast after which an instance leaves the list.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);

const NO_BROKER: &str = "\
name a fleet's broker with --amqp-url or AMQP_URL (a one-process shop has none; its page /admin/system shows its state)";

/// The last state of each instance, by service and name, and when it came.
type Instances = Arc<Mutex<BTreeMap<(String, String), (InstanceState, Instant)>>>;

pub(crate) struct Listener {
    bus: Bus,
    instances: Instances,
}

impl Listener {
    /// Connects and listens. Errors: no broker is named; it cannot be reached.
    pub(crate) async fn start(broker: BrokerArgs) -> Result<Self, String> {
        let options = broker.resolve()?.ok_or_else(|| NO_BROKER.to_owned())?;
        let bus = Bus::amqp(options).map_err(operator_message)?;
        let instances = Instances::default();
        let seen = Arc::clone(&instances);
        bus.on_broadcast(move |state: InstanceState| {
            let key = (state.service.clone(), state.instance.clone());
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (state, Instant::now()));
        });
        if timeout(CONNECT_TIMEOUT, bus.ready()).await.is_err() {
            return Err(format!("the broker does not answer within {} s", CONNECT_TIMEOUT.as_secs()));
        }
        Ok(Self { bus, instances })
    }

    /// Returns the instances that have broadcast their state within [`SILENCE_TIMEOUT`].
    pub(crate) fn running(&self) -> Vec<InstanceState> {
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        instances.retain(|_, (_, at)| at.elapsed() < SILENCE_TIMEOUT);
        instances.values().map(|(state, _)| state.clone()).collect()
    }

    pub(crate) async fn queues(&self) -> Result<Vec<QueueState>, String> {
        Ok(self.bus.queues(&called_services(), EVENTS).await.map_err(operator_message)?.unwrap_or_default())
    }

    pub(crate) async fn close(&self) {
        self.bus.close().await;
    }
}
