//! Filters: documents in all of several index ranges, ordered by id.

use serde::{Deserialize, Serialize};
use souk_store::{Collection, Direction, Document, Filter, Index};
use souk_types::{CappedCount, Cursor, ErrorKind, Id, PageLimit, Paging};

use crate::home::Home;
use crate::{BY_PRICE, BY_SHELF, BY_TAG, Book, BookId, SHELF_AND_TITLE, insert_all};

checks! {
    a_filter_selects_what_a_scan_of_all_documents_selects
    pages_of_a_filter_neither_repeat_nor_skip_documents
    bounds_select_a_range_of_ids
    a_list_index_follows_edits_and_deletions
    a_list_index_declared_later_has_the_stored_documents
    derived_fields_are_indexed_and_follow_the_document
    a_cursor_of_a_find_is_rejected
    an_index_with_another_order_is_rejected
}

const SHELVES: [&str; 3] = ["a", "b", "c"];
const TITLES: [&str; 2] = ["Emma", "Walden"];

/// Every combination of a shelf, a title and two tags, several times. Tag `all` is on each book.
async fn library(books: &Collection<Book>) -> Vec<(BookId, Book)> {
    let tags = |number: usize| {
        let some = [("even", number.is_multiple_of(2)), ("third", number.is_multiple_of(3)), ("all", true)];
        some.iter().filter(|(_, has)| *has).map(|(tag, _)| (*tag).to_owned()).collect()
    };
    let book = |number: usize| Book {
        shelf: (number % 7 != 6).then(|| SHELVES[number % 3].to_owned()),
        title: TITLES[number / 3 % 2].to_owned(),
        tags: tags(number),
        copies: i64::try_from(number).unwrap(),
        ..Book::default()
    };
    let all: Vec<Book> = (0..72).map(book).collect();
    let ids = insert_all(books, all.clone()).await;
    ids.into_iter().zip(all).collect()
}

type Expected = fn(&Book) -> bool;

fn on_shelf(book: &Book, shelves: &[&str]) -> bool {
    book.shelf.as_deref().is_some_and(|shelf| shelves.contains(&shelf))
}

fn tagged(book: &Book, tag: &str) -> bool {
    book.tags.iter().any(|has| has == tag)
}

#[rustfmt::skip]
fn filters(direction: Direction) -> Vec<(Filter, Expected)> {
    let all = || Filter::all(direction);
    let place = |shelves: &[&str], titles: &[&str]| vec![owned(shelves), owned(titles)];
    vec![
        (all(), |_| true),
        (all().within(&BY_SHELF, vec![vec!["a"]]), |book| on_shelf(book, &["a"])),
        (all().within(&BY_SHELF, vec![vec!["a", "b"]]), |book| on_shelf(book, &["a", "b"])),
        (all().within(&BY_SHELF, vec![vec!["nowhere"]]), |_| false),
        (all().within(&BY_SHELF, vec![Vec::<String>::new()]), |_| false),
        (all().within(&SHELF_AND_TITLE, place(&["b"], &["Emma"])), |book| on_shelf(book, &["b"]) && book.title == "Emma"),
        (all().within(&SHELF_AND_TITLE, place(&SHELVES, &["Emma"])), |book| on_shelf(book, &SHELVES) && book.title == "Emma"),
        (all().within(&SHELF_AND_TITLE, place(&SHELVES, &TITLES)), |book| on_shelf(book, &SHELVES)),
        (all().within(&BY_TAG, vec![vec!["even"]]), |book| tagged(book, "even")),
        (all().within(&BY_TAG, vec![vec!["even"]]).within(&BY_TAG, vec![vec!["third"]]), |book| tagged(book, "even") && tagged(book, "third")),
        (all().within(&BY_TAG, vec![vec!["even"]]).within(&BY_TAG, vec![vec!["unknown"]]), |_| false),
        (all().within(&BY_TAG, vec![vec!["all"]]).within(&SHELF_AND_TITLE, place(&["a", "c"], &TITLES)), |book| on_shelf(book, &["a", "c"])),
        (all().within(&BY_SHELF, vec![vec!["a"]]).within(&SHELF_AND_TITLE, place(&SHELVES, &["Walden"])).within(&BY_TAG, vec![vec!["third"]]),
            |book| on_shelf(book, &["a"]) && book.title == "Walden" && tagged(book, "third")),
    ]
}

