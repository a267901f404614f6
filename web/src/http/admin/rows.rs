//! Rows of a document of the shop that have a page each: a tax rate, a zone, a shipping method. A
//! form names its row by the position, and by a version of the row as the admin has seen it. So
//! two admins can change different rows at once, although the document is replaced as a whole.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use souk_types::Error;

use super::Admin;
use crate::api::admin_shop::Document;
use crate::api::{Problem, Tagged};
use crate::form::Form;
use crate::page::PageError;
use crate::visit::Visit;

/// How often a change is tried while other admins replace the document.
const ATTEMPTS: u32 = 5;

/// The member of a row that is a list of rows of its own. It is no part of the row's version.
const METHODS: &str = "methods";

/// The button that was pressed in a form of a row: `up`, `down`, `remove`; another one saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowAction {
    Save,
    Up,
    Down,
    Remove,
}

/// A row as a form has seen it.
pub(super) struct SeenRow<'a> {
    /// Its position in the list.
    pub(super) position: usize,
    /// Its [`version`].
    pub(super) version: &'a str,
    /// The members that say which row it is.
    pub(super) key: &'static [&'static str],
}

/// Where a row is that a form has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Unchanged(usize),
    /// Another admin has changed it.
    Changed(usize),
    /// No row has its key: another admin has removed it, or has changed a member of the key.
    Missing,
}

/// What has become of a change. `T` says where the row is.
pub(super) enum Outcome<T> {
    Saved,
    /// Another admin has changed the row meanwhile. `at` is `None` when no row has its key: it is
    /// removed, or its key is changed.
    Stale {
        at: Option<T>,
        stored: Value,
    },
    /// The service refuses the document with the change, or does not answer. `at` is `None` when
    /// the document cannot be read.
    Refused {
        at: Option<T>,
        problem: Problem,
    },
}

impl RowAction {
    /// Returns the action of a form.
    pub(super) fn of(form: &Form) -> Self {
        match form.get("act") {
            "up" => Self::Up,
            "down" => Self::Down,
            "remove" => Self::Remove,
            _ => Self::Save,
        }
    }

    /// Moves or removes a row. A row at the end of the list moves no further.
    pub(super) fn apply(self, rows: &mut Vec<Value>, at: usize) {
        let last = rows.len() - 1;
        match self {
            Self::Save => {}
            Self::Up => rows.swap(at.saturating_sub(1), at),
            Self::Down => rows.swap(at, (at + 1).min(last)),
            Self::Remove => drop(rows.remove(at)),
        }
    }
}

impl SeenRow<'_> {
    /// Finds the row among those that are stored now.
    pub(super) fn find(&self, rows: &[Value]) -> Found {
        let find = |is_it: &dyn Fn(&Value) -> bool| {
            let here = rows.get(self.position).filter(|row| is_it(row)).map(|_| self.position);
            here.or_else(|| rows.iter().position(is_it))
        };
        let name = self.version.split('.').next().unwrap_or_default();
        if let Some(at) = find(&|row| version(row, self.key) == self.version) {
            return Found::Unchanged(at);
        }
        find(&|row| hash_of_key(row, self.key) == name).map_or(Found::Missing, Found::Changed)
    }
}

impl Found {
    /// Returns the position of a row that nobody has changed. Errors: the position of a changed
    /// row; `None` for a missing one.
    pub(super) fn unchanged(self) -> Result<usize, Option<usize>> {
        match self {
            Self::Unchanged(at) => Ok(at),
            Self::Changed(at) => Err(Some(at)),
            Self::Missing => Err(None),
        }
    }

    /// Returns the position of a row, changed or not.
    pub(super) fn position(self) -> Option<usize> {
        match self {
            Self::Unchanged(at) | Self::Changed(at) => Some(at),
            Self::Missing => None,
        }
    }
}

/// Returns the version of a row, without its list of methods: a hash of the members that say which
/// row it is, a dot, and a hash of all members.
pub(super) fn version(row: &Value, key: &[&str]) -> String {
    let mut own = row.clone();
    if let Some(members) = own.as_object_mut() {
        members.remove(METHODS);
    }
    format!("{}.{}", hash_of_key(row, key), hash(&own.to_string()))
}

