//! Queries along an index: equality, order, pages, counts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_store::{Collection, Direction, Document, Find, Index, MAX_PAGE_BYTES};
use souk_types::{CappedCount, Cursor, ErrorKind, Id, PageLimit, Paging, Timestamp};

use crate::home::Home;
use crate::{
    BY_COUNTRY, BY_PRICE, BY_SHELF, Book, BookId, Origin, SHELF_BY_PRICE, add_copy, copies, insert, insert_all,
};

checks! {
    an_index_finds_documents_by_value
    an_index_follows_a_field_inside_an_object
    without_an_ordering_field_the_id_orders
    an_ascending_page_is_ordered
    a_descending_page_is_ordered
    ties_are_ordered_by_id_in_the_same_direction
    a_document_without_the_value_is_not_in_the_index
    an_index_follows_edits
    an_index_survives_writes_of_other_fields
    a_deleted_document_is_not_in_the_index
    the_last_page_has_no_cursor
    ascending_pages_neither_repeat_nor_skip_documents
    descending_pages_neither_repeat_nor_skip_documents
    pages_by_id_neither_repeat_nor_skip_documents
    a_page_of_large_documents_ends_early
    a_cursor_of_another_index_is_rejected
    an_undeclared_index_is_rejected
    due_documents_come_in_order_up_to_now
    count_by_counts_each_value
    count_by_follows_writes
    a_query_is_counted_up_to_its_bound
    totals_add_up_each_group
}

async fn an_index_finds_documents_by_value(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert_all(&books, [shelved("a", 1, "Emma"), shelved("b", 1, "Ulysses"), shelved("a", 1, "Walden")]).await;
    let mut titles = titles(&books, BY_SHELF.find(["a"])).await;
    titles.sort();
    assert_eq!(titles, ["Emma", "Walden"]);
}

async fn an_index_follows_a_field_inside_an_object(home: Home) {
    let books = home.open().await.collection().unwrap();
    let origin = Origin { country: Some("IE".to_owned()), number: None };
    insert_all(&books, [Book { origin, ..Book::called("Ulysses") }, Book::called("Emma")]).await;
    assert_eq!(titles(&books, BY_COUNTRY.find(["IE"])).await, ["Ulysses"]);
}

async fn without_an_ordering_field_the_id_orders(home: Home) {
    let books = home.open().await.collection().unwrap();
    let [first, second, third] = [BookId::new(), BookId::new(), BookId::new()];
    for (id, title) in [(second, "second"), (third, "third"), (first, "first")] {
        books.insert(id, shelved("a", 1, title)).await.unwrap();
    }
    assert_eq!(titles(&books, BY_SHELF.find(["a"])).await, ["first", "second", "third"]);
}

async fn an_ascending_page_is_ordered(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert_all(&books, [shelved("a", 9, "nine"), shelved("a", -1, "less"), shelved("a", 10, "ten")]).await;
    assert_eq!(titles(&books, SHELF_BY_PRICE.find(["a"])).await, ["less", "nine", "ten"]);
}

async fn a_descending_page_is_ordered(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert_all(&books, [shelved("a", 9, "nine"), shelved("a", -1, "less"), shelved("a", 10, "ten")]).await;
    let down = SHELF_BY_PRICE.find(["a"]).in_direction(Direction::Descending);
    assert_eq!(titles(&books, down).await, ["ten", "nine", "less"]);
}

async fn ties_are_ordered_by_id_in_the_same_direction(home: Home) {
    let books = home.open().await.collection().unwrap();
    let mut ids = [BookId::new(), BookId::new(), BookId::new(), BookId::new()];
    for at in [2, 0, 3, 1] {
        books.insert(ids[at], shelved("a", 5, &ids[at].to_string())).await.unwrap();
    }
    assert_eq!(titles(&books, BY_PRICE.all()).await, ids.map(|id| id.to_string()));
    ids.reverse();
    let down = BY_PRICE.all().in_direction(Direction::Descending);
    assert_eq!(titles(&books, down).await, ids.map(|id| id.to_string()));
}

