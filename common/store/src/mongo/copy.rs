//! Whole databases, as they were together at one moment, and what is put into an empty one: see `store::copy`. The moment is one of the
//! replica set's, at which each database is read in a session of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{DateTime, Document, RawDocument, RawDocumentBuf, Timestamp, Uuid, doc};
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Database};
use tokio::sync::Mutex;

use super::super::commit::next_version;
use super::super::conflict_delays;
use super::super::copy::{Piece, TOGETHER};
use super::connection::{Connection, Failure, code};
use super::outbox::message;
use super::schema::{INBOX, OUTBOX, SEARCHED};
use super::write::event;
use super::{Mongo, read_with, stored, value};
use souk_bus::EventId;
use souk_types::{Error, Result};

/// What is put or taken away may take so long: a page of [`TOGETHER`] documents, or the collections of a large shop. So may reading a page:
/// nobody waits for it but an operator.
const PUTTING: Duration = Duration::from_secs(30);
/// The server gives up reading a page before we do.
const READING: Duration = Duration::from_secs(25);
/// `SnapshotUnavailable`: a collection was made, or got other indexes, at that moment or after it.
const BEING_MADE: i32 = 246;
/// `SnapshotTooOld`.
const TOO_OLD: i32 = 239;
/// So often a moment is looked for, or a page asked for, a second and more in all.
const ATTEMPTS: usize = 50;

/// A session that reads what there was at its moment.
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
        Err(Error::busy("Collections are being made; try again.").caused_by("no moment has all of them"))
    }

    /// None, when one of them has a collection that was being made at the moment.
    async fn at_one_moment(databases: &[&Mongo]) -> Result<Option<Vec<Self>>> {
        let (mut snapshots, mut moment) = (Vec::new(), None);
        for database in databases {
            database.connection.greet().await?;
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
        let opened = connection.within(PUTTING, move |database| async move {
            let starting = database.client().start_session().snapshot(true);
            let mut session = match moment {
                Some(moment) => starting.snapshot_time(moment).await?,
                None => starting.await?,
            };
            // Without a moment of its own, a session has that of what it reads first.
            for name in names.iter().map(String::as_str).chain([INBOX]) {
                let documents = read_with::<RawDocumentBuf>(&database, name, ReadConcern::snapshot());
                match documents.find_one(doc! {}).session(&mut session).await {
                    Err(error) if code(&error) == Some(BEING_MADE) => return Ok(None),
                    read => drop(read?),
                }
            }
            let moment = session.snapshot_time();
            // The server knows the moment of a collection only.
            let nothing =
                || Error::internal(format!("there is no database {}: has its service never run?", database.name()));
            moment.map(|moment| Some((session, moment))).ok_or_else(|| nothing().into())
        });
        let opened = opened.await.map_err(|failure| connection.explain(failure).into_error())?;
        Ok(opened.map(|(session, moment)| (Self { connection, session: Arc::new(Mutex::new(session)) }, moment)))
    }

    pub(in super::super) async fn parts(&self) -> Result<Vec<String>> {
        // No snapshot has a list of collections.
        collections(&self.connection).await
    }

    /// The session keeps its moment, so what fails for a passing reason is asked for again.
    pub(in super::super) async fn page(&self, part: &str, after: &str) -> Result<(Vec<Piece>, Option<String>)> {
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
        let mut pieces = Vec::new();
        let mut last = None;
        for raw in &page {
            let id = raw.get_str("_id").map_err(Error::internal)?;
            last = Some(id.to_owned());
            if part == INBOX {
                pieces.push(Piece::Handled(id.parse().map_err(Error::internal)?));
                continue;
            }
            if let Some(stored) = stored(raw)? {
                pieces.push(Piece::Document { collection: part.to_owned(), id: id.to_owned(), text: stored.text });
            }
            pieces.extend(events(raw)?);
        }
        Ok((pieces, last))
    }

    async fn raw_page(&self, part: &str, after: &str) -> Result<Vec<RawDocumentBuf>> {
        let (collection, condition) = (part.to_owned(), doc! {"_id": {"$gt": after}});
        let session = Arc::clone(&self.session).lock_owned().await;
        let page = self.connection.within(PUTTING, move |database| async move {
            let mut session = session;
            let documents = read_with::<RawDocumentBuf>(&database, &collection, ReadConcern::snapshot());
            let limit = i64::try_from(TOGETHER).unwrap_or(i64::MAX);
            let reading = documents.find(condition).sort(doc! {"_id": 1}).limit(limit);
            let reading = reading.projection(doc! {"version": 1, "doc": 1, "events": 1}).max_time(READING);
            let outcome = async {
                let mut cursor = reading.session(&mut *session).await?;
                cursor.stream(&mut session).try_collect::<Vec<_>>().await
            };
            outcome.await.map_err(|error| match code(&error) {
                Some(TOO_OLD) => Failure::from(gone()),
                Some(BEING_MADE) => Failure::from(changed(&collection)),
                _ => Failure::from(error),
            })
        });
        page.await.map_err(|failure| self.connection.explain(failure).into_error())
    }
}

