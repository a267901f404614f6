//! Snapshots and copies: see `store::copy`. The sessions share one snapshot time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{DateTime, Document, RawDocument, RawDocumentBuf, Timestamp, Uuid, doc};
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Database};
use tokio::sync::Mutex;

use super::super::commit::next_version;
use super::super::copy::{Item, PAGE_SIZE};
use super::super::format::Mark;
use super::connection::{Connection, Failure, OPERATION_TIMEOUT, code};
use super::outbox::message;
use super::schema::{FORMAT, INBOX, OUTBOX, SEARCHED};
use super::write::event;
use super::{Mongo, format, read_with, stored, user_collections, value};
use crate::database::conflict_delays;
use souk_bus::EventId;
use souk_types::format::Format;
use souk_types::{Error, Result};

/// Time limit of a page, or of dropping all collections.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time limit on the server for a page. Shorter than `PAGE_TIMEOUT`.
const SERVER_PAGE_TIMEOUT: Duration = Duration::from_secs(25);
/// `SnapshotUnavailable`: a collection or its indexes were created after the snapshot time.
const SNAPSHOT_UNAVAILABLE: i32 = 246;
const SNAPSHOT_TOO_OLD: i32 = 239;
/// Attempts to take a snapshot or to read a page; more than a second in all.
const ATTEMPTS: usize = 50;

pub(in super::super) struct Snapshot {
    connection: Arc<Connection>,
    session: Arc<Mutex<ClientSession>>,
}

impl Snapshot {
    pub(in super::super) async fn of(databases: &[&Mongo]) -> Result<Vec<Self>> {
        for delay in conflict_delays().take(ATTEMPTS) {
            if let Some(snapshots) = Self::at_one_moment(databases).await? {
                return Ok(snapshots);
            }
            tokio::time::sleep(delay).await;
        }
        Err(Error::busy("Collections are being created; try again.").caused_by("no snapshot time has all of them"))
    }

    /// Returns `None` when a collection was being created.
    async fn at_one_moment(databases: &[&Mongo]) -> Result<Option<Vec<Self>>> {
        let (mut snapshots, mut moment) = (Vec::new(), None);
        for database in databases {
            database.connection.check_primary().await?;
            let Some((snapshot, at)) = Self::at(Arc::clone(&database.connection), moment).await? else {
                return Ok(None);
            };
            moment = Some(at);
            snapshots.push(snapshot);
        }
        Ok(Some(snapshots))
    }

    async fn at(connection: Arc<Connection>, moment: Option<Timestamp>) -> Result<Option<(Self, Timestamp)>> {
        let names = collections(&connection).await?;
        let opened = connection.within(PAGE_TIMEOUT, move |database| async move {
            let starting = database.client().start_session().snapshot(true);
            let mut session = match moment {
                Some(moment) => starting.snapshot_time(moment).await?,
                None => starting.await?,
            };
            // The first read sets the snapshot time of a session.
            for name in names.iter().map(String::as_str).chain([INBOX]) {
                let documents = read_with::<RawDocumentBuf>(&database, name, ReadConcern::snapshot());
                match documents.find_one(doc! {}).session(&mut session).await {
                    Err(error) if code(&error) == Some(SNAPSHOT_UNAVAILABLE) => return Ok(None),
                    read => drop(read?),
                }
            }
            let moment = session.snapshot_time();
            // The snapshot time needs at least one collection.
            let nothing =
                || Error::internal(format!("there is no database {}: has its service never run?", database.name()));
            moment.map(|moment| Some((session, moment))).ok_or_else(|| nothing().into())
        });
        let opened = opened.await.map_err(|failure| connection.explain(failure).into_error())?;
        Ok(opened.map(|(session, moment)| (Self { connection, session: Arc::new(Mutex::new(session)) }, moment)))
    }

    pub(in super::super) async fn parts(&self) -> Result<Vec<String>> {
        // A snapshot has no list of collections.
        collections(&self.connection).await
    }

    /// Retries during an outage, because the session keeps its snapshot time.
    pub(in super::super) async fn page(&self, part: &str, after: &str) -> Result<(Vec<Item>, Option<String>)> {
        let mut delays = conflict_delays().take(ATTEMPTS);
        let page = loop {
            match self.raw_page(part, after).await {
                Err(error) if error.is_outage() => match delays.next() {
                    Some(delay) => tokio::time::sleep(delay).await,
                    None => return Err(error),
                },
                page => break page?,
            }
        };
        let mut items = Vec::new();
        let mut last = None;
        for raw in &page {
            let id = raw.get_str("_id").map_err(Error::internal)?;
            last = Some(id.to_owned());
            if part == INBOX {
                items.push(Item::Handled(id.parse().map_err(Error::internal)?));
                continue;
            }
            if let Some(stored) = stored(raw)? {
                items.push(Item::Document { collection: part.to_owned(), id: id.to_owned(), text: stored.text });
            }
            items.extend(events(raw)?);
        }
        Ok((items, last))
    }