async fn a_document_without_the_value_is_not_in_the_index(home: Home) {
    let books = home.open().await.collection().unwrap();
    let unpriced = Book { shelf: Some("a".to_owned()), ..Book::called("unpriced") };
    let unshelved = Book { price: Some(1), ..Book::called("unshelved") };
    insert_all(&books, [unpriced, unshelved, shelved("a", 1, "both")]).await;
    assert_eq!(titles(&books, SHELF_BY_PRICE.find(["a"])).await, ["both"]);
    assert_eq!(titles(&books, BY_PRICE.all()).await, ["unshelved", "both"]);
}

async fn an_index_follows_edits(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, shelved("a", 1, "Emma")).await;
    books
        .update(id, |book, _| {
            book.shelf = Some("b".to_owned());
            Ok(())
        })
        .await
        .unwrap();
    assert!(titles(&books, BY_SHELF.find(["a"])).await.is_empty());
    assert_eq!(titles(&books, BY_SHELF.find(["b"])).await, ["Emma"]);
}

async fn an_index_survives_writes_of_other_fields(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, shelved("a", 1, "Emma")).await;
    add_copy(books.clone(), id).await.unwrap();
    assert_eq!(copies(&books, id).await, 1);
    let found = books.find(BY_SHELF.find(["a"])).await.unwrap().items;
    assert_eq!(found, [Book { copies: 1, ..shelved("a", 1, "Emma") }]);
}

async fn a_deleted_document_is_not_in_the_index(home: Home) {
    let books = home.open().await.collection().unwrap();
    let id = insert(&books, shelved("a", 1, "Emma")).await;
    delete(&books, id).await;
    assert!(titles(&books, BY_SHELF.find(["a"])).await.is_empty());
}

async fn the_last_page_has_no_cursor(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert_all(&books, (0..10).map(|price| shelved("a", price, "full"))).await;
    let page = books.find(BY_PRICE.all().first(limit(10))).await.unwrap();
    assert_eq!(page.items.len(), 10);
    assert_eq!(page.next, None);
}

async fn ascending_pages_neither_repeat_nor_skip_documents(home: Home) {
    walk_among_others(home, Direction::Ascending).await;
}

async fn descending_pages_neither_repeat_nor_skip_documents(home: Home) {
    walk_among_others(home, Direction::Descending).await;
}

/// 257 books stay. Others are inserted and deleted between the pages: at both ends, and on the page
/// just read, so that a cursor may name a deleted book.
async fn walk_among_others(home: Home, direction: Direction) {
    const OTHERS: i64 = -1;
    let books = home.open().await.collection::<Book>().unwrap();
    let staying = insert_all(&books, (0..257).map(|at| priced(at, at % 7))).await;
    let mut expected: Vec<(i64, BookId, i64)> = (0..).zip(staying).map(|(at, id)| (at % 7, id, at)).collect();
    expected.sort_unstable();
    if direction == Direction::Descending {
        expected.reverse();
    }
    let find = BY_PRICE.all().in_direction(direction);
    let (mut seen, mut after, mut round) = (Vec::new(), None, 0);
    loop {
        for price in 0..7 {
            let id = BookId::new();
            books.insert(id, Book { title: id.to_string(), ..priced(OTHERS, (price + round) % 7) }).await.unwrap();
        }
        round += 1;
        let page = books.find(find.clone().page(Paging { after, limit: limit(10) })).await.unwrap();
        assert!(page.items.len() <= 10);
        for book in page.items {
            if book.copies == OTHERS {
                delete(&books, book.title.parse().unwrap()).await;
            } else {
                seen.push(book.copies);
            }
        }
        let Some(next) = page.next else { break };
        after = Some(through_a_client(&next));
    }
    assert_eq!(seen, expected.iter().map(|(_, _, at)| *at).collect::<Vec<_>>());
}

