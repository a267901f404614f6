//! Events while listeners fail, die or have never run, and while the broker is disconnected.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lapin::types::AMQPValue;
use serde::{Deserialize, Serialize};
use souk_bus::{AmqpOptions, Bus, Delivery, Event};
use souk_store::outbox::relay;
use souk_store::{Database, Durability};
use souk_types::Error;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::fault_proxy::{FaultMode, FaultProxy};
use crate::line::{clear, options};
use crate::raw::Raw;

const SOON: Duration = Duration::from_mins(1);
pub(crate) const TOPOLOGY: &[(&str, &[&str])] = &[("press", &["reader"])];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Printed(pub(crate) u32);

impl Event for Printed {
    const NAME: &'static str = "press.printed";
    const LISTENERS: &'static [&'static str] = &["reader"];
}

pub(crate) struct Press {
    database: Database,
    _directory: TempDir,
}

impl Press {
    pub(crate) fn open(bus: &Bus) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file: &Path = &directory.path().join("press.db");
        let database = Database::sqlite("press", file, Durability::Process).unwrap();
        bus.publishes::<Printed>();
        relay(database.clone(), bus.clone());
        Self { database, _directory: directory }
    }

    pub(crate) async fn print(&self, number: u32) {
        self.database.run(|tx| async move { tx.publish(&Printed(number)) }).await.unwrap();
    }

    async fn printed(&self, number: u32) {
        let event = self.database.run(|tx| async move { tx.publish(&Printed(number)) }).await.unwrap();
        assert!(self.database.wait_until_delivered(event, SOON).await, "should be with the broker");
    }
}

pub(crate) fn read(bus: &Bus) -> watch::Receiver<Vec<u32>> {
    let (handle, handled) = watch::channel(Vec::new());
    bus.subscribe("reader", move |delivery: Delivery<Printed>| {
        handle.send_modify(|numbers| numbers.push(delivery.event.0));
        async { Ok(()) }
    });
    handled
}

pub(crate) async fn until(handled: &watch::Receiver<Vec<u32>>, enough: impl Fn(&[u32]) -> bool) -> Vec<u32> {
    let mut handled = handled.clone();
    timeout(SOON, handled.wait_for(|numbers| enough(numbers))).await.expect("should be handled").unwrap().clone()
}

