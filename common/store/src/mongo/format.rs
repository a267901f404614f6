//! The format version of a database, in its collection `_format`. The first operations of a process
//! check it, and all operations fail while the version differs.

use mongodb::Database;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::super::format::{FORMAT_VERSION, incompatible};
use super::connection::{Failure, is_duplicate};
use super::schema::FORMAT;
use super::{majority, user_collections};

const ID: &str = "format";

/// Checks the version, and sets it in a database without documents.
pub(super) async fn check(service: &str, database: &Database) -> Result<(), Failure> {
    if let Some(version) = version(database).await? {
        return accept(service, Some(version));
    }
    let is_empty = is_empty(database).await?;
    // Another instance may have set the version, and then stored documents.
    if let Some(version) = version(database).await? {
        return accept(service, Some(version));
    }
    if !is_empty {
        return accept(service, None);
    }
    set(database).await?;
    let version = version(database).await?;
    accept(service, version)
}

/// Sets the version unless there is one.
pub(super) async fn set(database: &Database) -> Result<(), Failure> {
    let mark = doc! {"_id": ID, "version": FORMAT_VERSION};
    match database.collection::<Document>(FORMAT).insert_one(mark).await {
        Err(error) if is_duplicate(&error) => Ok(()),
        set => Ok(set.map(drop)?),
    }
}

fn accept(service: &str, found: Option<i32>) -> Result<(), Failure> {
    if found == Some(FORMAT_VERSION) { Ok(()) } else { Err(incompatible(service, found).into()) }
}

async fn version(database: &Database) -> Result<Option<i32>, Failure> {
    let mark = majority::<Document>(database, FORMAT).find_one(doc! {"_id": ID}).await?;
    Ok(mark.and_then(|mark| mark.get_i32("version").ok()))
}

async fn is_empty(database: &Database) -> Result<bool, Failure> {
    for name in user_collections(database).await? {
        if database.collection::<RawDocumentBuf>(&name).find_one(doc! {}).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}
