//! Idempotent handling of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join_all;
use souk_bus::{Delivery, EventId};
use souk_store::{BatchHandler, Collection, Database, Tx};
use souk_types::Result;
use tokio::task::JoinSet;

use crate::home::Home;
use crate::{Book, BookId, Lent, copies, insert, is_waiting, refused};

checks! {
    the_first_delivery_is_handled
    a_repeated_delivery_has_no_effect
    a_repeated_delivery_succeeds_when_the_handler_would_fail
    a_repeated_delivery_has_no_effect_after_reopening
    a_handler_may_write_nothing
    another_event_is_handled_too
    a_failed_delivery_is_handled_later
    a_delivery_that_failed_on_a_duplicate_is_handled_later
    concurrent_deliveries_have_one_effect
    concurrent_deliveries_through_two_handles_have_one_effect
    a_repeated_delivery_publishes_nothing
    deliveries_that_arrive_together_share_a_commit
    a_batch_handles_each_event_once
    a_failed_event_does_not_fail_its_batch
}

async fn the_first_delivery_is_handled(home: Home) {
    let shelf = &Shelf::open(&home).await;
    shelf.lend(&delivery()).await.unwrap();
    assert_eq!(shelf.lent().await, 1);
}

async fn a_repeated_delivery_has_no_effect(home: Home) {
    let shelf = &Shelf::open(&home).await;
    let delivery = delivery();
    shelf.lend(&delivery).await.unwrap();
    shelf.lend(&delivery).await.unwrap();
    assert_eq!(shelf.lent().await, 1);
}

async fn a_repeated_delivery_succeeds_when_the_handler_would_fail(home: Home) {
    let shelf = &Shelf::open(&home).await;
    let delivery = delivery();
    let remove = || {
        shelf.database.handle_once(&delivery, |tx| async move {
            tx.get(&shelf.books, shelf.book).await?.ok_or_else(refused)?;
            tx.delete(&shelf.books, shelf.book).await
        })
    };
    remove().await.unwrap();
    remove().await.unwrap();
}

async fn a_repeated_delivery_has_no_effect_after_reopening(home: Home) {
    let shelf = Shelf::open(&home).await;
    let delivery = delivery();
    shelf.lend(&delivery).await.unwrap();
    let book = shelf.book;
    drop(shelf);
    let shelf = &Shelf::reopen(&home, book).await;
    shelf.lend(&delivery).await.unwrap();
    assert_eq!(shelf.lent().await, 1);
}

async fn a_handler_may_write_nothing(home: Home) {
    let shelf = &Shelf::open(&home).await;
    let delivery = delivery();
    shelf.database.handle_once(&delivery, |_| async { Ok(()) }).await.unwrap();
    shelf.lend(&delivery).await.unwrap();
    assert_eq!(shelf.lent().await, 0);
}

async fn another_event_is_handled_too(home: Home) {
    let shelf = &Shelf::open(&home).await;
    shelf.lend(&delivery()).await.unwrap();
    shelf.lend(&delivery()).await.unwrap();
    assert_eq!(shelf.lent().await, 2);
}

async fn a_failed_delivery_is_handled_later(home: Home) {
    let shelf = &Shelf::open(&home).await;
    let delivery = delivery();
    let failing = shelf.database.handle_once(&delivery, |tx| async move {
        tx.put(&shelf.books, shelf.book, &Book::with_copies(1000)).await?;
        Err(refused())
    });
    assert_eq!(failing.await.unwrap_err().code(), "refused");
    assert_eq!(shelf.lent().await, 0);
    shelf.lend(&delivery).await.unwrap();
    assert_eq!(shelf.lent().await, 1);
}

async fn a_delivery_that_failed_on_a_duplicate_is_handled_later(home: Home) {
    let shelf = &Shelf::open(&home).await;
    insert(&shelf.books, Book::with_isbn("1")).await;
    let delivery = delivery();
    let colliding = shelf
        .database
        .handle_once(&delivery, |tx| async move { tx.put(&shelf.books, BookId::new(), &Book::with_isbn("1")).await });
    assert!(colliding.await.unwrap_err().is_duplicate());
    shelf.lend(&delivery).await.unwrap();
    assert_eq!(shelf.lent().await, 1);
}

async fn concurrent_deliveries_have_one_effect(home: Home) {
    let shelf = Shelf::open(&home).await;
    deliver_twice([shelf.clone(), shelf]).await;
}

async fn concurrent_deliveries_through_two_handles_have_one_effect(home: Home) {
    let shelf = Shelf::open(&home).await;
    let other = Shelf::reopen(&home, shelf.book).await;
    deliver_twice([shelf, other]).await;
}

async fn deliver_twice(handles: [Shelf; 2]) {
    for round in 1..=20 {
        let delivery = delivery();
        let mut delivering = JoinSet::new();
        for shelf in handles.clone() {
            let delivery = delivery.clone();
            delivering.spawn(async move { shelf.lend(&delivery).await });
        }
        while let Some(delivered) = delivering.join_next().await {
            delivered.unwrap().unwrap();
        }
        assert_eq!(handles[0].lent().await, round);
    }
}

