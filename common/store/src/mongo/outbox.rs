//! The outbox. Events are stored in the document whose write published them, or in `_outbox`. The
//! relay deletes batches of published events by writes that do not change the version, so these
//! writes never conflict with guarded writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use mongodb::bson::{Document, doc};
use mongodb::options::{Hint, ReadConcern};

use super::super::PendingEvent;
use super::connection::{Failure, SERVER_TIMEOUT};
use super::schema::{EVENTS, INBOX};
use super::{Mongo, majority, read_with};
use souk_bus::{EventId, EventMessage};
use souk_types::{Error, Result};

/// A cache of the documents of events. Other events are located by a query.
#[derive(Default)]
pub(super) struct Locations(Mutex<HashMap<EventId, Location>>);

type Location = (&'static str, String);

impl Mongo {
    /// Returns the oldest majority-committed events. Event ids sort by time.
    pub(in super::super) async fn pending_events(&self, limit: usize) -> Result<Vec<PendingEvent>> {
        let collections_with_events = self.schema.collections_with_events();
        let found =
            try_join_all(collections_with_events.into_iter().map(|collection| self.pending_in(collection, limit)))
                .await?;
        let mut pending: Vec<(PendingEvent, Location)> = found.into_iter().flatten().collect();
        pending.sort_by_key(|(pending, _)| pending.message.id.to_string());
        pending.truncate(limit);
        let mut locations = self.locations.0.lock().unwrap_or_else(PoisonError::into_inner);
        locations.clear();
        locations.extend(pending.iter().map(|(pending, location)| (pending.message.id, location.clone())));
        Ok(pending.into_iter().map(|(pending, _)| pending).collect())
    }

    async fn pending_in(&self, collection: &'static str, limit: usize) -> Result<Vec<(PendingEvent, Location)>> {
        self.schema.ready(&self.schema.get(collection)?).await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let documents = self
            .connection
            .read(move |database| async move {
                let documents = majority::<Document>(&database, collection);
                let waiting = documents.find(doc! {}).hint(Hint::Name(EVENTS.to_owned())).sort(doc! {"events.id": 1});
                let waiting = waiting.projection(doc! {"events": 1}).limit(limit).max_time(SERVER_TIMEOUT);
                Ok(waiting.await?.try_collect::<Vec<_>>().await?)
            })
            .await?;
        let mut pending = Vec::new();
        for document in documents {
            let id = document.get_str("_id").map_err(Error::internal)?;
            for event in document.get_array("events").map_err(Error::internal)? {
                let event = event.as_document().ok_or_else(|| Error::internal("an event is no document"))?;
                let is_own = event.get_str("publisher").is_ok_and(|publisher| publisher == self.publisher);
                pending.push((PendingEvent { message: message(event)?, is_own }, (collection, id.to_owned())));
            }
        }
        Ok(pending)
    }

    pub(super) async fn delete_published(&self, published: Vec<EventId>) -> Result<()> {
        let locations: Vec<Option<Location>> = {
            let mut locations = self.locations.0.lock().unwrap_or_else(PoisonError::into_inner);
            published.iter().map(|event| locations.remove(event)).collect()
        };
        let mut by_collection: BTreeMap<&'static str, (BTreeSet<String>, Vec<String>)> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (event, location) in published.iter().map(EventId::to_string).zip(locations) {
            match location {
                Some((collection, id)) => {
                    let (documents, events) = by_collection.entry(collection).or_default();
                    documents.insert(id);
                    events.push(event);
                }
                None => unknown.push(event),
            }
        }
        if !unknown.is_empty() {
            for collection in self.schema.collections_with_events() {
                let documents = self.carrying(collection, unknown.clone()).await?;
                if !documents.is_empty() {
                    let location = by_collection.entry(collection).or_default();
                    location.0.extend(documents);
                    location.1.extend(unknown.iter().cloned());
                }
            }
        }
        try_join_all(
            by_collection
                .into_iter()
                .map(|(collection, (documents, events))| self.delete_from(collection, documents, events)),
        )
        .await?;
        Ok(())
    }

    async fn delete_from(
        &self,
        collection: &'static str,
        documents: BTreeSet<String>,
        events: Vec<String>,
    ) -> Result<()> {
        let documents: Vec<String> = documents.into_iter().collect();
        self.connection
            .read(move |database| async move {
                let collections_with_events = database.collection::<Document>(collection);
                // A deleted document is removed with its last event.
                let others = doc! {"$elemMatch": {"id": {"$nin": &events}}};
                let drained = doc! {"_id": {"$in": &documents}, "doc": {"$exists": false}, "events": {"$not": others}};
                collections_with_events.delete_many(drained).await?;
                let left = doc! {"$filter": {"input": "$events", "cond": {"$not": {"$in": ["$$this.id", &events]}}}};
                let unless_empty = doc! {"$cond": [{"$eq": ["$events", []]}, "$$REMOVE", "$events"]};
                let stages = vec![doc! {"$set": {"events": left}}, doc! {"$set": {"events": unless_empty}}];
                let of_documents = doc! {"_id": {"$in": documents}, "events.id": {"$in": events}};
                collections_with_events.update_many(of_documents, stages).await?;
                Ok(())
            })
            .await
    }

    pub(in super::super) async fn is_pending(&self, event: EventId) -> Result<bool> {
        let event = vec![event.to_string()];
        let collections_with_events = self.schema.collections_with_events();
        let found = try_join_all(
            collections_with_events.into_iter().map(|collection| self.carrying(collection, event.clone())),
        )
        .await?;
        Ok(found.iter().any(|documents| !documents.is_empty()))
    }

    async fn carrying(&self, collection: &'static str, events: Vec<String>) -> Result<Vec<String>> {
        let documents = self
            .connection
            .read(move |database| async move {
                let documents = majority::<Document>(&database, collection);
                let looking = documents.find(doc! {"events.id": {"$in": events}}).projection(doc! {"_id": 1});
                Ok(looking.max_time(SERVER_TIMEOUT).await?.try_collect::<Vec<_>>().await?)
            })
            .await?;
        let id = |document: &Document| document.get_str("_id").map(str::to_owned).map_err(Error::internal);
        documents.iter().map(id).collect()
    }

    /// `newest` waits for uncommitted records.
    pub(in super::super) async fn is_handled(&self, event: EventId, newest: bool) -> Result<bool> {
        let concern = if newest { ReadConcern::linearizable() } else { ReadConcern::majority() };
        let id = doc! {"_id": event.to_string()};
        let found = self.connection.read(move |database| async move {
            Ok::<_, Failure>(
                read_with::<Document>(&database, INBOX, concern).find_one(id).max_time(SERVER_TIMEOUT).await?,
            )
        });
        Ok(found.await?.is_some())
    }
}

pub(super) fn message(event: &Document) -> Result<EventMessage> {
    let field = |name| event.get_str(name).map_err(Error::internal);
    let request = event.get_str("request").ok().and_then(|request| request.parse().ok());
    let id = field("id")?.parse().map_err(Error::internal)?;
    Ok(EventMessage { id, name: field("name")?.to_owned(), request, body: field("body")?.as_bytes().to_vec() })
}