    async fn raw_page(&self, part: &str, after: &str) -> Result<Vec<RawDocumentBuf>> {
        let (collection, condition) = (part.to_owned(), doc! {"_id": {"$gt": after}});
        let session = Arc::clone(&self.session).lock_owned().await;
        let page = self.connection.within(PAGE_TIMEOUT, move |database| async move {
            let mut session = session;
            let documents = read_with::<RawDocumentBuf>(&database, &collection, ReadConcern::snapshot());
            let limit = i64::try_from(PAGE_SIZE).unwrap_or(i64::MAX);
            let reading = documents.find(condition).sort(doc! {"_id": 1}).limit(limit);
            let reading = reading.projection(doc! {"version": 1, "doc": 1, "events": 1}).max_time(SERVER_PAGE_TIMEOUT);
            let outcome = async {
                let mut cursor = reading.session(&mut *session).await?;
                cursor.stream(&mut session).try_collect::<Vec<_>>().await
            };
            outcome.await.map_err(|error| match code(&error) {
                Some(SNAPSHOT_TOO_OLD) => Failure::from(snapshot_expired()),
                Some(SNAPSHOT_UNAVAILABLE) => Failure::from(collection_changed(&collection)),
                _ => Failure::from(error),
            })
        });
        page.await.map_err(|failure| self.connection.explain(failure).into_error())
    }
}

fn collection_changed(collection: &str) -> Error {
    Error::internal(format!("{collection} or its indexes were created during the copy: try again"))
}

fn snapshot_expired() -> Error {
    Error::internal(
        "the copy took longer than MongoDB keeps a snapshot: try again, or raise the server setting \
         minSnapshotHistoryWindowInSeconds",
    )
}

fn events(raw: &RawDocument) -> Result<Vec<Item>> {
    let Ok(events) = raw.get_array("events") else { return Ok(Vec::new()) };
    let item = |event: mongodb::bson::RawBsonRef<'_>| {
        let event = event.as_document().ok_or_else(|| Error::internal("an event is no document"))?;
        let event = Document::try_from(event).map_err(Error::internal)?;
        Ok(Item::Event(message(&event)?))
    };
    events.into_iter().map(|event| item(event.map_err(Error::internal)?)).collect()
}

/// Returns the collections with documents or events, without the search state.
async fn collections(connection: &Connection) -> Result<Vec<String>> {
    let mut names = connection.read(|database| async move { user_collections(&database).await }).await?;
    names.retain(|name| name != SEARCHED);
    Ok(names)
}

impl Mongo {
    pub(in super::super) async fn is_empty_database(&self) -> Result<bool> {
        self.connection.check_primary().await?;
        for collection in collections(&self.connection).await?.into_iter().filter(|name| name != INBOX) {
            let found = self.connection.read(move |database| async move {
                Ok(database.collection::<RawDocumentBuf>(&collection).find_one(doc! {}).await?)
            });
            if found.await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Inserts a document into the collection of the format version, and deletes it.
    pub(in super::super) async fn check_writable(&self) -> Result<()> {
        let explain = |failure| self.connection.explain(failure).into_error();
        let hello = self.connection.within_any_format(PAGE_TIMEOUT, |database| async move {
            Ok(database.run_command(doc! {"hello": 1}).await?)
        });
        self.connection.check(&hello.await.map_err(explain)?)?;
        let written = self.connection.within_any_format(PAGE_TIMEOUT, |database| async move {
            let (marks, id) = (database.collection::<Document>(FORMAT), Uuid::new());
            marks.insert_one(doc! {"_id": id}).await?;
            marks.delete_one(doc! {"_id": id}).await?;
            Ok(())
        });
        written.await.map_err(explain)
    }

    pub(in super::super) async fn clear(&self) -> Result<()> {
        let cleared = self.connection.within_any_format(PAGE_TIMEOUT, |database| async move {
            for name in user_collections(&database).await?.iter().map(String::as_str).chain([FORMAT]) {
                database.collection::<Document>(name).drop().await?;
            }
            format::insert(&database).await
        });
        cleared.await.map_err(|failure| self.connection.explain(failure).into_error())
    }

    pub(in super::super) async fn mark(&self) -> Result<Mark> {
        let service = self.connection.service();
        let checked = self.connection.within_any_format(OPERATION_TIMEOUT, move |database| async move {
            format::check(service, &database).await
        });
        let mark = checked.await.map_err(|failure| self.connection.explain(failure).into_error())?;
        self.connection.written_format().set(mark.format);
        Ok(mark)
    }

    pub(in super::super) fn written_format(&self) -> Option<Format> {
        self.connection.written_format().get()
    }

    pub(in super::super) async fn set_mark(&self, mark: Mark) -> Result<()> {
        self.connection.read(move |database| async move { format::set(&database, mark).await }).await?;
        self.connection.written_format().set(mark.format);
        Ok(())
    }

    pub(in super::super) async fn import(&self, items: Vec<Item>) -> Result<()> {
        let mut all: BTreeMap<String, Vec<Document>> = BTreeMap::new();
        let mut events = Vec::new();
        for item in items {
            match item {
                Item::Document { collection, id, text } => {
                    let doc = value::from_json(&text)?;
                    let document = doc! {"_id": id, "version": next_version(None), "write": Uuid::new(), "doc": doc};
                    all.entry(collection).or_default().push(document);
                }
                Item::Event(message) => events.push(event(&message)?),
                Item::Handled(event) => {
                    let record = doc! {"_id": event.to_string(), "at": DateTime::now()};
                    all.entry(INBOX.to_owned()).or_default().push(record);
                }
            }
        }
        if !events.is_empty() {
            let document = doc! {"_id": EventId::new().to_string(), "events": events};
            all.entry(OUTBOX.to_owned()).or_default().push(document);
        }
        let put = self.connection.within(PAGE_TIMEOUT, |database| async move { put(&database, all).await });
        put.await.map_err(|failure| self.connection.explain(failure).into_error())
    }
}

async fn put(database: &Database, all: BTreeMap<String, Vec<Document>>) -> std::result::Result<(), Failure> {
    for (collection, documents) in all {
        if !documents.is_empty() {
            database.collection::<Document>(&collection).insert_many(documents).await?;
        }
    }
    Ok(())
}
