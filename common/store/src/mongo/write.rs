//! Commits. One write goes alone; several, or one with the record of a handled event, are a transaction.
//!
//! Every write is named. When the connection breaks and nobody can say whether it was carried out, not even the driver that has
//! asked twice, the name in the document tells. What cannot be settled so is an error and never `Stale`: a rule must not run again on
//! its own success.

use std::time::Duration;

use mongodb::bson::{Bson, Document, RawDocumentBuf, Uuid, doc};
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Database};
use tokio::time::Instant;

use super::super::commit::{Change, Commit, Refusal, Write};
use super::connection::{Failure, OPERATION, durable, is_conflict, is_uncertain};
use super::schema::{INBOX, OUTBOX, words_of};
use super::{Mongo, for_good, value};
use souk_bus::{EventId, EventMessage};
use souk_types::{Error, RequestId, Result};

/// Events that travel in the document that was written; more of them would weigh on it for as long as they wait.
const CARRIED: usize = 64;
/// Events in one document of the outbox: well below the 16 MiB that a document may have.
const IN_ONE: usize = 500;
/// Between two attempts to settle what became of a write, or to repeat a transaction.
const PAUSE: Duration = Duration::from_millis(50);

/// One thing to do, with nothing left to compute.
#[derive(Clone)]
pub(super) enum Step {
    /// Records a handled event.
    Handle(EventId),
    /// One guarded write.
    Write { collection: &'static str, id: String, expected: Option<i64>, next: i64, effect: Effect },
    /// Events without a document.
    Emit { id: String, events: Vec<Bson> },
}

#[derive(Clone)]
pub(super) enum Effect {
    /// `words` only when they may have changed.
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
    pub(in super::super) async fn commit(&self, commit: Commit) -> Result<(), Refusal> {
        if commit.only_reads()
            && let [Write { collection, id, expected, .. }] = commit.writes.as_slice()
        {
            return self.confirm(collection, id, *expected).await;
        }
        // MongoDB promises nothing of this kind: what was deleted or overwritten is in no document any more, but free pages keep it
        // until they are used again, and the oplog until it has come round.
        let Commit { writes, events, handles, delete_published, rules, secure_delete: _ } = commit;
        if !delete_published.is_empty() {
            self.delete_published(delete_published).await.map_err(Refusal::Failed)?;
        }
        if !rules.is_empty() {
            return self.bulk_update(rules).await;
        }
        if writes.is_empty() && events.is_empty() && handles.is_none() {
            return Ok(());
        }
        for collection in writes.iter().map(|write| write.collection).chain([OUTBOX, INBOX]) {
            let kept = self.schema.get(collection).map_err(Refusal::Failed)?;
            self.schema.ready(&kept).await.map_err(Refusal::Failed)?;
        }
        let steps = self.steps(writes, events, handles).map_err(Refusal::Failed)?;
        let deadline = Instant::now() + OPERATION;
        let committed = self.connection.within(OPERATION, move |database| async move {
            match <[Step; 1]>::try_from(steps) {
                Ok([step]) => alone(&database, step, deadline).await,
                Err(steps) => together(&database, &steps, deadline).await,
            }
        });
        committed.await.map_err(|failure| self.explain(failure))
    }

    fn steps(&self, writes: Vec<Write>, events: Vec<EventMessage>, handles: Option<EventId>) -> Result<Vec<Step>> {
        let mut events: Vec<Bson> =
            events.into_iter().map(|message| event(message, Some(&self.publisher))).collect::<Result<_>>()?;
        let mut steps: Vec<Step> = handles.map(Step::Handle).into_iter().collect();
        for write in writes {
            let carried = |events: &mut Vec<Bson>| {
                if events.len() <= CARRIED { std::mem::take(events) } else { Vec::new() }
            };
            let effect = match write.change {
                Change::Put { text, reindex } => self.put(write.collection, &text, reindex, carried(&mut events))?,
                Change::Delete => Effect::Delete { events: carried(&mut events) },
                Change::ReadGuard => Effect::Touch,
            };
            let Write { collection, id, expected, next, .. } = write;
            steps.push(Step::Write { collection, id, expected, next, effect });
        }
        for some in events.chunks(IN_ONE) {
            steps.push(Step::Emit { id: EventId::new().to_string(), events: some.to_vec() });
        }
        Ok(steps)
    }