async fn pages_by_id_neither_repeat_nor_skip_documents(home: Home) {
    let books = home.open().await.collection::<Book>().unwrap();
    let mut expected: BTreeMap<BookId, String> = BTreeMap::new();
    for title in (0..25).map(|at| format!("number {at}")) {
        expected.insert(insert(&books, shelved("a", 1, &title)).await, title);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = books.find(BY_SHELF.find(["a"]).page(Paging { after, limit: limit(10) })).await.unwrap();
        seen.extend(page.items.into_iter().map(|book| book.title));
        let Some(next) = page.next else { break };
        after = Some(through_a_client(&next));
    }
    assert_eq!(seen, expected.into_values().collect::<Vec<_>>());
}

/// Each document takes a third of a page, or more than a page.
async fn a_page_of_large_documents_ends_early(home: Home) {
    let books = home.open().await.collection().unwrap();
    let sizes = [300_000, 150_000, 150_000, 150_000, 150_000, MAX_PAGE_BYTES + 1, 1, 2];
    for (price, size) in (0..).zip(sizes) {
        insert(&books, Book { about: "x ".repeat(size / 2), ..shelved("a", price, &price.to_string()) }).await;
    }
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let paging = Paging { after, limit: limit(100) };
        let page = books.find(SHELF_BY_PRICE.find(["a"]).page(paging)).await.unwrap();
        pages.push(page.items.iter().map(|book| book.title.clone()).collect::<Vec<_>>().join(" "));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, ["0 1", "2 3 4", "5", "6 7"]);
}

async fn a_cursor_of_another_index_is_rejected(home: Home) {
    let books = home.open().await.collection().unwrap();
    insert_all(&books, [shelved("a", 1, "Emma"), shelved("a", 2, "Walden")]).await;
    let after = books.find(BY_SHELF.find(["a"]).first(limit(1))).await.unwrap().next;
    assert!(after.is_some());
    let error = books.find(BY_PRICE.all().page(Paging { after, limit: limit(1) })).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.fields()[0].field, "after");
}

