//! The suite of every storage engine. Each check is a function of an empty [`home::Home`];
//! `checks!` makes a test of it for every engine.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_bus::{Event, EventId};
use souk_store::{Collection, Database, Document, Index};
use souk_types::{Error, Id, Result};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

const HANGS: Duration = Duration::from_mins(1);

macro_rules! checks {
    ($($check:ident)*) => {
        checks!(@ sqlite_on_disk, Home::sqlite(Durability::Disk), [], $($check)*);
        checks!(@ sqlite_for_one_process, Home::sqlite(Durability::Process), [], $($check)*);
        checks!(@ mongodb, Home::mongodb(), [#[ignore = "needs MONGODB_URI: cargo xtask test"]], $($check)*);
    };
    (@ $engine:ident, $home:expr, $needs:tt, $($check:ident)*) => {
        mod $engine {
            #[allow(unused_imports, reason = "not every engine uses all of them")]
            use souk_store::Durability;

            use crate::home::Home;

            $(checks!(# $check, $home, $needs);)*
        }
    };
    (# $check:ident, $home:expr, [$($needs:tt)*]) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $($needs)*
        async fn $check() {
            tokio::time::timeout(crate::HANGS, super::$check($home)).await.expect("should not hang");
        }
    };
}

#[path = "store/bulk.rs"]
mod bulk;
#[path = "store/copy.rs"]
mod copy;
#[path = "store/durability.rs"]
mod durability;
#[path = "store/events.rs"]
mod events;
#[path = "store/filter.rs"]
mod filter;
#[path = "store/find.rs"]
mod find;
#[path = "store/format.rs"]
mod format;
#[path = "store/handle_once.rs"]
mod handle_once;
#[path = "support/home.rs"]
mod home;
#[path = "store/references.rs"]
mod references;
#[path = "store/run.rs"]
mod run;
#[path = "store/search.rs"]
mod search;
#[path = "store/unique.rs"]
mod unique;
#[path = "store/update.rs"]
mod update;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Book {
    title: String,
    about: String,
    isbn: Option<String>,
    shelf: Option<String>,
    /// Absent when `None`, while `shelf` is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<i64>,
    origin: Origin,
    copies: i64,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Origin {
    country: Option<String>,
    number: Option<i64>,
}

type BookId = Id<Book>;

static BY_ISBN: Index = Index::unique("by_isbn", &["isbn"]);
static BY_ORIGIN: Index = Index::unique("by_origin", &["origin.country", "origin.number"]);
static BY_SHELF: Index = Index::by("by_shelf", &["shelf"]);
static BY_PRICE: Index = Index::sorted("by_price", &[], "price");
static SHELF_BY_PRICE: Index = Index::sorted("shelf_by_price", &["shelf"], "price");
static BY_COUNTRY: Index = Index::by("by_country", &["origin.country"]);
static SHELF_AND_TITLE: Index = Index::by("shelf_and_title", &["shelf", "title"]);
static BY_TAG: Index = Index::each("by_tag", &["tags"]);

impl Document for Book {
    type Id = BookId;
    const COLLECTION: &'static str = "books";
    const INDEXES: &'static [Index] =
        &[BY_ISBN, BY_ORIGIN, BY_SHELF, BY_PRICE, SHELF_BY_PRICE, BY_COUNTRY, SHELF_AND_TITLE, BY_TAG];
    const SEARCHED: &'static [&'static str] = &["title", "about"];
}

impl Book {
    fn called(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    fn with_isbn(isbn: &str) -> Self {
        Self { isbn: Some(isbn.to_owned()), ..Self::default() }
    }

    fn with_copies(copies: i64) -> Self {
        Self { copies, ..Self::default() }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Lent;

impl Event for Lent {
    const NAME: &'static str = "library.lent";
    const LISTENERS: &'static [&'static str] = &[];
}

async fn insert(books: &Collection<Book>, book: Book) -> BookId {
    let id = BookId::new();
    books.insert(id, book).await.unwrap();
    id
}

/// Inserts concurrently, because concurrent inserts share a flush, and in batches, because each
/// insert has its own time limit.
async fn insert_all(books: &Collection<Book>, all: impl IntoIterator<Item = Book>) -> Vec<BookId> {
    const BATCH: usize = 100;
    let mut inserting = JoinSet::<Result<()>>::new();
    let mut ids = Vec::new();
    for book in all {
        if inserting.len() >= BATCH
            && let Some(inserted) = inserting.join_next().await
        {
            inserted.unwrap().unwrap();
        }
        let (books, id) = (books.clone(), BookId::new());
        ids.push(id);
        inserting.spawn(async move { books.insert(id, book).await });
    }
    while let Some(inserted) = inserting.join_next().await {
        inserted.unwrap().unwrap();
    }
    ids
}

async fn copies(books: &Collection<Book>, id: BookId) -> i64 {
    books.get(id).await.unwrap().expect("the book should be there").copies
}

async fn add_copy(books: Collection<Book>, id: BookId) -> Result<i64> {
    books
        .update(id, |book, _| {
            book.copies += 1;
            Ok(book.copies)
        })
        .await
}

fn refused() -> Error {
    Error::conflict("refused", "By the rule.")
}

/// Whether the event is in the outbox. No relay runs in these checks.
async fn is_waiting(database: &Database, event: EventId) -> bool {
    !database.wait_until_delivered(event, Duration::from_millis(300)).await
}

/// A document with an unfinished update. Further updates are queued and coalesced.
struct Held {
    release: mpsc::Sender<()>,
    holder: JoinHandle<Result<()>>,
}

impl Held {
    fn release(&self) {
        self.release.send(()).unwrap();
    }
}

async fn hold<T: Document>(documents: &Collection<T>, id: T::Id) -> Held {
    let (entered, inside) = oneshot::channel();
    let (release, released) = mpsc::channel();
    let (documents, mut entered) = (documents.clone(), Some(entered));
    let holder = tokio::spawn(async move {
        documents
            .upsert(id, move |_, _| {
                if let Some(entered) = entered.take() {
                    entered.send(()).unwrap();
                    tokio::task::block_in_place(|| released.recv().unwrap());
                }
                Ok(())
            })
            .await
    });
    inside.await.unwrap();
    Held { release, holder }
}

type Queued<R> = Pin<Box<dyn Future<Output = R> + Send>>;

fn enqueue<R>(update: impl Future<Output = R> + Send + 'static) -> Queued<R> {
    let mut queued: Queued<R> = Box::pin(update);
    assert!(queued.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    queued
}
