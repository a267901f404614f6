//! Search for personal data in all collections.

use souk_store::Events;

use crate::home::Home;
use crate::{Book, Lent, insert};

checks! {
    a_word_is_found_in_any_collection
    a_deleted_document_has_no_references
}

async fn a_word_is_found_in_any_collection(home: Home) {
    let database = home.open().await;
    let books = database.collection().unwrap();
    let id = insert(&books, Book { about: "Two Years at WALDEN Pond".to_owned(), ..Book::called("Life") }).await;
    insert(&books, Book::called("Emma")).await;
    // This handle has opened no collection.
    let other = home.open().await;
    let found = other.find_references(&["nowhere".to_owned(), "Walden".to_owned()]).await.unwrap();
    assert!(found.documents >= 2, "{found:?}");
    let at: Vec<_> =
        found.references.iter().map(|reference| (&*reference.collection, &*reference.id, &*reference.word)).collect();
    assert!(at.contains(&("books", &id.to_string(), "walden")), "{at:?}");
    assert!(
        found.references.iter().all(|reference| reference.text.contains("WALDEN") || reference.text.contains("walden"))
    );
    let by_id = other.find_references(&[id.to_string()]).await.unwrap().references;
    assert!(by_id.iter().any(|reference| reference.collection == "books"), "{by_id:?}");

    let event = database.run(|tx| async move { tx.publish(&Lent) }).await.unwrap();
    let waiting = other.find_references(&[event.to_string()]).await.unwrap().references;
    assert_eq!(waiting.len(), 1, "the outbox is searched too: {waiting:?}");
}

async fn a_deleted_document_has_no_references(home: Home) {
    let database = home.open().await;
    let books = database.collection::<Book>().unwrap();
    let id = insert(&books, Book::called("Walden")).await;
    let delete = |slot: &mut Option<Book>, _: &mut Events| {
        *slot = None;
        Ok(())
    };
    books.upsert(id, delete).await.unwrap();
    let found = database.find_references(&["walden".to_owned(), id.to_string()]).await.unwrap();
    assert!(found.references.is_empty(), "{found:?}");
}
