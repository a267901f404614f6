//! The format version of a database, in its collection `_format`. The first operations of a process
//! check it, and all operations fail while the version differs.

use mongodb::Database;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::super::format::Mark;
use super::connection::{Failure, is_duplicate};
use super::schema::FORMAT;
use super::{majority, user_collections};

const ID: &str = "format";

/// Checks the version, and sets it in a database without documents.
pub(super) async fn check(service: &str, database: &Database) -> Result<Mark, Failure> {
    if let Some(found) = find(database).await? {
        return accept(service, Some(&found));
    }
    let is_empty = is_empty(database).await?;
    // Another instance may have set the version, and then stored documents.
    if let Some(found) = find(database).await? {
        return accept(service, Some(&found));
    }
    if !is_empty {
        return accept(service, None);
    }
    insert(database).await?;
    accept(service, find(database).await?.as_ref())
}

/// Sets the version of a new database, unless there is one.
pub(super) async fn insert(database: &Database) -> Result<(), Failure> {
    let Mark { format, is_rewriting } = Mark::CURRENT;
    let mark = doc! {"_id": ID, "version": i32::from(format.number()), "rewriting": is_rewriting};
    match database.collection::<Document>(FORMAT).insert_one(mark).await {
        Err(error) if is_duplicate(&error) => Ok(()),
        inserted => Ok(inserted.map(drop)?),
    }
}

pub(super) async fn set(database: &Database, mark: Mark) -> Result<(), Failure> {
    let changed = doc! {"version": i32::from(mark.format.number()), "rewriting": mark.is_rewriting};
    let marks = database.collection::<Document>(FORMAT);
    marks.update_one(doc! {"_id": ID}, doc! {"$set": changed}).upsert(true).await?;
    Ok(())
}

fn accept(service: &str, found: Option<&Document>) -> Result<Mark, Failure> {
    let number = found.and_then(|mark| mark.get_i32("version").ok()).map(i64::from);
    let is_rewriting = found.is_some_and(|mark| mark.get_bool("rewriting").unwrap_or(false));
    Ok(Mark::accept(service, number, is_rewriting)?)
}

async fn find(database: &Database) -> Result<Option<Document>, Failure> {
    Ok(majority::<Document>(database, FORMAT).find_one(doc! {"_id": ID}).await?)
}

async fn is_empty(database: &Database) -> Result<bool, Failure> {
    for name in user_collections(database).await? {
        if database.collection::<RawDocumentBuf>(&name).find_one(doc! {}).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}
