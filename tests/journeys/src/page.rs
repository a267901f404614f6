//! What a visitor sees of a page.

use crate::html::{self, HtmlForm};
use crate::response::Response;

impl Response {
    /// Expects a visible text.
    #[track_caller]
    pub fn expect_text(self, text: &str) -> Self {
        assert!(self.has_text(text), "{} has no {text:?}:\n{}", self.address(), html::text(self.html()));
        self
    }

    /// Returns whether a text is visible.
    #[track_caller]
    pub fn has_text(&self, text: &str) -> bool {
        html::text(self.html()).contains(text)
    }

    /// Returns the first form that is sent to an address which contains `action`.
    #[track_caller]
    pub fn form(&self, action: &str) -> HtmlForm {
        let found = html::forms(self.html()).into_iter().find(|form| form.action.contains(action));
        found.unwrap_or_else(|| panic!("{} has no form {action}:\n{}", self.address(), html::text(self.html())))
    }

    /// Returns all forms.
    #[track_caller]
    pub fn forms(&self) -> Vec<HtmlForm> {
        html::forms(self.html())
    }

    /// Returns the addresses of all links.
    #[track_caller]
    pub fn links(&self) -> Vec<String> {
        html::elements(self.html(), &["a"]).filter_map(|element| element.attribute("href")).collect()
    }

    /// Returns the values of the check boxes of this name, and whether they are checked.
    #[track_caller]
    pub fn check_boxes(&self, name: &str) -> Vec<(String, bool)> {
        html::elements(self.html(), &["input"])
            .filter(|element| element.attribute("type").as_deref() == Some("checkbox"))
            .filter(|element| element.attribute("name").as_deref() == Some(name))
            .filter_map(|element| Some((element.attribute("value")?, element.has("checked"))))
            .collect()
    }

    /// Returns the names of the fields that are marked as invalid, in the order of the page.
    #[track_caller]
    pub fn invalid_fields(&self) -> Vec<String> {
        html::elements(self.html(), &["input", "select", "textarea"])
            .filter(|element| element.attribute("aria-invalid").as_deref() == Some("true"))
            .filter_map(|element| element.attribute("name"))
            .collect()
    }
}
