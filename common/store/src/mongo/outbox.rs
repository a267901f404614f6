//! The outbox: events wait in the document whose write published them, or in `_outbox`. They are taken out later and many at once, by a write
//! that leaves the version alone, so that it never stands in the way of a guarded write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use mongodb::bson::{Document, doc};
use mongodb::options::{Hint, ReadConcern};

use super::super::Pending;
use super::connection::{Failure, ON_THE_SERVER};
use super::schema::{EVENTS, INBOX};
use super::{Mongo, for_good, read_with};
use souk_bus::{EventId, EventMessage};
use souk_types::{Error, Result};

/// In which collection, and in which document, the events were that the relay has in hand. It is only a shortcut: who is not in here is
/// looked for.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<EventId, Location>>);

type Location = (&'static str, String);

impl Mongo {
    /// The oldest events first, and none whose write could still be taken back. An event's id begins with its time, and the index of events is in their order.
    pub(in super::super) async fn pending_events(&self, limit: usize) -> Result<Vec<Pending>> {
        let carriers = self.schema.carriers();
        let found = try_join_all(carriers.into_iter().map(|carrier| self.pending_in(carrier, limit))).await?;
        let mut pending: Vec<(Pending, Location)> = found.into_iter().flatten().collect();
        pending.sort_by_key(|(pending, _)| pending.message.id.to_string());
        pending.truncate(limit);
        let mut known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
        known.extend(pending.iter().map(|(pending, location)| (pending.message.id, location.clone())));
        Ok(pending.into_iter().map(|(pending, _)| pending).collect())
    }

    async fn pending_in(&self, carrier: &'static str, limit: usize) -> Result<Vec<(Pending, Location)>> {
        self.schema.ready(&self.schema.get(carrier)?).await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let documents = self
            .connection
            .read(move |database| async move {
                let documents = for_good::<Document>(&database, carrier);
                let waiting = documents.find(doc! {}).hint(Hint::Name(EVENTS.to_owned())).sort(doc! {"events.id": 1});
                let waiting = waiting.projection(doc! {"events": 1}).limit(limit).max_time(ON_THE_SERVER);
                Ok(waiting.await?.try_collect::<Vec<_>>().await?)
            })
            .await?;
        let mut pending = Vec::new();
        for document in documents {
            let id = document.get_str("_id").map_err(Error::internal)?;
            for event in document.get_array("events").map_err(Error::internal)? {
                let event = event.as_document().ok_or_else(|| Error::internal("an event that is no document"))?;
                let is_ours = event.get_str("publisher").is_ok_and(|publisher| publisher == self.publisher);
                pending.push((Pending { message: message(event)?, is_ours }, (carrier, id.to_owned())));
            }
        }
        Ok(pending)
    }

    pub(super) async fn delete_published(&self, published: Vec<EventId>) -> Result<()> {
        let known: Vec<Option<Location>> = {
            let mut known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
            published.iter().map(|event| known.remove(event)).collect()
        };
        let mut locations: BTreeMap<&'static str, (BTreeSet<String>, Vec<String>)> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (event, location) in published.iter().map(EventId::to_string).zip(known) {
            match location {
                Some((carrier, id)) => {
                    let (documents, events) = locations.entry(carrier).or_default();
                    documents.insert(id);
                    events.push(event);
                }
                None => unknown.push(event),
            }
        }
        if !unknown.is_empty() {
            for carrier in self.schema.carriers() {
                let documents = self.carrying(carrier, unknown.clone()).await?;
                if !documents.is_empty() {
                    let location = locations.entry(carrier).or_default();
                    location.0.extend(documents);
                    location.1.extend(unknown.iter().cloned());
                }
            }
        }
        try_join_all(
            locations.into_iter().map(|(carrier, (documents, events))| self.take_out(carrier, documents, events)),
        )
        .await?;
        Ok(())
    }

    async fn take_out(&self, carrier: &'static str, documents: BTreeSet<String>, events: Vec<String>) -> Result<()> {
        let documents: Vec<String> = documents.into_iter().collect();
        self.connection
            .read(move |database| async move {
                let carriers = database.collection::<Document>(carrier);
                // Where there is no document but for its events, it goes with the last of them.
                let others = doc! {"$elemMatch": {"id": {"$nin": &events}}};
                let drained = doc! {"_id": {"$in": &documents}, "doc": {"$exists": false}, "events": {"$not": others}};
                carriers.delete_many(drained).await?;
                let left = doc! {"$filter": {"input": "$events", "cond": {"$not": {"$in": ["$$this.id", &events]}}}};
                let unless_empty = doc! {"$cond": [{"$eq": ["$events", []]}, "$$REMOVE", "$events"]};
                let stages = vec![doc! {"$set": {"events": left}}, doc! {"$set": {"events": unless_empty}}];
                let these = doc! {"_id": {"$in": documents}, "events.id": {"$in": events}};
                carriers.update_many(these, stages).await?;
                Ok(())
            })
            .await
    }

    pub(in super::super) async fn is_pending(&self, event: EventId) -> Result<bool> {
        let event = vec![event.to_string()];
        let carriers = self.schema.carriers();
        let found = try_join_all(carriers.into_iter().map(|carrier| self.carrying(carrier, event.clone()))).await?;
        Ok(found.iter().any(|documents| !documents.is_empty()))
    }

    /// The documents in which any of these events waits.
    async fn carrying(&self, carrier: &'static str, events: Vec<String>) -> Result<Vec<String>> {
        let documents = self
            .connection
            .read(move |database| async move {
                let documents = for_good::<Document>(&database, carrier);
                let looking = documents.find(doc! {"events.id": {"$in": events}}).projection(doc! {"_id": 1});
                Ok(looking.max_time(ON_THE_SERVER).await?.try_collect::<Vec<_>>().await?)
            })
            .await?;
        let id = |document: &Document| document.get_str("_id").map(str::to_owned).map_err(Error::internal);
        documents.iter().map(id).collect()
    }

    /// Whether that is recorded for good: the event will not come again. `newest` waits for what is being written.
    pub(in super::super) async fn is_handled(&self, event: EventId, newest: bool) -> Result<bool> {
        let concern = if newest { ReadConcern::linearizable() } else { ReadConcern::majority() };
        let id = doc! {"_id": event.to_string()};
        let found = self.connection.read(move |database| async move {
            Ok::<_, Failure>(
                read_with::<Document>(&database, INBOX, concern).find_one(id).max_time(ON_THE_SERVER).await?,
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
