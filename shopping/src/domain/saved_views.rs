//! The views of the list of orders that an admin has saved: filters under a name.

use serde::{Deserialize, Serialize};
use souk_contract::shopping::MAX_VIEW_NAME;
use souk_types::input::{Fields, Input};
use souk_types::{Error, Id, Result, Text};

use super::order::filters::OrderFilters;

/// Maximum number of views of one admin.
const MAX_VIEWS: usize = 20;
const NO_ADDRESS: &str = "must have no e-mail address, which would outlive the erasure of its account";

pub(crate) type SavedViewId = Id<SavedView>;

type ViewName = Text<1, MAX_VIEW_NAME>;

/// Filters under a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedView {
    id: SavedViewId,
    name: ViewName,
    #[serde(flatten)]
    filters: OrderFilters,
}

/// What a client sends to save a view.
#[derive(Debug, Clone)]
pub(crate) struct NewView {
    name: ViewName,
    filters: OrderFilters,
}

impl Input for NewView {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required::<ViewName>("name");
        if name.as_ref().is_some_and(|name| name.contains('@')) {
            fields.refuse::<()>("name", NO_ADDRESS);
        }
        let filters = OrderFilters::read(fields)?;
        if filters.searches_an_address() {
            fields.refuse::<()>("q", NO_ADDRESS);
        }
        Some(Self { name: name?, filters })
    }
}

/// The views of one admin, in the order in which they were saved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedViews {
    views: Vec<SavedView>,
    /// Whether the account is deleted. The empty document stays, so that a concurrent request
    /// cannot create it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    closed: bool,
}

impl SavedViews {
    pub(crate) fn into_views(self) -> Vec<SavedView> {
        self.views
    }

    /// Saves a view and returns it; one of the same name is replaced. Errors: `too-many-views`;
    /// `unauthenticated` if closed.
    pub(crate) fn save(&mut self, NewView { name, filters }: NewView) -> Result<SavedView> {
        if self.closed {
            return Err(Error::unauthenticated("The account is deleted."));
        }
        if let Some(view) = self.views.iter_mut().find(|view| view.name == name) {
            view.filters = filters;
            return Ok(view.clone());
        }
        if self.views.len() >= MAX_VIEWS {
            let detail = format!("An admin has at most {MAX_VIEWS} saved views; remove one first.");
            return Err(Error::conflict("too-many-views", detail));
        }
        let view = SavedView { id: SavedViewId::new(), name, filters };
        self.views.push(view.clone());
        Ok(view)
    }

    /// Errors: `NotFound`.
    pub(crate) fn remove(&mut self, id: SavedViewId) -> Result<()> {
        let before = self.views.len();
        self.views.retain(|view| view.id != id);
        if self.views.len() == before { Err(Error::not_found("saved view")) } else { Ok(()) }
    }

    pub(crate) fn close(&mut self) {
        (self.views, self.closed) = (Vec::new(), true);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use souk_types::input::from_json;

    use super::*;

    fn new_view(body: Value) -> Result<NewView> {
        from_json(body)
    }

    #[test]
    fn a_view_of_the_same_name_is_replaced() {
        let mut views = SavedViews::default();
        let first = views.save(new_view(json!({"name": "Abroad", "country": "FR"})).unwrap()).unwrap();
        let again = views.save(new_view(json!({"name": " Abroad ", "payment": "attention"})).unwrap()).unwrap();
        assert_eq!((first.id, views.views.len()), (again.id, 1));
        let stored = serde_json::to_value(&views).unwrap();
        assert_eq!(
            (&stored["views"][0]["payment"], &stored["views"][0]["country"]),
            (&json!("attention"), &Value::Null)
        );
        assert_eq!(serde_json::from_value::<SavedViews>(stored).unwrap(), views);
        views.remove(first.id).unwrap();
        assert!(views.remove(first.id).is_err());
    }

    #[test]
    fn views_are_bounded_and_can_be_closed() {
        let mut views = SavedViews::default();
        for number in 0..MAX_VIEWS {
            views.save(new_view(json!({"name": number.to_string()})).unwrap()).unwrap();
        }
        let one_more = || new_view(json!({"name": "one more"})).unwrap();
        assert_eq!(views.save(one_more()).unwrap_err().code(), "too-many-views");
        views.save(new_view(json!({"name": "0", "status": "paid"})).unwrap()).unwrap();
        views.close();
        assert_eq!(views.save(one_more()).unwrap_err().code(), "unauthenticated");
        assert_eq!(serde_json::to_value(&views).unwrap(), json!({"views": [], "closed": true}));
    }

    #[test]
    fn every_bad_field_is_named() {
        for (body, expected) in [
            (json!({}), vec!["name"]),
            (json!({"name": "x".repeat(41), "status": "lost", "limit": 2}), vec!["limit", "name", "status"]),
            (json!({"name": "Ana", "q": "ana@example.com"}), vec!["q"]),
            (json!({"name": "Orders of ana@example.com", "q": "tea"}), vec!["name"]),
            (json!({"name": "ana@example.com", "q": "ana@example.com"}), vec!["name", "q"]),
        ] {
            let error = new_view(body).unwrap_err();
            let mut fields: Vec<&str> = error.fields().iter().map(|field| &*field.field).collect();
            fields.sort_unstable();
            assert_eq!(fields, expected);
        }
    }
}
