//! Bulk updates.

use souk_store::Collection;
use souk_types::{ErrorKind, Result};
use tokio::task::JoinSet;

use crate::home::Home;
use crate::{BY_SHELF, Book, BookId, add_copy, copies, insert, insert_all, refused};

checks! {
    a_collection_is_empty_until_a_document_is_inserted
    a_bulk_update_creates_changes_and_deletes
    a_bulk_update_of_one_document_twice_sees_the_first
    a_bulk_update_maintains_the_indexes
    an_error_of_a_rule_rolls_back_the_bulk_update
    a_panic_of_a_rule_fails_only_its_bulk_update
    a_duplicate_rolls_back_the_bulk_update
    concurrent_bulk_and_single_updates_are_all_applied
}

async fn a_collection_is_empty_until_a_document_is_inserted(home: Home) {
    let books = home.open().await.collection().unwrap();
    assert!(books.is_empty().await.unwrap());
    insert(&books, Book::default()).await;
    assert!(!books.is_empty().await.unwrap());
}

async fn a_bulk_update_creates_changes_and_deletes(home: Home) {
    let books = home.open().await.collection().unwrap();
    let made = BookId::new();
    let [changed, deleted] = [insert(&books, Book::with_copies(1)).await, insert(&books, Book::default()).await];
    let rule = move |id: BookId| {
        move |slot: &mut Option<Book>| {
            if id == deleted {
                *slot = None;
            } else {
                slot.get_or_insert_default().copies += 10;
            }
            Ok(())
        }
    };
    books.bulk_update([made, changed, deleted].map(|id| (id, rule(id))).to_vec()).await.unwrap();
    assert_eq!((copies(&books, made).await, copies(&books, changed).await), (10, 11));
    assert_eq!(books.get(deleted).await.unwrap(), None);
}

async fn a_bulk_update_of_one_document_twice_sees_the_first(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = BookId::new();
    add_to_all(&books, &[id, id]).await.unwrap();
    assert_eq!(copies(&books, id).await, 2);
}

async fn a_bulk_update_maintains_the_indexes(home: Home) {
    let books = home.open().await.collection().unwrap();
    let ids = insert_all(&books, [Book::called("old"), Book::called("old")]).await;
    let rule = |slot: &mut Option<Book>| {
        *slot = Some(Book { shelf: Some("a".to_owned()), ..Book::called("new") });
        Ok(())
    };
    books.bulk_update(ids.into_iter().map(|id| (id, rule)).collect()).await.unwrap();
    assert_eq!(books.find(BY_SHELF.find(["a"]).matching("new")).await.unwrap().items.len(), 2);
}

async fn an_error_of_a_rule_rolls_back_the_bulk_update(home: Home) {
    let books = home.open().await.collection().unwrap();
    let ids = insert_all(&books, [Book::default(), Book::default(), Book::default()]).await;
    let error = change_unless(&books, &ids, |at| if at == 1 { Err(refused()) } else { Ok(()) }).await.unwrap_err();
    assert_eq!(error.code(), "refused");
    assert_eq!(all_copies(&books, &ids).await, [0, 0, 0]);
}

async fn a_panic_of_a_rule_fails_only_its_bulk_update(home: Home) {
    let books = home.open().await.collection().unwrap();
    let ids = insert_all(&books, [Book::default(), Book::default(), Book::default()]).await;
    let error = change_unless(&books, &ids, |at| {
        assert_ne!(at, 1, "on purpose");
        Ok(())
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(all_copies(&books, &ids).await, [0, 0, 0]);
    add_copy(books, ids[0]).await.unwrap();
}

async fn a_duplicate_rolls_back_the_bulk_update(home: Home) {
    let books = home.open().await.collection().unwrap();
    let ids = insert_all(&books, [Book::default(), Book::default(), Book::default()]).await;
    let rule = |slot: &mut Option<Book>| {
        *slot = Some(Book { copies: 1, ..Book::with_isbn("1") });
        Ok(())
    };
    let error = books.bulk_update(ids.iter().map(|id| (*id, rule)).collect()).await.unwrap_err();
    assert!(error.is_duplicate(), "{error}");
    assert_eq!(all_copies(&books, &ids).await, [0, 0, 0]);
}

async fn concurrent_bulk_and_single_updates_are_all_applied(home: Home) {
    let books = home.open().await.collection().unwrap();
    let ids = insert_all(&books, [Book::default(), Book::default(), Book::default()]).await;
    let mut changing = JoinSet::new();
    for at in 0..150 {
        let (books, ids) = (books.clone(), ids.clone());
        changing.spawn(async move {
            if at % 5 == 0 {
                add_to_all(&books, &ids).await.unwrap();
            } else {
                add_copy(books, ids[at % 3]).await.unwrap();
            }
        });
    }
    while let Some(changed) = changing.join_next().await {
        changed.unwrap();
    }
    // 30 bulk updates of all three, and 120 updates of one each, 40 for each document.
    assert_eq!(all_copies(&books, &ids).await, [70, 70, 70]);
}

async fn add_to_all(books: &Collection<Book>, ids: &[BookId]) -> Result<()> {
    change_unless(books, ids, |_| Ok(())).await
}

/// Adds a copy to each document. `obstacle` is called with the index of each.
async fn change_unless(books: &Collection<Book>, ids: &[BookId], obstacle: fn(usize) -> Result<()>) -> Result<()> {
    let rule = |(at, id): (usize, &BookId)| {
        let rule = move |slot: &mut Option<Book>| {
            slot.get_or_insert_default().copies += 1;
            obstacle(at)
        };
        (*id, rule)
    };
    books.bulk_update(ids.iter().enumerate().map(rule).collect()).await
}

async fn all_copies(books: &Collection<Book>, ids: &[BookId]) -> Vec<i64> {
    let mut all = Vec::new();
    for id in ids {
        all.push(copies(books, *id).await);
    }
    all
}
