//! Filters: a scan of the smallest range, merged by id when it has several combinations of values.
//! The server looks at the documents of its entries for the other ranges.

use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::{FindOptions, Hint};

use super::super::Direction;
use super::super::commit::FoundPage;
use super::super::filter::{Filter, MAX_COUNTED, Range, cursor};
use super::connection::{Failure, ID_INDEX};
use super::query::{page, read_options};
use super::schema::{path, present};
use super::{Mongo, majority, stored, value};
use souk_types::{Error, Result};

impl Mongo {
    pub(in super::super) async fn filter(&self, collection: &'static str, filter: Filter) -> Result<FoundPage> {
        self.schema.ready(&self.schema.get(collection)?).await?;
        if filter.selects_nothing() {
            return Ok(FoundPage { items: Vec::new(), next: None });
        }
        let limit = filter.paging.limit.get();
        let (rows, more) = self
            .connection
            .read(move |database| async move {
                let documents = majority::<RawDocumentBuf>(&database, collection);
                let (condition, mut options) = plan(&documents, &filter).await?;
                options.limit = i64::try_from(limit + 1).ok();
                page(&documents, condition, options, limit).await
            })
            .await?;
        let mut items = Vec::new();
        for raw in &rows {
            if let Some(stored) = stored(raw)? {
                items.push((raw.get_str("_id").map_err(Error::internal)?.to_owned(), stored));
            }
        }
        let next = items.last().filter(|_| more).map(|(id, _)| cursor(id));
        Ok(FoundPage { items, next })
    }
}

/// Plans the scan of the smallest range.
pub(super) async fn plan(
    documents: &Collection<RawDocumentBuf>,
    filter: &Filter,
) -> Result<(Document, FindOptions), Failure> {
    let walked = smallest(documents, filter).await?;
    let (mut conditions, options) = scan(filter, walked.map(|at| &filter.ranges[at]));
    let others = filter.ranges.iter().enumerate().filter(|(at, _)| Some(*at) != walked);
    conditions.extend(others.map(|(_, range)| within(range)));
    Ok((doc! {"$and": conditions}, options))
}

/// Returns the position of the smallest range, and `None` without a range.
async fn smallest(documents: &Collection<RawDocumentBuf>, filter: &Filter) -> Result<Option<usize>, Failure> {
    let mut smallest: Option<(usize, usize)> = None;
    for (at, range) in filter.ranges.iter().enumerate() {
        let size = if filter.ranges.len() == 1 { 0 } else { size(documents, filter, range).await? };
        if smallest.is_none_or(|(least, _)| size < least) {
            smallest = Some((size, at));
        }
    }
    Ok(smallest.map(|(_, at)| at))
}

/// Counts the entries of a range, up to [`MAX_COUNTED`].
async fn size(documents: &Collection<RawDocumentBuf>, filter: &Filter, range: &Range) -> Result<usize, Failure> {
    let (conditions, mut options) = scan(filter, Some(range));
    options.projection = Some(doc! {"_id": 1});
    options.limit = i64::try_from(MAX_COUNTED).ok();
    let mut ids = documents.find(doc! {"$and": conditions}).with_options(options).await?;
    let mut size = 0;
    while ids.try_next().await?.is_some() {
        size += 1;
    }
    Ok(size)
}

/// Returns the conditions and options that read a range in order of the ids.
fn scan(filter: &Filter, range: Option<&Range>) -> (Vec<Document>, FindOptions) {
    let mut options = read_options();
    let direction = match filter.direction {
        Direction::Ascending => 1,
        Direction::Descending => -1,
    };
    options.sort = Some(doc! {"_id": direction});
    let (from, before) = filter.bounds();
    let Some(range) = range else {
        options.hint = Some(Hint::Name(ID_INDEX.to_owned()));
        return (vec![ids(from, before), doc! {"doc": {"$exists": true}}], options);
    };
    options.hint = Some(Hint::Name(range.index.name.to_owned()));
    if range.index.each {
        // The server does not sort by a list. With one value, the entries are in order of the id.
        return (vec![within(range), ids(from, before)], options);
    }
    if let [fields] = range.combinations().as_slice() {
        let end = |id: Option<String>, without: Bson| -> Document {
            let equal = range.index.equal.iter().map(|field| path(field)).zip(fields.iter().map(value::scalar));
            equal.chain([("_id".to_owned(), id.map_or(without, Bson::String))]).collect()
        };
        // With these, the server needs no condition for a partial index.
        (options.min, options.max) = (Some(end(from, Bson::MinKey)), Some(end(before, Bson::MaxKey)));
        options.sort = Some(range.index.keys(direction));
        return (vec![Document::new()], options);
    }
    (vec![present(range.index.fields()), within(range), ids(from, before)], options)
}

fn ids(from: Option<String>, before: Option<String>) -> Document {
    let mut bounds = Document::new();
    bounds.extend(from.map(|from| ("$gte".to_owned(), from.into())));
    bounds.extend(before.map(|before| ("$lt".to_owned(), before.into())));
    if bounds.is_empty() {
        Document::new()
    } else {
        doc! {"_id": bounds}
    }
}

/// The condition that a document is in the range.
fn within(range: &Range) -> Document {
    let any = |values: &Vec<serde_json::Value>| match values.as_slice() {
        [value] => value::scalar(value),
        values => doc! {"$in": values.iter().map(value::scalar).collect::<Vec<Bson>>()}.into(),
    };
    range.index.equal.iter().zip(&range.values).map(|(field, values)| (path(field), any(values))).collect()
}
