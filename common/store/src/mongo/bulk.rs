//! Many documents at once, each by its own rule: transactions, in which many writes share a round trip.
//!
//! Up to `PART` documents are one transaction, all or nothing. A transaction must fit into the server's cache, so more of them are several
//! transactions, after every rule has been tried on what is there: a rule that refuses still refuses all. What can fail half-way then
//! (a value that became taken in between, a server that goes away) leaves the parts before, and doing the same again finishes it.
//!
//! A transaction fails when anybody writes one of its documents after it has begun and before it writes that document itself. So it takes
//! those that are written often first, right at its beginning: they are the ones that changed while an attempt before went on. What it has
//! written, others wait for, as they do everywhere while a bulk change goes on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocumentBuf, Uuid, doc};
use mongodb::{ClientSession, Database};
use tokio::time::Instant;

use super::super::commit::{Change, Refusal, Rule, Ruled, Stored, Write};
use super::super::conflict_delays;
use super::connection::{DUPLICATE_KEY, Failure, index_in, is_conflict};
use super::schema::Kept;
use super::write::{Effect, Step, begin, carry_out, commit, guarded};
use super::{Mongo, for_good, stored};
use souk_types::{Error, Result};

/// A bulk change may take as long as this, all its parts and attempts together. One transaction takes about a second, far from the 60 s
/// after which the server ends it.
const BULK: Duration = Duration::from_mins(2);
/// Documents in one round trip: enough to share it, and few enough that a round trip stays below a second.
const TOGETHER: usize = 1_000;
/// Documents in one transaction. With some thirty words each, 15,000 new ones do not fit into a cache of 512 MiB, and a server that is short of
/// memory keeps much of what a large one took: after five imports of 20,000 with parts of 2,000 it had 390 MiB besides its cache, with
/// these 260. Besides, what is being sold waits for no more than a part.
const PART: usize = 500;
/// So many documents are read and written at the beginning of the transaction, whether they are written often or not.
const FEW: usize = 100;

/// The rules of one document, in their order.
struct Group {
    kept: Arc<Kept>,
    id: String,
    rules: Vec<Rule>,
}

/// A document, whatever its collection.
type Key = (&'static str, String);

impl Group {
    fn key(&self) -> Key {
        (self.kept.name, self.id.clone())
    }
}

impl Mongo {
    pub(super) async fn bulk_update(&self, rules: Vec<Ruled>) -> Result<(), Refusal> {
        let mut groups = self.group(rules).map_err(Refusal::Failed)?;
        let kept: BTreeMap<&str, Arc<Kept>> =
            groups.iter().map(|group| (group.kept.name, Arc::clone(&group.kept))).collect();
        for kept in kept.values() {
            self.schema.ready(kept).await.map_err(Refusal::Failed)?;
        }
        let turn = Arc::clone(&self.bulk).lock_owned().await;
        let changed = self.connection.within(BULK, move |database| async move {
            let _turn = turn;
            change_groups(&database, &mut groups, Instant::now() + BULK).await
        });
        changed.await.map_err(|failure| self.explain(failure))
    }

    fn group(&self, rules: Vec<Ruled>) -> Result<Vec<Group>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        for Ruled { collection, id, rule } in rules {
            let endpoint = *places.entry((collection, id.clone())).or_insert(groups.len());
            match groups.get_mut(endpoint) {
                Some(group) => group.rules.push(rule),
                None => groups.push(Group { kept: self.schema.get(collection)?, id, rules: vec![rule] }),
            }
        }
        Ok(groups)
    }
}

async fn change_groups(database: &Database, groups: &mut [Group], deadline: Instant) -> Result<(), Failure> {
    if groups.len() > PART {
        let found = load(database, ids(groups), &mut None).await?;
        for group in &mut *groups {
            outcome(group, found.get(&group.key()))?;
        }
    }
    for part in groups.chunks_mut(PART) {
        change_part(database, part, deadline).await?;
    }
    Ok(())
}

async fn change_part(database: &Database, groups: &mut [Group], deadline: Instant) -> Result<(), Failure> {
    // Those that changed between two attempts.
    let mut busy: HashSet<Key> = HashSet::new();
    let mut before: Option<HashMap<Key, Stored>> = None;
    for delay in conflict_delays() {
        let few = groups.len() <= FEW;
        let found = if few { HashMap::new() } else { load(database, ids(groups), &mut None).await? };
        if let Some(before) = before.take() {
            let version = |of: &HashMap<Key, Stored>, key: &Key| of.get(key).map(|stored| stored.version);
            let changed = groups.iter().map(Group::key).filter(|key| version(&before, key) != version(&found, key));
            busy.extend(changed);
        }
        groups.sort_by_key(|group| !busy.contains(&group.key()));
        let first = if few { groups.len() } else { busy.len() };
        match transaction(database, groups, first, &found, deadline).await {
            Err(Failure::Driver(error)) if is_conflict(&error) => {}
            Err(Failure::Refused(Refusal::Stale)) => {}
            outcome => return outcome,
        }
        if Instant::now() >= deadline {
            break;
        }
        before = (!few).then_some(found);
        tokio::time::sleep(delay).await;
    }
    Err(Error::busy("Too many changes at once; try again.").into())
}

