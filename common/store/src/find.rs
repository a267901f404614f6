//! Queries along a declared index, page by page. A page is bounded in documents and in bytes.

use serde_json::Value;

use super::words;
use souk_types::{Cursor, Error, PageLimit, Paging, Result};

/// Maximum size of the documents of a page, in bytes. A page ends before the document that does not
/// fit, but has at least one. Bounds the memory of a request, whatever the documents' size.
pub const MAX_PAGE_BYTES: usize = 512 * 1024;

/// Collects the documents of a page, up to a number and up to [`MAX_PAGE_BYTES`].
pub(super) struct PageBuilder<T> {
    items: Vec<T>,
    limit: usize,
    bytes: usize,
}

impl<T> PageBuilder<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { items: Vec::new(), limit, bytes: 0 }
    }

    /// Adds a document of this size. Returns false when it belongs to the next page.
    pub(super) fn add(&mut self, item: T, bytes: usize) -> bool {
        self.bytes += bytes;
        if !self.items.is_empty() && (self.items.len() == self.limit || self.bytes > MAX_PAGE_BYTES) {
            return false;
        }
        self.items.push(item);
        true
    }

    pub(super) fn finish(self) -> Vec<T> {
        self.items
    }
}

/// An index: documents with given values in `equal`, ordered by `order`, then by id. Paths have
/// dots. A document is in the index when no field is missing or null.
#[derive(Debug, Clone, Copy)]
pub struct Index {
    pub(super) name: &'static str,
    pub(super) equal: &'static [&'static str],
    pub(super) order: Option<&'static str>,
    pub(super) unique: bool,
    /// Whether the field is a list, with an entry in the index for each of its strings.
    pub(super) each: bool,
}

impl Index {
    /// Returns an index of these fields, ordered by id.
    #[must_use]
    pub const fn by(name: &'static str, equal: &'static [&'static str]) -> Self {
        Self { name, equal, order: None, unique: false, each: false }
    }

    /// Returns an index of these fields (or none), ordered by another field.
    #[must_use]
    pub const fn sorted(name: &'static str, equal: &'static [&'static str], order: &'static str) -> Self {
        Self { name, equal, order: Some(order), unique: false, each: false }
    }

    /// Returns an index of these fields whose combination is unique.
    #[must_use]
    pub const fn unique(name: &'static str, equal: &'static [&'static str]) -> Self {
        Self { name, equal, order: None, unique: true, each: false }
    }

    /// Returns an index of each string in a list, ordered by id, for [`Filter`](super::Filter).
    #[must_use]
    pub const fn each(name: &'static str, list: &'static [&'static str; 1]) -> Self {
        Self { name, equal: list, order: None, unique: false, each: true }
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.equal.iter().copied().chain(self.order)
    }

    /// Returns a query along this index, with one value for each `equal` field.
    pub fn find<V: Into<Value>>(&'static self, equal: impl IntoIterator<Item = V>) -> Find {
        Find {
            index: self,
            equal: equal.into_iter().map(Into::into).collect(),
            direction: Direction::Ascending,
            matching: None,
            up_to: None,
            paging: Paging::default(),
        }
    }

    /// Returns a query along the whole index.
    #[must_use]
    pub fn all(&'static self) -> Find {
        self.find(std::iter::empty::<Value>())
    }
}

/// Order along the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A query.
#[derive(Debug, Clone)]
pub struct Find {
    pub(super) index: &'static Index,
    pub(super) equal: Vec<Value>,
    pub(super) direction: Direction,
    /// Folded words. The last one may be a prefix.
    pub(super) matching: Option<Vec<String>>,
    pub(super) up_to: Option<Value>,
    pub(super) paging: Paging,
}

impl Find {
    /// Sets the direction.
    #[must_use]
    pub fn in_direction(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    /// Selects documents with every word of the text, ignoring case and accents; the last may be a
    /// prefix. Text without words finds nothing.
    #[must_use]
    pub fn matching(self, text: &str) -> Self {
        Self { matching: Some(words::of_query(text)), ..self }
    }

    /// Selects documents whose ordering field is at most this value.
    #[must_use]
    pub fn up_to(self, most: impl Into<Value>) -> Self {
        Self { up_to: Some(most.into()), ..self }
    }

    /// Selects a page.
    #[must_use]
    pub fn page(self, paging: Paging) -> Self {
        Self { paging, ..self }
    }

    /// Selects the first `limit` documents.
    #[must_use]
    pub fn first(self, limit: PageLimit) -> Self {
        self.page(Paging { after: None, limit })
    }

    pub(super) fn check(&self, declared: &[Index]) -> Result<()> {
        if !declared.iter().any(|index| index.name == self.index.name) {
            return Err(Error::internal(format!("the index {} is not declared", self.index.name)));
        }
        if self.index.each {
            return Err(Error::internal(format!("{} is an index of lists; use a filter", self.index.name)));
        }
        if self.equal.len() != self.index.equal.len() {
            return Err(Error::internal(format!("{} takes {} values", self.index.name, self.index.equal.len())));
        }
        if self.up_to.is_some() && self.index.order.is_none() {
            return Err(Error::internal(format!("{} has no ordering field", self.index.name)));
        }
        match &self.paging.after {
            Some(Cursor { index, .. }) if *index != self.index.name => {
                Err(Error::invalid_field("after", "belongs to a list in another order"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded_in_documents_and_in_bytes() {
        for (limit, sizes, expected) in [
            (3, vec![1, 1], 2),
            (3, vec![1, 1, 1, 1], 3),
            (9, vec![MAX_PAGE_BYTES - 1, 1], 2),
            (9, vec![MAX_PAGE_BYTES - 1, 2], 1),
            (9, vec![MAX_PAGE_BYTES + 1, 1], 1),
            (9, vec![2 * MAX_PAGE_BYTES], 1),
            (9, vec![], 0),
        ] {
            let mut page = PageBuilder::new(limit);
            let fitted = sizes.iter().take_while(|bytes| page.add((), **bytes)).count();
            assert_eq!((fitted, page.finish().len()), (expected, expected), "{sizes:?}");
        }
    }
}
