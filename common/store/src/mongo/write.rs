//! Commits. A single write needs no transaction; several writes, or one with an inbox record, are a
//! transaction. So is a commit that only checks what was read, see [`in_transaction`].
//!
//! Every write has an id. When the connection breaks and the outcome is unknown, even after the
//! driver's own retry, the id in the document shows whether the write took effect. An outcome that
//! stays unknown is an error and never `Stale`: a rule must not run again on its own result.

use std::time::Duration;

use mongodb::bson::{Bson, Document, RawDocumentBuf, Uuid, doc};
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Database};
use tokio::time::Instant;

use super::super::commit::{Change, Commit, Refusal, Write};
use super::connection::{
    DUPLICATE_KEY, Failure, ID_INDEX, OPERATION_TIMEOUT, durable, index_in, is_conflict, is_uncertain, violated_index,
};
use super::schema::{INBOX, OUTBOX, words_of};
use super::{Mongo, majority, value};
use crate::events::{EventLocation, PendingEvent};
use souk_bus::{EventId, EventMessage};
use souk_types::{Error, RequestId, Result};

/// Events stored in the written document. More would make it slow to load.
const MAX_EVENTS_IN_DOCUMENT: usize = 64;
/// Events in one document of `_outbox`, far below the limit of 16 MiB.
const EVENTS_IN_OUTBOX_DOCUMENT: usize = 500;
/// Delay before an unknown outcome is checked or a transaction repeated.
const RETRY_DELAY: Duration = Duration::from_millis(50);

#[derive(Clone)]
pub(super) enum Operation {
    /// Refuses as stale unless the inbox has the event.
    CheckHandled(EventId),
    /// Refuses as stale unless the document has this version.
    CheckVersion {
        collection: &'static str,
        id: String,
        expected: Option<i64>,
    },
    RecordHandled(EventId),
    Write {
        collection: &'static str,
        id: String,
        expected: Option<i64>,
        next: i64,
        effect: Effect,
    },
    InsertEvents {
        id: String,
        events: Vec<Bson>,
    },
}

#[derive(Clone)]
pub(super) enum Effect {
    /// `words` is set when a searched field may have changed.
    Put {
        doc: Bson,
        words: Option<Vec<String>>,
        events: Vec<Bson>,
    },
    Delete {
        events: Vec<Bson>,
    },
    Touch,
}

impl Mongo {
    /// Returns the committed events with their locations.
    pub(in super::super) async fn commit(&self, commit: Commit) -> Result<Vec<PendingEvent>, Refusal> {
        let only_reads = commit.only_reads();
        // No `secure_delete`: free pages and the oplog keep deleted data until they are reused.
        let Commit { writes, events, handled, delete_published: _, rules, secure_delete: _ } = commit;
        if !rules.is_empty() {
            return self.bulk_update(rules).await.map(|()| Vec::new());
        }
        if writes.is_empty() && events.is_empty() && handled.is_none() {
            return Ok(Vec::new());
        }
        for collection in writes.iter().map(|write| write.collection).chain([OUTBOX, INBOX]) {
            let declared = self.schema.get(collection).map_err(Refusal::Failed)?;
            self.schema.ready(&declared).await.map_err(Refusal::Failed)?;
        }
        let (operations, events) = if only_reads {
            let check = |Write { collection, id, expected, .. }| Operation::CheckVersion { collection, id, expected };
            (writes.into_iter().map(check).collect(), Vec::new())
        } else {
            self.operations(writes, events, handled).map_err(Refusal::Failed)?
        };
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        let committed = self.connection.within(OPERATION_TIMEOUT, move |database| async move {
            match operations.as_slice() {
                [write] if write.is_atomic() => single_write(&database, write, deadline).await,
                operations => in_transaction(&database, operations, deadline).await,
            }
        });
        committed.await.map_err(|failure| self.explain(failure))?;
        Ok(events)
    }

