//! Consistent copies of databases between engines.

use souk_bus::Delivery;
use souk_store::{Collection, CopyStats, Database, Durability, Events, Snapshot};
use souk_types::ErrorKind;

use crate::home::Home;
use crate::{BY_PRICE, BY_SHELF, Book, BookId, Lent, add_copy, copies, insert, insert_all, is_waiting};

checks! {
    a_copy_has_everything
    a_snapshot_does_not_see_later_writes
    a_snapshot_of_several_databases_is_consistent
    a_copy_into_a_database_that_is_not_empty_is_refused
    a_cleared_database_is_empty
    secure_delete_beside_a_snapshot_may_be_busy
}

/// Copies to SQLite and from there to an empty home of the first engine.
async fn copied(home: &Home) -> Home {
    let file = Home::sqlite(Durability::Disk);
    copy(&home.open().await, &file.open().await).await;
    let like = home.another();
    copy(&file.open().await, &like.open().await).await;
    like
}

async fn copy(from: &Database, to: &Database) -> CopyStats {
    let [snapshot] = <[Snapshot; 1]>::try_from(Snapshot::of(&[from]).await.unwrap()).ok().unwrap();
    let copied = snapshot.copy_to(to).await.unwrap();
    to.close().await;
    copied
}

async fn a_copy_has_everything(home: Home) {
    let database = home.open().await;
    let books: Collection<Book> = database.collection().unwrap();
    // More than a page.
    let many =
        (0..1_234).map(|number| Book { shelf: Some(format!("shelf {}", number % 3)), ..Book::with_copies(number) });
    let ids = insert_all(&books, many).await;
    let walden = Book { isbn: Some("1".to_owned()), price: Some(5), ..Book::called("Walden \u{1F333}") };
    let walden_id = insert(&books, walden.clone()).await;
    let (with_event, without_document) = lend(&database, &books).await;
    let delivery = Delivery { id: souk_bus::EventId::new(), event: Lent };
    database.handle_once(&delivery, |tx| async move { tx.publish(&Lent).map(drop) }).await.unwrap();

    let like = copied(&home).await;
    let copy = like.open().await;
    let there: Collection<Book> = copy.collection().unwrap();
    // Opening a collection creates its indexes.
    while copy.ping().await.is_err() {}
    let mut all = 0;
    there.scan(|_, _| all += 1).await.unwrap();
    assert_eq!(all, ids.len() + 1);
    for (number, id) in ids.iter().enumerate().step_by(100) {
        assert_eq!(copies(&there, *id).await, i64::try_from(number).unwrap());
    }
    assert_eq!(there.get(walden_id).await.unwrap(), Some(walden));
    for event in [with_event, without_document] {
        assert!(is_waiting(&copy, event).await);
    }
    // The copy knows the delivery, so that nothing is published again.
    copy.handle_once(&delivery, |tx| async move { tx.publish(&Lent).map(drop) }).await.unwrap();
    assert_eq!(copy.pending_events_of::<Lent>().await.unwrap().len(), 3);

    assert_eq!(there.find(BY_SHELF.find(["shelf 1"])).await.unwrap().items.len(), 20);
    assert_eq!(there.find(BY_PRICE.all().matching("walden")).await.unwrap().items.len(), 1);
    assert!(there.insert(BookId::new(), Book::with_isbn("1")).await.unwrap_err().is_duplicate());
    assert_eq!(add_copy(there.clone(), ids[7]).await.unwrap(), 8);
}

async fn lend(database: &Database, books: &Collection<Book>) -> (souk_bus::EventId, souk_bus::EventId) {
    let id = insert(books, Book::called("Emma")).await;
    let with_event = database.run(|tx| async move { tx.publish(&Lent) }).await.unwrap();
    let delete = |slot: &mut Option<Book>, events: &mut Events| {
        *slot = None;
        events.publish(&Lent)
    };
    (with_event, books.upsert(id, delete).await.unwrap())
}

