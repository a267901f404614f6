//! Queries: pages along an index, full-text searches, counts.
//!
//! A page is a range of its index. A search has two plans. With few matches, it reads them from the
//! index of words and sorts them. With many, it walks the ordering index and filters.

use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use mongodb::options::{FindOptions, Hint};
use serde_json::Value;

use super::super::commit::{FoundPage, Stored};
use super::super::find::PageBuilder;
use super::super::{Direction, Find, Index, ReferenceSearch};
use super::connection::{Failure, ID_INDEX, SERVER_TIMEOUT};
use super::schema::{WORDS, path, present, range};
use super::{Mongo, majority, stored, value};
use souk_types::{Cursor, Error, Result};

/// Values in one query. Longer lists take several queries.
const MAX_VALUES: usize = 1_000;
/// Documents that the server sends at once for a page. The default page is one batch; a page of
/// large documents is not read to its end.
const BATCH_SIZE: u32 = 25;
/// Matches up to which a search reads the index of words and sorts.
const MAX_SORTED_MATCHES: i64 = 1_000;

impl Mongo {
    pub(in super::super) async fn load_many(&self, collection: &'static str, ids: Vec<String>) -> Result<Vec<Stored>> {
        self.find_in(collection, "_id".to_owned(), Document::new(), ids).await
    }

    pub(in super::super) async fn scan(
        &self,
        collection: &'static str,
        after: String,
        limit: usize,
    ) -> Result<Vec<(String, Stored)>> {
        let rows = self
            .connection
            .read(move |database| async move {
                let mut options = read_options();
                options.sort = Some(doc! {"_id": 1});
                options.limit = i64::try_from(limit).ok();
                let condition = doc! {"_id": {"$gt": after}, "doc": {"$exists": true}};
                all(&majority(&database, collection), condition, options).await
            })
            .await?;
        let row = |raw: &RawDocumentBuf| {
            let id = raw.get_str("_id").map_err(|error| Error::internal(format!("MongoDB: {error}")));
            stored(raw).transpose().map(|stored| Ok((id?.to_owned(), stored?)))
        };
        rows.iter().filter_map(row).collect()
    }

    pub(in super::super) async fn find_references(&self, words: &[String]) -> Result<ReferenceSearch> {
        let mut search = ReferenceSearch::default();
        let collections =
            self.connection.read(|database| async move { Ok(database.list_collection_names().await?) }).await?;
        for name in collections.into_iter().filter(|name| !name.starts_with("system.")) {
            let mut after = Bson::MinKey;
            loop {
                let (collection, condition) = (name.clone(), doc! {"_id": {"$gt": after}});
                let page = self
                    .connection
                    .read(move |database| async move {
                        let mut options = FindOptions::builder().max_time(SERVER_TIMEOUT).build();
                        options.sort = Some(doc! {"_id": 1});
                        options.limit = i64::try_from(MAX_VALUES).ok();
                        all(&majority(&database, &collection), condition, options).await
                    })
                    .await?;
                let Some(last) = page.last() else { break };
                let documents = page.iter().map(|raw| Document::try_from(raw.as_ref()));
                for document in documents {
                    let document = document.map_err(|error| Error::internal(format!("MongoDB: {error}")))?;
                    let id = document.get("_id").cloned().unwrap_or(Bson::Null);
                    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                    let text = serde_json::to_string(&document).map_err(Error::internal)?;
                    search.add(words, &name, &id, text);
                }
                after = last
                    .get("_id")
                    .ok()
                    .flatten()
                    .and_then(|id| Bson::try_from(id).ok())
                    .ok_or_else(|| Error::internal("MongoDB: a document without an id"))?;
            }
        }
        Ok(search)
    }

    pub(in super::super) async fn get_many_by(
        &self,
        collection: &'static str,
        index: &'static Index,
        values: Vec<String>,
    ) -> Result<Vec<Stored>> {
        self.schema.ready(&self.schema.get(collection)?).await?;
        let field = index.equal.first().copied().unwrap_or("id");
        self.find_in(collection, path(field), present(index.fields()), values).await
    }

