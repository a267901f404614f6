//! Transactions over several documents.

use std::sync::atomic::{AtomicU32, Ordering};

use souk_store::{Collection, Database, Tx};
use souk_types::{Error, ErrorKind, Result};
use tokio::task::JoinSet;

use crate::home::Home;
use crate::{Book, BookId, add_copy, copies, insert, refused};

checks! {
    a_transaction_writes_several_documents
    a_transaction_spans_collections
    a_failed_transaction_writes_nothing
    a_duplicate_rolls_back_the_transaction
    a_transaction_sees_its_own_writes
    uncommitted_writes_are_invisible_to_others
    the_last_write_of_a_document_counts
    a_document_deleted_and_put_again_exists
    a_transaction_that_panics_writes_nothing
    a_changed_read_restarts_the_transaction
    a_changed_write_restarts_the_transaction
    a_read_of_a_missing_document_is_guarded
    a_deleted_read_restarts_the_transaction
    a_read_only_transaction_returns_a_consistent_state
    a_read_only_transaction_fails_on_a_consistent_state
    fifty_concurrent_transfers_keep_the_sum
    a_transaction_that_always_conflicts_fails_with_busy
}

async fn a_transaction_writes_several_documents(home: Home) {
    let shop = &Shop::open(&home).await;
    shop.transfer(7).await.unwrap();
    assert_eq!(shop.both().await, (93, 7));
}

async fn a_transaction_spans_collections(home: Home) {
    let shop = &Shop::open(&home).await;
    let drafts = &shop.database.collection::<Draft>().unwrap();
    let id = BookId::new();
    shop.database
        .run(|tx| async move {
            tx.put(&shop.books, id, &Book::called("a book")).await?;
            tx.put(drafts, id, &Draft { title: "a draft".to_owned() }).await
        })
        .await
        .unwrap();
    assert_eq!(shop.books.get(id).await.unwrap(), Some(Book::called("a book")));
    assert_eq!(drafts.get(id).await.unwrap(), Some(Draft { title: "a draft".to_owned() }));
}

async fn a_failed_transaction_writes_nothing(home: Home) {
    let shop = &Shop::open(&home).await;
    let error = shop
        .database
        .run(|tx| async move {
            shop.add(&tx, shop.here, -7).await?;
            tx.delete(&shop.books, shop.there).await?;
            Err::<(), _>(refused())
        })
        .await
        .unwrap_err();
    assert_eq!(error.code(), "refused");
    assert_eq!(shop.both().await, (100, 0));
}

async fn a_duplicate_rolls_back_the_transaction(home: Home) {
    let shop = &Shop::open(&home).await;
    insert(&shop.books, Book::with_isbn("1")).await;
    let late = BookId::new();
    let error = shop
        .database
        .run(|tx| async move {
            shop.add(&tx, shop.here, -7).await?;
            tx.delete(&shop.books, shop.there).await?;
            tx.put(&shop.books, late, &Book::with_isbn("1")).await
        })
        .await
        .unwrap_err();
    assert!(error.is_duplicate());
    assert_eq!(shop.both().await, (100, 0));
    assert_eq!(shop.books.get(late).await.unwrap(), None);
}

async fn a_transaction_sees_its_own_writes(home: Home) {
    let shop = &Shop::open(&home).await;
    let seen = shop
        .database
        .run(|tx| async move {
            shop.add(&tx, shop.here, 1).await?;
            let after_put = tx.get(&shop.books, shop.here).await?.map(|book| book.copies);
            tx.delete(&shop.books, shop.here).await?;
            let after_delete = tx.get(&shop.books, shop.here).await?;
            Ok((after_put, after_delete))
        })
        .await
        .unwrap();
    assert_eq!(seen, (Some(101), None));
}

async fn uncommitted_writes_are_invisible_to_others(home: Home) {
    let shop = &Shop::open(&home).await;
    let seen = shop
        .database
        .run(|tx| async move {
            shop.add(&tx, shop.here, 1).await?;
            Ok(shop.both().await)
        })
        .await
        .unwrap();
    assert_eq!(seen, (100, 0));
}

async fn the_last_write_of_a_document_counts(home: Home) {
    let shop = &Shop::open(&home).await;
    shop.database
        .run(|tx| async move {
            shop.add(&tx, shop.here, 1).await?;
            shop.add(&tx, shop.here, 1).await
        })
        .await
        .unwrap();
    assert_eq!(shop.both().await, (102, 0));
}

async fn a_document_deleted_and_put_again_exists(home: Home) {
    let shop = &Shop::open(&home).await;
    shop.database
        .run(|tx| async move {
            tx.delete(&shop.books, shop.here).await?;
            tx.put(&shop.books, shop.here, &Book::with_copies(5)).await
        })
        .await
        .unwrap();
    assert_eq!(shop.both().await, (5, 0));
}

