//! MongoDB only: outages, lost responses, two processes, and the operations sent.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mongodb::bson::{Document as Raw, doc};
use serde::{Deserialize, Serialize};
use souk_bus::{Bus, Delivery, Event, EventId};
use souk_store::{Collection, Database, Document, Index};
use souk_types::{Error, ErrorKind, Id};
use tokio::task::JoinSet;

#[allow(dead_code, reason = "only the fresh database is used here")]
#[path = "support/home.rs"]
mod home;
#[path = "mongo/profiled.rs"]
mod profiled;
#[path = "support/three.rs"]
mod three;
#[path = "support/wire.rs"]
mod wire;

use self::home::Fresh;
use self::three::Three;
use self::wire::Wire;

/// More than the time limit of an operation, 1.5 s.
const BOUNDED: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(5);
/// More than queued callers need for their results.
const APART: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Crate {
    label: Option<String>,
    pieces: i64,
    large: u64,
    ratio: f64,
    odd: BTreeMap<String, Option<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    absent: Option<String>,
    shape: Shape,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
enum Shape {
    #[default]
    Cube,
    Box {
        sides: [u8; 3],
    },
}

static BY_LABEL: Index = Index::unique("by_label", &["label"]);

impl Document for Crate {
    type Id = Id<Self>;
    const COLLECTION: &'static str = "crates";
    const INDEXES: &'static [Index] = &[BY_LABEL];
    const PUBLISHES: bool = true;
}

#[derive(Debug, Serialize, Deserialize)]
struct Moved;

impl Event for Moved {
    const NAME: &'static str = "harbour.moved";
    const LISTENERS: &'static [&'static str] = &["office"];
}

fn open(uri: &str, fresh: &Fresh) -> (Database, Collection<Crate>) {
    let database = Database::mongodb("harbour", uri, &fresh.name).unwrap();
    let crates = database.collection().unwrap();
    (database, crates)
}

async fn add(crates: &Collection<Crate>, id: Id<Crate>) -> Result<i64, Error> {
    crates
        .update(id, |one, _| {
            one.pieces += 1;
            Ok(one.pieces)
        })
        .await
}

async fn raw(fresh: &Fresh, collection: &str) -> mongodb::Collection<Raw> {
    mongodb::Client::with_uri_str(&fresh.uri).await.unwrap().database(&fresh.name).collection(collection)
}