async fn transaction(
    database: &Database,
    groups: &mut [Group],
    first: usize,
    found: &HashMap<Key, Stored>,
    deadline: Instant,
) -> Result<(), Failure> {
    let mut session = begin(database).await?;
    let outcome = change_in(database, groups, first, found, &mut session).await;
    match outcome {
        Ok(()) if Instant::now() < deadline => commit(&mut session, deadline).await,
        outcome => {
            // Should this fail, the server ends the transaction by itself.
            let _ = session.abort_transaction().await;
            outcome.and(Err(Failure::Late))
        }
    }
}

async fn change_in(
    database: &Database,
    groups: &mut [Group],
    first: usize,
    found: &HashMap<Key, Stored>,
    session: &mut ClientSession,
) -> Result<(), Failure> {
    let (first, rest) = groups.split_at_mut(first);
    for some in first.chunks_mut(TOGETHER) {
        let found = load(database, ids(some), &mut Some(&mut *session)).await?;
        write(database, some, &found, session).await?;
    }
    for some in rest.chunks_mut(TOGETHER) {
        write(database, some, found, session).await?;
    }
    Ok(())
}

fn ids(groups: &[Group]) -> HashMap<&'static str, Vec<String>> {
    let mut ids: HashMap<&'static str, Vec<String>> = HashMap::new();
    for group in groups {
        ids.entry(group.kept.name).or_default().push(group.id.clone());
    }
    ids
}

/// What is stored of these documents.
async fn load(
    database: &Database,
    ids: HashMap<&'static str, Vec<String>>,
    session: &mut Option<&mut ClientSession>,
) -> Result<HashMap<Key, Stored>, Failure> {
    let mut found = HashMap::new();
    for (collection, ids) in ids {
        // Outside of the transaction: a rule that refuses or changes nothing must rest on what is written for good.
        let documents = for_good::<RawDocumentBuf>(database, collection);
        for some in ids.chunks(TOGETHER) {
            let looking = documents.find(doc! {"_id": {"$in": some}}).projection(doc! {"version": 1, "doc": 1});
            let raws: Vec<RawDocumentBuf> = match session {
                Some(session) => {
                    let mut cursor = looking.session(&mut **session).await?;
                    cursor.stream(session).try_collect().await?
                }
                None => looking.await?.try_collect().await?,
            };
            for raw in raws {
                let id = raw.get_str("_id").map_err(Error::internal)?.to_owned();
                if let Some(stored) = stored(&raw)? {
                    found.insert((collection, id), stored);
                }
            }
        }
    }
    Ok(found)
}

/// Applies the rules of some documents and writes what comes of it.
async fn write(
    database: &Database,
    groups: &mut [Group],
    found: &HashMap<Key, Stored>,
    session: &mut ClientSession,
) -> Result<(), Failure> {
    let mut updates: HashMap<&'static str, Vec<Document>> = HashMap::new();
    for group in groups {
        let stored = found.get(&group.key());
        let Some((effect, next)) = apply(group, stored)? else { continue };
        let expected = stored.map(|stored| stored.version);
        if let Effect::Delete { .. } = effect {
            let step = Step::Write { collection: group.kept.name, id: group.id.clone(), expected, next, effect };
            carry_out(database, &step, Uuid::new(), &mut Some(&mut *session)).await?;
            continue;
        }
        let (guard, update) = guarded(&group.id, expected, next, &effect, Uuid::new());
        let update = doc! {"q": guard, "u": update, "upsert": expected.is_none()};
        updates.entry(group.kept.name).or_default().push(update);
    }
    for (collection, updates) in updates {
        send(database, collection, updates, session).await?;
    }
    Ok(())
}

/// What the rules of one document make of it, one after another, and whether any of them changed an indexed field.
fn outcome(group: &mut Group, stored: Option<&Stored>) -> Result<(Option<Stored>, bool)> {
    let mut current = stored.cloned();
    let mut reindexed = false;
    for rule in &mut group.rules {
        match rule(current.as_ref())? {
            Some(write @ Write { change: Change::Put { reindex, .. }, .. }) => {
                reindexed |= reindex;
                current = write.after();
            }
            Some(Write { change: Change::Delete, .. }) => {
                reindexed = true;
                current = None;
            }
            Some(Write { change: Change::ReadGuard, .. }) | None => {}
        }
    }
    Ok((current, reindexed))
}

/// The write of that and the version it leads to; `None` when the document stays as it is.
fn apply(group: &mut Group, stored: Option<&Stored>) -> Result<Option<(Effect, i64)>> {
    let (current, reindexed) = outcome(group, stored)?;
    let next = current.as_ref().map_or(0, |current| current.version);
    let effect = match (stored, current) {
        (None, None) => return Ok(None),
        (Some(stored), Some(current)) if stored.text == current.text => return Ok(None),
        (_, Some(current)) => Effect::put(group.kept.searched, &current.text, reindexed, Vec::new())?,
        (Some(_), None) => Effect::Delete { events: Vec::new() },
    };
    Ok(Some((effect, next)))
}

async fn send(
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

/// What a single write of a command says when the command itself went well.
fn refusal(error: &Document) -> Refusal {
    let message = error.get_str("errmsg").unwrap_or_default();
    match (error.get_i32("code"), index_in(message)) {
        (Ok(DUPLICATE_KEY), Some("_id_")) => Refusal::Stale,
        (Ok(DUPLICATE_KEY), Some(index)) => Refusal::Failed(Error::duplicate(index)),
        _ => Refusal::Failed(Error::internal(format!("MongoDB: {message}"))),
    }
}
