//! Filters: documents in all of several index ranges, page by page, ordered by id.
//!
//! The engine walks the smallest range and looks each entry up in the other ones. A single range is
//! read from its index, so that a page costs the same in a collection of any size. Several ranges
//! cost at most the entries of the smallest one, and far fewer when many of them match.

use serde_json::Value;

use super::{Direction, Index};
use souk_types::{Cursor, Error, Paging, Result};

/// The name in cursors. Each filter is ordered by id, so a cursor is valid for all of them.
pub(super) const BY_ID: &str = "id";
/// Entries up to which a range is counted, to find the smallest one.
pub(super) const MAX_COUNTED: usize = 1_000;
/// Combinations of values in one range. MongoDB merges up to 200 sorted scans.
const MAX_COMBINATIONS: usize = 200;

/// A query for the documents that are in every one of its ranges, ordered by id. Without a range,
/// it selects all documents.
#[derive(Debug, Clone)]
pub struct Filter {
    pub(super) ranges: Vec<Range>,
    /// The first id.
    pub(super) from: Option<String>,
    /// The id after the last one.
    pub(super) before: Option<String>,
    pub(super) direction: Direction,
    pub(super) paging: Paging,
}

/// The documents whose fields each have one of the values for it.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) index: &'static Index,
    /// The values for each field of the index.
    pub(super) values: Vec<Vec<Value>>,
}

impl Range {
    /// Returns each combination of a value for every field.
    pub(super) fn combinations(&self) -> Vec<Vec<Value>> {
        let extend = |known: Vec<Vec<Value>>, values: &Vec<Value>| {
            let with = |value: &Value| {
                let value = value.clone();
                known.iter().map(move |start| start.iter().cloned().chain([value.clone()]).collect())
            };
            values.iter().flat_map(with).collect()
        };
        self.values.iter().fold(vec![Vec::new()], extend)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().any(Vec::is_empty)
    }
}

impl Filter {
    /// Returns a filter for all documents.
    #[must_use]
    pub fn all(direction: Direction) -> Self {
        Self { ranges: Vec::new(), from: None, before: None, direction, paging: Paging::default() }
    }

    /// Selects the documents that have, in each field of the index, one of the values for it. The
    /// index is ordered by id. When sizes are equal, the range that is named first is walked.
    #[must_use]
    pub fn within<V: Into<Value>>(mut self, index: &'static Index, values: Vec<Vec<V>>) -> Self {
        let values = values.into_iter().map(|field| field.into_iter().map(Into::into).collect()).collect();
        self.ranges.push(Range { index, values });
        self
    }

    /// Selects the ids from this one on.
    #[must_use]
    pub fn from(self, id: impl ToString) -> Self {
        Self { from: Some(id.to_string()), ..self }
    }

    /// Selects the ids before this one.
    #[must_use]
    pub fn before(self, id: impl ToString) -> Self {
        Self { before: Some(id.to_string()), ..self }
    }

    /// Selects a page.
    #[must_use]
    pub fn page(self, paging: Paging) -> Self {
        Self { paging, ..self }
    }

    /// Returns the bounds of the page: the least id, and the id after the greatest one.
    pub(super) fn bounds(&self) -> (Option<String>, Option<String>) {
        let (mut from, mut before) = (self.from.clone(), self.before.clone());
        if let Some(cursor) = &self.paging.after {
            match self.direction {
                // The next string after the id.
                Direction::Ascending => from = from.max(Some(format!("{}\0", cursor.id))),
                Direction::Descending => {
                    let id = cursor.id.clone();
                    before = Some(before.map_or(id.clone(), |before| before.min(id)));
                }
            }
        }
        (from, before)
    }

    pub(super) fn selects_nothing(&self) -> bool {
        self.ranges.iter().any(Range::is_empty)
    }

    pub(super) fn check(&self, declared: &[Index]) -> Result<()> {
        for Range { index, values } in &self.ranges {
            let problem = if !declared.iter().any(|known| known.name == index.name) {
                "is not declared"
            } else if index.order.is_some() || index.unique {
                "is not ordered by id"
            } else if values.len() != index.equal.len() {
                "has another number of fields"
            } else if values.iter().map(Vec::len).product::<usize>() > MAX_COMBINATIONS {
                "gets too many values"
            } else {
                continue;
            };
            return Err(Error::internal(format!("the index {} of a filter {problem}", index.name)));
        }
        match &self.paging.after {
            Some(Cursor { index, .. }) if index != BY_ID => {
                Err(Error::invalid_field("after", "belongs to a list in another order"))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn cursor(id: &str) -> Cursor {
    Cursor { index: BY_ID.to_owned(), key: id.into(), id: id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BY_BOTH: Index = Index::by("by_both", &["a", "b"]);

    #[test]
    fn a_range_has_every_combination_of_its_values() {
        for (values, expected) in [
            (vec![vec!["1"], vec!["x"]], vec!["1x"]),
            (vec![vec!["1", "2"], vec!["x", "y"]], vec!["1x", "2x", "1y", "2y"]),
            (vec![vec!["1", "2"], vec![]], vec![]),
        ] {
            let filter = Filter::all(Direction::Ascending).within(&BY_BOTH, values);
            let found: Vec<String> = filter.ranges[0]
                .combinations()
                .iter()
                .map(|fields| fields.iter().filter_map(Value::as_str).collect())
                .collect();
            assert_eq!(found, expected);
            assert_eq!(filter.selects_nothing(), expected.is_empty());
        }
    }

    #[test]
    fn a_cursor_narrows_the_bounds() {
        let bounds = |direction, from: &str, before: &str, after: &str| {
            let paging = Paging { after: Some(cursor(after)), ..Paging::default() };
            Filter::all(direction).from(from).before(before).page(paging).bounds()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(bounds(Direction::Ascending, "b", "y", "m"), (some("m\0"), some("y")));
        assert_eq!(bounds(Direction::Ascending, "b", "y", "a"), (some("b"), some("y")));
        assert_eq!(bounds(Direction::Descending, "b", "y", "m"), (some("b"), some("m")));
        assert_eq!(bounds(Direction::Descending, "b", "y", "z"), (some("b"), some("y")));
    }
}
