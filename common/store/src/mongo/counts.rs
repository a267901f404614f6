//! Counts and sums, which read entries of an index.

use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::{FindOptions, Hint};

use super::super::counts::{MAX_ENTRIES, Total};
use super::super::{Filter, Find, Index};
use super::connection::{Failure, SERVER_TIMEOUT};
use super::schema::{path, present};
use super::{Mongo, filter, majority, query};
use souk_types::{Error, Result};

impl Mongo {
    pub(in super::super) async fn count(&self, collection: &'static str, filter: Filter) -> Result<usize> {
        self.schema.ready(&self.schema.get(collection)?).await?;
        if filter.selects_nothing() {
            return Ok(0);
        }
        self.connection
            .read(move |database| async move {
                let documents = majority::<RawDocumentBuf>(&database, collection);
                let (condition, mut options) = filter::plan(&documents, &filter).await?;
                options.sort = None;
                entries(&documents, condition, options).await
            })
            .await
    }

    pub(in super::super) async fn count_found(&self, collection: &'static str, find: Find) -> Result<usize> {
        self.schema.ready(&self.schema.get(collection)?).await?;
        self.connection
            .read(move |database| async move {
                let documents = majority::<RawDocumentBuf>(&database, collection);
                match query::plan(&documents, &find).await? {
                    (Some(condition), options) => entries(&documents, condition, options).await,
                    (None, _) => Ok(0),
                }
            })
            .await
    }

    pub(in super::super) async fn totals(
        &self,
        collection: &'static str,
        index: &'static Index,
        [group, number]: [&'static str; 2],
        (from, to): (String, Option<String>),
    ) -> Result<Vec<Total>> {
        self.schema.ready(&self.schema.get(collection)?).await?;
        let mut groups = doc! {"$gte": from};
        groups.extend(to.map(|to| ("$lte".to_owned(), Bson::from(to))));
        let stages = [
            doc! {"$match": {"$and": [present([group, number].into_iter()), {path(group): groups}]}},
            doc! {"$group": {
                "_id": format!("${}", path(group)),
                "count": {"$sum": 1_i64},
                "sum": {"$sum": {"$toLong": format!("${}", path(number))}},
            }},
            doc! {"$sort": {"_id": 1}},
        ];
        let rows = self
            .connection
            .read(move |database| async move {
                let documents = majority::<RawDocumentBuf>(&database, collection);
                let adding = documents.aggregate(stages).hint(Hint::Name(index.name.to_owned()));
                Ok(adding.max_time(SERVER_TIMEOUT).await?.try_collect::<Vec<Document>>().await?)
            })
            .await?;
        let total = |row: &Document| {
            let number = |name| row.get(name).and_then(Bson::as_i64).and_then(|number| u64::try_from(number).ok());
            Some(Total { group: row.get_str("_id").ok()?.to_owned(), count: number("count")?, sum: number("sum")? })
        };
        rows.iter().map(|row| total(row).ok_or_else(|| Error::internal("a sum is no whole number"))).collect()
    }
}

/// Counts the entries that a query reads, up to [`MAX_ENTRIES`].
async fn entries(
    documents: &Collection<RawDocumentBuf>,
    condition: Document,
    mut options: FindOptions,
) -> Result<usize, Failure> {
    options.projection = Some(doc! {"_id": 1});
    options.limit = i64::try_from(MAX_ENTRIES).ok();
    let mut ids = documents.find(condition).with_options(options).await?;
    let mut count = 0;
    while ids.try_next().await?.is_some() {
        count += 1;
    }
    Ok(count)
}
