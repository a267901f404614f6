//! Unique indexes.

use souk_store::Collection;
use souk_types::Result;
use tokio::task::JoinSet;

use crate::home::Home;
use crate::{BY_ISBN, Book, BookId, Origin, add_copy, copies, enqueue, hold, insert};

checks! {
    a_duplicate_names_its_index
    one_of_sixteen_concurrent_inserts_wins
    one_of_sixteen_inserts_through_two_handles_wins
    documents_without_the_value_do_not_collide
    an_update_to_a_duplicate_changes_nothing
    a_value_is_free_when_the_field_becomes_null
    a_value_is_free_when_the_document_is_deleted
    a_transaction_may_move_a_unique_value
    a_unique_index_of_two_fields_compares_both
    a_duplicate_fails_only_its_own_caller
    get_many_by_returns_existing_documents
}

async fn a_duplicate_names_its_index(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert(&books, Book::with_isbn("1")).await;
    let error = books.insert(BookId::new(), Book::with_isbn("1")).await.unwrap_err();
    assert!(error.is_duplicate(), "{error}");
    assert_eq!(error.members()["index"], "by_isbn");
}

async fn one_of_sixteen_concurrent_inserts_wins(home: Home) {
    let books = home.open().await.collection().unwrap();
    race(&[books]).await;
}

async fn one_of_sixteen_inserts_through_two_handles_wins(home: Home) {
    let handles = [home.open().await, home.open().await].map(|database| database.collection().unwrap());
    race(&handles).await;
}

async fn race(handles: &[Collection<Book>]) {
    let mut inserting = JoinSet::new();
    for books in handles.iter().cycle().take(16) {
        let books = books.clone();
        inserting.spawn(async move { books.insert(BookId::new(), Book::with_isbn("1")).await });
    }
    let mut won = 0;
    while let Some(outcome) = inserting.join_next().await {
        match outcome.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(error.is_duplicate(), "{error}"),
        }
    }
    assert_eq!(won, 1);
}

async fn documents_without_the_value_do_not_collide(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert(&books, Book::default()).await;
    insert(&books, Book::default()).await;
}

async fn an_update_to_a_duplicate_changes_nothing(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert(&books, Book::with_isbn("1")).await;
    let id = insert(&books, Book::with_isbn("2")).await;
    assert!(set_isbn(books.clone(), id, Some("1")).await.unwrap_err().is_duplicate());
    assert_eq!(books.get(id).await.unwrap(), Some(Book::with_isbn("2")));
}

async fn a_value_is_free_when_the_field_becomes_null(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::with_isbn("1")).await;
    set_isbn(books.clone(), id, None).await.unwrap();
    insert(&books, Book::with_isbn("1")).await;
}

async fn a_value_is_free_when_the_document_is_deleted(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, Book::with_isbn("1")).await;
    books
        .upsert(id, |slot, _| {
            *slot = None;
            Ok(())
        })
        .await
        .unwrap();
    insert(&books, Book::with_isbn("1")).await;
}

async fn a_transaction_may_move_a_unique_value(home: Home) {
    let database = home.open().await;
    let books = &database.collection().unwrap();
    // In either order of the two ids.
    let [first, second, third] = [BookId::new(), BookId::new(), BookId::new()];
    books.insert(second, Book::with_isbn("1")).await.unwrap();
    for (old, new) in [(second, first), (first, third)] {
        database
            .run(|tx| async move {
                tx.put(books, new, &Book::with_isbn("1")).await?;
                tx.delete(books, old).await
            })
            .await
            .unwrap();
    }
    assert_eq!(books.get(third).await.unwrap(), Some(Book::with_isbn("1")));
}

async fn a_unique_index_of_two_fields_compares_both(home: Home) {
    let books = home.open().await.collection().unwrap();
    let from = |country: &str, number| Book {
        origin: Origin { country: Some(country.to_owned()), number: Some(number) },
        ..Book::default()
    };
    insert(&books, from("IE", 1)).await;
    insert(&books, from("IE", 2)).await;
    insert(&books, from("FR", 1)).await;
    let error = books.insert(BookId::new(), from("IE", 1)).await.unwrap_err();
    assert_eq!(error.members()["index"], "by_origin");
}

async fn a_duplicate_fails_only_its_own_caller(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert(&books, Book::with_isbn("1")).await;
    let id = insert(&books, Book::with_isbn("2")).await;
    let held = hold(&books, id).await;
    let before = enqueue(add_copy(books.clone(), id));
    let colliding = enqueue(set_isbn(books.clone(), id, Some("1")));
    let after = enqueue(add_copy(books.clone(), id));
    held.release();
    assert_eq!(before.await.unwrap(), 1);
    assert!(colliding.await.unwrap_err().is_duplicate());
    assert_eq!(after.await.unwrap(), 2);
    assert_eq!(copies(&books, id).await, 2);
}

async fn get_many_by_returns_existing_documents(home: Home) {
    let books = home.open().await.collection().unwrap();
    for isbn in ["1", "2", "3"] {
        insert(&books, Book::with_isbn(isbn)).await;
    }
    let wanted = ["3", "none", "1"].map(str::to_owned).to_vec();
    let mut found: Vec<Book> = books.get_many_by(&BY_ISBN, wanted).await.unwrap();
    found.sort_by(|one, other| one.isbn.cmp(&other.isbn));
    assert_eq!(found, [Book::with_isbn("1"), Book::with_isbn("3")]);
}

async fn set_isbn(books: Collection<Book>, id: BookId, isbn: Option<&'static str>) -> Result<()> {
    books
        .update(id, move |book, _| {
            book.isbn = isbn.map(str::to_owned);
            Ok(())
        })
        .await
}
