//! Events are committed with their write and never without it.

use std::sync::{Arc, Mutex};

use souk_bus::EventId;
use souk_store::{Collection, Events};
use souk_types::Result;

use crate::home::Home;
use crate::{Book, BookId, Lent, add_copy, enqueue, hold, insert, is_waiting, refused};

checks! {
    an_event_is_committed_with_its_write
    an_event_is_committed_when_the_document_is_unchanged
    a_failed_rule_publishes_nothing
    a_failed_rule_does_not_drop_events_of_coalesced_updates
    a_duplicate_publishes_nothing
    an_event_is_committed_with_a_transaction
    a_transaction_may_publish_and_write_nothing
    a_failed_transaction_publishes_nothing
    a_duplicate_in_a_transaction_publishes_nothing
}

async fn an_event_is_committed_with_its_write(home: Home) {
    let database = home.open().await;
    let books = database.collection().unwrap();
    let id = insert(&books, Book::with_copies(1)).await;
    assert!(is_waiting(&database, lend(books, id).await.unwrap()).await);
}

async fn an_event_is_committed_when_the_document_is_unchanged(home: Home) {
    let database = home.open().await;
    let books = database.collection::<Book>().unwrap();
    let id = insert(&books, Book::default()).await;
    let event = books.update(id, |_, events| events.publish(&Lent)).await.unwrap();
    assert!(is_waiting(&database, event).await);
}

async fn a_failed_rule_publishes_nothing(home: Home) {
    let database = home.open().await;
    let books = database.collection().unwrap();
    let id = insert(&books, Book::default()).await;
    let published = Published::default();
    lend_and_fail(books, id, published.clone()).await.unwrap_err();
    assert!(!is_waiting(&database, published.only()).await);
}

async fn a_failed_rule_does_not_drop_events_of_coalesced_updates(home: Home) {
    let database = home.open().await;
    let books = database.collection().unwrap();
    let id = insert(&books, Book::with_copies(2)).await;
    let held = hold(&books, id).await;
    let before = enqueue(lend(books.clone(), id));
    let published = Published::default();
    let failing = enqueue(lend_and_fail(books.clone(), id, published.clone()));
    let after = enqueue(lend(books.clone(), id));
    held.release();
    assert!(is_waiting(&database, before.await.unwrap()).await);
    failing.await.unwrap_err();
    assert!(!is_waiting(&database, published.only()).await);
    assert!(is_waiting(&database, after.await.unwrap()).await);
}

async fn a_duplicate_publishes_nothing(home: Home) {
    let database = home.open().await;
    let books = database.collection().unwrap();
    insert(&books, Book::with_isbn("1")).await;
    let id = insert(&books, Book::default()).await;
    let published = Published::default();
    let keep = published.clone();
    let refusal = books.update(id, move |book, events| {
        book.isbn = Some("1".to_owned());
        keep.publish(events)
    });
    assert!(refusal.await.unwrap_err().is_duplicate());
    assert!(!is_waiting(&database, published.only()).await);
    add_copy(books, id).await.unwrap();
    assert!(!is_waiting(&database, published.only()).await, "a later write published it");
}

async fn an_event_is_committed_with_a_transaction(home: Home) {
    let database = home.open().await;
    let books = &database.collection().unwrap();
    let event = database
        .run(|tx| async move {
            tx.put(books, BookId::new(), &Book::default()).await?;
            tx.publish(&Lent)
        })
        .await
        .unwrap();
    assert!(is_waiting(&database, event).await);
}

async fn a_transaction_may_publish_and_write_nothing(home: Home) {
    let database = home.open().await;
    let event = database.run(|tx| async move { tx.publish(&Lent) }).await.unwrap();
    assert!(is_waiting(&database, event).await);
}

async fn a_failed_transaction_publishes_nothing(home: Home) {
    let database = home.open().await;
    let books = &database.collection().unwrap();
    let published = &Published::default();
    database
        .run(|tx| async move {
            tx.put(books, BookId::new(), &Book::default()).await?;
            published.keep(tx.publish(&Lent)?);
            Err::<(), _>(refused())
        })
        .await
        .unwrap_err();
    assert!(!is_waiting(&database, published.only()).await);
}

async fn a_duplicate_in_a_transaction_publishes_nothing(home: Home) {
    let database = home.open().await;
    let books = &database.collection().unwrap();
    insert(books, Book::with_isbn("1")).await;
    let published = &Published::default();
    let refusal = database
        .run(|tx| async move {
            tx.put(books, BookId::new(), &Book::with_isbn("1")).await?;
            published.keep(tx.publish(&Lent)?);
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(refusal.is_duplicate());
    assert!(!is_waiting(&database, published.only()).await);
}

async fn lend(books: Collection<Book>, id: BookId) -> Result<EventId> {
    books
        .update(id, |book, events| {
            book.copies -= 1;
            events.publish(&Lent)
        })
        .await
}

async fn lend_and_fail(books: Collection<Book>, id: BookId, published: Published) -> Result<()> {
    books
        .update(id, move |book, events| {
            book.copies -= 1;
            published.publish(events)?;
            Err(refused())
        })
        .await
}

#[derive(Clone, Default)]
struct Published(Arc<Mutex<Vec<EventId>>>);

impl Published {
    fn publish(&self, events: &mut Events) -> Result<()> {
        self.keep(events.publish(&Lent)?);
        Ok(())
    }

    fn keep(&self, event: EventId) {
        self.0.lock().unwrap().push(event);
    }

    fn only(&self) -> EventId {
        let published = self.0.lock().unwrap();
        assert_eq!(published.len(), 1);
        published[0]
    }
}
