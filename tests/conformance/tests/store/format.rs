//! A database carries the format of its documents. The previous one is read and written, and any
//! other is refused.

use ::mongodb::bson::{Document as Raw, doc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use souk_bus::Event;
use souk_store::{Collection, Database, Document, Durability, Index, Snapshot};
use souk_types::format::{Format, FormatChange, rename};
use souk_types::{Error, ErrorKind, Id};

use crate::home::Home;
use crate::{Book, insert};

checks! {
    data_of_this_build_is_accepted_again
    data_of_another_version_is_refused
    data_without_a_version_is_refused
    a_cleared_database_has_the_version_of_this_build
    a_new_database_is_in_the_current_format
    documents_and_events_are_written_in_the_format_of_the_database
    documents_are_rewritten_while_others_write
    a_copy_is_in_the_format_of_its_source
    data_that_was_not_rewritten_completely_is_refused
}

/// A document whose members have other names in the previous format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Loan {
    reader: String,
    days: u32,
}

static BY_READER: Index = Index::by("by_reader", &["reader"]);

impl Document for Loan {
    type Id = Id<Self>;
    const COLLECTION: &'static str = "loans";
    const INDEXES: &'static [Index] = &[BY_READER];
    const CHANGE: Option<FormatChange> = Some(FormatChange {
        upgrade: |loan| rename(loan, "duration", "days"),
        downgrade: |loan| rename(loan, "days", "duration"),
    });
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Returned {
    days: u32,
}

impl Event for Returned {
    const NAME: &'static str = "library.returned";
    const LISTENERS: &'static [&'static str] = &[];
    const CHANGE: Option<FormatChange> = Loan::CHANGE;
}

async fn a_new_database_is_in_the_current_format(home: Home) {
    let database = home.open().await;
    let mark = database.mark().await.unwrap();
    assert_eq!((mark.format, mark.is_rewriting), (Format::CURRENT, false));
    assert_eq!(database.format().await.unwrap(), Format::CURRENT);
}

/// A database that the previous release has created.
async fn of_the_previous_release(home: &Home) -> (Database, Collection<Loan>) {
    home.open().await.close().await;
    set_version(home, Some(i32::from(Format::PREVIOUS.number()))).await;
    let database = home.open().await;
    let loans = database.collection().unwrap();
    (database, loans)
}

fn loan(days: u32) -> Loan {
    Loan { reader: "ana".to_owned(), days }
}

/// Returns the days of all loans as they are stored: by their name, `duration` or `days`.
async fn stored(database: &Database) -> Vec<(&'static str, u64)> {
    let documents = database.documents("loans", "", 1_000).await.unwrap();
    let days = |loan: &Value| {
        let number = |name: &str| loan.get(name).and_then(Value::as_u64);
        match (number("duration"), number("days"), loan.get("_format")) {
            (Some(days), None, None) => ("duration", days),
            (None, Some(days), Some(format)) if *format == Format::CURRENT.number() => ("days", days),
            _ => panic!("{loan}"),
        }
    };
    documents.iter().map(|(_, loan)| days(loan)).collect()
}

async fn documents_and_events_are_written_in_the_format_of_the_database(home: Home) {
    let (database, loans) = of_the_previous_release(&home).await;
    let id = Id::new();
    loans.insert(id, loan(7)).await.unwrap();
    assert_eq!(stored(&database).await, [("duration", 7)]);
    assert_eq!(loans.get(id).await.unwrap(), Some(loan(7)));
    let found = loans.find(BY_READER.find(["ana"])).await.unwrap();
    assert_eq!(found.items, [loan(7)]);
    loans.update(id, |loan, events| events.publish(&Returned { days: loan.days }).map(drop)).await.unwrap();

    database.begin_rewriting().await.unwrap();
    loans
        .update(id, |loan, events| {
            loan.days += 1;
            events.publish(&Returned { days: loan.days }).map(drop)
        })
        .await
        .unwrap();
    assert_eq!(stored(&database).await, [("days", 8)]);
    assert_eq!(loans.get(id).await.unwrap(), Some(loan(8)));
    let mut returned: Vec<u32> =
        database.pending_events_of::<Returned>().await.unwrap().iter().map(|event| event.event.days).collect();
    returned.sort_unstable();
    assert_eq!(returned, [7, 8], "events of both formats are read");
}

async fn documents_are_rewritten_while_others_write(home: Home) {
    const LOANS: u32 = 700;
    let (database, loans) = of_the_previous_release(&home).await;
    let ids: Vec<Id<Loan>> = (0..LOANS).map(|_| Id::new()).collect();
    let new = |id: &Id<Loan>| {
        (*id, |slot: &mut Option<Loan>| {
            *slot = Some(loan(1));
            Ok(())
        })
    };
    loans.bulk_update(ids.iter().map(new).collect()).await.unwrap();
    assert_eq!(database.count_outdated().await.unwrap(), [("loans", 700)]);

    // Another process, which does not know yet that the format changes.
    let other = home.open().await;
    let others: Collection<Loan> = other.collection().unwrap();
    assert_eq!(other.format().await.unwrap(), Format::PREVIOUS);
    database.begin_rewriting().await.unwrap();
    assert!(database.mark().await.unwrap().is_rewriting);
    let writing = tokio::spawn({
        let ids = ids.clone();
        async move {
            for id in ids {
                let add = |loan: &mut Loan, _: &mut souk_store::Events| {
                    loan.days += 1;
                    Ok(())
                };
                others.update(id, add).await.unwrap();
            }
        }
    });
    database.rewrite(|_, _| {}).await.unwrap();
    writing.await.unwrap();
    other.refresh_format().await.unwrap();
    assert_eq!(other.format().await.unwrap(), Format::CURRENT);
    // What the other process has written in the meantime.
    while database.rewrite(|_, _| {}).await.unwrap() > 0 {}
    database.finish_rewriting().await.unwrap();

    assert_eq!(database.count_outdated().await.unwrap(), [("loans", 0)]);
    assert_eq!(stored(&database).await, vec![("days", 2); 700]);
    let mark = other.mark().await.unwrap();
    assert_eq!((mark.format, mark.is_rewriting), (Format::CURRENT, false));
}