    /// Returns the operations of a commit, and its events with the documents that will contain
    /// them.
    fn operations(
        &self,
        writes: Vec<Write>,
        messages: Vec<EventMessage>,
        handled: Option<EventId>,
    ) -> Result<(Vec<Operation>, Vec<PendingEvent>)> {
        let mut located = Vec::new();
        let mut locate = |messages: Vec<EventMessage>, collection: &str, document: &str| {
            let events = messages.iter().map(event).collect::<Result<Vec<Bson>>>();
            let location = EventLocation { collection: collection.to_owned(), document: document.to_owned() };
            let pending = |message| PendingEvent { message, location: Some(location.clone()) };
            located.extend(messages.into_iter().map(pending));
            events
        };
        let mut left = messages;
        let mut operations = Vec::new();
        operations.extend(handled.map(Operation::RecordHandled));
        for Write { collection, id, expected, next, change } in writes {
            let carries = left.len() <= MAX_EVENTS_IN_DOCUMENT
                && !matches!(change, Change::ReadGuard)
                && self.schema.get(collection)?.publishes;
            let events = locate(if carries { std::mem::take(&mut left) } else { Vec::new() }, collection, &id)?;
            let effect = match change {
                Change::Put { text, reindex_text, .. } => self.put(collection, &text, reindex_text, events)?,
                Change::Delete => Effect::Delete { events },
                Change::ReadGuard => Effect::Touch,
            };
            operations.push(Operation::Write { collection, id, expected, next, effect });
        }
        for some in left.chunks(EVENTS_IN_OUTBOX_DOCUMENT) {
            let id = EventId::new().to_string();
            let events = locate(some.to_vec(), OUTBOX, &id)?;
            operations.push(Operation::InsertEvents { id, events });
        }
        Ok((operations, located))
    }

    fn put(&self, collection: &str, text: &str, reindex_text: bool, events: Vec<Bson>) -> Result<Effect> {
        Effect::put(self.schema.get(collection)?.searched, text, reindex_text, events)
    }
}

impl Operation {
    /// Whether it writes one document.
    fn is_atomic(&self) -> bool {
        match self {
            Self::CheckHandled(_) | Self::CheckVersion { .. } => false,
            Self::RecordHandled(_) | Self::Write { .. } | Self::InsertEvents { .. } => true,
        }
    }

    /// Returns the collection and the document that it inserts if there is none. An insert costs
    /// MongoDB less than an upsert, which plans a query first.
    fn insertion(&self, write_id: Uuid) -> Option<(&'static str, Document)> {
        let Self::Write { collection, id, expected: None, next, effect: Effect::Put { doc, words, events } } = self
        else {
            return None;
        };
        let mut document = doc! {"_id": id, "version": next, "write": write_id, "doc": doc};
        if let Some(words) = words {
            document.insert("words", words);
        }
        if !events.is_empty() {
            document.insert("events", events);
        }
        Some((collection, document))
    }

    /// Returns the collection, and the write as a statement of the command `update`. `None` for one
    /// that needs several commands.
    fn statement(&self) -> Option<(&'static str, Document)> {
        let Self::Write { collection, id, expected, next, effect } = self else { return None };
        match (effect, expected) {
            (Effect::Put { .. }, _) | (Effect::Touch, Some(_)) => {
                let (guard, update) = guarded(id, *expected, *next, effect, Uuid::new());
                Some((collection, doc! {"q": guard, "u": update, "upsert": expected.is_none()}))
            }
            _ => None,
        }
    }
}

impl Effect {
    pub(super) fn put(searched: &[&str], text: &str, reindex_text: bool, events: Vec<Bson>) -> Result<Self> {
        let words = (reindex_text && !searched.is_empty()).then(|| words_of(text, searched)).transpose()?;
        Ok(Self::Put { doc: value::from_json(text)?, words, events })
    }
}

/// An event as stored. Its body is JSON text.
pub(super) fn event(message: &EventMessage) -> Result<Bson> {
    let body = str::from_utf8(&message.body).map_err(Error::internal)?;
    let mut event = doc! {"id": message.id.to_string(), "name": &message.name, "body": body};
    if let Some(request) = &message.request {
        event.insert("request", RequestId::as_str(request));
    }
    Ok(event.into())
}

/// Returns guard and update. The driver retries once, and the server recognizes the retry.
pub(super) fn guarded(
    id: &str,
    expected: Option<i64>,
    next: i64,
    effect: &Effect,
    write_id: Uuid,
) -> (Document, Document) {
    // A deleted document may still be there with its events.
    let mut guard = doc! {"_id": id, "doc": {"$exists": expected.is_some()}};
    if let Some(version) = expected {
        guard.insert("version", version);
    }
    let push = |update: &mut Document, events: &[Bson]| {
        if !events.is_empty() {
            update.insert("$push", doc! {"events": {"$each": events}});
        }
    };
    let update = match effect {
        Effect::Put { doc, words, events } => {
            let mut set = doc! {"version": next, "write": write_id, "doc": doc};
            if let Some(words) = words {
                set.insert("words", words);
            }
            let mut update = doc! {"$set": set};
            push(&mut update, events);
            update
        }
        Effect::Delete { events } => {
            let mut update = doc! {"$set": {"version": next, "write": write_id}, "$unset": {"doc": "", "words": ""}};
            push(&mut update, events);
            update
        }
        // A transaction detects conflicts of writes only, so a read guard is a write.
        Effect::Touch => doc! {"$set": {"touched": write_id}},
    };
    (guard, update)
}

