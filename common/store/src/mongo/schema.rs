//! Collections and their indexes. They are made in the background, once for each process and collection, and again and again while the
//! server is away. No write, and no query along an index, goes before them; a read by id needs none.
//!
//! An index that is declared otherwise than before is made anew, unless it is unique on either side: while there is none, instances that
//! run could write what it must keep out. Then nothing is ready, [`Schema::all_ready`] says what to do, and somebody has to do it: give the new
//! index a name of its own, or drop the old one when no instance runs.
//!
//! A document is `{_id, version, write, doc, words, events}`: what was kept is `doc`, so that its fields are indexed as `doc.<path>`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::{Find, Index};
use super::connection::{Connection, Failure, OPERATION, code};
use super::{value, words};
use souk_types::{Error, Result};

/// The index of the words of the searched fields.
pub(super) const WORDS: &str = "_words";
/// The index of documents in which events wait.
pub(super) const EVENTS: &str = "_events";
/// Carries the events of commits that write no document.
pub(super) const OUTBOX: &str = "_outbox";
/// The ids of handled events.
pub(super) const INBOX: &str = "_inbox";
/// What was searched when the words of a collection were last made.
pub(super) const SEARCHED: &str = "_searched";
/// Ids of handled events are kept this long; no delivery repeats after a week.
const INBOX_KEPT: Duration = Duration::from_hours(7 * 24);
/// An index over a collection that is already large takes its time.
const INDEXING: Duration = Duration::from_mins(30);
/// Documents whose words are written in one round trip.
const TOGETHER: usize = 500;
/// Indexes that could not be made are tried again after this: as soon as the server is back.
const AGAIN: Duration = Duration::from_millis(500);
/// `IndexOptionsConflict` and `IndexKeySpecsConflict`: an index of that name is there, and is another.
const OTHER_INDEX: [i32; 2] = [85, 86];

pub(super) struct Schema {
    connection: Arc<Connection>,
    kept: Mutex<BTreeMap<&'static str, Arc<Kept>>>,
}

/// A collection, as its type declares it.
pub(super) struct Kept {
    pub(super) name: &'static str,
    pub(super) indexes: &'static [Index],
    pub(super) searched: &'static [&'static str],
    state: watch::Sender<State>,
}

#[derive(Clone)]
enum State {
    /// Nobody has begun.
    Declared,
    /// Somebody is at it.
    Making,
    /// It did not work, and is tried again shortly.
    Failed(Error),
    Ready,
}

