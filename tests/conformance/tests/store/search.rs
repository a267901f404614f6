//! Full-text search.

use souk_store::{Collection, Database};
use souk_types::{PageLimit, Paging};

use crate::home::Home;
use crate::{BY_PRICE, Book, BookId, SHELF_BY_PRICE, insert};

checks! {
    a_word_is_found_in_every_searched_field
    all_words_must_occur
    case_does_not_matter
    accents_do_not_matter
    combining_accents_do_not_matter
    the_last_word_may_be_a_prefix
    the_first_word_must_be_whole
    a_field_that_is_not_searched_is_not_found
    an_operator_is_searched_as_a_word
    a_search_without_words_finds_nothing
    text_of_any_script_is_found
    words_and_index_values_are_combined
    a_search_is_paged
    a_search_follows_edits
    a_search_survives_writes_of_other_fields
    a_deleted_document_is_not_found_by_words
}

async fn a_word_is_found_in_every_searched_field(home: Home) {
    let books = shop(&home.open().await).await;
    assert_eq!(found(&books, "tea").await, ["Earl Grey Tea", "Green tea", "Kettle"]);
}

async fn all_words_must_occur(home: Home) {
    let books = shop(&home.open().await).await;
    assert_eq!(found(&books, "tea bergamot").await, ["Earl Grey Tea"]);
    assert!(found(&books, "tea chocolate").await.is_empty());
}

async fn case_does_not_matter(home: Home) {
    let books = shop(&home.open().await).await;
    assert_eq!(found(&books, "eARL gREY").await, ["Earl Grey Tea"]);
}

async fn accents_do_not_matter(home: Home) {
    let books = shop(&home.open().await).await;
    for words in ["creme brulee", "crème brûlée", "CRÈME", "crémé"] {
        assert_eq!(found(&books, words).await, ["Crème brûlée"], "{words}");
    }
    assert_eq!(found(&books, "gréen").await, ["Green tea"]);
}

async fn combining_accents_do_not_matter(home: Home) {
    let books = shop(&home.open().await).await;
    insert(&books, item(9, "Pa\u{302}te\u{301}", "")).await;
    assert_eq!(found(&books, "cre\u{300}me bru\u{302}le\u{301}e").await, ["Crème brûlée"]);
    assert_eq!(found(&books, "pâté").await, ["Pa\u{302}te\u{301}"]);
}

async fn the_last_word_may_be_a_prefix(home: Home) {
    let books = shop(&home.open().await).await;
    assert_eq!(found(&books, "gre").await, ["Earl Grey Tea", "Green tea"]);
    assert_eq!(found(&books, "tea gree").await, ["Green tea"]);
}

async fn the_first_word_must_be_whole(home: Home) {
    let books = shop(&home.open().await).await;
    assert!(found(&books, "gree tea").await.is_empty());
}

async fn a_field_that_is_not_searched_is_not_found(home: Home) {
    let books = shop(&home.open().await).await;
    insert(&books, Book { shelf: Some("hidden".to_owned()), price: Some(1), ..Book::default() }).await;
    assert!(found(&books, "hidden").await.is_empty());
}

async fn an_operator_is_searched_as_a_word(home: Home) {
    let books = shop(&home.open().await).await;
    for (words, expected) in [
        ("\" OR * NEAR( -", vec![]),
        ("tea OR chocolate", vec![]),
        ("tea\" OR \"chocolate", vec![]),
        ("NEAR(tea)", vec![]),
        ("tea NOT green", vec![]),
        ("green -tea", vec!["Green tea"]),
        ("title:green", vec![]),
        ("^tea*", vec!["Earl Grey Tea", "Green tea", "Kettle"]),
        ("\"green tea\"", vec!["Green tea"]),
        ("green\0tea", vec!["Green tea"]),
        ("'; DROP TABLE books; --", vec![]),
        ("{$ne: 1}", vec![]),
        ("\u{93f}", vec![]),
    ] {
        assert_eq!(found(&books, words).await, expected, "{words:?}");
    }
}

async fn a_search_without_words_finds_nothing(home: Home) {
    let books = shop(&home.open().await).await;
    for words in ["", "  ", "\"*(-", "!!!", "\u{301}", "☕"] {
        assert!(found(&books, words).await.is_empty(), "{words:?}");
    }
}