/// Returns a hash of the members that say which row it is.
pub(super) fn hash_of_key(row: &Value, key: &[&str]) -> String {
    let members: Value = key.iter().map(|name| row[*name].clone()).collect();
    hash(&members.to_string())
}

/// Returns a hash that is good enough to tell rows of one document apart.
fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..12])
}

/// Returns the rows of a list in a document, such as `/zones/0/methods`.
pub(super) fn rows<'v>(document: &'v Value, pointer: &str) -> &'v [Value] {
    document.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Reads a row, or all of them. Errors: a version of the service that this one does not know.
pub(super) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, PageError> {
    Ok(T::deserialize(value).map_err(Error::internal)?)
}

/// Applies a change to the document that is stored now, and replaces it if nobody else does so in
/// between. The change returns where the row is, or why it is not done: see [`Found::unchanged`].
/// Errors: the session has ended; a fault.
pub(super) async fn update<T>(
    visit: &Visit<'_>,
    admin: &Admin,
    document: Document,
    change: impl Fn(&mut Value) -> Result<T, Option<T>>,
) -> Result<Outcome<T>, PageError> {
    let mut attempt = 1;
    loop {
        let Tagged { mut value, tag } = match visit.api.document(&admin.token, document).await {
            Ok(stored) => stored,
            Err(problem @ Problem::Unavailable) => return Ok(Outcome::Refused { at: None, problem }),
            Err(problem) => return Err(problem.into()),
        };
        let at = match change(&mut value) {
            Ok(at) => at,
            Err(at) => return Ok(Outcome::Stale { at, stored: value }),
        };
        match visit.api.replace_document(&admin.token, document, &tag, &value).await {
            Ok(()) => return Ok(Outcome::Saved),
            Err(problem) if problem.status() == 412 && attempt < ATTEMPTS => attempt += 1,
            // The row itself is unchanged: a later attempt succeeds.
            Err(problem) if problem.status() == 412 => {
                return Ok(Outcome::Refused { at: Some(at), problem: Problem::Unavailable });
            }
            Err(problem) => return Ok(Outcome::Refused { at: Some(at), problem }),
        }
    }
}

/// Returns the list of a document that a change works on.
pub(super) fn list<'v>(document: &'v mut Value, pointer: &str) -> Option<&'v mut Vec<Value>> {
    document.pointer_mut(pointer).and_then(Value::as_array_mut)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_is_found_where_others_have_moved_it() {
        let row = |name: &str, price: u32| json!({"name": name, "price": price, "methods": [price]});
        let seen = version(&row("b", 2), &["name"]);
        let find = |rows: &[Value]| SeenRow { position: 1, version: &seen, key: &["name"] }.find(rows);
        for (rows, expected) in [
            (vec![row("a", 1), row("b", 2), row("b", 2)], Found::Unchanged(1)),
            (vec![row("b", 2), row("c", 3)], Found::Unchanged(0)),
            (vec![row("b", 3), row("c", 3), row("b", 2)], Found::Unchanged(2)),
            (vec![row("c", 2), row("b", 3)], Found::Changed(1)),
            (vec![row("c", 2)], Found::Missing),
            (vec![], Found::Missing),
        ] {
            assert_eq!(find(&rows), expected, "{rows:?}");
        }
        let other_methods = json!({"name": "b", "price": 2, "methods": []});
        assert_eq!(find(&[other_methods]), Found::Unchanged(0), "its methods have versions of their own");
    }

    #[test]
    fn a_row_moves_within_its_list() {
        for (action, at, expected) in [
            (RowAction::Up, 1, vec![2, 1, 3]),
            (RowAction::Up, 0, vec![1, 2, 3]),
            (RowAction::Down, 1, vec![1, 3, 2]),
            (RowAction::Down, 2, vec![1, 2, 3]),
            (RowAction::Remove, 1, vec![1, 3]),
            (RowAction::Save, 1, vec![1, 2, 3]),
        ] {
            let mut rows: Vec<Value> = [1, 2, 3].map(Value::from).into();
            action.apply(&mut rows, at);
            assert_eq!(rows, expected, "{action:?} {at}");
        }
    }
}
