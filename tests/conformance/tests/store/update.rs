//! One document: get, insert, update, upsert, coalescing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use serde::{Deserialize, Serialize, Serializer};
use souk_store::{Collection, Document};
use souk_types::{Error, ErrorKind, Id};
use tokio::task::JoinSet;

use crate::home::Home;
use crate::{Book, BookId, add_copy, copies, enqueue, hold, insert, insert_all, refused};

checks! {
    a_missing_document_is_none
    an_inserted_document_is_returned
    a_second_insert_of_an_id_is_a_duplicate
    a_duplicate_insert_leaves_the_first_document_unchanged
    one_of_sixteen_inserts_of_an_id_wins
    an_absent_document_is_inserted_once
    get_many_returns_existing_documents
    an_update_changes_the_document_and_returns_the_result
    an_update_of_a_missing_document_is_not_found
    a_failed_rule_changes_nothing
    a_failed_rule_does_not_fail_coalesced_updates
    a_rule_that_panics_returns_an_internal_error
    a_rule_that_panics_does_not_fail_coalesced_updates
    a_document_that_fails_to_serialize_stays_usable
    a_failed_write_does_not_decide_over_other_rules
    upsert_creates_a_document
    upsert_deletes_a_document
    a_deleted_document_can_be_created_again
    two_hundred_updates_are_each_applied_once
    queued_updates_are_coalesced_into_one_write
    an_update_coalesced_after_a_delete_is_not_found
    two_handles_lose_no_update
    a_cancelled_queued_update_does_not_block_the_document
    a_cancelled_running_update_does_not_block_the_document
}

async fn a_missing_document_is_none(home: Home) {
    let books = home.open().await.collection::<Book>().unwrap();
    assert_eq!(books.get(BookId::new()).await.unwrap(), None);
}

async fn an_inserted_document_is_returned(home: Home) {
    let books = home.open().await.collection().unwrap();
    let book = Book { price: Some(7), shelf: Some("ü \"'\\\0".to_owned()), ..Book::called("Ulysses") };
    let id = insert(&books, book.clone()).await;
    assert_eq!(books.get(id).await.unwrap(), Some(book));
}

async fn a_second_insert_of_an_id_is_a_duplicate(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::called("Emma")).await;
    let error = books.insert(id, Book::called("Persuasion")).await.unwrap_err();
    assert!(error.is_duplicate(), "{error}");
}

async fn a_duplicate_insert_leaves_the_first_document_unchanged(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::called("Emma")).await;
    let _ = books.insert(id, Book::called("Persuasion")).await;
    assert_eq!(books.get(id).await.unwrap(), Some(Book::called("Emma")));
}

async fn one_of_sixteen_inserts_of_an_id_wins(home: Home) {
    let handles: [Collection<Book>; 2] = [home.open().await, home.open().await].map(|open| open.collection().unwrap());
    let id = BookId::new();
    let mut inserting = JoinSet::new();
    for (copies, books) in (0..16).zip(handles.iter().cycle().cloned()) {
        inserting.spawn(async move { books.insert(id, Book::with_copies(copies)).await.map(|()| copies) });
    }
    let (mut won, mut duplicates) = (Vec::new(), 0);
    while let Some(outcome) = inserting.join_next().await {
        match outcome.unwrap() {
            Ok(copies) => won.push(copies),
            Err(error) => {
                assert!(error.is_duplicate(), "{error}");
                duplicates += 1;
            }
        }
    }
    assert_eq!((won.len(), duplicates), (1, 15));
    assert_eq!(copies(&handles[1], id).await, won[0]);
}

async fn an_absent_document_is_inserted_once(home: Home) {
    let handles = [home.open().await.collection::<Book>().unwrap(), home.open().await.collection().unwrap()];
    let id = BookId::new();
    let inserts =
        (1..=20).map(|copies| handles[usize::from(copies % 2 == 0)].insert_if_absent(id, Book::with_copies(copies)));
    let inserted = futures_util::future::join_all(inserts).await;
    let inserted: Vec<bool> = inserted.into_iter().map(Result::unwrap).collect();
    assert_eq!(inserted.iter().filter(|inserted| **inserted).count(), 1, "{inserted:?}");
    let first = inserted.iter().position(|inserted| *inserted).unwrap();
    assert_eq!(copies(&handles[0], id).await, i64::try_from(first).unwrap() + 1);
}