fn numbers(books: Vec<Book>) -> Vec<i64> {
    books.into_iter().map(|book| book.copies).collect()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn a_filter_selects_what_a_scan_of_all_documents_selects(home: Home) {
    let books = home.open().await.collection().unwrap();
    let library = library(&books).await;
    for direction in [Direction::Ascending, Direction::Descending] {
        for (filter, expected) in filters(direction) {
            let found = books.filter(filter.clone().page(page(None, 100))).await.unwrap();
            let mut expected: Vec<&(BookId, Book)> = library.iter().filter(|(_, book)| expected(book)).collect();
            expected.sort_by_key(|(id, _)| *id);
            if direction == Direction::Descending {
                expected.reverse();
            }
            let expected: Vec<i64> = expected.into_iter().map(|(_, book)| book.copies).collect();
            let count = CappedCount { count: expected.len(), more: false };
            assert_eq!((numbers(found.items), found.next), (expected, None), "{filter:?}");
            assert_eq!(books.count(filter.clone().page(page(None, 1))).await.unwrap(), count, "{filter:?}");
        }
    }
}

async fn pages_of_a_filter_neither_repeat_nor_skip_documents(home: Home) {
    let books = home.open().await.collection().unwrap();
    library(&books).await;
    for direction in [Direction::Ascending, Direction::Descending] {
        for (filter, _) in filters(direction) {
            let all = numbers(books.filter(filter.clone().page(page(None, 100))).await.unwrap().items);
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let some = books.filter(filter.clone().page(page(after, 7))).await.unwrap();
                assert!(some.next.is_none() || some.items.len() == 7, "{filter:?}");
                seen.extend(numbers(some.items));
                after = some.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all, "{filter:?}");
        }
    }
}

async fn bounds_select_a_range_of_ids(home: Home) {
    let books = home.open().await.collection().unwrap();
    let mut library = library(&books).await;
    library.sort_by_key(|(id, _)| *id);
    let (from, before) = (library[10].0, library[60].0);
    for direction in [Direction::Ascending, Direction::Descending] {
        for (filter, expected) in filters(direction) {
            let found =
                books.filter(filter.clone().from(from).before(before).page(page(None, 100))).await.unwrap().items;
            let expected = library[10..60].iter().map(|(_, book)| book).filter(|book| expected(book));
            let mut expected: Vec<i64> = expected.map(|book| book.copies).collect();
            if direction == Direction::Descending {
                expected.reverse();
            }
            assert_eq!(numbers(found), expected, "{filter:?}");
        }
    }
}

async fn a_list_index_follows_edits_and_deletions(home: Home) {
    let books = home.open().await.collection::<Book>().unwrap();
    let tagged = |tags: &[&str]| Book { tags: owned(tags), ..Book::default() };
    let [first, second] = insert_all(&books, [tagged(&["old", "both", "both"]), tagged(&["both"])]).await[..] else {
        panic!("two books")
    };
    let count = async |tag: &str| {
        let filter = Filter::all(Direction::Ascending).within(&BY_TAG, vec![vec![tag]]);
        books.filter(filter).await.unwrap().items.len()
    };
    assert_eq!((count("old").await, count("both").await, count("new").await), (1, 2, 0));
    let retag = |book: &mut Book, _: &mut _| {
        book.tags = owned(&["both", "new"]);
        Ok(())
    };
    books.update(first, retag).await.unwrap();
    assert_eq!((count("old").await, count("both").await, count("new").await), (0, 2, 1));
    for id in [first, second] {
        let delete = |slot: &mut Option<Book>, _: &mut _| {
            *slot = None;
            Ok(())
        };
        books.upsert(id, delete).await.unwrap();
    }
    assert_eq!((count("old").await, count("both").await, count("new").await), (0, 0, 0));
}