async fn single_write(database: &Database, operation: &Operation, deadline: Instant) -> Result<(), Failure> {
    let write_id = Uuid::new();
    let outcome = match operation.insertion(write_id) {
        Some((collection, document)) => match database.collection::<Document>(collection).insert_one(document).await {
            // The document exists, or it was deleted and its events are still there.
            Err(error) if violated_index(&error) == Some(ID_INDEX) => {
                execute(database, operation, write_id, &mut None).await
            }
            inserted => inserted.map(drop).map_err(Failure::from),
        },
        None => execute(database, operation, write_id, &mut None).await,
    };
    match outcome {
        Err(Failure::Driver(error)) if is_uncertain(&error) && !is_conflict(&error) => {
            let Operation::Write { collection, id, effect: Effect::Put { .. }, .. } = operation else {
                return Err(error.into());
            };
            while Instant::now() < deadline {
                if let Ok(written) = is_written(database, collection, id, write_id).await {
                    return if written { Ok(()) } else { Err(error.into()) };
                }
                tokio::time::sleep(RETRY_DELAY).await;
            }
            Err(error.into())
        }
        outcome => outcome,
    }
}

/// Whether the last majority-committed write of the document has this id.
async fn is_written(
    database: &Database,
    collection: &str,
    id: &str,
    write_id: Uuid,
) -> Result<bool, mongodb::error::Error> {
    let documents = majority::<Document>(database, collection);
    Ok(documents.find_one(doc! {"_id": id, "write": write_id}).projection(doc! {"_id": 1}).await?.is_some())
}

/// Runs the operations in a transaction. Repeats it on transient errors within the time limit.
///
/// The commit of a transaction without writes adds a no-op to the oplog and waits for it with the
/// write concern, which a deposed primary cannot satisfy. So it confirms that the state read is the
/// newest and majority-committed. A linearizable read does the same, but has no write concern: it
/// waits for the next flush of the journal, up to 100 ms.
pub(super) async fn in_transaction(
    database: &Database,
    operations: &[Operation],
    deadline: Instant,
) -> Result<(), Failure> {
    loop {
        let mut session = begin(database).await?;
        let outcome = match execute_all(database, operations, &mut session).await {
            // After the time limit, the caller has reported a failure.
            Ok(()) if Instant::now() < deadline => commit(&mut session, deadline).await,
            Ok(()) => Err(Failure::Timeout),
            Err(failure) => Err(failure),
        };
        match outcome {
            Err(Failure::Driver(error))
                if error.contains_label(TRANSIENT_TRANSACTION_ERROR)
                    && !is_conflict(&error)
                    && Instant::now() + RETRY_DELAY < deadline =>
            {
                tokio::time::sleep(RETRY_DELAY).await;
            }
            // Dropping the session aborts the transaction.
            outcome => return outcome,
        }
    }
}

pub(super) async fn begin(database: &Database) -> Result<ClientSession, Failure> {
    let mut session = database.client().start_session().await?;
    session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(durable()).await?;
    Ok(session)
}

