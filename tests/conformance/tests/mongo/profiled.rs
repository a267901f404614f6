//! The operations that the store sends, counted by the server's profiler.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use mongodb::bson::{Document as Raw, doc};
use souk_bus::{Delivery, EventId};
use souk_types::{Error, Id};
use tokio::task::JoinSet;

use super::home::Fresh;
use super::{Crate, Moved, SOON, add, bus, open, raw};

/// The commands of one database, in the order of their end.
struct Profiler(mongodb::Database);

impl Profiler {
    async fn start(fresh: &Fresh) -> Self {
        let database = mongodb::Client::with_uri_str(&fresh.uri).await.unwrap().database(&fresh.name);
        // The collection is created before the profiler, which then has room for all entries.
        database.create_collection("system.profile").capped(true).size(16 * 1024 * 1024).await.unwrap();
        database.run_command(doc! {"profile": 2}).await.unwrap();
        Self(database)
    }

    async fn entries(&self, matching: Raw) -> Vec<Raw> {
        let own = doc! {"ns": {"$ne": format!("{}.system.profile", self.0.name())}};
        let profile = self.0.collection::<Raw>("system.profile");
        let found = profile.find(doc! {"$and": [own, matching]}).sort(doc! {"ts": 1}).await.unwrap();
        found.try_collect().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn results_without_a_write_need_neither_a_linearizable_read_nor_a_write() {
    let fresh = Fresh::new();
    let (database, crates) = open(&fresh.uri, &fresh);
    let (present, absent) = (Id::new(), Id::new());
    crates.insert(present, Crate::default()).await.unwrap();
    let delivery = Delivery { id: EventId::new(), event: Moved };
    database.handle_once(&delivery, |_| async { Ok(()) }).await.unwrap();
    let profiler = Profiler::start(&fresh).await;

    for id in [present, absent] {
        crates.upsert(id, |_, _| Ok(())).await.unwrap();
        let refused = crates.upsert(id, |_, _| Err::<(), _>(Error::conflict("refused", "By the rule."))).await;
        assert_eq!(refused.unwrap_err().code(), "refused");
    }
    let crates = &crates;
    database
        .run(|tx| async move {
            tx.get(crates, present).await?;
            tx.get(crates, absent).await.map(drop)
        })
        .await
        .unwrap();
    let handled = database.handle_once(&delivery, |_| async { Err(Error::conflict("refused", "It was handled.")) });
    handled.await.unwrap();

    let all = profiler.entries(doc! {}).await;
    assert!(all.len() >= 8, "the profiler should see the reads: {all:#?}");
    let linearizable = profiler.entries(doc! {"command.readConcern.level": "linearizable"}).await;
    assert!(linearizable.is_empty(), "{linearizable:#?}");
    let writes = profiler.entries(doc! {"op": {"$in": ["insert", "update", "remove"]}}).await;
    assert!(writes.is_empty(), "{writes:#?}");
    let stored = raw(&fresh, "crates").await.find_one(doc! {"_id": present.to_string()}).await.unwrap().unwrap();
    assert!(!stored.contains_key("touched"), "{stored}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn an_insert_is_one_write_and_no_read() {
    let fresh = Fresh::new();
    let (database, crates) = open(&fresh.uri, &fresh);
    database.ping().await.unwrap();
    let (id, profiler) = (Id::new(), Profiler::start(&fresh).await);
    assert!(crates.insert_if_absent(id, Crate::default()).await.unwrap());
    crates.insert(Id::new(), Crate::default()).await.unwrap();
    assert_eq!(profiler.entries(doc! {}).await.len(), 2);
    assert!(!crates.insert_if_absent(id, Crate::default()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn successive_updates_of_one_process_need_no_read() {
    let fresh = Fresh::new();
    let (database, crates) = open(&fresh.uri, &fresh);
    database.ping().await.unwrap();
    let (id, profiler) = (Id::new(), Profiler::start(&fresh).await);
    crates.insert(id, Crate::default()).await.unwrap();
    for pieces in 1..=3 {
        assert_eq!(add(&crates, id).await.unwrap(), pieces);
    }
    assert_eq!(profiler.entries(doc! {"op": "query"}).await.len(), 0);

    // Another process writes in between.
    let (_, others) = open(&fresh.uri, &fresh);
    assert_eq!(add(&others, id).await.unwrap(), 4);
    assert_eq!(add(&crates, id).await.unwrap(), 5);
    assert_eq!(add(&others, id).await.unwrap(), 6);
    let label = crates.update(id, |one, _| Ok(one.pieces)).await.unwrap();
    assert_eq!(label, 6, "a result without a write is the newest too");
}

/// The relay reads the outbox once a second, in one query, however many events this process writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn the_relay_publishes_from_memory_and_deletes_in_batches() {
    const EVENTS: u32 = 200;
    let fresh = Fresh::new();
    let (database, crates) = open(&fresh.uri, &fresh);
    database.ping().await.unwrap();
    let (bus, profiler, begin) = (bus(), Profiler::start(&fresh).await, Instant::now());
    souk_store::outbox::relay(database.clone(), bus);
    let mut moving = JoinSet::new();
    for _ in 0..EVENTS {
        let crates = crates.clone();
        moving.spawn(async move {
            crates
                .upsert(Id::new(), |slot, events| {
                    slot.get_or_insert_default();
                    events.publish(&Moved)
                })
                .await
        });
    }
    for event in moving.join_all().await {
        assert!(database.wait_until_delivered(event.unwrap(), SOON).await);
    }
    let intervals = |interval: Duration| usize::try_from(begin.elapsed().as_millis() / interval.as_millis()).unwrap();
    let reads = profiler.entries(doc! {"command.aggregate": "_outbox"}).await.len();
    let (most_reads, most_deletions) =
        (intervals(Duration::from_secs(1)) + 1, intervals(Duration::from_millis(100)) + 1);
    assert!((1..=most_reads).contains(&reads), "{reads} reads, expected up to {most_reads}");
    // The name of the field has a dot, so a query of the profile does not find it.
    let deletes = |update: &&Raw| {
        let condition = update.get_document("command").and_then(|command| command.get_document("q"));
        condition.is_ok_and(|condition| condition.contains_key("events.id"))
    };
    let deletions = profiler.entries(doc! {"op": "update"}).await.iter().filter(deletes).count();
    assert!((1..=most_deletions).contains(&deletions), "{deletions} deletions, expected up to {most_deletions}");
    let transactions = profiler.entries(doc! {"command.startTransaction": true}).await;
    assert!(transactions.is_empty(), "the events are in the documents: {transactions:#?}");
}