    fn put(&self, collection: &str, text: &str, reindex: bool, events: Vec<Bson>) -> Result<Effect> {
        Effect::put(self.schema.get(collection)?.searched, text, reindex, events)
    }
}

impl Effect {
    pub(super) fn put(searched: &[&str], text: &str, reindex: bool, events: Vec<Bson>) -> Result<Self> {
        let words = (reindex && !searched.is_empty()).then(|| words_of(text, searched)).transpose()?;
        Ok(Self::Put { doc: value::from_json(text)?, words, events })
    }
}

/// An event as it waits in a document: its body is JSON already, and is read by nobody before it is published. `publisher` is the handle
/// whose relay is to publish it.
pub(super) fn event(message: EventMessage, publisher: Option<&str>) -> Result<Bson> {
    let body = String::from_utf8(message.body).map_err(Error::internal)?;
    let mut event = doc! {"id": message.id.to_string(), "name": message.name, "body": body};
    if let Some(request) = &message.request {
        event.insert("request", RequestId::as_str(request));
    }
    if let Some(publisher) = publisher {
        event.insert("publisher", publisher);
    }
    Ok(event.into())
}

/// A write and its guard. The driver repeats it once by itself when the connection breaks, and the server knows it by its number.
pub(super) fn guarded(id: &str, expected: Option<i64>, next: i64, effect: &Effect, name: Uuid) -> (Document, Document) {
    // Where nothing is expected, there may be what is left of a deleted document for the sake of its events.
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
            let mut set = doc! {"version": next, "write": name, "doc": doc};
            if let Some(words) = words {
                set.insert("words", words);
            }
            let mut update = doc! {"$set": set};
            push(&mut update, events);
            update
        }
        Effect::Delete { events } => {
            let mut update = doc! {"$set": {"version": next, "write": name}, "$unset": {"doc": "", "words": ""}};
            push(&mut update, events);
            update
        }
        // A transaction sees no conflict in what it has only read, so it writes.
        Effect::Touch => doc! {"$set": {"touched": name}},
    };
    (guard, update)
}