async fn until_it_works<R>(work: impl AsyncFn() -> Result<R, Error>) -> R {
    let begin = Instant::now();
    loop {
        match work().await {
            Ok(answer) => return answer,
            Err(error) => assert!(begin.elapsed() < SOON, "still {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A bus that delivers [`Moved`].
fn bus() -> Bus {
    let bus = Bus::local();
    bus.publishes::<Moved>();
    bus
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn a_document_is_stored_as_readable_bson() {
    let fresh = Fresh::new();
    let (_, crates) = open(&fresh.uri, &fresh);
    let odd = ["", "a.b", "$c", "$ref", "ü"].map(|name| (name.to_owned(), Some(u32::MAX)));
    let one = Crate {
        label: Some("nul \0 and ü".to_owned()),
        pieces: i64::MIN,
        large: u64::MAX,
        ratio: 1.0,
        odd: odd.into_iter().chain([("none".to_owned(), None)]).collect(),
        absent: None,
        shape: Shape::Box { sides: [1, 2, 3] },
    };
    let id = Id::new();
    crates.insert(id, one.clone()).await.unwrap();
    assert_eq!(crates.get(id).await.unwrap(), Some(one));
    add(&crates, id).await.unwrap();
    let stored = raw(&fresh, "crates").await.find_one(doc! {"_id": id.to_string()}).await.unwrap().unwrap();
    assert!(stored.get_i64("version").unwrap() > 0);
    let doc = stored.get_document("doc").unwrap();
    assert_eq!(doc.get_document("shape").unwrap(), &doc! {"Box": {"sides": [1, 2, 3]}});
    assert!(!doc.contains_key("absent"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn a_server_that_starts_later_is_used() {
    let fresh = Fresh::new();
    let wire = Wire::to(&fresh.uri).await;
    wire.cut();
    let (database, crates) = open(&wire.uri, &fresh);
    let begin = Instant::now();
    let error = crates.insert(Id::new(), Crate::default()).await.unwrap_err();
    assert!(begin.elapsed() < BOUNDED, "{:?}", begin.elapsed());
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(database.ping().await.unwrap_err().is_transient());
    wire.mend();
    until_it_works(async || crates.insert(Id::new(), Crate::default()).await).await;
    database.ping().await.unwrap();
    let indexes = raw(&fresh, "crates").await.list_index_names().await.unwrap();
    assert!(indexes.iter().any(|name| name == "by_label"), "{indexes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn a_server_that_restarts_is_used_again() {
    let fresh = Fresh::new();
    let wire = Wire::to(&fresh.uri).await;
    let (_, crates) = open(&wire.uri, &fresh);
    let id = Id::new();
    until_it_works(async || crates.insert(id, Crate::default()).await).await;
    wire.cut();
    let begin = Instant::now();
    assert_eq!(add(&crates, id).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(crates.get(id).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(begin.elapsed() < BOUNDED * 2, "{:?}", begin.elapsed());
    wire.mend();
    assert_eq!(until_it_works(async || add(&crates, id).await).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn operations_on_a_hanging_server_time_out() {
    let fresh = Fresh::new();
    let wire = Wire::to(&fresh.uri).await;
    let (_, crates) = open(&wire.uri, &fresh);
    let id = Id::new();
    until_it_works(async || crates.insert(id, Crate::default()).await).await;
    wire.stall();
    let mut asking = JoinSet::new();
    for at in 0..1_000 {
        let crates = crates.clone();
        asking.spawn(async move {
            let begin = Instant::now();
            let failed = if at % 2 == 0 { add(&crates, id).await.is_err() } else { crates.get(id).await.is_err() };
            (failed, begin.elapsed())
        });
    }
    while let Some(asked) = asking.join_next().await {
        let (failed, took) = asked.unwrap();
        assert!(failed && took < BOUNDED, "{failed} {took:?}");
    }
    wire.mend();
    until_it_works(async || add(&crates, id).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn a_write_with_a_lost_response_has_one_effect() {
    let fresh = Fresh::new();
    let wire = Wire::to(&fresh.uri).await;
    let (_, crates) = open(&wire.uri, &fresh);
    let id = Id::new();
    until_it_works(async || crates.insert(id, Crate::default()).await).await;
    let mut succeeded = 0;
    for round in 0..10 {
        // A lost response: the driver retries. A second one: the id in the document decides.
        wire.drop_responses_to("update", 1 + round % 2);
        if let Ok(pieces) = add(&crates, id).await {
            succeeded += 1;
            assert_eq!(pieces, succeeded, "the rule ran again on its own result");
        } else {
            panic!("the outcome should be known");
        }
    }
    assert_eq!(crates.get(id).await.unwrap().unwrap().pieces, succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn two_processes_lose_no_update_of_one_document() {
    let fresh = Fresh::new();
    let handles = [open(&fresh.uri, &fresh), open(&fresh.uri, &fresh)];
    let id = Id::new();
    handles[0].1.insert(id, Crate::default()).await.unwrap();
    let mut adding = JoinSet::new();
    for (_, crates) in handles.iter().cycle().take(64) {
        let crates = crates.clone();
        adding.spawn(async move {
            for _ in 0..20 {
                add(&crates, id).await.unwrap();
            }
        });
    }
    adding.join_all().await;
    assert_eq!(handles[1].1.get(id).await.unwrap().unwrap().pieces, 64 * 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn a_deleted_document_is_removed_with_its_last_event() {
    let fresh = Fresh::new();
    let (database, crates) = open(&fresh.uri, &fresh);
    let id = Id::new();
    let labelled = Crate { label: Some("a".to_owned()), ..Crate::default() };
    crates.insert(id, labelled.clone()).await.unwrap();
    let moved = crates.update(id, |_, events| events.publish(&Moved)).await.unwrap();
    let carry = || {
        crates.update(id, |one, events| {
            one.pieces += 1;
            events.publish(&Moved)
        })
    };
    let [carried, beside] = [carry().await.unwrap(), carry().await.unwrap()];
    crates.upsert(id, |slot, _| Ok(slot.take())).await.unwrap();
    let deleted = Id::new();
    crates.insert(deleted, Crate::default()).await.unwrap();
    let in_deleted = crates.upsert(deleted, |slot, events| {
        *slot = None;
        events.publish(&Moved)
    });
    let in_deleted = in_deleted.await.unwrap();
    // No relay runs yet, so all events are pending.
    for event in [moved, carried, beside, in_deleted] {
        assert!(!database.wait_until_delivered(event, Duration::from_millis(50)).await);
    }
    assert_eq!(crates.get(id).await.unwrap(), None);
    assert!(crates.is_empty().await.unwrap());
    let again = Id::new();
    crates.insert(again, labelled.clone()).await.unwrap();
    crates.upsert(again, |slot, _| Ok(slot.take())).await.unwrap();
    crates.insert(id, labelled).await.unwrap();
    crates.upsert(id, |slot, _| Ok(slot.take())).await.unwrap();
    let bus = bus();
    bus.subscribe("office", |_: Delivery<Moved>| async { Ok(()) });
    souk_store::outbox::relay(database.clone(), bus);
    for event in [moved, carried, beside, in_deleted] {
        assert!(database.wait_until_delivered(event, SOON).await);
    }
    let left = raw(&fresh, "crates").await.find_one(doc! {}).await.unwrap();
    assert_eq!(left, None);
    assert_eq!(raw(&fresh, "_outbox").await.find_one(doc! {}).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn deleting_published_events_leaves_the_version_alone() {
    let fresh = Fresh::new();
    let (database, crates) = open(&fresh.uri, &fresh);
    let id = Id::new();
    let insert = crates.upsert(id, |slot, events| {
        *slot = Some(Crate::default());
        events.publish(&Moved)
    });
    let event = insert.await.unwrap();
    let stored = async || raw(&fresh, "crates").await.find_one(doc! {"_id": id.to_string()}).await.unwrap().unwrap();
    let version = stored().await.get_i64("version").unwrap();
    souk_store::outbox::relay(database.clone(), bus());
    assert!(database.wait_until_delivered(event, SOON).await);
    let stored = stored().await;
    assert_eq!(stored.get_i64("version").unwrap(), version);
    assert!(!stored.contains_key("events"));
}

/// The server itself would abort it after a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn only_orphaned_transactions_are_aborted() {
    let fresh = Fresh::new();
    let (database, crates) = open(&fresh.uri, &fresh);
    let [taken, taken_too, strangers] = [Id::new(), Id::new(), Id::new()];
    for id in [taken, taken_too, strangers] {
        crates.insert(id, Crate::default()).await.unwrap();
    }
    let take = async |app: &str, ids: &[Id<Crate>]| {
        let uri = format!("{}&appName={app}", fresh.uri);
        let client = mongodb::Client::with_uri_str(&uri).await.unwrap();
        let mut session = client.start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        for id in ids {
            let crates = client.database(&fresh.name).collection::<Raw>("crates");
            let taking = crates.update_one(doc! {"_id": id.to_string()}, doc! {"$set": {"taken": true}});
            taking.session(&mut session).await.unwrap();
        }
        session
    };
    let mut dead = take("harbour", &[taken, taken_too]).await;
    let mut stranger = take("stranger", &[strangers]).await;
    let free = async {
        let crates = &crates;
        while add(crates, taken).await.is_err() {}
        let add_too = |tx: souk_store::Tx| async move {
            let mut found = tx.get(crates, taken_too).await?.unwrap_or_default();
            found.pieces += 1;
            tx.put(crates, taken_too, &found).await
        };
        while database.run(add_too).await.is_err() {}
    };
    tokio::time::timeout(Duration::from_secs(30), free).await.expect("should be free by now");
    dead.commit_transaction().await.unwrap_err();
    stranger.commit_transaction().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn a_large_bulk_update_succeeds_beside_single_updates() {
    let fresh = Fresh::new();
    let (_, crates) = open(&fresh.uri, &fresh);
    let ids: Vec<Id<Crate>> = (0..3_000).map(|_| Id::new()).collect();
    let rule = |slot: &mut Option<Crate>| {
        slot.get_or_insert_default().pieces += 1_000;
        Ok(())
    };
    let all = || ids.iter().map(|id| (*id, rule)).collect::<Vec<_>>();
    crates.bulk_update(all()).await.unwrap();
    let mut selling = JoinSet::new();
    let begin = Instant::now();
    for at in 0..8 {
        let (crates, id) = (crates.clone(), ids[at % 3]);
        selling.spawn(async move {
            let mut sold = 0;
            while begin.elapsed() < Duration::from_secs(3) {
                sold += i64::from(add(&crates, id).await.is_ok());
            }
            sold
        });
    }
    crates.bulk_update(all()).await.unwrap();
    let sold: i64 = selling.join_all().await.into_iter().sum();
    let mut pieces = 0;
    for id in &ids {
        pieces += crates.get(*id).await.unwrap().unwrap().pieces;
    }
    assert_eq!(pieces, 3_000 * 2_000 + sold);
}

#[tokio::test]
async fn an_invalid_uri_is_refused_without_being_shown() {
    let Err(error) = Database::mongodb("harbour", "mongodb://ana:geheim@", "harbour") else {
        panic!("the URI is invalid")
    };
    assert!(!error.operator_message().contains("geheim"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn a_recreated_document_gets_a_new_version() {
    let fresh = Fresh::new();
    let (_, crates) = open(&fresh.uri, &fresh);
    let id = Id::new();
    let mut versions = Vec::new();
    for _ in 0..3 {
        crates.insert(id, Crate::default()).await.unwrap();
        let stored = raw(&fresh, "crates").await.find_one(doc! {"_id": id.to_string()}).await.unwrap().unwrap();
        versions.push(stored.get_i64("version").unwrap());
        crates.upsert(id, |slot, _| Ok(slot.take())).await.unwrap();
    }
    assert!(versions.is_sorted_by(|before, after| before < after), "{versions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI: cargo xtask test"]
async fn a_changed_unique_index_is_not_dropped() {
    let fresh = Fresh::new();
    let other = mongodb::IndexModel::builder().keys(doc! {"doc.other": 1});
    let unique = mongodb::options::IndexOptions::builder().unique(true).name("by_label".to_owned()).build();
    raw(&fresh, "crates").await.create_index(other.options(unique).build()).await.unwrap();
    let (database, crates) = open(&fresh.uri, &fresh);
    let error = database.ping().await.unwrap_err();
    assert!(error.operator_message().contains("dropIndex(\"by_label\")"), "{error}");
    assert!(crates.insert(Id::new(), Crate::default()).await.is_err());
    raw(&fresh, "crates").await.drop_index("by_label").await.unwrap();
    until_it_works(async || database.ping().await).await;
    crates.insert(Id::new(), Crate::default()).await.unwrap();
}

/// A write that only the primary has may be rolled back, so no result may rest on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGOD, the program"]
async fn results_rest_on_majority_committed_state() {
    let mongod = std::env::var_os("MONGOD").expect("MONGOD should name the program");
    let three = Three::start(mongod.into()).await;
    let database = Database::mongodb("harbour", &three.uri, "harbour").unwrap();
    let crates: &Collection<Crate> = &database.collection().unwrap();
    until_it_works(async || database.ping().await).await;
    let [id, handled, taken] = [Id::new(), Id::new(), Id::new()];
    for id in [id, handled] {
        crates.insert(id, Crate::default()).await.unwrap();
    }
    let deliveries = Arc::new(AtomicU32::new(0));
    let bus = bus();
    let counted = Arc::clone(&deliveries);
    bus.subscribe("office", move |_: Delivery<Moved>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    souk_store::outbox::relay(database.clone(), bus);

    let confirm = || {
        crates.update(id, |one, events| {
            if one.pieces == 0 {
                one.pieces = 1;
                events.publish(&Moved)?;
            }
            Ok(())
        })
    };
    let refuse = || {
        crates
            .update(id, |one, _| if one.pieces == 0 { Ok(()) } else { Err(Error::conflict("refused", "By the rule.")) })
    };
    let read = || database.run(|tx| async move { Ok(tx.get(crates, id).await?.map(|one| one.pieces)) });
    let refuse_run = || {
        database.run(|tx| async move {
            tx.get(crates, id).await?;
            Err::<(), _>(Error::conflict("refused", "By the rule."))
        })
    };
    let read_two = || {
        database.run(|tx| async move {
            tx.get(crates, id).await?;
            Ok(tx.get(crates, handled).await?.map(|one| one.pieces))
        })
    };
    let delivery = Delivery { id: EventId::new(), event: Moved };
    let once = || {
        database.handle_once(&delivery, |tx| async move {
            let mut one = tx.get(crates, handled).await?.unwrap_or_default();
            one.pieces += 1;
            tx.put(crates, handled, &one).await
        })
    };
    let labelled = || Crate { label: Some("a".to_owned()), ..Crate::default() };
    let bulk = || {
        let rule = |slot: &mut Option<Crate>| {
            slot.get_or_insert_default().pieces = 1;
            Ok(())
        };
        crates.bulk_update(vec![(id, rule)])
    };

    three.stop_most();
    for round in 0..2 {
        let first = tokio::join!(confirm(), once(), crates.insert(taken, labelled()));
        assert!(first.0.is_err() && first.1.is_err() && first.2.is_err(), "round {round}: {first:?}");
        // An update queued behind a failed one fails with it.
        tokio::time::sleep(APART).await;
    }
    let label = crates.insert(Id::new(), labelled());
    // A bulk update has a longer time limit.
    let bulk_meanwhile = tokio::time::timeout(BOUNDED, bulk());
    let again = tokio::join!(refuse(), read(), refuse_run(), read_two(), once(), label, bulk_meanwhile);
    let errors = [
        again.0.unwrap_err(),
        again.1.unwrap_err(),
        again.2.unwrap_err(),
        again.3.unwrap_err(),
        again.4.unwrap_err(),
        again.5.unwrap_err(),
    ];
    assert!(!matches!(again.6, Ok(Ok(()))));
    for (at, error) in errors.iter().enumerate() {
        assert!(error.is_outage(), "{at}: {error:?}");
    }
    assert_eq!(crates.get(id).await.unwrap().unwrap().pieces, 0, "the write is not majority-committed");
    assert_eq!(deliveries.load(Ordering::Relaxed), 0, "an event of it was published");

    three.resume();
    until_it_works(confirm).await;
    until_it_works(once).await;
    until_it_works(bulk).await;
    assert_eq!(refuse().await.unwrap_err().code(), "refused");
    assert_eq!(refuse_run().await.unwrap_err().code(), "refused");
    assert_eq!((read().await.unwrap(), read_two().await.unwrap()), (Some(1), Some(1)));
    assert!(crates.insert(Id::new(), labelled()).await.unwrap_err().is_duplicate());
    let begin = Instant::now();
    while deliveries.load(Ordering::Relaxed) == 0 && begin.elapsed() < SOON {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(deliveries.load(Ordering::Relaxed), 1);
}