#[derive(Clone, Serialize, Deserialize)]
struct Untagged {
    tags: Vec<String>,
}

impl Document for Untagged {
    type Id = Id<Self>;
    const COLLECTION: &'static str = "leaflets";
}

#[derive(Clone, Serialize, Deserialize)]
struct Tagged {
    tags: Vec<String>,
}

static LEAFLET_BY_TAG: Index = Index::each("leaflet_by_tag", &["tags"]);

impl Document for Tagged {
    type Id = Id<Self>;
    const COLLECTION: &'static str = "leaflets";
    const INDEXES: &'static [Index] = &[LEAFLET_BY_TAG];
}

async fn a_list_index_declared_later_has_the_stored_documents(home: Home) {
    let before = home.open().await;
    before.collection::<Untagged>().unwrap().insert(Id::new(), Untagged { tags: owned(&["x", "y"]) }).await.unwrap();
    before.close().await;
    let leaflets = home.open().await.collection::<Tagged>().unwrap();
    let filter = Filter::all(Direction::Ascending).within(&LEAFLET_BY_TAG, vec![vec!["y"]]);
    assert_eq!(leaflets.filter(filter).await.unwrap().items.len(), 1);
}

/// A word whose letters are indexed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Word {
    text: String,
}

static BY_LETTER: Index = Index::each("by_letter", &["derived.letters"]);
static BY_LENGTH: Index = Index::by("by_length", &["derived.length"]);

impl Document for Word {
    type Id = Id<Self>;
    const COLLECTION: &'static str = "words";
    const INDEXES: &'static [Index] = &[BY_LETTER, BY_LENGTH];

    fn derived(&self) -> souk_types::Result<Option<serde_json::Value>> {
        let letters: Vec<String> = self.text.chars().map(String::from).collect();
        Ok(Some(serde_json::json!({"length": letters.len(), "letters": letters})))
    }
}

async fn derived_fields_are_indexed_and_follow_the_document(home: Home) {
    let words = home.open().await.collection::<Word>().unwrap();
    let word = |text: &str| Word { text: text.to_owned() };
    let tea = Id::new();
    words.insert(tea, word("tea")).await.unwrap();
    words.insert(Id::new(), word("at")).await.unwrap();
    let with = |letter: &str| Filter::all(Direction::Ascending).within(&BY_LETTER, vec![vec![letter]]);
    let long = |length: i64| Filter::all(Direction::Ascending).within(&BY_LENGTH, vec![vec![length]]);
    let found = async |filter| words.filter(filter).await.unwrap().items;
    assert_eq!(found(with("a")).await, [word("tea"), word("at")]);
    assert_eq!(found(with("a").within(&BY_LENGTH, vec![vec![2]])).await, [word("at")]);
    let rewrite = |word: &mut Word, _: &mut _| {
        "beer".clone_into(&mut word.text);
        Ok(())
    };
    words.update(tea, rewrite).await.unwrap();
    assert_eq!((found(with("a")).await, found(long(4)).await), (vec![word("at")], vec![word("beer")]));
    assert_eq!(found(with("e").within(&BY_LENGTH, vec![vec![4]])).await, [word("beer")]);
}

async fn a_cursor_of_a_find_is_rejected(home: Home) {
    let books = home.open().await.collection::<Book>().unwrap();
    library(&books).await;
    let after = books.find(BY_SHELF.find(["a"]).page(page(None, 1))).await.unwrap().next;
    assert!(after.is_some());
    let error = books.filter(Filter::all(Direction::Ascending).page(page(after, 1))).await.unwrap_err();
    assert_eq!((error.kind(), &*error.fields()[0].field), (ErrorKind::Invalid, "after"));
}

async fn an_index_with_another_order_is_rejected(home: Home) {
    let books = home.open().await.collection::<Book>().unwrap();
    let error = books.filter(Filter::all(Direction::Ascending).within(&BY_PRICE, Vec::<Vec<i64>>::new())).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Internal);
}

fn page(after: Option<Cursor>, limit: u64) -> Paging {
    Paging { after, limit: PageLimit::try_from(limit).unwrap() }
}
