//! A database carries the version of its documents, and another version is refused.

use ::mongodb::bson::{Document as Raw, doc};
use souk_store::{Database, Durability, FORMAT_VERSION};
use souk_types::{Error, ErrorKind};

use crate::home::Home;
use crate::{Book, insert};

checks! {
    data_of_this_build_is_accepted_again
    data_of_another_version_is_refused
    data_without_a_version_is_refused
    a_cleared_database_has_the_version_of_this_build
}

async fn data_of_this_build_is_accepted_again(home: Home) {
    for copies in 1..=2 {
        let database = home.open().await;
        insert(&database.collection().unwrap(), Book::with_copies(copies)).await;
        database.close().await;
    }
}

async fn data_of_another_version_is_refused(home: Home) {
    store_a_book(&home).await;
    set_version(&home, Some(FORMAT_VERSION + 41)).await;
    let error = refused(&home).await;
    for part in [(FORMAT_VERSION + 41).to_string(), format!("needs format version {FORMAT_VERSION}")] {
        assert!(error.operator_message().contains(&part), "{part}: {error}");
    }
    set_version(&home, Some(FORMAT_VERSION)).await;
    assert!(!home.open().await.is_empty().await.unwrap(), "nothing was changed");
}

async fn data_without_a_version_is_refused(home: Home) {
    store_a_book(&home).await;
    set_version(&home, None).await;
    let error = refused(&home).await;
    assert!(error.operator_message().contains("no format version"), "{error}");
}

async fn a_cleared_database_has_the_version_of_this_build(home: Home) {
    store_a_book(&home).await;
    if let Home::Mongodb(fresh) = &home {
        set_version(&home, None).await;
        let database = Database::mongodb("library", &fresh.uri, &fresh.name).unwrap();
        database.clear().await.unwrap();
    } else {
        home.open().await.clear().await.unwrap();
    }
    assert!(home.open().await.is_empty().await.unwrap());
}

async fn store_a_book(home: &Home) {
    let database = home.open().await;
    insert(&database.collection().unwrap(), Book::default()).await;
    database.close().await;
}

async fn refused(home: &Home) -> Error {
    match home {
        Home::Sqlite(directory, _) => {
            let opened = Database::sqlite("library", &directory.path().join("library.db"), Durability::Process);
            opened.map(|database| database.name()).unwrap_err()
        }
        Home::Mongodb(fresh) => {
            let database = Database::mongodb("library", &fresh.uri, &fresh.name).unwrap();
            let books = database.collection::<Book>().unwrap();
            for error in [books.is_empty().await.unwrap_err(), database.ping().await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
            }
            database.incompatible().await
        }
    }
}

async fn set_version(home: &Home, version: Option<i32>) {
    match home {
        Home::Sqlite(directory, _) => {
            let file = rusqlite::Connection::open(directory.path().join("library.db")).unwrap();
            file.pragma_update(None, "user_version", version.unwrap_or_default()).unwrap();
        }
        Home::Mongodb(fresh) => {
            let client = ::mongodb::Client::with_uri_str(&fresh.uri).await.unwrap();
            let marks = client.database(&fresh.name).collection::<Raw>("_format");
            marks.delete_many(doc! {}).await.unwrap();
            if let Some(version) = version {
                marks.insert_one(doc! {"_id": "format", "version": version}).await.unwrap();
            }
        }
    }
}