async fn a_repeated_delivery_publishes_nothing(home: Home) {
    let shelf = &Shelf::open(&home).await;
    let delivery = delivery();
    let published = &std::sync::Mutex::new(Vec::new());
    for _ in 0..2 {
        let passing_on = shelf.database.handle_once(&delivery, |tx| async move {
            published.lock().unwrap().push(tx.publish(&Lent)?);
            Ok(())
        });
        passing_on.await.unwrap();
    }
    let mut waiting = 0;
    let published: Vec<EventId> = published.lock().unwrap().clone();
    for event in published {
        waiting += u32::from(is_waiting(&shelf.database, event).await);
    }
    assert_eq!(waiting, 1);
}

async fn deliveries_that_arrive_together_share_a_commit(home: Home) {
    let shelf = Shelf::open(&home).await;
    let most_uncommitted = Arc::new(AtomicI64::new(0));
    let (own, most) = (shelf.clone(), Arc::clone(&most_uncommitted));
    let lending = BatchHandler::new(&shelf.database, move |tx, _: Arc<Lent>| {
        let (own, most) = (own.clone(), Arc::clone(&most));
        async move {
            own.lend_in(&tx).await?;
            let inside = tx.get(&own.books, own.book).await?.map_or(0, |book| book.copies);
            most.fetch_max(inside - own.lent().await, Ordering::Relaxed);
            Ok(())
        }
    });
    // The first one may be alone, and the others arrive meanwhile.
    let handled = join_all((0..10).map(|_| lending.handle_once(delivery()))).await;
    assert!(handled.iter().all(Result::is_ok), "{handled:?}");
    assert_eq!(shelf.lent().await, 10);
    assert!(most_uncommitted.load(Ordering::Relaxed) >= 9, "{most_uncommitted:?}");
}

async fn a_batch_handles_each_event_once(home: Home) {
    let (shelf, deliveries) = (Shelf::open(&home).await, [0; 3].map(|event| Delivery { id: EventId::new(), event }));
    shelf.lend(&Delivery { id: deliveries[1].id, event: Lent }).await.unwrap();
    let lending = lending(&shelf);
    for _ in 0..2 {
        let twice = deliveries.iter().chain(&deliveries).cloned();
        let handled = join_all(twice.map(|delivery| lending.handle_once(delivery))).await;
        assert!(handled.iter().all(Result::is_ok), "{handled:?}");
        assert_eq!(shelf.lent().await, 3);
    }
}

async fn a_failed_event_does_not_fail_its_batch(home: Home) {
    let shelf = Shelf::open(&home).await;
    let lending = lending(&shelf);
    let numbered = |number| lending.handle_once(Delivery { id: EventId::new(), event: number });
    let handled = join_all([1, 2, FAILS, 4, PANICS, 6, 7].map(numbered)).await;
    let failed: Vec<usize> = (0..handled.len()).filter(|at| handled[*at].is_err()).collect();
    assert_eq!((failed, shelf.lent().await), (vec![2, 4], 5), "{handled:?}");
    numbered(8).await.unwrap();
    assert_eq!(shelf.lent().await, 6);
}

const FAILS: u32 = 3;
const PANICS: u32 = 5;

/// Lends a book for each event.
fn lending(shelf: &Shelf) -> BatchHandler<u32> {
    let own = shelf.clone();
    BatchHandler::new(&shelf.database, move |tx, number: Arc<u32>| {
        let own = own.clone();
        async move {
            assert_ne!(*number, PANICS, "fails on purpose");
            own.lend_in(&tx).await?;
            if *number == FAILS { Err(refused()) } else { Ok(()) }
        }
    })
}

fn delivery() -> Delivery<Lent> {
    Delivery { id: EventId::new(), event: Lent }
}

#[derive(Clone)]
struct Shelf {
    database: Database,
    books: Collection<Book>,
    book: BookId,
}

impl Shelf {
    async fn open(home: &Home) -> Self {
        let book = BookId::new();
        let shelf = Self::reopen(home, book).await;
        shelf.books.insert(book, Book::default()).await.unwrap();
        shelf
    }

    async fn reopen(home: &Home, book: BookId) -> Self {
        let database = home.open().await;
        let books = database.collection().unwrap();
        Self { database, books, book }
    }

    async fn lend(&self, delivery: &Delivery<Lent>) -> Result<()> {
        self.database.handle_once(delivery, |tx| async move { self.lend_in(&tx).await }).await
    }

    async fn lend_in(&self, tx: &Tx) -> Result<()> {
        let copies = tx.get(&self.books, self.book).await?.unwrap_or_default().copies;
        tx.put(&self.books, self.book, &Book::with_copies(copies + 1)).await
    }

    async fn lent(&self) -> i64 {
        copies(&self.books, self.book).await
    }
}