async fn get_many_returns_existing_documents(home: Home) {
    let books = home.open().await.collection().unwrap();
    let ids = insert_all(&books, ["Emma", "Ulysses", "Walden"].map(Book::called)).await;
    let found = books.get_many(&[ids[2], BookId::new(), ids[0]]).await.unwrap();
    let titles: BTreeSet<&str> = found.iter().map(|book| book.title.as_str()).collect();
    assert_eq!(titles, BTreeSet::from(["Emma", "Walden"]));
}

async fn an_update_changes_the_document_and_returns_the_result(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::with_copies(6)).await;
    assert_eq!(add_copy(books.clone(), id).await.unwrap(), 7);
    assert_eq!(copies(&books, id).await, 7);
}

async fn an_update_of_a_missing_document_is_not_found(home: Home) {
    let books = home.open().await.collection().unwrap();
    let error = add_copy(books, BookId::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

async fn a_failed_rule_changes_nothing(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::with_copies(1)).await;
    let error = fail(books.clone(), id).await.unwrap_err();
    assert_eq!(error.code(), "refused");
    assert_eq!(copies(&books, id).await, 1);
}

async fn a_failed_rule_does_not_fail_coalesced_updates(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::default()).await;
    let held = hold(&books, id).await;
    let before = enqueue(add_copy(books.clone(), id));
    let failing = enqueue(fail(books.clone(), id));
    let after = enqueue(add_copy(books.clone(), id));
    held.release();
    assert_eq!(before.await.unwrap(), 1);
    assert_eq!(failing.await.unwrap_err().code(), "refused");
    assert_eq!(after.await.unwrap(), 2);
    assert_eq!(copies(&books, id).await, 2);
}

async fn a_rule_that_panics_returns_an_internal_error(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::default()).await;
    assert_eq!(panic(books, id).await.unwrap_err().kind(), ErrorKind::Internal);
}

async fn a_rule_that_panics_does_not_fail_coalesced_updates(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::default()).await;
    let held = hold(&books, id).await;
    let before = enqueue(add_copy(books.clone(), id));
    let panicking = enqueue(panic(books.clone(), id));
    let after = enqueue(add_copy(books.clone(), id));
    held.release();
    assert_eq!(before.await.unwrap(), 1);
    assert!(panicking.await.is_err());
    assert_eq!(after.await.unwrap(), 2);
    assert_eq!(add_copy(books, id).await.unwrap(), 3);
}

async fn a_document_that_fails_to_serialize_stays_usable(home: Home) {
    let pages = home.open().await.collection::<Page>().unwrap();
    let id = Id::new();
    pages.insert(id, Page::named("first")).await.unwrap();
    let rename = |name: &'static str| {
        pages.update(id, move |page, _| {
            *page = Page::named(name);
            Ok(())
        })
    };
    assert_eq!(rename(UNWRITABLE).await.unwrap_err().kind(), ErrorKind::Internal);
    rename("second").await.unwrap();
    assert_eq!(pages.get(id).await.unwrap(), Some(Page::named("second")));
}

async fn a_failed_write_does_not_decide_over_other_rules(home: Home) {
    let pages = home.open().await.collection::<Page>().unwrap();
    let id = Id::new();
    pages.insert(id, Page::named("first")).await.unwrap();
    let held = hold(&pages, id).await;
    let (writing, checking) = (pages.clone(), pages.clone());
    let unwritable = enqueue(async move {
        let rename = writing.update(id, |page, _| {
            *page = Page::named(UNWRITABLE);
            Ok(())
        });
        rename.await
    });
    let check = enqueue(async move {
        let check = checking.update(id, |page, _| if page.name == "first" { Ok(()) } else { Err(refused()) });
        check.await
    });
    held.release();
    assert_eq!(unwritable.await.unwrap_err().kind(), ErrorKind::Internal);
    // It may fail with the write, but not on state that was never stored.
    assert!(!matches!(check.await, Err(error) if error.code() == "refused"));
}

async fn upsert_creates_a_document(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = BookId::new();
    books
        .upsert(id, |slot, _| {
            assert_eq!(*slot, None);
            *slot = Some(Book::called("Emma"));
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(books.get(id).await.unwrap(), Some(Book::called("Emma")));
}

async fn upsert_deletes_a_document(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::called("Emma")).await;
    assert_eq!(delete(books.clone(), id).await.unwrap(), Some(Book::called("Emma")));
    assert_eq!(books.get(id).await.unwrap(), None);
}

async fn a_deleted_document_can_be_created_again(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::called("Emma")).await;
    delete(books.clone(), id).await.unwrap();
    books.insert(id, Book::called("Ulysses")).await.unwrap();
    add_copy(books.clone(), id).await.unwrap();
    assert_eq!(books.get(id).await.unwrap(), Some(Book { copies: 1, ..Book::called("Ulysses") }));
}