/// One step that needs no transaction, because the server does all of it or nothing.
async fn alone(database: &Database, step: Step, deadline: Instant) -> Result<(), Failure> {
    let name = Uuid::new();
    match carry_out(database, &step, name, &mut None).await {
        Err(Failure::Driver(error)) if is_uncertain(&error) && !is_conflict(&error) => {
            let Step::Write { collection, id, effect: Effect::Put { .. }, .. } = &step else {
                return Err(error.into());
            };
            while Instant::now() < deadline {
                if let Ok(written) = is_written(database, collection, id, name).await {
                    return if written { Ok(()) } else { Err(error.into()) };
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error.into())
        }
        outcome => outcome,
    }
}

/// Whether the last write of a document, written for good, has this name.
async fn is_written(
    database: &Database,
    collection: &str,
    id: &str,
    name: Uuid,
) -> Result<bool, mongodb::error::Error> {
    let documents = for_good::<Document>(database, collection);
    Ok(documents.find_one(doc! {"_id": id, "write": name}).projection(doc! {"_id": 1}).await?.is_some())
}

/// All steps or none. Repeats what the server wants repeated, for as long as there is time.
async fn together(database: &Database, steps: &[Step], deadline: Instant) -> Result<(), Failure> {
    let reads_only = steps.iter().all(|step| matches!(step, Step::Write { effect: Effect::Touch, .. }));
    loop {
        let mut session = begin(database).await?;
        let carried_out = if reads_only {
            unchanged(database, steps, &mut session).await
        } else {
            carry_out_all(database, steps, &mut session).await
        };
        let outcome = match carried_out {
            // A caller that has gone away must not see it happen after all.
            Ok(()) if Instant::now() < deadline => commit(&mut session, deadline).await,
            Ok(()) => Err(Failure::Late),
            Err(failure) => Err(failure),
        };
        match outcome {
            Err(Failure::Driver(error))
                if error.contains_label(TRANSIENT_TRANSACTION_ERROR)
                    && !is_conflict(&error)
                    && Instant::now() + PAUSE < deadline =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            // Dropping the session ends the transaction.
            outcome => return outcome,
        }
    }
}

pub(super) async fn begin(database: &Database) -> Result<ClientSession, Failure> {
    let mut session = database.client().start_session().await?;
    session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(durable()).await?;
    Ok(session)
}

/// Commits, and asks again while nobody can say whether it is committed; to commit twice is to commit once.
pub(super) async fn commit(session: &mut ClientSession, deadline: Instant) -> Result<(), Failure> {
    loop {
        match session.commit_transaction().await {
            Err(error)
                if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) && Instant::now() + PAUSE < deadline =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

async fn carry_out_all(database: &Database, steps: &[Step], session: &mut ClientSession) -> Result<(), Failure> {
    let mut session = Some(session);
    for step in steps {
        carry_out(database, step, Uuid::new(), &mut session).await?;
    }
    Ok(())
}

/// Runs an action of the driver, in the transaction if there is one.
macro_rules! run {
    ($action:expr, $session:expr) => {
        match $session.as_mut() {
            Some(session) => $action.session(&mut **session).await,
            None => $action.await,
        }
    };
}

pub(super) async fn carry_out(
    database: &Database,
    step: &Step,
    name: Uuid,
    session: &mut Option<&mut ClientSession>,
) -> Result<(), Failure> {
    match step {
        Step::Handle(event) => {
            let inbox = database.collection::<Document>(INBOX);
            let record = doc! {"_id": event.to_string(), "at": mongodb::bson::DateTime::now()};
            run!(inbox.insert_one(record), session).map(drop).map_err(|error| {
                if super::connection::is_duplicate(&error) { Refusal::Repeated.into() } else { Failure::from(error) }
            })
        }
        Step::Emit { id, events } => {
            let outbox = database.collection::<Document>(OUTBOX);
            run!(outbox.insert_one(doc! {"_id": id, "events": events}), session)?;
            Ok(())
        }
        Step::Write { collection, id, expected, next, effect } => {
            let guarded = |expected: Option<i64>| guarded(id, expected, *next, effect, name);
            let documents = database.collection::<RawDocumentBuf>(collection);
            if matches!((effect, expected), (Effect::Touch, None)) {
                // That nothing is there is kept so by making it and taking it away again: who makes it too is in conflict.
                let (guard, update) = guarded(None);
                run!(documents.update_one(guard.clone(), update).upsert(true), session)?;
                let mut made = guard;
                made.insert("events", doc! {"$exists": false});
                run!(documents.delete_one(made), session)?;
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

/// Whether everything is as expected, at one moment: that of the transaction's snapshot.
async fn unchanged(database: &Database, steps: &[Step], session: &mut ClientSession) -> Result<(), Failure> {
    for step in steps {
        let Step::Write { collection, id, expected, .. } = step else { continue };
        let documents = database.collection::<RawDocumentBuf>(collection);
        let found = documents
            .find_one(doc! {"_id": id, "doc": {"$exists": true}})
            .projection(doc! {"version": 1, "doc": {"$literal": 1}})
            .session(&mut *session)
            .await?;
        let version = found.map_or(Ok(None), |raw| super::stored(&raw))?.map(|stored| stored.version);
        if version != *expected {
            return Err(Refusal::Stale.into());
        }
    }
    Ok(())
}