impl Schema {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let schema = Self { connection, kept: Mutex::default() };
        schema.declare(OUTBOX, &[], &[]);
        schema.declare(INBOX, &[], &[]);
        schema
    }

    /// Notes a collection; whoever is first wins, for a process has one type for each.
    pub(super) fn declare(
        &self,
        name: &'static str,
        indexes: &'static [Index],
        searched: &'static [&'static str],
    ) -> Arc<Kept> {
        let new = || Arc::new(Kept { name, indexes, searched, state: watch::Sender::new(State::Declared) });
        Arc::clone(self.lock().entry(name).or_insert_with(new))
    }

    pub(super) fn get(&self, name: &str) -> Result<Arc<Kept>> {
        let kept = self.lock().get(name).cloned();
        kept.ok_or_else(|| Error::internal(format!("the collection {name} was not opened")))
    }

    /// All that may carry events.
    pub(super) fn carriers(&self) -> Vec<&'static str> {
        self.lock().keys().copied().filter(|name| *name != INBOX).collect()
    }

    /// Begins to make the indexes of a collection, if nobody has.
    pub(super) fn begin(&self, kept: &Arc<Kept>) {
        let begun = kept.state.send_if_modified(|state| {
            let declared = matches!(state, State::Declared);
            if declared {
                *state = State::Making;
            }
            declared
        });
        if begun {
            tokio::spawn(make(Arc::clone(&self.connection), Arc::downgrade(kept)));
        }
    }

    /// Waits until the indexes of a collection are there. Errors: why they could not be made just now.
    pub(super) async fn ready(&self, kept: &Arc<Kept>) -> Result<()> {
        if matches!(*kept.state.borrow(), State::Ready) {
            return Ok(());
        }
        self.begin(kept);
        let mut state = kept.state.subscribe();
        let settled = state.wait_for(|state| matches!(state, State::Ready | State::Failed(_)));
        match tokio::time::timeout(OPERATION, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Failed(error) => Err(error.clone()),
                _ => Ok(()),
            },
            Ok(Err(closed)) => Err(Error::internal(closed)),
            Err(_) => Err(self.connection.unavailable(&format!("the indexes of {} are still being made", kept.name))),
        }
    }

    /// Waits for the indexes of every collection.
    pub(super) async fn all_ready(&self) -> Result<()> {
        let all: Vec<Arc<Kept>> = self.lock().values().cloned().collect();
        for kept in &all {
            self.begin(kept);
        }
        for kept in &all {
            self.ready(kept).await?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the indexes of a collection, until it is done or nobody wants the collection any more.
async fn make(connection: Arc<Connection>, kept: std::sync::Weak<Kept>) {
    let mut last = String::new();
    while let Some(kept) = kept.upgrade() {
        let begin = Instant::now();
        let making = Arc::clone(&kept);
        let made = match connection.greet().await {
            Ok(()) => connection.within(INDEXING, |database| async move { kept_in(&database, &making).await }).await,
            Err(error) => Err(error.into()),
        };
        let Err(failure) = made else {
            kept.state.send_replace(State::Ready);
            return;
        };
        let error = connection.explain(failure).into_error();
        // Once is enough for the log, however long it lasts.
        let text = error.to_string();
        if text != last {
            if error.is_outage() {
                tracing::warn!(collection = kept.name, %error, "indexes could not be made");
            } else {
                tracing::error!(collection = kept.name, %error, "indexes could not be made");
            }
            last = text;
        }
        kept.state.send_replace(State::Failed(error));
        drop(kept);
        tokio::time::sleep_until(begin + AGAIN).await;
    }
}

async fn kept_in(database: &Database, kept: &Kept) -> Result<(), Failure> {
    let collection = database.collection::<RawDocumentBuf>(kept.name);
    let model = |keys: Document, name: &str, options: IndexOptions| {
        let mut options = options;
        options.name = Some(name.to_owned());
        IndexModel::builder().keys(keys).options(options).build()
    };
    if kept.name == INBOX {
        let expiring = IndexOptions::builder().expire_after(INBOX_KEPT).build();
        return create(&collection, vec![model(doc! {"at": 1}, "_age", expiring)]).await;
    }
    let sparse = || IndexOptions::builder().sparse(true).build();
    let mut models = vec![model(doc! {"events.id": 1}, EVENTS, sparse())];
    if !kept.searched.is_empty() {
        models.push(model(doc! {"words": 1}, WORDS, sparse()));
    }
    for index in kept.indexes.iter().filter(|index| index.fields().next().is_some()) {
        let options =
            IndexOptions::builder().unique(index.unique).partial_filter_expression(present(index.fields())).build();
        models.push(model(index.keys(1), index.name, options));
    }
    create(&collection, models).await?;
    search_all(database, &collection, kept).await
}

/// All indexes in one command; one by one when an index of the same name is there that was declared otherwise. A unique one is left as it is.
async fn create(collection: &Collection<RawDocumentBuf>, models: Vec<IndexModel>) -> Result<(), Failure> {
    let conflicts = |error: &mongodb::error::Error| code(error).is_some_and(|code| OTHER_INDEX.contains(&code));
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
                    "the unique index {name} of {collection} is declared otherwise than it was made, and is not dropped while instances may \
                     rely on it: declare the new one under another name, or stop them all and run db[\"{collection}\"].dropIndex(\"{name}\")"
                ))
                .into());
            }
            Err(error) if conflicts(&error) => {
                tracing::warn!(collection = collection.name(), index = name, "an index is declared otherwise now");
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

/// Makes the words of all documents anew when other fields are searched than before.
async fn search_all(database: &Database, collection: &Collection<RawDocumentBuf>, kept: &Kept) -> Result<(), Failure> {
    let before = database.collection::<Document>(SEARCHED);
    let this = doc! {"_id": kept.name};
    let known = before.find_one(this.clone()).await?;
    let known = known.as_ref().and_then(|known| known.get_array("fields").ok());
    let fields: Vec<Bson> = kept.searched.iter().map(|field| (*field).into()).collect();
    if known.map_or(fields.is_empty(), |known| *known == fields) {
        return Ok(());
    }
    if !fields.is_empty() {
        let mut all = collection.find(doc! {"doc": {"$exists": true}}).await?;
        let mut updates = Vec::new();
        while let Some(raw) = all.try_next().await? {
            let Some(stored) = super::stored(&raw)? else { continue };
            let id = raw.get_str("_id").map_err(Error::internal)?;
            let words = words_of(&stored.text, kept.searched)?;
            // Who has written meanwhile has written the words too.
            let guarded = doc! {"_id": id, "version": stored.version};
            updates.push(doc! {"q": guarded, "u": {"$set": {"words": words}}});
            if updates.len() == TOGETHER {
                update(database, kept.name, std::mem::take(&mut updates)).await?;
            }
        }
        update(database, kept.name, updates).await?;
    }
    before.update_one(this, doc! {"$set": {"fields": fields}}).upsert(true).await?;
    Ok(())
}

/// Carries out many updates in one round trip. One that finds nothing any more is none.
async fn update(database: &Database, collection: &str, updates: Vec<Document>) -> Result<(), Failure> {
    if updates.is_empty() {
        return Ok(());
    }
    // As durable as all other writes; a command does not go by what is set for the client.
    let durable = doc! {"w": "majority", "j": true};
    let update = doc! {"update": collection, "updates": updates, "writeConcern": durable};
    let answer = database.run_command(update).await?;
    match answer.get_array("writeErrors").map(Vec::as_slice) {
        Ok([error, ..]) => Err(Error::internal(format!("MongoDB: {error}")).into()),
        _ => Ok(()),
    }
}

/// The words of a document's searched fields, as they are kept.
pub(super) fn words_of(text: &str, searched: &[&str]) -> Result<Vec<String>> {
    let document = serde_json::from_str(text).map_err(Error::internal)?;
    Ok(words::of_document(&document, searched).into_iter().collect())
}

/// The condition that these fields have a value: that is, neither missing nor null. It stands in the index and, in the same words, in
/// the queries along it, for that is how the server knows that the index will do.
pub(super) fn present(fields: impl Iterator<Item = &'static str>) -> Document {
    fields.map(|field| (path(field), Bson::from(doc! {"$type": ["number", "string", "bool"]}))).collect()
}

pub(super) fn path(field: &str) -> String {
    format!("doc.{field}")
}

impl Index {
    /// The fields, all in one direction. A unique index has nothing else; in the others the id decides between equals.
    pub(super) fn keys(&self, direction: i32) -> Document {
        let id = (!self.unique).then(|| "_id".to_owned());
        self.fields().map(path).chain(id).map(|field| (field, Bson::from(direction))).collect()
    }

    /// The field that orders: the last one, or the id.
    pub(super) fn order_path(&self) -> Option<String> {
        self.order.map(path)
    }
}

/// Where a page lies in its index: from the first key to before the second. The server calls them `min` and `max`, and they compare
/// as the index does.
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
    let last = find.up_to.as_ref().map_or(Bson::MaxKey, value::scalar);
    let (mut least, mut most) = (end(Bson::MinKey, Bson::MinKey), end(last, Bson::MaxKey));
    if let Some(cursor) = &find.paging.after {
        let key = value::scalar(&cursor.key);
        match find.direction {
            // Nothing lies between a text and the same with a NUL behind it.
            super::super::Direction::Ascending => least = end(key, format!("{}\0", cursor.id).into()),
            super::super::Direction::Descending => most = end(key, cursor.id.as_str().into()),
        }
    }
    (least, most)
}