async fn two_hundred_updates_are_each_applied_once(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::default()).await;
    let mut adding = JoinSet::new();
    for _ in 0..200 {
        adding.spawn(add_copy(books.clone(), id));
    }
    let mut answers = BTreeSet::new();
    while let Some(answer) = adding.join_next().await {
        answers.insert(answer.unwrap().unwrap());
    }
    assert_eq!(answers, (1..=200).collect());
    assert_eq!(copies(&books, id).await, 200);
}

async fn queued_updates_are_coalesced_into_one_write(home: Home) {
    let pages = home.open().await.collection::<Page>().unwrap();
    let id = Id::new();
    let name = id.to_string();
    pages.insert(id, Page::named(&name)).await.unwrap();
    let held = hold(&pages, id).await;
    let read = |pages: Collection<Page>| async move {
        pages
            .update(id, |page, _| {
                page.reads += 1;
                Ok(page.reads)
            })
            .await
    };
    let reading: Vec<_> = (0..200).map(|_| enqueue(read(pages.clone()))).collect();
    held.release();
    for (at, read) in (1..).zip(reading) {
        assert_eq!(read.await.unwrap(), at);
    }
    assert_eq!(pages.get(id).await.unwrap().unwrap().reads, 200);
    assert!(times_written(&name) < 100, "written {} times", times_written(&name));
}

async fn an_update_coalesced_after_a_delete_is_not_found(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::default()).await;
    let held = hold(&books, id).await;
    let deleting = enqueue(delete(books.clone(), id));
    let adding = enqueue(add_copy(books.clone(), id));
    held.release();
    assert!(deleting.await.is_ok());
    assert_eq!(adding.await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn two_handles_lose_no_update(home: Home) {
    let handles = [home.open().await, home.open().await].map(|database| database.collection::<Book>().unwrap());
    let id = insert(&handles[0], Book::default()).await;
    let mut adding = JoinSet::new();
    for books in handles.iter().cycle().take(8) {
        let books = books.clone();
        adding.spawn(async move {
            for _ in 0..25 {
                add_copy(books.clone(), id).await.unwrap();
            }
        });
    }
    while let Some(added) = adding.join_next().await {
        added.unwrap();
    }
    assert_eq!(copies(&handles[0], id).await, 200);
    assert_eq!(copies(&handles[1], id).await, 200);
}

async fn a_cancelled_queued_update_does_not_block_the_document(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::default()).await;
    let held = hold(&books, id).await;
    drop(enqueue(add_copy(books.clone(), id)));
    let staying = enqueue(add_copy(books.clone(), id));
    held.release();
    staying.await.unwrap();
}

async fn a_cancelled_running_update_does_not_block_the_document(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::default()).await;
    let held = hold(&books, id).await;
    let waiting = enqueue(add_copy(books.clone(), id));
    held.holder.abort();
    held.release();
    waiting.await.unwrap();
    add_copy(books, id).await.unwrap();
}

async fn fail(books: Collection<Book>, id: BookId) -> Result<(), Error> {
    books
        .update(id, |book, _| {
            book.copies += 1000;
            Err(refused())
        })
        .await
}

async fn panic(books: Collection<Book>, id: BookId) -> Result<(), Error> {
    books
        .update(id, |book, _| {
            book.copies += 1000;
            panic!("on purpose")
        })
        .await
}

async fn delete(books: Collection<Book>, id: BookId) -> Result<Option<Book>, Error> {
    books.upsert(id, |slot, _| Ok(slot.take())).await
}

/// A document that counts its serializations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page {
    #[serde(serialize_with = "count")]
    name: String,
    reads: u32,
}

impl Document for Page {
    type Id = Id<Page>;
    const COLLECTION: &'static str = "pages";
}

impl Page {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), reads: 0 }
    }
}

/// A page name that panics when it is serialized.
const UNWRITABLE: &str = "unwritable";

static WRITTEN: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);

fn count<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    assert_ne!(name, UNWRITABLE, "on purpose");
    *WRITTEN.lock().unwrap().get_or_insert_default().entry(name.to_owned()).or_default() += 1;
    serializer.serialize_str(name)
}

fn times_written(name: &str) -> usize {
    WRITTEN.lock().unwrap().as_ref().and_then(|written| written.get(name).copied()).unwrap_or_default()
}
