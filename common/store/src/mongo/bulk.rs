//! Bulk updates: many documents, each by its own rule, with many writes in one round trip.
//!
//! Up to `PART` documents are one transaction, which must fit into the server's cache. Larger
//! updates are several, after every rule has succeeded once. An error in between leaves the first
//! parts committed; repeating the update finishes it. A transaction conflicts when another writer
//! changes one of its documents before it writes that document, so it writes the hot ones first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocumentBuf, Uuid, doc};
use mongodb::{ClientSession, Database};
use tokio::time::Instant;

use super::super::commit::{BulkRule, Change, Refusal, Rule, Stored, Write};
use super::connection::{Failure, is_conflict};
use super::schema::DeclaredCollection;
use super::write::{Effect, Operation, begin, commit, execute, guarded, send};
use super::{Mongo, majority, stored};
use crate::database::conflict_delays;
use souk_types::{Error, Result};

/// Time limit of a bulk update. One transaction takes a second; the server aborts it after 60.
const BULK_TIMEOUT: Duration = Duration::from_mins(2);
/// Documents in one round trip, which then takes less than a second.
const ROUND_TRIP_SIZE: usize = 1_000;
/// Documents in one transaction. With some thirty words each, 15,000 new documents exceed a cache
/// of 512 MiB. After five imports of 20,000, the server holds 390 MiB besides its cache with parts
/// of 2,000, and 260 MiB with parts of 500. Checkouts wait for at most one part.
const PART: usize = 500;
/// Up to this many documents are treated as hot.
const MAX_ALL_HOT: usize = 100;

struct Group {
    declared: Arc<DeclaredCollection>,
    id: String,
    rules: Vec<Rule>,
}

/// Collection and id.
type Key = (&'static str, String);

impl Group {
    fn key(&self) -> Key {
        (self.declared.name, self.id.clone())
    }
}

impl Mongo {
    pub(super) async fn bulk_update(&self, rules: Vec<BulkRule>) -> Result<(), Refusal> {
        let mut groups = self.group(rules).map_err(Refusal::Failed)?;
        let declared: BTreeMap<&str, Arc<DeclaredCollection>> =
            groups.iter().map(|group| (group.declared.name, Arc::clone(&group.declared))).collect();
        for declared in declared.values() {
            self.schema.ready(declared).await.map_err(Refusal::Failed)?;
        }
        let permit = Arc::clone(&self.bulk).lock_owned().await;
        let changed = self.connection.within(BULK_TIMEOUT, move |database| async move {
            let _permit = permit;
            change_groups(&database, &mut groups, Instant::now() + BULK_TIMEOUT).await
        });
        changed.await.map_err(|failure| self.explain(failure))
    }

    fn group(&self, rules: Vec<BulkRule>) -> Result<Vec<Group>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut positions: HashMap<Key, usize> = HashMap::new();
        for BulkRule { collection, id, rule } in rules {
            let endpoint = *positions.entry((collection, id.clone())).or_insert(groups.len());
            match groups.get_mut(endpoint) {
                Some(group) => group.rules.push(rule),
                None => groups.push(Group { declared: self.schema.get(collection)?, id, rules: vec![rule] }),
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
    // Documents that changed between two attempts.
    let mut hot: HashSet<Key> = HashSet::new();
    let mut before: Option<HashMap<Key, Stored>> = None;
    for delay in conflict_delays() {
        let few = groups.len() <= MAX_ALL_HOT;
        let found = if few { HashMap::new() } else { load(database, ids(groups), &mut None).await? };
        if let Some(before) = before.take() {
            let version = |of: &HashMap<Key, Stored>, key: &Key| of.get(key).map(|stored| stored.version);
            let changed = groups.iter().map(Group::key).filter(|key| version(&before, key) != version(&found, key));
            hot.extend(changed);
        }
        groups.sort_by_key(|group| !hot.contains(&group.key()));
        let first = if few { groups.len() } else { hot.len() };
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
    Err(Error::busy("Too many concurrent changes; try again.").into())
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
            // When this fails, the server aborts the transaction by itself.
            let _ = session.abort_transaction().await;
            outcome.and(Err(Failure::Timeout))
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
    for some in first.chunks_mut(ROUND_TRIP_SIZE) {
        let found = load(database, ids(some), &mut Some(&mut *session)).await?;
        write(database, some, &found, session).await?;
    }
    for some in rest.chunks_mut(ROUND_TRIP_SIZE) {
        write(database, some, found, session).await?;
    }
    Ok(())
}

fn ids(groups: &[Group]) -> HashMap<&'static str, Vec<String>> {
    let mut ids: HashMap<&'static str, Vec<String>> = HashMap::new();
    for group in groups {
        ids.entry(group.declared.name).or_default().push(group.id.clone());
    }
    ids
}

async fn load(
    database: &Database,
    ids: HashMap<&'static str, Vec<String>>,
    session: &mut Option<&mut ClientSession>,
) -> Result<HashMap<Key, Stored>, Failure> {
    let mut found = HashMap::new();
    for (collection, ids) in ids {
        // Outside the transaction, an error of a rule must rest on majority-committed state.
        let documents = majority::<RawDocumentBuf>(database, collection);
        for some in ids.chunks(ROUND_TRIP_SIZE) {
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
            let step =
                Operation::Write { collection: group.declared.name, id: group.id.clone(), expected, next, effect };
            execute(database, &step, Uuid::new(), &mut Some(&mut *session)).await?;
            continue;
        }
        let (guard, update) = guarded(&group.id, expected, next, &effect, Uuid::new());
        let update = doc! {"q": guard, "u": update, "upsert": expected.is_none()};
        updates.entry(group.declared.name).or_default().push(update);
    }
    for (collection, updates) in updates {
        send(database, collection, updates, session).await?;
    }
    Ok(())
}

/// Returns the new state and whether a searched field changed.
fn outcome(group: &mut Group, stored: Option<&Stored>) -> Result<(Option<Stored>, bool)> {
    let mut current = stored.cloned();
    let mut text_changed = false;
    for rule in &mut group.rules {
        match rule(current.as_ref())? {
            Some(write @ Write { change: Change::Put { reindex_text, .. }, .. }) => {
                text_changed |= reindex_text;
                current = write.after();
            }
            Some(Write { change: Change::Delete, .. }) => {
                text_changed = true;
                current = None;
            }
            Some(Write { change: Change::ReadGuard, .. }) | None => {}
        }
    }
    Ok((current, text_changed))
}

/// Returns the write and the next version; `None` when the document is unchanged.
fn apply(group: &mut Group, stored: Option<&Stored>) -> Result<Option<(Effect, i64)>> {
    let (current, text_changed) = outcome(group, stored)?;
    let next = current.as_ref().map_or(0, |current| current.version);
    let effect = match (stored, current) {
        (None, None) => return Ok(None),
        (Some(stored), Some(current)) if stored.text == current.text => return Ok(None),
        (_, Some(current)) => Effect::put(group.declared.searched, &current.text, text_changed, Vec::new())?,
        (Some(_), None) => Effect::Delete { events: Vec::new() },
    };
    Ok(Some((effect, next)))
}
