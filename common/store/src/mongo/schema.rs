//! Collections and their indexes. Each process creates the indexes of a collection in the
//! background. Writes and queries wait for the indexes; reads by id do not.
//!
//! An index with a changed declaration is replaced, unless the old or the new one is unique:
//! without it, running instances could write duplicates. Then the collection stays unavailable, and
//! [`Schema::all_ready`] asks the operator to rename the new index, or to drop the old one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::events::INBOX_RETENTION;
use super::super::{Find, Index, words};
use super::connection::{Connection, Failure, OPERATION_TIMEOUT, code};
use super::value;
use souk_types::{Error, Result};

pub(super) const WORDS: &str = "_words";
pub(super) const EVENTS: &str = "_events";
/// Collection of events without a document.
pub(super) const OUTBOX: &str = "_outbox";
pub(super) const INBOX: &str = "_inbox";
/// Collection of the format version.
pub(super) const FORMAT: &str = "_format";
/// Collection of the searched fields of each collection.
pub(super) const SEARCHED: &str = "_searched";
/// Time limit for creating the indexes of a large collection.
const INDEXING_TIMEOUT: Duration = Duration::from_mins(30);
/// Documents whose words are written in one round trip.
const ROUND_TRIP_SIZE: usize = 500;
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// `IndexOptionsConflict` and `IndexKeySpecsConflict`: an index of that name differs.
const INDEX_CONFLICTS: [i32; 2] = [85, 86];

pub(super) struct Schema {
    connection: Arc<Connection>,
    declared: Mutex<BTreeMap<&'static str, Arc<DeclaredCollection>>>,
}

/// A collection as its document type declares it.
pub(super) struct DeclaredCollection {
    pub(super) name: &'static str,
    pub(super) indexes: &'static [Index],
    pub(super) searched: &'static [&'static str],
    /// Whether the documents may contain events.
    pub(super) publishes: bool,
    state: watch::Sender<State>,
}

#[derive(Clone)]
enum State {
    Declared,
    Making,
    /// The last attempt failed and will be retried.
    Failed(Error),
    Ready,
}