async fn a_snapshot_does_not_see_later_writes(home: Home) {
    let database = home.open().await;
    let books: Collection<Book> = database.collection().unwrap();
    let (remaining, deleted) = (insert(&books, Book::with_copies(1)).await, insert(&books, Book::with_copies(1)).await);
    let snapshot = Snapshot::of(&[&database]).await.unwrap().remove(0);
    add_copy(books.clone(), remaining).await.unwrap();
    let delete = |slot: &mut Option<Book>, _: &mut Events| {
        *slot = None;
        Ok(())
    };
    books.upsert(deleted, delete).await.unwrap();
    let made = insert(&books, Book::default()).await;

    let file = Home::sqlite(Durability::Disk);
    let target = file.open().await;
    assert_eq!(snapshot.copy_to(&target).await.unwrap(), CopyStats { documents: 2, events: 0, handled: 0 });
    let then: Collection<Book> = target.collection().unwrap();
    assert_eq!((copies(&then, remaining).await, copies(&then, deleted).await), (1, 1));
    assert_eq!(then.get(made).await.unwrap(), None);
    assert_eq!((copies(&books, remaining).await, books.get(deleted).await.unwrap()), (2, None));
}

async fn a_snapshot_of_several_databases_is_consistent(home: Home) {
    let (first, second) = (home.open().await, home.another());
    let second = second.open().await;
    let (one, other): (Collection<Book>, Collection<Book>) =
        (first.collection().unwrap(), second.collection().unwrap());
    let (here, there) = (insert(&one, Book::with_copies(0)).await, insert(&other, Book::with_copies(0)).await);
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    // The first database is written before the second, so it has as many copies or one more.
    let writing = tokio::spawn(async move {
        while stopped.try_recv().is_err() {
            add_copy(one.clone(), here).await.unwrap();
            add_copy(other.clone(), there).await.unwrap();
        }
    });
    for _ in 0..20 {
        let snapshots = Snapshot::of(&[&second, &first]).await.unwrap();
        let mut counted = Vec::new();
        for (snapshot, id) in snapshots.into_iter().zip([there, here]) {
            let file = Home::sqlite(Durability::Process);
            let target = file.open().await;
            snapshot.copy_to(&target).await.unwrap();
            counted.push(copies(&target.collection().unwrap(), id).await);
        }
        assert!(counted[1] == counted[0] || counted[1] == counted[0] + 1, "{counted:?}");
    }
    stop.send(()).unwrap();
    writing.await.unwrap();
}

async fn a_copy_into_a_database_that_is_not_empty_is_refused(home: Home) {
    let file = Home::sqlite(Durability::Process);
    let from = file.open().await;
    insert(&from.collection().unwrap(), Book::called("Emma")).await;
    let database = home.open().await;
    let event = database.run(|tx| async move { tx.publish(&Lent) }).await.unwrap();
    let snapshot = Snapshot::of(&[&from]).await.unwrap().remove(0);
    let error = snapshot.copy_to(&database).await.unwrap_err();
    assert_eq!(error.code(), "not-empty");
    assert!(is_waiting(&database, event).await);
    let mut books = 0;
    database.collection::<Book>().unwrap().scan(|_, _| books += 1).await.unwrap();
    assert_eq!(books, 0);
}

async fn a_cleared_database_is_empty(home: Home) {
    let database = home.open().await;
    let books: Collection<Book> = database.collection().unwrap();
    insert(&books, Book::with_isbn("1")).await;
    lend(&database, &books).await;
    assert!(!database.is_empty().await.unwrap());
    database.clear().await.unwrap();
    assert!(database.is_empty().await.unwrap());
    database.check_writable().await.unwrap();
    assert!(database.is_empty().await.unwrap(), "the check has left a document");
    drop((books, database));
    let books: Collection<Book> = home.open().await.collection().unwrap();
    assert!(books.is_empty().await.unwrap());
    insert(&books, Book::with_isbn("1")).await;
}

async fn secure_delete_beside_a_snapshot_may_be_busy(home: Home) {
    let database = home.open().await;
    let books: Collection<Book> = database.collection().unwrap();
    let id = insert(&books, Book::with_copies(1)).await;
    let snapshot = Snapshot::of(&[&database]).await.unwrap();
    add_copy(books.clone(), id).await.unwrap();
    let (deleted, added) = tokio::join!(database.secure_delete(), add_copy(books.clone(), id));
    assert_eq!(added.unwrap(), 3);
    // The file still has the data of the snapshot. MongoDB ignores secure delete.
    let is_file = matches!(home, Home::Sqlite(..));
    assert_eq!(deleted.err().map(|error| error.kind()), is_file.then_some(ErrorKind::Busy));
    drop(snapshot);
    database.secure_delete().await.unwrap();
}