async fn an_undeclared_index_is_rejected(home: Home) {
    static BY_ABOUT: Index = Index::by("by_about", &["about"]);
    let books = home.open().await.collection().unwrap();
    insert(&books, Book { about: "about".to_owned(), ..Book::default() }).await;
    let error = books.find(BY_ABOUT.find(["about"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

async fn due_documents_come_in_order_up_to_now(home: Home) {
    let database = home.open().await;
    let tasks = database.collection::<Task>().unwrap();
    let now = Timestamp::now();
    let minutes = |minutes: u64| Duration::from_mins(minutes);
    for due in [Some(now), Some(now.before(minutes(1))), Some(now.after(minutes(1))), None] {
        tasks.insert(Id::new(), Task { due }).await.unwrap();
    }
    let due = async |now| {
        let page = tasks.due(&BY_DUE).page(now, None).await.unwrap();
        page.items.into_iter().map(|(_, task)| task.due.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(due(now).await, [now.before(minutes(1)), now]);
    assert_eq!(due(now.before(minutes(2))).await, []);
}

#[derive(Clone, Serialize, Deserialize)]
struct Task {
    due: Option<Timestamp>,
}

static BY_DUE: Index = Index::sorted("by_due", &[], "due");

impl Document for Task {
    type Id = Id<Self>;
    const COLLECTION: &'static str = "tasks";
    const INDEXES: &'static [Index] = &[BY_DUE];
}

async fn count_by_counts_each_value(home: Home) {
    let books = home.open().await.collection().unwrap();
    let on = |shelf: &str| shelved(shelf, 1, "any");
    insert_all(&books, [on("b"), on("a"), on("b"), Book::called("on no shelf")]).await;
    assert_eq!(books.count_by("shelf").await.unwrap(), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}

async fn count_by_follows_writes(home: Home) {
    let books = home.open().await.collection().unwrap();
    let [moved, deleted] = [insert(&books, shelved("a", 1, "x")).await, insert(&books, shelved("a", 1, "y")).await];
    delete(&books, deleted).await;
    books
        .update(moved, |book, _| {
            book.shelf = Some("b".to_owned());
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(books.count_by("shelf").await.unwrap(), [("b".to_owned(), 1)]);
}

async fn a_query_is_counted_up_to_its_bound(home: Home) {
    let books = home.open().await.collection().unwrap();
    let on = |shelf: &str, price: i64| shelved(shelf, price, "any");
    insert_all(&books, [on("a", 1), on("a", 5), on("a", 6), on("b", 1), Book::called("on no shelf")]).await;
    for (find, count) in [
        (SHELF_BY_PRICE.find(["a"]), 3),
        (SHELF_BY_PRICE.find(["a"]).up_to(5), 2),
        (SHELF_BY_PRICE.find(["a"]).first(limit(1)), 3),
        (SHELF_BY_PRICE.find(["c"]), 0),
        (BY_PRICE.all(), 4),
    ] {
        assert_eq!(books.count_found(find.clone()).await.unwrap(), CappedCount { count, more: false }, "{find:?}");
    }
    insert_all(&books, (0..1_000).map(|price| on("full", price))).await;
    let full = books.count_found(SHELF_BY_PRICE.find(["full"])).await.unwrap();
    assert_eq!(full, CappedCount { count: 1_000, more: false });
    insert(&books, on("full", 7)).await;
    assert!(books.count_found(SHELF_BY_PRICE.find(["full"])).await.unwrap().more);
}

async fn totals_add_up_each_group(home: Home) {
    let books = home.open().await.collection().unwrap();
    let on = |shelf: &str, price: i64| shelved(shelf, price, "any");
    let unpriced = Book { shelf: Some("b".to_owned()), ..Book::called("without a price") };
    let large = i64::from(i32::MAX);
    let moved = insert(&books, on("b", 4)).await;
    insert_all(&books, [on("b", large), on("a", 7), on("b", large), on("c", 0), unpriced]).await;
    let totals_to = async |from: &str, to: Option<&str>| {
        let totals = books.totals(&SHELF_BY_PRICE, from, to).await.unwrap();
        totals.into_iter().map(|total| (total.group, total.count, total.sum)).collect::<Vec<_>>()
    };
    let totals = async |from: &str| totals_to(from, None).await;
    let expected = [("b".to_owned(), 3, 2 * u64::from(i32::MAX.unsigned_abs()) + 4), ("c".to_owned(), 1, 0)];
    assert_eq!(totals("b").await, expected);
    assert_eq!((totals("").await.len(), totals("d").await.len()), (3, 0));
    assert_eq!(totals_to("b", Some("b")).await, expected[..1]);
    assert_eq!(totals_to("aa", Some("az")).await, []);
    delete(&books, moved).await;
    assert_eq!(totals("b").await[0].1, 2);
    let no_groups = books.totals(&BY_PRICE, "", None).await.unwrap_err();
    assert_eq!(no_groups.kind(), ErrorKind::Internal);
}

fn shelved(shelf: &str, price: i64, title: &str) -> Book {
    Book { shelf: Some(shelf.to_owned()), price: Some(price), ..Book::called(title) }
}

fn priced(number: i64, price: i64) -> Book {
    Book { price: Some(price), ..Book::with_copies(number) }
}

fn limit(most: u64) -> PageLimit {
    most.try_into().unwrap()
}

async fn titles(books: &Collection<Book>, find: Find) -> Vec<String> {
    books.find(find).await.unwrap().items.into_iter().map(|book| book.title).collect()
}

async fn delete(books: &Collection<Book>, id: BookId) {
    books
        .upsert(id, |slot, _| {
            *slot = None;
            Ok(())
        })
        .await
        .unwrap();
}

fn through_a_client(cursor: &Cursor) -> Cursor {
    serde_json::from_str(&serde_json::to_string(cursor).unwrap()).unwrap()
}