/// Commits, and repeats it while the outcome is unknown. Commits are idempotent.
pub(super) async fn commit(session: &mut ClientSession, deadline: Instant) -> Result<(), Failure> {
    loop {
        match session.commit_transaction().await {
            Err(error)
                if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
                    && Instant::now() + RETRY_DELAY < deadline =>
            {
                tokio::time::sleep(RETRY_DELAY).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

async fn execute_all(
    database: &Database,
    operations: &[Operation],
    session: &mut ClientSession,
) -> Result<(), Failure> {
    let mut updates: Option<(&'static str, Vec<Document>)> = None;
    for operation in operations {
        // Successive updates of one collection are one command.
        match (&mut updates, operation.statement()) {
            (Some((collection, updates)), Some((same, update))) if *collection == same => updates.push(update),
            (before, statement) => {
                if let Some((collection, updates)) = before.take() {
                    send(database, collection, updates, session).await?;
                }
                match statement {
                    Some((collection, update)) => updates = Some((collection, vec![update])),
                    None => execute(database, operation, Uuid::new(), &mut Some(&mut *session)).await?,
                }
            }
        }
    }
    match updates {
        Some((collection, updates)) => send(database, collection, updates, session).await,
        None => Ok(()),
    }
}

/// Sends updates as one command of a transaction. Each must match or insert a document.
pub(super) async fn send(
    database: &Database,
    collection: &'static str,
    updates: Vec<Document>,
    session: &mut ClientSession,
) -> Result<(), Failure> {
    let asked = i32::try_from(updates.len()).map_err(Error::internal)?;
    let answer = database.run_command(doc! {"update": collection, "updates": updates}).session(session).await?;
    if let Ok([error, ..]) = answer.get_array("writeErrors").map(Vec::as_slice) {
        return Err(refusal(error.as_document().unwrap_or(&Document::new())).into());
    }
    if answer.get_i32("n").ok() == Some(asked) { Ok(()) } else { Err(Refusal::Stale.into()) }
}

/// Translates the error of one write inside a successful command.
fn refusal(error: &Document) -> Refusal {
    let message = error.get_str("errmsg").unwrap_or_default();
    match (error.get_i32("code"), index_in(message)) {
        (Ok(DUPLICATE_KEY), Some(ID_INDEX)) => Refusal::Stale,
        (Ok(DUPLICATE_KEY), Some(index)) => Refusal::Failed(Error::duplicate(index)),
        _ => Refusal::Failed(Error::internal(format!("MongoDB: {message}"))),
    }
}

macro_rules! run {
    ($action:expr, $session:expr) => {
        match $session.as_mut() {
            Some(session) => $action.session(&mut **session).await,
            None => $action.await,
        }
    };
}

pub(super) async fn execute(
    database: &Database,
    operation: &Operation,
    write_id: Uuid,
    session: &mut Option<&mut ClientSession>,
) -> Result<(), Failure> {
    match operation {
        Operation::CheckHandled(event) => {
            let inbox = database.collection::<Document>(INBOX);
            let found = run!(inbox.find_one(doc! {"_id": event.to_string()}), session)?;
            found.map(drop).ok_or_else(|| Refusal::Stale.into())
        }
        Operation::CheckVersion { collection, id, expected } => {
            let documents = database.collection::<RawDocumentBuf>(collection);
            let looking = documents.find_one(doc! {"_id": id, "doc": {"$exists": true}});
            // Without the document itself.
            let found = run!(looking.projection(doc! {"version": 1, "doc": {"$literal": 1}}), session)?;
            let version = found.map_or(Ok(None), |raw| super::stored(&raw))?.map(|stored| stored.version);
            if version == *expected { Ok(()) } else { Err(Refusal::Stale.into()) }
        }
        Operation::RecordHandled(event) => {
            let inbox = database.collection::<Document>(INBOX);
            let record = doc! {"_id": event.to_string(), "at": mongodb::bson::DateTime::now()};
            run!(inbox.insert_one(record), session).map(drop).map_err(|error| {
                if super::connection::is_duplicate(&error) { Refusal::Repeated.into() } else { Failure::from(error) }
            })
        }
        Operation::InsertEvents { id, events } => {
            let outbox = database.collection::<Document>(OUTBOX);
            run!(outbox.insert_one(doc! {"_id": id, "events": events}), session)?;
            Ok(())
        }
        Operation::Write { collection, id, expected, next, effect } => {
            let guarded = |expected: Option<i64>| guarded(id, expected, *next, effect, write_id);
            let documents = database.collection::<RawDocumentBuf>(collection);
            if matches!((effect, expected), (Effect::Touch, None)) {
                // Guards absence by insert and delete: a concurrent insert conflicts.
                let (guard, update) = guarded(None);
                run!(documents.update_one(guard.clone(), update).upsert(true), session)?;
                let mut absent = guard;
                absent.insert("events", doc! {"$exists": false});
                run!(documents.delete_one(absent), session)?;
                return Ok(());
            }
            if let Effect::Delete { events } = effect
                && events.is_empty()
            {
                let mut free = guarded(*expected).0;
                free.insert("events", doc! {"$exists": false});
                if run!(documents.delete_one(free), session)?.deleted_count > 0 {
                    return Ok(());
                }
            }
            let (guard, update) = guarded(*expected);
            let upsert = expected.is_none();
            let written = run!(documents.update_one(guard, update).upsert(upsert), session)?;
            if written.matched_count == 0 && written.upserted_id.is_none() {
                return Err(Refusal::Stale.into());
            }
            Ok(())
        }
    }
}