async fn a_transaction_that_panics_writes_nothing(home: Home) {
    let shop = &Shop::open(&home).await;
    let running = shop.clone();
    let panicking = tokio::spawn(async move {
        let shop = &running;
        shop.database
            .run(|tx| async move {
                shop.add(&tx, shop.here, 1).await?;
                assert!(shop.books.get(shop.here).await?.is_none(), "on purpose");
                Ok(())
            })
            .await
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(shop.both().await, (100, 0));
    shop.transfer(1).await.unwrap();
}

async fn a_changed_read_restarts_the_transaction(home: Home) {
    let shop = &Shop::open(&home).await;
    let attempts = &AtomicU32::new(0);
    shop.database
        .run(|tx| async move {
            let here = tx.get(&shop.books, shop.here).await?.unwrap_or_default();
            if first(attempts) {
                add_copy(shop.books.clone(), shop.here).await?;
            }
            tx.put(&shop.books, shop.there, &here).await
        })
        .await
        .unwrap();
    assert_eq!(shop.both().await, (101, 101));
}

async fn a_changed_write_restarts_the_transaction(home: Home) {
    let shop = &Shop::open(&home).await;
    let attempts = &AtomicU32::new(0);
    shop.database
        .run(|tx| async move {
            shop.add(&tx, shop.here, 1).await?;
            shop.add(&tx, shop.there, 1).await?;
            if first(attempts) {
                add_copy(shop.books.clone(), shop.there).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(shop.both().await, (101, 2));
}

async fn a_read_of_a_missing_document_is_guarded(home: Home) {
    let shop = &Shop::open(&home).await;
    let (attempts, id) = (&AtomicU32::new(0), BookId::new());
    shop.database
        .run(|tx| async move {
            let there = tx.get(&shop.books, id).await?.is_some();
            if first(attempts) {
                shop.books.insert(id, Book::default()).await?;
            }
            tx.put(&shop.books, shop.there, &Book::with_copies(if there { 2 } else { 1 })).await
        })
        .await
        .unwrap();
    assert_eq!(copies(&shop.books, shop.there).await, 2);
}

async fn a_deleted_read_restarts_the_transaction(home: Home) {
    let shop = &Shop::open(&home).await;
    let attempts = &AtomicU32::new(0);
    let error = shop
        .database
        .run(|tx| async move {
            shop.add(&tx, shop.here, -1).await?;
            shop.add(&tx, shop.there, 1).await?;
            if first(attempts) {
                shop.books.upsert(shop.here, |slot, _| Ok(slot.take())).await?;
            }
            Ok(())
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(copies(&shop.books, shop.there).await, 0);
}

async fn a_read_only_transaction_returns_a_consistent_state(home: Home) {
    let shop = &Shop::open(&home).await;
    let attempts = &AtomicU32::new(0);
    let sum = shop
        .database
        .run(|tx| async move {
            let here = shop.see(&tx, shop.here).await?;
            if first(attempts) {
                shop.transfer(50).await?;
            }
            Ok(here + shop.see(&tx, shop.there).await?)
        })
        .await
        .unwrap();
    assert_eq!(sum, 100);
}

async fn a_read_only_transaction_fails_on_a_consistent_state(home: Home) {
    let shop = &Shop::open(&home).await;
    let attempts = &AtomicU32::new(0);
    let audit = shop.database.run(|tx| async move {
        let here = shop.see(&tx, shop.here).await?;
        if first(attempts) {
            shop.transfer(50).await?;
        }
        if here + shop.see(&tx, shop.there).await? == 100 { Ok(()) } else { Err(refused()) }
    });
    audit.await.unwrap();
}

async fn fifty_concurrent_transfers_keep_the_sum(home: Home) {
    let shop = &Shop::open(&home).await;
    let mut transferring = JoinSet::new();
    for _ in 0..50 {
        let shop = shop.clone();
        transferring.spawn(async move { shop.transfer(1).await });
    }
    let mut moved = 0;
    while let Some(outcome) = transferring.join_next().await {
        match outcome.unwrap() {
            Ok(()) => moved += 1,
            // A transaction that always conflicts fails with `busy`; the caller repeats it.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
        }
    }
    assert!(moved > 0);
    assert_eq!(shop.both().await, (100 - moved, moved));
}

async fn a_transaction_that_always_conflicts_fails_with_busy(home: Home) {
    let shop = &Shop::open(&home).await;
    let error = shop
        .database
        .run(|tx| async move {
            shop.add(&tx, shop.here, 1000).await?;
            shop.add(&tx, shop.there, 1000).await?;
            add_copy(shop.books.clone(), shop.there).await
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(shop.both().await.0, 100);
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Draft {
    title: String,
}

impl souk_store::Document for Draft {
    type Id = BookId;
    const COLLECTION: &'static str = "drafts";
}

/// Two shelves with 100 copies in all.
#[derive(Clone)]
struct Shop {
    database: Database,
    books: Collection<Book>,
    here: BookId,
    there: BookId,
}

impl Shop {
    async fn open(home: &Home) -> Self {
        let database = home.open().await;
        let books = database.collection().unwrap();
        let [here, there] = [insert(&books, Book::with_copies(100)).await, insert(&books, Book::default()).await];
        Self { database, books, here, there }
    }

    async fn see(&self, tx: &Tx, id: BookId) -> Result<i64> {
        let book = tx.get(&self.books, id).await?;
        book.map(|book| book.copies).ok_or_else(|| Error::not_found("shelf"))
    }

    async fn add(&self, tx: &Tx, id: BookId, copies: i64) -> Result<()> {
        let copies = self.see(tx, id).await? + copies;
        tx.put(&self.books, id, &Book::with_copies(copies)).await
    }

    async fn transfer(&self, copies: i64) -> Result<()> {
        self.database
            .run(|tx| async move {
                self.add(&tx, self.here, -copies).await?;
                self.add(&tx, self.there, copies).await
            })
            .await
    }

    async fn both(&self) -> (i64, i64) {
        (copies(&self.books, self.here).await, copies(&self.books, self.there).await)
    }
}

fn first(attempts: &AtomicU32) -> bool {
    attempts.fetch_add(1, Ordering::Relaxed) == 0
}
