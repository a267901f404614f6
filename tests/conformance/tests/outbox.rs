//! The suite of every pair of engine and transport: events from the write that publishes them,
//! through outbox and relay, to the handlers. Each check is a function of an empty [`home::Home`]
//! and its own [`Bus`]; `checks!` makes a test of it for every pair.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_bus::{Bus, Delivery, Event, EventId};
use souk_store::outbox::relay;
use souk_store::{Collection, Database, Document, Durability, Tx};
use souk_types::{Error, Id, Result};
use tokio::sync::{Notify, watch};

#[path = "support/home.rs"]
mod home;

#[path = "support/line.rs"]
mod line;

use self::home::Home;
use self::line::Line;

const HANGS: Duration = Duration::from_mins(1);
/// Time limit of a delivery, with one or two failures of a handler.
const SOON: Duration = Duration::from_secs(20);
const TOPOLOGY: &[(&str, &[&str])] = &[("shop", &["kitchen", "cellar", "till", "museum"]), ("kitchen", &["till"])];
const NEVER: Duration = Duration::from_millis(300);

macro_rules! checks {
    ($($check:ident)*) => {
        checks!(@ sqlite_on_disk_and_local_bus, Home::sqlite(Durability::Disk), Line::local(), [], $($check)*);
        checks!(@ sqlite_for_one_process_and_local_bus, Home::sqlite(Durability::Process), Line::local(), [], $($check)*);
        checks!(@ mongodb_and_local_bus, Home::mongodb(), Line::local(),
            [#[ignore = "needs MONGODB_URI: cargo xtask test"]], $($check)*);
        checks!(@ sqlite_and_amqp, Home::sqlite(Durability::Process), Line::amqp(),
            [#[ignore = "needs AMQP_URL: cargo xtask test"]], $($check)*);
    };
    (@ $pair:ident, $home:expr, $line:expr, $attributes:tt, $($check:ident)*) => {
        mod $pair {
            #[allow(unused_imports, reason = "not every engine has a choice")]
            use souk_store::Durability;

            use super::{Home, Line};

            $(checks!(@@ $check, $home, $line, $attributes);)*
        }
    };
    (@@ $check:ident, $home:expr, $line:expr, [$(#[$attribute:meta])*]) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $check() {
            let line = $line;
            let outcome = tokio::time::timeout(crate::HANGS, super::$check($home, line.bus.clone())).await;
            line.close(crate::TOPOLOGY).await;
            outcome.expect("should not hang");
        }
    };
}

checks! {
    an_event_is_delivered
    an_event_is_delivered_after_its_commit
    every_subscribed_service_handles_an_event_once
    an_event_does_not_reach_services_without_a_subscription
    an_event_without_subscribers_leaves_the_outbox
    an_event_keeps_its_id_in_every_delivery
    a_thousand_events_are_delivered
    wait_until_delivered_times_out
    wait_until_delivered_sees_events_that_another_handle_published
    a_failed_handler_gets_the_event_again
    a_handler_that_panicked_gets_the_event_again
    a_redelivery_has_no_effect_on_other_handlers
    an_unreadable_event_does_not_block_other_services
    a_pending_event_is_delivered_after_reopening
    a_failing_event_does_not_hold_up_later_ones
    many_failing_events_do_not_hold_up_later_ones
    an_event_of_a_handler_is_delivered_too
    two_relays_of_one_database_have_one_effect
}

// A broker confirms stored messages, the in-process transport handled ones.
checks!(@ local_bus_alone, Home::sqlite(Durability::Process), Line::local(), [],
    wait_until_delivered_waits_for_the_handler
    wait_until_delivered_times_out_when_the_handler_fails
);

async fn an_event_is_delivered(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let handled = listen(&bus, "kitchen");
    shop.order(7).await;
    assert_eq!(handled.wait_for(1).await, [7]);
}

async fn an_event_is_delivered_after_its_commit(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let (seen, mut answer) = watch::channel(None);
    let orders = shop.orders.clone();
    bus.subscribe("kitchen", move |delivery: Delivery<Ordered>| {
        let (orders, seen) = (orders.clone(), seen.clone());
        async move {
            let _ = seen.send(Some(orders.get(delivery.event.order).await?.is_some()));
            Ok(())
        }
    });
    shop.order(7).await;
    assert_eq!(*answer.wait_for(Option::is_some).await.unwrap(), Some(true));
}

async fn every_subscribed_service_handles_an_event_once(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let services = ["kitchen", "cellar", "till"].map(|service| listen(&bus, service));
    assert!(shop.database.wait_until_delivered(shop.order(7).await, SOON).await);
    for handled in services {
        assert_eq!(handled.wait_for(1).await, [7]);
    }
}

async fn an_event_does_not_reach_services_without_a_subscription(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let handled = listen(&bus, "kitchen");
    let other = shop.database.run(|tx| async move { tx.publish(&Closed) }).await.unwrap();
    let event = shop.order(7).await;
    assert!(
        shop.database.wait_until_delivered(other, SOON).await && shop.database.wait_until_delivered(event, SOON).await
    );
    assert_eq!(handled.wait_for(1).await, [7]);
}

async fn an_event_without_subscribers_leaves_the_outbox(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    assert!(shop.database.wait_until_delivered(shop.order(7).await, SOON).await);
}

async fn an_event_keeps_its_id_in_every_delivery(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let (ids, mut handled) = watch::channel(Vec::new());
    bus.subscribe("kitchen", move |delivery: Delivery<Ordered>| {
        ids.send_modify(|ids| ids.push(delivery.id));
        let done = ids.borrow().len() >= 2;
        async move { if done { Ok(()) } else { Err(refused()) } }
    });
    let event = shop.order(7).await;
    assert_eq!(*handled.wait_for(|ids| ids.len() >= 2).await.unwrap(), [event, event]);
}

async fn a_thousand_events_are_delivered(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let handled = listen(&bus, "kitchen");
    shop.order_many(0..1000).await;
    let mut numbers = handled.wait_for(1000).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

async fn wait_until_delivered_waits_for_the_handler(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let [begun, proceed] = [(); 2].map(|()| Arc::new(Notify::new()));
    let finished = Arc::new(AtomicBool::new(false));
    let signals = (Arc::clone(&begun), Arc::clone(&proceed), Arc::clone(&finished));
    bus.subscribe("kitchen", move |_: Delivery<Ordered>| {
        let (begun, proceed, finished) = signals.clone();
        async move {
            begun.notify_one();
            proceed.notified().await;
            finished.store(true, Ordering::SeqCst);
            Ok(())
        }
    });
    let event = shop.order(7).await;
    begun.notified().await;
    assert!(!shop.database.wait_until_delivered(event, NEVER).await);
    proceed.notify_one();
    assert!(shop.database.wait_until_delivered(event, SOON).await);
    assert!(finished.load(Ordering::SeqCst));
}

async fn wait_until_delivered_times_out_when_the_handler_fails(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    bus.subscribe("kitchen", |_: Delivery<Ordered>| async { Err(refused()) });
    assert!(!shop.database.wait_until_delivered(shop.order(7).await, NEVER).await);
}

async fn wait_until_delivered_times_out(home: Home, _: Bus) {
    let shop = Shop::without_relay(&home).await;
    assert!(!shop.database.wait_until_delivered(shop.order(7).await, NEVER).await);
}

async fn wait_until_delivered_sees_events_that_another_handle_published(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let handled = listen(&bus, "kitchen");
    let other = home.open().await;
    let event = other.run(|tx| async move { tx.publish(&Ordered { order: Id::new(), number: 7 }) }).await.unwrap();
    assert!(other.wait_until_delivered(event, SOON).await);
    assert_eq!(handled.wait_for(1).await, [7]);
    drop(shop);
}

async fn a_failed_handler_gets_the_event_again(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let attempts = fail_twice(&bus, "kitchen", |_| Err(refused()));
    let event = shop.order(7).await;
    attempts.reach(3).await;
    assert!(shop.database.wait_until_delivered(event, SOON).await);
}

async fn a_handler_that_panicked_gets_the_event_again(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let attempts = fail_twice(&bus, "kitchen", |attempt| panic!("attempt {attempt} fails on purpose"));
    let event = shop.order(7).await;
    attempts.reach(3).await;
    assert!(shop.database.wait_until_delivered(event, SOON).await);
}

async fn a_redelivery_has_no_effect_on_other_handlers(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let kitchen_home = Home::sqlite(souk_store::Durability::Process);
    let kitchen = Kitchen::open(&kitchen_home, &bus).await;
    let attempts = fail_twice(&bus, "cellar", |_| Err(refused()));
    let event = shop.order(7).await;
    attempts.reach(3).await;
    kitchen.has_handled(1).await;
    assert!(shop.database.wait_until_delivered(event, SOON).await);
    assert_eq!(kitchen.cooked().await, 1);
}

async fn an_unreadable_event_does_not_block_other_services(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    bus.subscribe("museum", |_: Delivery<OrderedLongAgo>| async { Ok(()) });
    let handled = listen(&bus, "kitchen");
    shop.order(7).await;
    assert_eq!(handled.wait_for(1).await[0], 7);
}

async fn a_pending_event_is_delivered_after_reopening(home: Home, bus: Bus) {
    let shop = Shop::without_relay(&home).await;
    let event = shop.order(7).await;
    drop(shop);
    let handled = listen(&bus, "kitchen");
    let shop = Shop::open(&home, &bus).await;
    assert!(shop.database.wait_until_delivered(event, SOON).await);
    assert_eq!(handled.wait_for(1).await, [7]);
}

async fn a_failing_event_does_not_hold_up_later_ones(home: Home, bus: Bus) {
    fail_before_others(1, home, bus).await;
}

async fn many_failing_events_do_not_hold_up_later_ones(home: Home, bus: Bus) {
    fail_before_others(1000, home, bus).await;
}

async fn fail_before_others(failing: u32, home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    bus.subscribe("museum", |_: Delivery<Closed>| async { Err(refused()) });
    let handled = listen(&bus, "kitchen");
    shop.database
        .run(|tx| async move {
            for _ in 0..failing {
                tx.publish(&Closed)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    assert!(shop.database.wait_until_delivered(shop.order(7).await, SOON).await);
    assert_eq!(handled.wait_for(1).await, [7]);
}

async fn an_event_of_a_handler_is_delivered_too(home: Home, bus: Bus) {
    let shop = Shop::open(&home, &bus).await;
    let kitchen_home = Home::sqlite(souk_store::Durability::Process);
    let _kitchen = Kitchen::open(&kitchen_home, &bus).await;
    let (serve, served) = watch::channel(0);
    bus.subscribe("till", move |_: Delivery<Cooked>| {
        serve.send_modify(|times| *times += 1);
        async { Ok(()) }
    });
    shop.order(7).await;
    Count(served).reach(1).await;
}

async fn two_relays_of_one_database_have_one_effect(home: Home, bus: Bus) {
    let shop = Shop::without_relay(&home).await;
    let kitchen_home = Home::sqlite(souk_store::Durability::Process);
    let kitchen = Kitchen::open(&kitchen_home, &bus).await;
    for number in 0..50 {
        shop.order(number).await;
    }
    // Both relays find all events pending.
    let _relays = [Shop::open(&home, &bus).await, Shop::open(&home, &bus).await];
    kitchen.has_handled(50).await;
    assert_eq!(kitchen.cooked().await, 50);
}

/// Each process publishes its own events, and those of the other after the grace period.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn an_event_is_published_by_its_owner_within_the_grace_period() {
    let (home, bus) = (Home::mongodb(), Bus::local());
    let (died, lives) = (Shop::without_relay(&home).await, Shop::open(&home, &bus).await);
    let handled = listen(&bus, "kitchen");
    tokio::join!(died.order(1), lives.order(2));
    assert_eq!(handled.wait_for(1).await, [2]);
    assert_eq!(handled.wait_for(2).await, [2, 1]);
}

/// More events than the foreign backlog and the in-flight limit of a relay together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn events_of_a_crashed_process_are_published_by_another() {
    let (home, bus) = (Home::mongodb(), Bus::local());
    let (died, handled) = (Shop::without_relay(&home).await, listen(&bus, "kitchen"));
    died.order_many(0..2000).await;
    let lives = Shop::open(&home, &bus).await;
    lives.order(2000).await;
    let numbers: BTreeSet<u32> = handled.wait_for(2001).await.into_iter().collect();
    assert_eq!(numbers, (0..=2000).collect());
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    number: u32,
}

impl Document for Order {
    type Id = Id<Order>;
    const COLLECTION: &'static str = "orders";
    const PUBLISHES: bool = true;
}

/// Services of one process start one after another. Pending events wait for the last subscription.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_waits_for_a_service_that_subscribes_later() {
    let (home, bus) = (Home::sqlite(Durability::Process), Bus::local_with_services(&["shop", "kitchen", "till"]));
    let shop = Shop::open(&home, &bus).await;
    let event = shop.order(1).await;
    let till = listen(&bus, "till");
    assert!(!shop.database.wait_until_delivered(event, NEVER).await);
    let kitchen = listen(&bus, "kitchen");
    // `cellar` and `museum` are other processes.
    assert!(shop.database.wait_until_delivered(event, SOON).await);
    assert_eq!((till.wait_for(1).await, kitchen.wait_for(1).await), (vec![1], vec![1]));
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ordered {
    order: Id<Order>,
    number: u32,
}

impl Event for Ordered {
    const NAME: &'static str = "shop.ordered";
    const LISTENERS: &'static [&'static str] = &["kitchen", "cellar", "till", "museum"];
}

/// `Ordered` as an older consumer decodes it.
#[derive(Debug, Serialize, Deserialize)]
struct OrderedLongAgo {
    by_letter: String,
}

impl Event for OrderedLongAgo {
    const NAME: &'static str = Ordered::NAME;
    const LISTENERS: &'static [&'static str] = Ordered::LISTENERS;
}

#[derive(Debug, Serialize, Deserialize)]
struct Closed;

impl Event for Closed {
    const NAME: &'static str = "shop.closed";
    const LISTENERS: &'static [&'static str] = &["kitchen", "museum"];
}

#[derive(Debug, Serialize, Deserialize)]
struct Cooked;

impl Event for Cooked {
    const NAME: &'static str = "kitchen.cooked";
    const LISTENERS: &'static [&'static str] = &["till"];
}

fn refused() -> Error {
    Error::conflict("refused", "The check provokes this failure.")
}

struct Shop {
    database: Database,
    orders: Collection<Order>,
}

impl Shop {
    async fn open(home: &Home, bus: &Bus) -> Self {
        let shop = Self::without_relay(home).await;
        bus.publishes::<Ordered>();
        bus.publishes::<Closed>();
        relay(shop.database.clone(), bus.clone());
        shop
    }

    async fn without_relay(home: &Home) -> Self {
        let database = home.open().await;
        let orders = database.collection().unwrap();
        Self { database, orders }
    }

    async fn order_many(&self, numbers: Range<u32>) {
        let publish = |tx: Tx| {
            let numbers = numbers.clone();
            async move {
                for number in numbers {
                    tx.publish(&Ordered { order: Id::new(), number })?;
                }
                Ok(())
            }
        };
        self.database.run(publish).await.unwrap();
    }

    async fn order(&self, number: u32) -> EventId {
        let order = Id::new();
        self.orders
            .upsert(order, move |slot, events| {
                *slot = Some(Order { number });
                events.publish(&Ordered { order, number })
            })
            .await
            .unwrap()
    }
}

/// Counts the orders it cooks and publishes an event for each.
struct Kitchen {
    counts: Collection<Order>,
    handled: watch::Receiver<BTreeSet<u32>>,
}

impl Kitchen {
    const COUNT: &'static str = "018f4b3a-5c6d-7e8f-9a0b-1c2d3e4f5a6b";

    async fn open(home: &Home, bus: &Bus) -> Self {
        let database = home.open().await;
        let counts: Collection<Order> = database.collection().unwrap();
        counts.insert(Self::COUNT.parse().unwrap(), Order { number: 0 }).await.unwrap();
        relay(database.clone(), bus.clone());
        bus.publishes::<Cooked>();
        let listening = (database, counts.clone());
        let (handle, handled) = watch::channel(BTreeSet::new());
        bus.subscribe("kitchen", move |delivery: Delivery<Ordered>| {
            let ((database, counts), handle) = (listening.clone(), handle.clone());
            async move {
                Self::cook(&database, &counts, &delivery).await?;
                handle.send_modify(|numbers| {
                    numbers.insert(delivery.event.number);
                });
                Ok(())
            }
        });
        Self { counts, handled }
    }

    async fn cook(database: &Database, counts: &Collection<Order>, delivery: &Delivery<Ordered>) -> Result<()> {
        let id = Self::COUNT.parse().map_err(Error::internal)?;
        database
            .handle_once(delivery, |tx| async move {
                let number = tx.get(counts, id).await?.map_or(0, |count| count.number);
                tx.put(counts, id, &Order { number: number + 1 }).await?;
                tx.publish(&Cooked).map(|_| ())
            })
            .await
    }

    async fn has_handled(&self, orders: usize) {
        self.handled.clone().wait_for(|numbers| numbers.len() >= orders).await.unwrap();
    }

    async fn cooked(&self) -> u32 {
        self.counts.get(Self::COUNT.parse().unwrap()).await.unwrap().unwrap().number
    }
}

struct Handled(watch::Receiver<Vec<u32>>);

impl Handled {
    async fn wait_for(&self, count: usize) -> Vec<u32> {
        self.0.clone().wait_for(|numbers| numbers.len() >= count).await.unwrap().clone()
    }
}

fn listen(bus: &Bus, service: &'static str) -> Handled {
    let (record, handled) = watch::channel(Vec::new());
    bus.subscribe(service, move |delivery: Delivery<Ordered>| {
        record.send_modify(|numbers| numbers.push(delivery.event.number));
        async { Ok(()) }
    });
    Handled(handled)
}

struct Count(watch::Receiver<u32>);

impl Count {
    async fn reach(&self, times: u32) {
        self.0.clone().wait_for(|count| *count >= times).await.unwrap();
    }
}

/// A handler that fails twice and then succeeds, and the count of its calls.
fn fail_twice(bus: &Bus, service: &'static str, failure: fn(u32) -> Result<()>) -> Count {
    let (ask, attempts) = watch::channel(0);
    bus.subscribe(service, move |_: Delivery<Ordered>| {
        ask.send_modify(|attempts| *attempts += 1);
        let attempt = *ask.borrow();
        async move { if attempt <= 2 { failure(attempt) } else { Ok(()) } }
    });
    Count(attempts)
}