async fn text_of_any_script_is_found(home: Home) {
    let books = home.open().await.collection().unwrap();
    let titles = [
        "Καφές Ελληνικός",
        "Łódź mug",
        "Straße map",
        "日本茶",
        "コーヒー豆",
        "커피잔",
        "กาแฟดำ",
        "شَاي أخضر",
        "हिन्दी किताब",
        "Smørrebrød Æble",
        "Isparta gülü",
        "٥ kilo",
    ];
    for (price, title) in (1..).zip(titles) {
        insert(&books, item(price, title, "")).await;
    }
    for (words, title) in [
        ("καφες", Some("Καφές Ελληνικός")),
        ("ΚΑΦΈΣ ελλ", Some("Καφές Ελληνικός")),
        ("lodz", Some("Łódź mug")),
        ("strasse", Some("Straße map")),
        ("STRASSE", Some("Straße map")),
        ("茶", Some("日本茶")),
        ("日本茶", Some("日本茶")),
        ("本茶 日本", Some("日本茶")),
        ("茶日", None),
        ("本日", None),
        ("豆", Some("コーヒー豆")),
        ("ｺｰﾋｰ", Some("コーヒー豆")),
        ("잔", Some("커피잔")),
        ("커피", Some("커피잔")),
        ("ดำ", Some("กาแฟดำ")),
        ("شاي اخضر", Some("شَاي أخضر")),
        ("किताब", Some("हिन्दी किताब")),
        ("कताब", None),
        ("smorrebrod aeble", Some("Smørrebrød Æble")),
        ("ISPARTA", Some("Isparta gülü")),
        ("ısparta", Some("Isparta gülü")),
        ("5 kilo", Some("٥ kilo")),
    ] {
        assert_eq!(found(&books, words).await, Vec::from_iter(title), "{words:?}");
    }
}

async fn words_and_index_values_are_combined(home: Home) {
    let books = shop(&home.open().await).await;
    insert(&books, Book { shelf: Some("attic".to_owned()), ..item(9, "Old tea", "") }).await;
    let find = SHELF_BY_PRICE.find(["attic"]).matching("tea");
    let items = books.find(find).await.unwrap().items;
    assert_eq!(items.into_iter().map(|book| book.title).collect::<Vec<_>>(), ["Old tea"]);
}

async fn a_search_is_paged(home: Home) {
    let books = shop(&home.open().await).await;
    let limit = PageLimit::try_from(2).unwrap();
    let first = books.find(BY_PRICE.all().matching("tea").first(limit)).await.unwrap();
    assert_eq!(first.items.len(), 2);
    let rest = BY_PRICE.all().matching("tea").page(Paging { after: first.next, limit });
    let rest = books.find(rest).await.unwrap();
    assert_eq!(rest.items.into_iter().map(|book| book.title).collect::<Vec<_>>(), ["Kettle"]);
    assert_eq!(rest.next, None);
}

async fn a_search_follows_edits(home: Home) {
    let books = shop(&home.open().await).await;
    let id = insert(&books, item(9, "Coffee", "roasted")).await;
    books
        .update(id, |book, _| {
            "Cocoa".clone_into(&mut book.title);
            Ok(())
        })
        .await
        .unwrap();
    assert!(found(&books, "coffee").await.is_empty());
    assert_eq!(found(&books, "cocoa roasted").await, ["Cocoa"]);
}

async fn a_search_survives_writes_of_other_fields(home: Home) {
    let books = shop(&home.open().await).await;
    let id = insert(&books, item(9, "Coffee", "roasted")).await;
    crate::add_copy(books.clone(), id).await.unwrap();
    assert_eq!(found(&books, "coffee").await, ["Coffee"]);
}

async fn a_deleted_document_is_not_found_by_words(home: Home) {
    let books = shop(&home.open().await).await;
    let id: BookId = insert(&books, item(9, "Coffee", "roasted")).await;
    books
        .upsert(id, |slot, _| {
            *slot = None;
            Ok(())
        })
        .await
        .unwrap();
    assert!(found(&books, "coffee").await.is_empty());
    // A new document may take the row of the deleted one.
    insert(&books, item(9, "Cocoa", "")).await;
    assert!(found(&books, "coffee").await.is_empty());
}

async fn shop(database: &Database) -> Collection<Book> {
    let books = database.collection().unwrap();
    for item in [
        item(1, "Earl Grey Tea", "Black, with bergamot."),
        item(2, "Green tea", "From Japan."),
        item(3, "Kettle", "For lazy mornings: tea, of course."),
        item(4, "Crème brûlée", "A dessert."),
    ] {
        insert(&books, item).await;
    }
    books
}

fn item(price: i64, title: &str, about: &str) -> Book {
    Book { price: Some(price), about: about.to_owned(), ..Book::called(title) }
}

async fn found(books: &Collection<Book>, words: &str) -> Vec<String> {
    let found = books.find(BY_PRICE.all().matching(words)).await.unwrap();
    found.items.into_iter().map(|book| book.title).collect()
}
