//! Idempotent handling of events.

use souk_bus::{Delivery, EventId};
use souk_store::{Collection, Database, Tx};
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