    async fn find_in(
        &self,
        collection: &'static str,
        field: String,
        also: Document,
        values: Vec<String>,
    ) -> Result<Vec<Stored>> {
        let mut found = Vec::new();
        for some in values.chunks(MAX_VALUES) {
            let condition = doc! {"$and": [{&field: {"$in": some}}, also.clone()]};
            let options = read_options();
            found.extend(
                self.connection
                    .read(
                        move |database| async move { all(&majority(&database, collection), condition, options).await },
                    )
                    .await?,
            );
        }
        found.iter().filter_map(|raw| stored(raw).transpose()).collect()
    }

    pub(in super::super) async fn find(&self, collection: &'static str, find: Find) -> Result<FoundPage> {
        self.schema.ready(&self.schema.get(collection)?).await?;
        let limit = find.paging.limit.get();
        let (index, order) = (find.index.name.to_owned(), find.index.order);
        let (rows, more) = self
            .connection
            .read(move |database| async move {
                let documents = majority::<RawDocumentBuf>(&database, collection);
                let (condition, mut options) = plan(&documents, &find).await?;
                options.batch_size = Some(BATCH_SIZE);
                match condition {
                    Some(condition) => page(&documents, condition, options, limit).await,
                    None => Ok((Vec::new(), false)),
                }
            })
            .await?;
        let next = match rows.last().filter(|_| more) {
            Some(last) => Some(cursor(index, order, last)?),
            None => None,
        };
        let mut items = Vec::new();
        for raw in &rows {
            if let Some(stored) = stored(raw)? {
                items.push((raw.get_str("_id").map_err(Error::internal)?.to_owned(), stored));
            }
        }
        Ok(FoundPage { items, next })
    }

    pub(in super::super) async fn count_by(
        &self,
        collection: &'static str,
        field: &'static str,
    ) -> Result<Vec<(String, i64)>> {
        let stages = [
            doc! {"$match": present([field].into_iter())},
            doc! {"$group": {"_id": format!("${}", path(field)), "count": {"$sum": 1_i64}}},
            doc! {"$sort": {"_id": 1}},
        ];
        let counts = self
            .connection
            .read(move |database| async move {
                let documents = majority::<RawDocumentBuf>(&database, collection);
                let counting = documents.aggregate(stages).max_time(SERVER_TIMEOUT);
                Ok(counting.await?.try_collect::<Vec<Document>>().await?)
            })
            .await?;
        let count =
            |document: &Document| Some((document.get_str("_id").ok()?.to_owned(), document.get_i64("count").ok()?));
        counts.iter().map(|row| count(row).ok_or_else(|| Error::internal("a counted value is no text"))).collect()
    }

    pub(in super::super) async fn is_empty(&self, collection: &'static str) -> Result<bool> {
        let any = doc! {"doc": {"$exists": true}};
        let first = self
            .connection
            .read(move |database| async move {
                let documents = majority::<RawDocumentBuf>(&database, collection);
                let looking = documents.find_one(any).projection(doc! {"_id": 1});
                Ok(looking.max_time(SERVER_TIMEOUT).await?)
            })
            .await?;
        Ok(first.is_none())
    }
}

/// Reads are majority-committed: a failover rolls nothing back that a client has seen.
pub(super) fn read_options() -> FindOptions {
    FindOptions::builder().projection(doc! {"version": 1, "doc": 1}).max_time(SERVER_TIMEOUT).build()
}

async fn all(
    documents: &Collection<RawDocumentBuf>,
    condition: Document,
    options: FindOptions,
) -> Result<Vec<RawDocumentBuf>, Failure> {
    Ok(documents.find(condition).with_options(options).await?.try_collect().await?)
}

/// Returns a page, and whether there is a next one.
pub(super) async fn page(
    documents: &Collection<RawDocumentBuf>,
    condition: Document,
    options: FindOptions,
    limit: usize,
) -> Result<(Vec<RawDocumentBuf>, bool), Failure> {
    let mut rows = documents.find(condition).with_options(options).await?;
    // The query returns one row more than the limit, which shows that there is a next page.
    let mut page = PageBuilder::new(limit);
    while let Some(row) = rows.try_next().await? {
        let bytes = row.as_bytes().len();
        if !page.add(row, bytes) {
            return Ok((page.finish(), true));
        }
    }
    Ok((page.finish(), false))
}

