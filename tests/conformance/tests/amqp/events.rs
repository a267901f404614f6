//! Events while listeners fail, die, or have never been up, and while the broker is away.

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
pub(crate) const SPOKEN: &[(&str, &[&str])] = &[("press", &["reader"])];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Printed(pub(crate) u32);

impl Event for Printed {
    const NAME: &'static str = "press.printed";
    const LISTENERS: &'static [&'static str] = &["reader"];
}

/// Who announces.
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

/// What a reader read, in order.
pub(crate) fn read(bus: &Bus) -> watch::Receiver<Vec<u32>> {
    let (hear, heard) = watch::channel(Vec::new());
    bus.subscribe("reader", move |delivery: Delivery<Printed>| {
        hear.send_modify(|numbers| numbers.push(delivery.event.0));
        async { Ok(()) }
    });
    heard
}

pub(crate) async fn until(heard: &watch::Receiver<Vec<u32>>, enough: impl Fn(&[u32]) -> bool) -> Vec<u32> {
    let mut heard = heard.clone();
    timeout(SOON, heard.wait_for(|numbers| enough(numbers))).await.expect("should be heard").unwrap().clone()
}

async fn end(options: &AmqpOptions, buses: &[&Bus]) {
    for bus in buses {
        bus.close().await;
    }
    clear(options, SPOKEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_listener_that_was_never_up_misses_nothing() {
    let options = options();
    let bus = Bus::amqp(options.clone()).unwrap();
    Press::open(&bus).printed(1).await;
    bus.close().await;
    let later = Bus::amqp(options.clone()).unwrap();
    let heard = read(&later);
    assert_eq!(until(&heard, |numbers| !numbers.is_empty()).await, [1]);
    end(&options, &[&later]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn an_event_comes_again_when_its_listener_died_over_it() {
    let options = options();
    let mut relayed = options.clone();
    let proxy = FaultProxy::before(&mut relayed).await;
    let (press_bus, mortal) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(relayed).unwrap());
    let (take, mut taken) = watch::channel(false);
    mortal.subscribe("reader", move |_: Delivery<Printed>| {
        take.send_replace(true);
        std::future::pending()
    });
    mortal.ready().await;
    Press::open(&press_bus).printed(1).await;
    taken.wait_for(|taken| *taken).await.unwrap();
    proxy.set_mode(FaultMode::Disconnect);
    let heir = Bus::amqp(options.clone()).unwrap();
    let heard = read(&heir);
    assert_eq!(until(&heard, |numbers| !numbers.is_empty()).await, [1]);
    end(&options, &[&mortal, &heir, &press_bus]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn an_event_that_is_refused_is_parked_with_its_history_and_the_next_is_heard() {
    let options = options();
    let bus = Bus::amqp(options.clone()).unwrap();
    let (hear, heard) = watch::channel(Vec::new());
    bus.subscribe("reader", move |delivery: Delivery<Printed>| {
        let number = delivery.event.0;
        hear.send_modify(|numbers| numbers.push(number));
        async move { if number == 1 { Err(Error::conflict("torn", "It is torn.")) } else { Ok(()) } }
    });
    let press = Press::open(&bus);
    press.print(1).await;
    press.print(2).await;
    until(&heard, |numbers| numbers.contains(&2)).await;
    let raw = Raw::connect(&options).await;
    let parked = raw.take("reader.press.dead").await;
    let headers = parked.properties.headers().clone().unwrap();
    let header = |name: &str| match &headers.inner()[name] {
        AMQPValue::LongString(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    assert!(header("souk-reason").contains("It is torn."), "{}", header("souk-reason"));
    assert_eq!(header("souk-attempts"), "LongLongInt(5)");
    assert!(header("souk-queue").ends_with("reader.press"));
    assert_eq!(parked.data, b"1");
    assert!(parked.properties.message_id().is_some());
    // It is counted when the broker has confirmed that it keeps it, and can be taken before that.
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
async fn an_event_that_must_wait_is_never_parked() {
    let options = options();
    let bus = Bus::amqp(options.clone()).unwrap();
    let attempts = Arc::new(AtomicU32::new(0));
    let (hear, heard) = watch::channel(Vec::new());
    let counting = Arc::clone(&attempts);
    bus.subscribe("reader", move |delivery: Delivery<Printed>| {
        let attempt = counting.fetch_add(1, Ordering::SeqCst) + 1;
        let hear = hear.clone();
        async move {
            // More often than a refusal may fail.
            if attempt <= 6 {
                return Err(Error::unavailable("database"));
            }
            hear.send_modify(|numbers| numbers.push(delivery.event.0));
            Ok(())
        }
    });
    Press::open(&bus).printed(1).await;
    let mut heard = heard;
    timeout(SOON * 2, heard.wait_for(|numbers| !numbers.is_empty())).await.expect("should be heard").unwrap();
    assert_eq!((attempts.load(Ordering::SeqCst), bus.counters().dead_lettered_events), (7, 0));
    end(&options, &[&bus]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn what_is_announced_while_the_broker_is_away_leaves_soon_after_its_return() {
    for mode in [FaultMode::Disconnect, FaultMode::Stall] {
        let options = options();
        let mut relayed = options.clone();
        let proxy = FaultProxy::before(&mut relayed).await;
        let (bus, reader) = (Bus::amqp(relayed).unwrap(), Bus::amqp(options.clone()).unwrap());
        let heard = read(&reader);
        let press = Press::open(&bus);
        press.printed(0).await;
        proxy.set_mode(mode);
        for number in 1..=500 {
            press.print(number).await;
        }
        // As long as it takes the back-off to grow to its end.
        tokio::time::sleep(Duration::from_secs(6)).await;
        proxy.set_mode(FaultMode::PassThrough);
        let all =
            timeout(Duration::from_secs(5), until(&heard, |numbers| (0..=500).all(|n| numbers.contains(&n)))).await;
        all.expect("all should leave soon");
        end(&options, &[&bus, &reader]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn closing_gives_back_what_was_not_begun() {
    let options = options();
    let (bus, first) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options.clone()).unwrap());
    let (hear, heard) = watch::channel(Vec::new());
    let listen = |bus: &Bus, hear: watch::Sender<Vec<u32>>| {
        bus.subscribe("reader", move |delivery: Delivery<Printed>| {
            let hear = hear.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                hear.send_modify(|numbers| numbers.push(delivery.event.0));
                Ok(())
            }
        });
    };
    listen(&first, hear.clone());
    let press = Press::open(&bus);
    for number in 0..1000 {
        press.print(number).await;
    }
    until(&heard, |numbers| numbers.len() > 50).await;
    first.close().await;
    assert!(heard.borrow().len() < 1000, "it should have been closed under load");
    let second = Bus::amqp(options.clone()).unwrap();
    listen(&second, hear);
    let mut numbers = until(&heard, |numbers| numbers.len() >= 1000).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>(), "each once, for nobody died");
    end(&options, &[&bus, &second]).await;
}

#[tokio::test]
async fn a_listener_that_the_event_does_not_name_is_refused_at_start() {
    let subscribing = tokio::spawn(async {
        Bus::local().subscribe("stranger", |_: Delivery<Printed>| async { Ok(()) });
    });
    assert!(subscribing.await.unwrap_err().is_panic());
}
