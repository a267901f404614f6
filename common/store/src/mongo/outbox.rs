//! The outbox. Events are stored in a written document whose type publishes, or in `_outbox`. The
//! relay deletes batches of published events by writes that do not change the version, so these
//! writes never conflict with guarded writes.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use tokio::time::Instant;

use super::super::commit::Refusal;
use super::connection::{Failure, OPERATION_TIMEOUT, SERVER_TIMEOUT};
use super::schema::{INBOX, OUTBOX};
use super::write::{Operation, in_transaction};
use super::{Mongo, majority};
use crate::events::{EventLocation, PendingEvent, PublishedEvent};
use souk_bus::{EventId, EventMessage};
use souk_types::{Error, Result};

impl Mongo {
    /// Returns the oldest majority-committed events, of all collections in one query. Event ids
    /// sort by time.
    pub(in super::super) async fn pending_events(&self, limit: usize) -> Result<Vec<PendingEvent>> {
        let publishing = self.schema.publishing();
        for declared in &publishing {
            self.schema.ready(declared).await?;
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let documents = self.connection.read(move |database| async move {
            let oldest = |collection: &str| {
                // The whole index, so that it also sorts.
                vec![
                    doc! {"$match": {"events.id": {"$exists": true}}},
                    doc! {"$sort": {"events.id": 1}},
                    doc! {"$limit": limit},
                    doc! {"$project": {"events": 1, "collection": {"$literal": collection}}},
                ]
            };
            let others = publishing.iter().map(|declared| declared.name).filter(|name| *name != OUTBOX);
            let unite = |name: &str| doc! {"$unionWith": {"coll": name, "pipeline": oldest(name)}};
            let stages = oldest(OUTBOX).into_iter().chain(others.map(unite));
            let outbox = majority::<Document>(&database, OUTBOX);
            let found = outbox.aggregate(stages).max_time(SERVER_TIMEOUT).await?;
            Ok(found.try_collect::<Vec<_>>().await?)
        });
        let mut pending = Vec::new();
        for document in documents.await? {
            let field = |name| document.get_str(name).map(str::to_owned).map_err(Error::internal);
            let location = EventLocation { collection: field("collection")?, document: field("_id")? };
            for event in document.get_array("events").map_err(Error::internal)? {
                let event = event.as_document().ok_or_else(|| Error::internal("an event is no document"))?;
                pending.push(PendingEvent { message: message(event)?, location: Some(location.clone()) });
            }
        }
        pending.sort_by_key(|pending| pending.message.id);
        pending.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(pending)
    }

    pub(in super::super) async fn delete_published(&self, published: &[PublishedEvent]) -> Result<()> {
        let mut by_collection: BTreeMap<&str, (BTreeSet<&str>, Vec<String>)> = BTreeMap::new();
        for event in published {
            let location = event.location.as_ref().ok_or_else(|| Error::internal("an event without its document"))?;
            let (documents, events) = by_collection.entry(&location.collection).or_default();
            documents.insert(&location.document);
            events.push(event.id.to_string());
        }
        let deletions = by_collection.into_iter().map(|(collection, (documents, events))| {
            let (collection, documents) = (collection.to_owned(), documents.into_iter().map(str::to_owned).collect());
            self.connection.read(move |database| async move {
                delete_from(&database.collection(&collection), documents, events).await
            })
        });
        try_join_all(deletions).await.map(drop)
    }

    pub(in super::super) async fn is_pending(&self, event: EventId) -> Result<bool> {
        let publishing = self.schema.publishing().into_iter();
        let found = try_join_all(publishing.map(|declared| {
            self.connection.read(move |database| async move {
                let documents = majority::<Document>(&database, declared.name);
                let looking = documents.find_one(doc! {"events.id": event.to_string()}).projection(doc! {"_id": 1});
                Ok(looking.max_time(SERVER_TIMEOUT).await?.is_some())
            })
        }));
        Ok(found.await?.contains(&true))
    }

    /// `newest` waits for uncommitted records.
    pub(in super::super) async fn is_handled(&self, event: EventId, newest: bool) -> Result<bool> {
        let found = self.connection.read(move |database| async move {
            if newest {
                let deadline = Instant::now() + OPERATION_TIMEOUT;
                return match in_transaction(&database, &[Operation::CheckHandled(event)], deadline).await {
                    Err(Failure::Refused(Refusal::Stale)) => Ok(false),
                    checked => checked.map(|()| true),
                };
            }
            let inbox = majority::<Document>(&database, INBOX);
            let record = inbox.find_one(doc! {"_id": event.to_string()}).max_time(SERVER_TIMEOUT).await?;
            Ok(record.is_some())
        });
        found.await
    }
}

/// Usually one command. A document that was deleted goes with its last event.
async fn delete_from(
    collection: &Collection<Document>,
    documents: Vec<String>,
    events: Vec<String>,
) -> std::result::Result<(), Failure> {
    let remaining = doc! {"$filter": {"input": "$events", "cond": {"$not": {"$in": ["$$this.id", &events]}}}};
    let unless_empty = doc! {"$cond": [{"$eq": ["$events", []]}, "$$REMOVE", "$events"]};
    let delete_events = vec![doc! {"$set": {"events": remaining}}, doc! {"$set": {"events": unless_empty}}];
    let mut left = u64::try_from(documents.len()).unwrap_or(u64::MAX);
    if collection.name() != OUTBOX {
        let with_document = doc! {"_id": {"$in": &documents}, "events.id": {"$in": &events}, "doc": {"$exists": true}};
        left -= collection.update_many(with_document, delete_events.clone()).await?.matched_count.min(left);
    }
    if left > 0 {
        let others = doc! {"$elemMatch": {"id": {"$nin": &events}}};
        let deleted = doc! {"_id": {"$in": &documents}, "doc": {"$exists": false}, "events": {"$not": others}};
        left -= collection.delete_many(deleted).await?.deleted_count.min(left);
    }
    if left > 0 {
        let any = doc! {"_id": {"$in": documents}, "events.id": {"$in": events}};
        collection.update_many(any, delete_events).await?;
    }
    Ok(())
}

pub(super) fn message(event: &Document) -> Result<EventMessage> {
    let field = |name| event.get_str(name).map_err(Error::internal);
    let request = event.get_str("request").ok().and_then(|request| request.parse().ok());
    let id = field("id")?.parse().map_err(Error::internal)?;
    Ok(EventMessage { id, name: field("name")?.to_owned(), request, body: field("body")?.as_bytes().to_vec() })
}