async fn a_copy_is_in_the_format_of_its_source(home: Home) {
    let (database, loans) = of_the_previous_release(&home).await;
    loans.insert(Id::new(), loan(7)).await.unwrap();
    let copy = home.another();
    let target = copy.open().await;
    let snapshot = Snapshot::of(&[&database]).await.unwrap().remove(0);
    snapshot.copy_to(&target).await.unwrap();
    target.close().await;
    let copied = copy.open().await;
    assert_eq!(copied.mark().await.unwrap(), database.mark().await.unwrap());
    let loans: Collection<Loan> = copied.collection().unwrap();
    loans.insert(Id::new(), loan(8)).await.unwrap();
    let mut all = stored(&copied).await;
    all.sort_unstable();
    assert_eq!(all, [("duration", 7), ("duration", 8)]);
}

async fn data_that_was_not_rewritten_completely_is_refused(home: Home) {
    store_a_book(&home).await;
    set_version(&home, Some(i32::from(Format::PREVIOUS.number()))).await;
    set_rewriting(&home).await;
    let error = refused(&home).await;
    assert!(error.operator_message().contains("must finish souk migrate run"), "{error}");
}

async fn set_rewriting(home: &Home) {
    match home {
        Home::Sqlite(directory, _) => {
            let file = rusqlite::Connection::open(directory.path().join("library.db")).unwrap();
            file.execute_batch("CREATE TABLE _rewriting (unused)").unwrap();
        }
        Home::Mongodb(fresh) => {
            let client = ::mongodb::Client::with_uri_str(&fresh.uri).await.unwrap();
            let marks = client.database(&fresh.name).collection::<Raw>("_format");
            marks.update_one(doc! {}, doc! {"$set": {"rewriting": true}}).await.unwrap();
        }
    }
}

async fn data_of_this_build_is_accepted_again(home: Home) {
    for copies in 1..=2 {
        let database = home.open().await;
        insert(&database.collection().unwrap(), Book::with_copies(copies)).await;
        database.close().await;
    }
}

async fn data_of_another_version_is_refused(home: Home) {
    store_a_book(&home).await;
    let current = i32::from(Format::CURRENT.number());
    for other in [current + 1, i32::from(Format::PREVIOUS.number()) - 1, current + 41] {
        set_version(&home, Some(other)).await;
        let error = refused(&home).await;
        assert!(error.operator_message().contains("this build reads"), "{other}: {error}");
    }
    set_version(&home, Some(current)).await;
    assert!(!home.open().await.is_empty().await.unwrap(), "nothing was changed");
}

async fn data_without_a_version_is_refused(home: Home) {
    store_a_book(&home).await;
    set_version(&home, None).await;
    let error = refused(&home).await;
    assert!(error.operator_message().contains("no format version"), "{error}");
}

async fn a_cleared_database_has_the_version_of_this_build(home: Home) {
    store_a_book(&home).await;
    if let Home::Mongodb(fresh) = &home {
        set_version(&home, None).await;
        let database = Database::mongodb("library", &fresh.uri, &fresh.name).unwrap();
        database.clear().await.unwrap();
    } else {
        home.open().await.clear().await.unwrap();
    }
    assert!(home.open().await.is_empty().await.unwrap());
}

async fn store_a_book(home: &Home) {
    let database = home.open().await;
    insert(&database.collection().unwrap(), Book::default()).await;
    database.close().await;
}

async fn refused(home: &Home) -> Error {
    match home {
        Home::Sqlite(directory, _) => {
            let opened = Database::sqlite("library", &directory.path().join("library.db"), Durability::Process);
            opened.map(|database| database.name()).unwrap_err()
        }
        Home::Mongodb(fresh) => {
            let database = Database::mongodb("library", &fresh.uri, &fresh.name).unwrap();
            let books = database.collection::<Book>().unwrap();
            for error in [books.is_empty().await.unwrap_err(), database.ping().await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
            }
            database.incompatible().await
        }
    }
}

async fn set_version(home: &Home, version: Option<i32>) {
    match home {
        Home::Sqlite(directory, _) => {
            let file = rusqlite::Connection::open(directory.path().join("library.db")).unwrap();
            file.pragma_update(None, "user_version", version.unwrap_or_default()).unwrap();
        }
        Home::Mongodb(fresh) => {
            let client = ::mongodb::Client::with_uri_str(&fresh.uri).await.unwrap();
            let marks = client.database(&fresh.name).collection::<Raw>("_format");
            marks.delete_many(doc! {}).await.unwrap();
            if let Some(version) = version {
                marks.insert_one(doc! {"_id": "format", "version": version}).await.unwrap();
            }
        }
    }
}
