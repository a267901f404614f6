//! The categories of a discount: a check box for each category that has products, and for each
//! other one that the discount names already.

use souk_types::sort_key;

use crate::fields::{Field, FormState};
use crate::visit::Visit;

/// The field of the form and of the state. The state has one name in a line.
pub(super) const CATEGORIES: &str = "categories";

/// Returns the names of the categories that have products; `None` while they cannot be read.
pub(super) async fn read(visit: &Visit<'_>) -> Option<Vec<String>> {
    match visit.api.categories().await {
        Ok(categories) => Some(categories.all.into_iter().map(|category| category.name).collect()),
        Err(problem) => {
            tracing::warn!(%problem, "the categories for a discount cannot be read");
            None
        }
    }
}

/// Returns the names as the state has them. Their order means nothing.
pub(super) fn joined<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.flat_map(str::lines).map(str::trim).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names.join("\n")
}

/// Returns the names that are chosen in a form.
pub(super) fn chosen(state: &FormState) -> impl Iterator<Item = &str> {
    state.value(CATEGORIES).lines()
}

/// Returns the check boxes. `offered` has the names of [`read`].
pub(super) fn field(visit: &Visit<'_>, state: &FormState, offered: Option<&[String]>) -> Field {
    let known = offered.unwrap_or_default();
    let is_known = |name: &str| known.iter().any(|known| known == name);
    let others = chosen(state).filter(|name| !is_known(name));
    let mut names: Vec<&str> = known.iter().map(String::as_str).chain(others).collect();
    names.sort_by_cached_key(|name| sort_key(name));
    let option = |name: &str| {
        let is_gone = offered.is_some() && !is_known(name);
        let label =
            if is_gone { visit.text("discount-category-gone").arg("name", name).to_string() } else { name.to_owned() };
        (name.to_owned(), label)
    };
    let mut hint = visit.text("discount-categories-hint").to_string();
    if offered.is_none() {
        hint = format!("{hint} {}", visit.text("discount-categories-down"));
    }
    Field::new(state, CATEGORIES, visit.text("discount-categories")).many(names.into_iter().map(option)).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Form;

    #[test]
    fn the_categories_of_a_form_are_in_one_order_and_each_once() {
        for (form, expected) in [
            ("", vec![]),
            ("categories=", vec![]),
            ("categories=tea&categories=green+tea", vec!["green tea", "tea"]),
            ("categories=tea&categories=+tea+&categories=Tea", vec!["Tea", "tea"]),
            ("categories=tea%0D%0A%0D%0Amugs", vec!["mugs", "tea"]),
        ] {
            let mut state = FormState::default();
            state.set(CATEGORIES, joined(Form::parse(form.as_bytes()).all(CATEGORIES)));
            assert_eq!(chosen(&state).collect::<Vec<_>>(), expected, "{form}");
        }
    }
}