async fn end(options: &AmqpOptions, buses: &[&Bus]) {
    for bus in buses {
        bus.close().await;
    }
    clear(options, TOPOLOGY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_listener_that_has_never_run_misses_nothing() {
    let options = options();
    let bus = Bus::amqp(options.clone()).unwrap();
    Press::open(&bus).printed(1).await;
    bus.close().await;
    let later = Bus::amqp(options.clone()).unwrap();
    let handled = read(&later);
    assert_eq!(until(&handled, |numbers| !numbers.is_empty()).await, [1]);
    end(&options, &[&later]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn an_exchange_that_someone_has_deleted_is_declared_again() {
    let options = options();
    let bus = Bus::amqp(options.clone()).unwrap();
    let handled = read(&bus);
    let press = Press::open(&bus);
    press.printed(1).await;
    Raw::connect(&options).await.delete_exchange("press.events").await;
    press.printed(2).await;
    assert_eq!(until(&handled, |numbers| numbers.len() == 2).await, [1, 2]);
    end(&options, &[&bus]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn an_event_is_redelivered_when_its_listener_dies() {
    let options = options();
    let mut relayed = options.clone();
    let proxy = FaultProxy::before(&mut relayed).await;
    let (press_bus, dying) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(relayed).unwrap());
    let (start, mut started) = watch::channel(false);
    dying.subscribe("reader", move |_: Delivery<Printed>| {
        start.send_replace(true);
        std::future::pending()
    });
    dying.ready().await;
    Press::open(&press_bus).printed(1).await;
    started.wait_for(|started| *started).await.unwrap();
    proxy.set_mode(FaultMode::Disconnect);
    let successor = Bus::amqp(options.clone()).unwrap();
    let handled = read(&successor);
    assert_eq!(until(&handled, |numbers| !numbers.is_empty()).await, [1]);
    end(&options, &[&dying, &successor, &press_bus]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_refused_event_is_dead_lettered_with_its_history_and_the_next_is_handled() {
    let options = options();
    let bus = Bus::amqp(options.clone()).unwrap();
    let (handle, handled) = watch::channel(Vec::new());
    bus.subscribe("reader", move |delivery: Delivery<Printed>| {
        let number = delivery.event.0;
        handle.send_modify(|numbers| numbers.push(number));
        async move { if number == 1 { Err(Error::conflict("torn", "It is torn.")) } else { Ok(()) } }
    });
    let press = Press::open(&bus);
    press.print(1).await;
    press.print(2).await;
    until(&handled, |numbers| numbers.contains(&2)).await;
    let raw = Raw::connect(&options).await;
    let dead_letter = raw.take("reader.press.dead").await;
    let headers = dead_letter.properties.headers().clone().unwrap();
    let header = |name: &str| match &headers.inner()[name] {
        AMQPValue::LongString(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    assert!(header("souk-reason").contains("It is torn."), "{}", header("souk-reason"));
    assert_eq!(header("souk-attempts"), "LongLongInt(5)");
    assert!(header("souk-queue").ends_with("reader.press"));
    assert_eq!(dead_letter.data, b"1");
    assert!(dead_letter.properties.message_id().is_some());
    // The event is visible in its queue before the broker confirms it, and is counted afterwards.
    let counted = async {
        while (bus.counters().retried_events, bus.counters().dead_lettered_events) != (4, 1) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, counted).await.expect("should be counted");
    end(&options, &[&bus]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_transient_failure_never_dead_letters_an_event() {
    let options = options();
    let bus = Bus::amqp(options.clone()).unwrap();
    let attempts = Arc::new(AtomicU32::new(0));
    let (handle, handled) = watch::channel(Vec::new());
    let counting = Arc::clone(&attempts);
    bus.subscribe("reader", move |delivery: Delivery<Printed>| {
        let attempt = counting.fetch_add(1, Ordering::SeqCst) + 1;
        let handle = handle.clone();
        async move {
            // More failures than the limit of refusals.
            if attempt <= 6 {
                return Err(Error::unavailable("database"));
            }
            handle.send_modify(|numbers| numbers.push(delivery.event.0));
            Ok(())
        }
    });
    Press::open(&bus).printed(1).await;
    let mut handled = handled;
    timeout(SOON * 2, handled.wait_for(|numbers| !numbers.is_empty())).await.expect("should be handled").unwrap();
    assert_eq!((attempts.load(Ordering::SeqCst), bus.counters().dead_lettered_events), (7, 0));
    end(&options, &[&bus]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn events_published_during_an_outage_leave_soon_after_it() {
    for mode in [FaultMode::Disconnect, FaultMode::Stall] {
        let options = options();
        let mut relayed = options.clone();
        let proxy = FaultProxy::before(&mut relayed).await;
        let (bus, reader) = (Bus::amqp(relayed).unwrap(), Bus::amqp(options.clone()).unwrap());
        let handled = read(&reader);
        let press = Press::open(&bus);
        press.printed(0).await;
        proxy.set_mode(mode);
        for number in 1..=500 {
            press.print(number).await;
        }
        // Until the back-off has reached its maximum.
        tokio::time::sleep(Duration::from_secs(6)).await;
        proxy.set_mode(FaultMode::PassThrough);
        let all =
            timeout(Duration::from_secs(5), until(&handled, |numbers| (0..=500).all(|n| numbers.contains(&n)))).await;
        all.expect("all events should be handled soon");
        end(&options, &[&bus, &reader]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn close_requeues_events_that_have_not_started() {
    let options = options();
    let (bus, first) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options.clone()).unwrap());
    let (handle, handled) = watch::channel(Vec::new());
    let listen = |bus: &Bus, handle: watch::Sender<Vec<u32>>| {
        bus.subscribe("reader", move |delivery: Delivery<Printed>| {
            let handle = handle.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                handle.send_modify(|numbers| numbers.push(delivery.event.0));
                Ok(())
            }
        });
    };
    listen(&first, handle.clone());
    let press = Press::open(&bus);
    for number in 0..1000 {
        press.print(number).await;
    }
    until(&handled, |numbers| numbers.len() > 50).await;
    first.close().await;
    assert!(handled.borrow().len() < 1000, "the bus should be closed under load");
    let second = Bus::amqp(options.clone()).unwrap();
    listen(&second, handle);
    let mut numbers = until(&handled, |numbers| numbers.len() >= 1000).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>(), "each once, because no process died");
    end(&options, &[&bus, &second]).await;
}

#[tokio::test]
async fn a_listener_that_the_event_does_not_name_panics_at_start() {
    let subscribing = tokio::spawn(async {
        Bus::local().subscribe("stranger", |_: Delivery<Printed>| async { Ok(()) });
    });
    assert!(subscribing.await.unwrap_err().is_panic());
}
