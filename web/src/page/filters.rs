//! Filters of templates.

#![allow(
    unreachable_pub,
    clippy::inline_always,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the macro generates such code"
)]

use std::fmt;

/// Writes a category with a capital letter at its beginning.
#[askama::filter_fn]
pub(crate) fn title_case(name: impl fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(capitalise(&name.to_string()))
}

/// Returns a name with a capital letter at its beginning: categories may be stored in lower case.
pub(crate) fn capitalise(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