/// Plans a query. Without a condition, nothing matches.
pub(super) async fn plan(
    documents: &Collection<RawDocumentBuf>,
    find: &Find,
) -> Result<(Option<Document>, FindOptions), Failure> {
    let mut options = read_options();
    options.limit = i64::try_from(find.paging.limit.get() + 1).ok();
    let direction = match find.direction {
        Direction::Ascending => 1,
        Direction::Descending => -1,
    };
    let words = match &find.matching {
        None => None,
        Some(words) => match matching(words) {
            Some(condition) => Some(condition),
            None => return Ok((None, options)),
        },
    };
    if let Some(words) = &words
        && are_few(documents, words).await?
    {
        options.hint = Some(Hint::Name(WORDS.to_owned()));
        let order = find.index.order_path().map(|order| (order, Bson::from(direction)));
        options.sort = Some(order.into_iter().chain([("_id".to_owned(), direction.into())]).collect());
        return Ok((Some(doc! {"$and": [words.clone(), conditions(find)]}), options));
    }
    if find.index.unique {
        // A unique index finds at most one document, so there is no range.
        return Ok((Some(doc! {"$and": [words.unwrap_or_default(), conditions(find)]}), options));
    }
    let name = if find.index.fields().next().is_some() { find.index.name } else { ID_INDEX };
    let (least, most) = range(find);
    options.hint = Some(Hint::Name(name.to_owned()));
    options.min = Some(least);
    options.max = Some(most);
    options.sort = Some(find.index.keys(direction));
    let living = doc! {"doc": {"$exists": true}};
    Ok((Some(words.unwrap_or(if name == ID_INDEX { living } else { Document::new() })), options))
}

/// All words must occur, the last one as a prefix; `None` when there are none.
fn matching(words: &[String]) -> Option<Document> {
    let (beginning, whole) = words.split_last()?;
    let beyond = format!("{beginning}\u{10ffff}");
    let last = doc! {"words": {"$elemMatch": {"$gte": beginning, "$lt": beyond}}};
    let whole = whole.iter().map(|word| doc! {"words": word});
    Some(doc! {"$and": whole.chain([last]).collect::<Vec<_>>()})
}

async fn are_few(documents: &Collection<RawDocumentBuf>, words: &Document) -> Result<bool, Failure> {
    let stages = [doc! {"$match": words.clone()}, doc! {"$limit": MAX_SORTED_MATCHES}, doc! {"$count": "count"}];
    let counting = documents.aggregate(stages).hint(Hint::Name(WORDS.to_owned())).max_time(SERVER_TIMEOUT);
    let count = counting.await?.try_next().await?;
    Ok(count.and_then(|count| count.get_i32("count").ok()).is_none_or(|count| i64::from(count) < MAX_SORTED_MATCHES))
}

fn conditions(find: &Find) -> Document {
    let mut all = vec![present(find.index.fields())];
    all.extend(
        find.index.equal.iter().zip(&find.equal).map(|(field, wanted)| doc! {path(field): value::scalar(wanted)}),
    );
    if let Some(cursor) = &find.paging.after {
        let beyond = match find.direction {
            Direction::Ascending => "$gt",
            Direction::Descending => "$lt",
        };
        let later = doc! {"_id": {beyond: &cursor.id}};
        all.push(match find.index.order_path() {
            Some(order) => {
                let key = value::scalar(&cursor.key);
                doc! {"$or": [{&order: {beyond: key.clone()}}, {"$and": [{&order: key}, later]}]}
            }
            None => later,
        });
    }
    if let (Some(order), Some(most)) = (find.index.order_path(), &find.up_to) {
        all.push(doc! {order: {"$lte": value::scalar(most)}});
    }
    doc! {"$and": all}
}

fn cursor(index: String, order: Option<&str>, last: &RawDocument) -> Result<Cursor> {
    let id = last.get_str("_id").map_err(Error::internal)?.to_owned();
    let key = match order {
        Some(order) => {
            let document: Value = match stored(last)? {
                Some(stored) => serde_json::from_str(&stored.text).map_err(Error::internal)?,
                None => Value::Null,
            };
            document.pointer(&format!("/{}", order.replace('.', "/"))).cloned().unwrap_or_default()
        }
        None => id.as_str().into(),
    };
    Ok(Cursor { index, key, id })
}