fn changed(collection: &str) -> Error {
    Error::internal(format!("{collection} was made, or got other indexes, while it was copied: try again"))
}

fn gone() -> Error {
    Error::internal(
        "the copy took longer than MongoDB keeps a moment: try again, or let it keep more with \
         setParameter minSnapshotHistoryWindowInSeconds",
    )
}

fn events(raw: &RawDocument) -> Result<Vec<Piece>> {
    let Ok(events) = raw.get_array("events") else { return Ok(Vec::new()) };
    let piece = |event: mongodb::bson::RawBsonRef<'_>| {
        let event = event.as_document().ok_or_else(|| Error::internal("an event that is no document"))?;
        let event = Document::try_from(event).map_err(Error::internal)?;
        Ok(Piece::Event(message(&event)?))
    };
    events.into_iter().map(|event| piece(event.map_err(Error::internal)?)).collect()
}

/// The collections with documents or events; what was noted of indexes is for whoever makes them.
async fn collections(connection: &Connection) -> Result<Vec<String>> {
    let mut names = connection.read(|database| async move { Ok(database.list_collection_names().await?) }).await?;
    names.retain(|name| !name.starts_with("system.") && name != SEARCHED);
    names.sort_unstable();
    Ok(names)
}

impl Mongo {
    pub(in super::super) async fn is_empty_database(&self) -> Result<bool> {
        self.connection.greet().await?;
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

    pub(in super::super) async fn clear(&self) -> Result<()> {
        let names = collections(&self.connection).await?.into_iter().chain([SEARCHED.to_owned()]);
        let names: Vec<String> = names.collect();
        let cleared = self.connection.within(PUTTING, |database| async move {
            for name in names {
                database.collection::<Document>(&name).drop().await?;
            }
            Ok(())
        });
        cleared.await.map_err(|failure| self.connection.explain(failure).into_error())
    }

    pub(in super::super) async fn import(&self, pieces: Vec<Piece>) -> Result<()> {
        let mut all: BTreeMap<String, Vec<Document>> = BTreeMap::new();
        let mut events = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Document { collection, id, text } => {
                    let doc = value::from_json(&text)?;
                    let document = doc! {"_id": id, "version": next_version(None), "write": Uuid::new(), "doc": doc};
                    all.entry(collection).or_default().push(document);
                }
                Piece::Event(message) => events.push(event(message, None)?),
                Piece::Handled(event) => {
                    let record = doc! {"_id": event.to_string(), "at": DateTime::now()};
                    all.entry(INBOX.to_owned()).or_default().push(record);
                }
            }
        }
        if !events.is_empty() {
            let document = doc! {"_id": EventId::new().to_string(), "events": events};
            all.entry(OUTBOX.to_owned()).or_default().push(document);
        }
        let put = self.connection.within(PUTTING, |database| async move { put(&database, all).await });
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