impl Schema {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let schema = Self { connection, declared: Mutex::default() };
        schema.declare(OUTBOX, &[], &[], true);
        schema.declare(INBOX, &[], &[], false);
        schema
    }

    pub(super) fn declare(
        &self,
        name: &'static str,
        indexes: &'static [Index],
        searched: &'static [&'static str],
        publishes: bool,
    ) -> Arc<DeclaredCollection> {
        let state = watch::Sender::new(State::Declared);
        let new = || Arc::new(DeclaredCollection { name, indexes, searched, publishes, state });
        Arc::clone(self.lock().entry(name).or_insert_with(new))
    }

    pub(super) fn get(&self, name: &str) -> Result<Arc<DeclaredCollection>> {
        let declared = self.lock().get(name).cloned();
        declared.ok_or_else(|| Error::internal(format!("the collection {name} was not opened")))
    }

    /// Returns the collections whose documents may contain events, `_outbox` first.
    pub(super) fn publishing(&self) -> Vec<Arc<DeclaredCollection>> {
        self.lock().values().filter(|declared| declared.publishes).map(Arc::clone).collect()
    }

    pub(super) fn start(&self, declared: &Arc<DeclaredCollection>) {
        let begun = declared.state.send_if_modified(|state| {
            let declared = matches!(state, State::Declared);
            if declared {
                *state = State::Making;
            }
            declared
        });
        if begun {
            tokio::spawn(keep_creating_indexes(Arc::clone(&self.connection), Arc::downgrade(declared)));
        }
    }

    /// Waits until the indexes of a collection exist. Errors: why the last attempt failed.
    pub(super) async fn ready(&self, declared: &Arc<DeclaredCollection>) -> Result<()> {
        if matches!(*declared.state.borrow(), State::Ready) {
            return Ok(());
        }
        self.start(declared);
        let mut state = declared.state.subscribe();
        let settled = state.wait_for(|state| matches!(state, State::Ready | State::Failed(_)));
        match tokio::time::timeout(OPERATION_TIMEOUT, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Failed(error) => Err(error.clone()),
                _ => Ok(()),
            },
            Ok(Err(closed)) => Err(Error::internal(closed)),
            Err(_) => {
                Err(self.connection.unavailable(&format!("the indexes of {} are still being created", declared.name)))
            }
        }
    }

    pub(super) async fn all_ready(&self) -> Result<()> {
        let all: Vec<Arc<DeclaredCollection>> = self.lock().values().cloned().collect();
        for declared in &all {
            self.start(declared);
        }
        for declared in &all {
            self.ready(declared).await?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<DeclaredCollection>>> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates the indexes of a collection; ends when they exist or the collection is dropped.
async fn keep_creating_indexes(connection: Arc<Connection>, declared: std::sync::Weak<DeclaredCollection>) {
    let mut last = String::new();
    while let Some(declared) = declared.upgrade() {
        let begin = Instant::now();
        let making = Arc::clone(&declared);
        let created = match connection.check_primary().await {
            Ok(()) => {
                connection
                    .within(INDEXING_TIMEOUT, |database| async move { create_indexes(&database, &making).await })
                    .await
            }
            Err(error) => Err(error.into()),
        };
        let Err(failure) = created else {
            declared.state.send_replace(State::Ready);
            return;
        };
        let error = connection.explain(failure).into_error();
        let text = error.to_string();
        if text != last {
            if error.is_outage() {
                tracing::warn!(collection = declared.name, %error, "indexes cannot be created");
            } else {
                tracing::error!(collection = declared.name, %error, "indexes cannot be created");
            }
            last = text;
        }
        declared.state.send_replace(State::Failed(error));
        drop(declared);
        tokio::time::sleep_until(begin + RETRY_DELAY).await;
    }
}

async fn create_indexes(database: &Database, declared: &DeclaredCollection) -> Result<(), Failure> {
    let collection = database.collection::<RawDocumentBuf>(declared.name);
    let model = |keys: Document, name: &str, options: IndexOptions| {
        let mut options = options;
        options.name = Some(name.to_owned());
        IndexModel::builder().keys(keys).options(options).build()
    };
    if declared.name == INBOX {
        let expiring = IndexOptions::builder().expire_after(INBOX_RETENTION).build();
        return create(&collection, vec![model(doc! {"at": 1}, "_age", expiring)]).await;
    }
    let sparse = || IndexOptions::builder().sparse(true).build();
    let mut models = Vec::new();
    if declared.publishes {
        models.push(model(doc! {"events.id": 1}, EVENTS, sparse()));
    }
    if !declared.searched.is_empty() {
        models.push(model(doc! {"words": 1}, WORDS, sparse()));
    }
    for index in declared.indexes.iter().filter(|index| index.fields().next().is_some()) {
        // A query for a value of a list cannot state the condition of a partial index.
        let present = (!index.each).then(|| present(index.fields()));
        let options = IndexOptions::builder().unique(index.unique).partial_filter_expression(present).build();
        models.push(model(index.keys(1), index.name, options));
    }
    if !models.is_empty() {
        create(&collection, models).await?;
    }
    rebuild_words(database, &collection, declared).await
}

/// Creates all indexes at once, or one by one if one differs. Never replaces a unique index.
async fn create(collection: &Collection<RawDocumentBuf>, models: Vec<IndexModel>) -> Result<(), Failure> {
    let conflicts = |error: &mongodb::error::Error| code(error).is_some_and(|code| INDEX_CONFLICTS.contains(&code));
    match collection.create_indexes(models.clone()).await {
        Err(error) if conflicts(&error) => {}
        outcome => return Ok(outcome.map(drop)?),
    }
    let mut unique = collection.list_indexes().await?.try_collect::<Vec<_>>().await?;
    unique.retain(is_unique);
    let unique: Vec<String> = unique.iter().map(name_of).collect();
    for model in models {
        let name = name_of(&model);
        match collection.create_index(model.clone()).await {
            Err(error) if conflicts(&error) && (is_unique(&model) || unique.contains(&name)) => {
                let collection = collection.name();
                return Err(Error::internal(format!(
                    "the unique index {name} of {collection} differs from its declaration and is not dropped while instances may \
                     rely on it: declare the new one under another name, or stop them all and run db[\"{collection}\"].dropIndex(\"{name}\")"
                ))
                .into());
            }
            Err(error) if conflicts(&error) => {
                tracing::warn!(
                    collection = collection.name(),
                    index = name,
                    "an index with a changed declaration is replaced"
                );
                collection.drop_index(name).await?;
                collection.create_index(model).await?;
            }
            outcome => drop(outcome?),
        }
    }
    Ok(())
}

fn name_of(model: &IndexModel) -> String {
    model.options.as_ref().and_then(|options| options.name.clone()).unwrap_or_default()
}

fn is_unique(model: &IndexModel) -> bool {
    model.options.as_ref().and_then(|options| options.unique).unwrap_or(false)
}

/// Rebuilds the words of all documents when the searched fields or the rules of words have changed.
async fn rebuild_words(
    database: &Database,
    collection: &Collection<RawDocumentBuf>,
    declared: &DeclaredCollection,
) -> Result<(), Failure> {
    let before = database.collection::<Document>(SEARCHED);
    let this = doc! {"_id": declared.name};
    let known = before.find_one(this.clone()).await?;
    let known = known.as_ref().and_then(|known| known.get_array("fields").ok());
    let fields: Vec<Bson> = declared.searched.iter().map(|field| words::versioned(field).into()).collect();
    if known.map_or(fields.is_empty(), |known| *known == fields) {
        return Ok(());
    }
    if !fields.is_empty() {
        let mut all = collection.find(doc! {"doc": {"$exists": true}}).await?;
        let mut updates = Vec::new();
        while let Some(raw) = all.try_next().await? {
            let Some(stored) = super::stored(&raw)? else { continue };
            let id = raw.get_str("_id").map_err(Error::internal)?;
            let words = words_of(&stored.text, declared.searched)?;
            // A concurrent writer has written the words too.
            let guarded = doc! {"_id": id, "version": stored.version};
            updates.push(doc! {"q": guarded, "u": {"$set": {"words": words}}});
            if updates.len() == ROUND_TRIP_SIZE {
                update(database, declared.name, std::mem::take(&mut updates)).await?;
            }
        }
        update(database, declared.name, updates).await?;
    }
    before.update_one(this, doc! {"$set": {"fields": fields}}).upsert(true).await?;
    Ok(())
}

/// Sends many updates in one round trip. An update may match nothing.
async fn update(database: &Database, collection: &str, updates: Vec<Document>) -> Result<(), Failure> {
    if updates.is_empty() {
        return Ok(());
    }
    // A raw command does not use the write concern of the client.
    let durable = doc! {"w": "majority", "j": true};
    let update = doc! {"update": collection, "updates": updates, "writeConcern": durable};
    let answer = database.run_command(update).await?;
    match answer.get_array("writeErrors").map(Vec::as_slice) {
        Ok([error, ..]) => Err(Error::internal(format!("MongoDB: {error}")).into()),
        _ => Ok(()),
    }
}

pub(super) fn words_of(text: &str, searched: &[&str]) -> Result<Vec<String>> {
    let document = serde_json::from_str(text).map_err(Error::internal)?;
    Ok(words::of_document(&document, searched).into_iter().collect())
}

/// The server uses a partial index only when index and query state the same condition.
pub(super) fn present(fields: impl Iterator<Item = &'static str>) -> Document {
    fields.map(|field| (path(field), Bson::from(doc! {"$type": ["number", "string", "bool"]}))).collect()
}

pub(super) fn path(field: &str) -> String {
    format!("doc.{field}")
}

impl Index {
    /// In an index that is not unique, the id decides between equals.
    pub(super) fn keys(&self, direction: i32) -> Document {
        let id = (!self.unique).then(|| "_id".to_owned());
        self.fields().map(path).chain(id).map(|field| (field, Bson::from(direction))).collect()
    }

    pub(super) fn order_path(&self) -> Option<String> {
        self.order.map(path)
    }
}

/// Returns the range of a page in its index, as `min` (inclusive) and `max` (exclusive) keys.
pub(super) fn range(find: &Find) -> (Document, Document) {
    let paths = find.index.equal.iter().map(|field| path(field));
    let equal: Document = paths.zip(find.equal.iter().map(value::scalar)).collect();
    let end = |key: Bson, id: Bson| {
        let mut end = equal.clone();
        if let Some(order) = find.index.order_path() {
            end.insert(order, key);
        }
        end.insert("_id", id);
        end
    };
    let upper_bound = find.up_to.as_ref().map_or(Bson::MaxKey, value::scalar);
    let (mut least, mut most) = (end(Bson::MinKey, Bson::MinKey), end(upper_bound, Bson::MaxKey));
    if let Some(cursor) = &find.paging.after {
        let key = value::scalar(&cursor.key);
        match find.direction {
            // The next string after the id.
            super::super::Direction::Ascending => least = end(key, format!("{}\0", cursor.id).into()),
            super::super::Direction::Descending => most = end(key, cursor.id.as_str().into()),
        }
    }
    (least, most)
}
