//! Reopening a database, also by a later version with other indexes.

use serde::{Deserialize, Serialize};
use souk_store::{Collection, Document, Index};

use crate::home::Home;
use crate::{Book, BookId, Lent, Origin, add_copy, copies, insert, is_waiting};

checks! {
    a_document_is_there_after_reopening
    an_index_is_there_after_reopening
    an_event_is_pending_after_reopening
    a_write_is_visible_to_other_handles_at_once
    a_write_is_found_by_other_handles_at_once
    a_new_index_finds_old_documents
    a_new_unique_index_guards_old_documents
    a_new_ordering_index_lists_old_documents
    a_new_search_finds_old_documents
    a_search_with_a_new_field_finds_old_documents
    a_search_with_a_new_field_follows_edits_of_old_documents
    a_missing_field_of_an_old_document_may_have_a_default
}

async fn a_document_is_there_after_reopening(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::with_copies(7)).await;
    drop(books);
    assert_eq!(copies(&home.open().await.collection().unwrap(), id).await, 7);
}

async fn an_index_is_there_after_reopening(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert(&books, Book { shelf: Some("a".to_owned()), ..Book::called("Emma") }).await;
    drop(books);
    let books: Collection<Book> = home.open().await.collection().unwrap();
    assert_eq!(books.find(crate::BY_SHELF.find(["a"])).await.unwrap().items.len(), 1);
}

async fn an_event_is_pending_after_reopening(home: Home) {
    let database = home.open().await;
    let event = database.run(|tx| async move { tx.publish(&Lent) }).await.unwrap();
    drop(database);
    assert!(is_waiting(&home.open().await, event).await);
}

async fn a_write_is_visible_to_other_handles_at_once(home: Home) {
    let [one, other] = [home.open().await, home.open().await].map(|database| database.collection().unwrap());
    let id = insert(&one, Book::default()).await;
    for expected in 1..20 {
        add_copy(one.clone(), id).await.unwrap();
        assert_eq!(copies(&other, id).await, expected);
    }
}

async fn a_write_is_found_by_other_handles_at_once(home: Home) {
    let [one, other] = [home.open().await, home.open().await].map(|database| database.collection::<Book>().unwrap());
    for expected in 1..20 {
        insert(&one, Book { shelf: Some("a".to_owned()), ..Book::default() }).await;
        assert_eq!(other.find(crate::BY_SHELF.find(["a"])).await.unwrap().items.len(), expected);
    }
}

async fn a_new_index_finds_old_documents(home: Home) {
    keep_old(&home).await;
    let books: Collection<Book> = home.open().await.collection().unwrap();
    let found = books.find(crate::BY_COUNTRY.find(["IE"])).await.unwrap().items;
    assert_eq!(found, [old()]);
}

async fn a_new_unique_index_guards_old_documents(home: Home) {
    keep_old(&home).await;
    let books: Collection<Book> = home.open().await.collection().unwrap();
    let error = books.insert(BookId::new(), Book { isbn: old().isbn, ..Book::default() }).await.unwrap_err();
    assert!(error.is_duplicate(), "{error}");
}

async fn a_new_ordering_index_lists_old_documents(home: Home) {
    keep_old(&home).await;
    let books: Collection<Book> = home.open().await.collection().unwrap();
    insert(&books, Book { price: Some(0), ..Book::called("Emma") }).await;
    let found = books.find(crate::BY_PRICE.all()).await.unwrap().items;
    assert_eq!(found.into_iter().map(|book| book.title).collect::<Vec<_>>(), ["Emma", "Ulysses"]);
}

async fn a_new_search_finds_old_documents(home: Home) {
    keep_old(&home).await;
    let books: Collection<Searched> = home.open().await.collection().unwrap();
    assert_eq!(books.find(BY_TITLE.all().matching("ulysses")).await.unwrap().items.len(), 1);
}

async fn a_search_with_a_new_field_finds_old_documents(home: Home) {
    keep_old(&home).await;
    drop(home.open().await.collection::<Searched>().unwrap());
    let books: Collection<Book> = home.open().await.collection().unwrap();
    let found = books.find(crate::BY_PRICE.all().matching("dublin")).await.unwrap().items;
    assert_eq!(found, [old()]);
}

async fn a_search_with_a_new_field_follows_edits_of_old_documents(home: Home) {
    let id = keep_old(&home).await;
    drop(home.open().await.collection::<Searched>().unwrap());
    let books: Collection<Book> = home.open().await.collection().unwrap();
    books
        .update(id, |book, _| {
            "A day in a town.".clone_into(&mut book.about);
            Ok(())
        })
        .await
        .unwrap();
    let found = async |words| books.find(crate::BY_PRICE.all().matching(words)).await.unwrap().items.len();
    assert_eq!((found("dublin").await, found("town").await), (0, 1));
}

async fn a_missing_field_of_an_old_document_may_have_a_default(home: Home) {
    let books: Collection<Short> = home.open().await.collection().unwrap();
    let id = BookId::new();
    books.insert(id, Short { title: "Ulysses".to_owned() }).await.unwrap();
    drop(books);
    let books: Collection<Searched> = home.open().await.collection().unwrap();
    books
        .update(id, |book, _| {
            book.pages += 1;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(books.get(id).await.unwrap().unwrap().pages, 1);
}

fn old() -> Book {
    Book {
        about: "A day in Dublin.".to_owned(),
        isbn: Some("1".to_owned()),
        price: Some(9),
        origin: Origin { country: Some("IE".to_owned()), number: None },
        ..Book::called("Ulysses")
    }
}

async fn keep_old(home: &Home) -> BookId {
    let books: Collection<Unindexed> = home.open().await.collection().unwrap();
    let id = BookId::new();
    books.insert(id, Unindexed(old())).await.unwrap();
    id
}

#[derive(Clone, Serialize, Deserialize)]
struct Unindexed(Book);

impl Document for Unindexed {
    type Id = BookId;
    const COLLECTION: &'static str = Book::COLLECTION;
}

static BY_TITLE: Index = Index::sorted("by_title", &[], "title");

/// A version that searched the titles only.
#[derive(Clone, Serialize, Deserialize)]
struct Searched {
    title: String,
    #[serde(default)]
    pages: u32,
}

impl Document for Searched {
    type Id = BookId;
    const COLLECTION: &'static str = Book::COLLECTION;
    const INDEXES: &'static [Index] = &[BY_TITLE];
    const SEARCHED: &'static [&'static str] = &["title"];
}

#[derive(Clone, Serialize, Deserialize)]
struct Short {
    title: String,
}

impl Document for Short {
    type Id = BookId;
    const COLLECTION: &'static str = Book::COLLECTION;
}
