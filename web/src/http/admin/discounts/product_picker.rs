//! The products of a discount: they are found by name, chosen, and removed one by one. Each step
//! sends the form and shows it again, with all that was typed.

use souk_contract::products::ProductId;

use super::categories::{CATEGORIES, joined};
use crate::api::catalogue::{Product, ProductQuery};
use crate::fields::FormState;
use crate::form::Form;
use crate::locale::Key;
use crate::visit::Visit;

/// The field of the state with the ids of the chosen products, with a space between two.
pub(super) const PRODUCTS: &str = "products";
/// The hidden field of each chosen product.
const CHOSEN: &str = "product";
/// The field with the words that are searched for, and the one with those of the list that is
/// shown.
const WORDS: &str = "find";
const SHOWN_WORDS: &str = "found";
/// The button that was pressed.
const BUTTON: &str = "pick";

/// Products that a search lists.
const MAX_FOUND: usize = 10;
/// The longest search, in characters, as in the API.
const MAX_WORDS: usize = 100;

/// What an admin does with the products in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Saves the form.
    Save,
    Search,
    Add(String),
    Remove(String),
}

impl Step {
    /// Returns the step of a form. The key "Enter" presses the first button of a form, which saves
    /// it; after typing words, it means to search.
    pub(super) fn of(form: &Form) -> Self {
        let is_typed = !form.get(WORDS).is_empty() && form.get(WORDS) != form.get(SHOWN_WORDS);
        match form.get(BUTTON).split_once(':').unwrap_or((form.get(BUTTON), "")) {
            ("search", _) => Self::Search,
            ("default", _) if is_typed => Self::Search,
            ("add", id) => Self::Add(id.to_owned()),
            ("remove", id) => Self::Remove(id.to_owned()),
            _ => Self::Save,
        }
    }

    /// Returns the state of a form after the step.
    pub(super) fn state(&self, form: &Form) -> FormState {
        let mut ids: Vec<&str> = form.all(CHOSEN).filter(|id| !id.is_empty()).collect();
        match self {
            Self::Add(id) if !ids.contains(&id.as_str()) => ids.push(id),
            Self::Remove(id) => ids.retain(|chosen| chosen != id),
            Self::Add(_) | Self::Save | Self::Search => {}
        }
        let mut state = FormState::of(form);
        state.set(PRODUCTS, ids.join(" "));
        state.set(CATEGORIES, joined(form.all(CATEGORIES)));
        state
    }
}

/// What the form shows of the products.
pub(super) struct ProductPicker {
    pub(super) chosen: Vec<Chosen>,
    pub(super) words: String,
    /// The products that have the words; `None` without words, or while they cannot be searched.
    pub(super) found: Option<Vec<Product>>,
    /// Whether more products than those that are shown have the words.
    pub(super) has_more: bool,
    /// Whether the products cannot be read.
    pub(super) is_down: bool,
    pub(super) error: Option<String>,
    /// What another admin has stored meanwhile.
    pub(super) stored: Option<String>,
}

/// A chosen product.
pub(super) struct Chosen {
    pub(super) id: String,
    /// The name, or the id of a product that the shop does not sell any more.
    pub(super) name: String,
    /// The URL of its page for admins; `None` when there is none.
    pub(super) url: Option<String>,
}

impl ProductPicker {
    /// Reads the names of the products, and searches.
    pub(super) async fn read(visit: &Visit<'_>, state: &FormState) -> Self {
        let words: String = state.value(WORDS).chars().take(MAX_WORDS).collect();
        let (chosen, found) = tokio::join!(choose(visit, state.value(PRODUCTS)), search(visit, &words));
        let is_down = chosen.is_none() || found.is_err();
        let found = found.unwrap_or_default();
        Self {
            chosen: chosen.unwrap_or_else(|| unnamed(state.value(PRODUCTS))),
            words,
            has_more: found.as_ref().is_some_and(|(_, has_more)| *has_more),
            found: found.map(|(products, _)| products),
            is_down,
            error: state.error(PRODUCTS).map(ToOwned::to_owned),
            stored: None,
        }
    }

    /// Adds what another admin has stored meanwhile, if it differs.
    pub(super) async fn compare(mut self, visit: &Visit<'_>, ids: &[String]) -> Self {
        if self.chosen.iter().map(|chosen| &chosen.id).ne(ids) {
            let ids = ids.join(" ");
            let stored = choose(visit, &ids).await.unwrap_or_else(|| unnamed(&ids));
            let names: Vec<String> = stored.into_iter().map(|chosen| chosen.name).collect();
            let shown = if names.is_empty() { "–".to_owned() } else { names.join(", ") };
            self.stored = Some(visit.text("admin-stored-now").arg("value", shown).to_string());
        }
        self
    }

    /// Whether a product that was found is chosen already.
    pub(super) fn is_chosen(&self, product: &Product) -> bool {
        let id = product.id.to_string();
        self.chosen.iter().any(|chosen| chosen.id == id)
    }
}

/// Returns the chosen products with their names; `None` while they cannot be read.
async fn choose(visit: &Visit<'_>, ids: &str) -> Option<Vec<Chosen>> {
    let known: Vec<ProductId> = ids.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    let products = match known.as_slice() {
        [] => Vec::new(),
        known => visit.api.products_by_id(known).await.ok()?,
    };
    let name = |chosen: Chosen| match products.iter().find(|product| product.id.to_string() == chosen.id) {
        Some(product) => Chosen {
            url: Some(visit.url(&format!("/admin/products/{}", product.id))),
            name: product.name.clone(),
            ..chosen
        },
        None => Chosen {
            name: visit.text(Key("discount-product-gone")).arg("id", chosen.id.as_str()).to_string(),
            ..chosen
        },
    };
    Some(unnamed(ids).into_iter().map(name).collect())
}

fn unnamed(ids: &str) -> Vec<Chosen> {
    ids.split_whitespace().map(|id| Chosen { id: id.to_owned(), name: id.to_owned(), url: None }).collect()
}

/// Returns the products that have the words, and whether there are more; `None` without words.
async fn search(visit: &Visit<'_>, words: &str) -> crate::api::Result<Option<(Vec<Product>, bool)>> {
    if words.is_empty() {
        return Ok(None);
    }
    let query = ProductQuery { words: Some(words), limit: MAX_FOUND, ..ProductQuery::default() };
    let list = visit.api.products(query).await.inspect_err(|problem| {
        tracing::warn!(%problem, "products cannot be searched");
    })?;
    Ok(Some((list.items, list.next.is_some())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_changes_the_chosen_products() {
        for (button, expected, ids) in [
            ("pick=add:c", Step::Add("c".to_owned()), "a b c"),
            ("pick=add:a", Step::Add("a".to_owned()), "a b"),
            ("pick=remove:a", Step::Remove("a".to_owned()), "b"),
            ("pick=search", Step::Search, "a b"),
            ("pick=default", Step::Save, "a b"),
            ("pick=default&find=tea", Step::Search, "a b"),
            ("pick=default&find=tea&found=tea", Step::Save, "a b"),
            ("find=tea", Step::Save, "a b"),
        ] {
            let form = Form::parse(format!("product=a&product=b&{button}").as_bytes());
            let step = Step::of(&form);
            assert_eq!((&step, step.state(&form).value(PRODUCTS)), (&expected, ids), "{button}");
        }
    }
}
