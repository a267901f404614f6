//! Layers inside a service. Dependencies point one way: `http, messages, jobs -> application -> app
//! -> repositories, providers -> domain`. `api` is the client of `web` for the other services.
//!
//! A layer is a folder or a file of that name at the top of a service; other modules, and the
//! layers that a small service does not have, are not checked. `lib.rs` and `main.rs` put the
//! layers together and may name all of them.

use super::Violation;
use super::imports::{Import, imports};

/// Name and height of each layer. A layer may import lower ones, and those of its own height when
/// they do not import it.
const LAYERS: [(&str, u8); 9] = [
    ("domain", 0),
    ("repositories", 1),
    ("providers", 1),
    ("api", 1),
    ("app", 2),
    ("application", 3),
    ("http", 4),
    ("messages", 4),
    ("jobs", 4),
];

/// Crates that do input and output. A domain only computes.
const IMPURE: [&str; 9] =
    ["rocket", "tokio", "futures_util", "souk_bus", "souk_http", "lapin", "mongodb", "rusqlite", "ureq"];

/// Items of `souk_store` that a domain may use: a type declares its collection and its indexes
/// where it is defined, a retry schedule is a plain value, and the words of a text are computed
/// from it alone.
const DECLARATIONS: [&str; 7] =
    ["Document", "Index", "Direction", "RetrySchedule", "Backoff", "index_words", "query_words"];

pub(super) struct Source {
    /// From the root of the workspace: `shopping/src/domain/order.rs`.
    pub(super) file: String,
    /// From `src`: `["domain", "order"]`; empty for `lib.rs`.
    pub(super) module: Vec<String>,
    pub(super) text: String,
}

pub(super) fn check(sources: &[Source]) -> Vec<Violation> {
    let imports: Vec<(&Source, Vec<Import>)> =
        sources.iter().map(|source| (source, imports(&source.module, &source.text))).collect();
    let root = imports.iter().find(|(source, _)| source.module.is_empty()).map_or(&[][..], |(_, imports)| imports);
    let (mut violations, mut sideways) = (Vec::new(), Vec::new());
    for (source, imports) in &imports {
        let Some((own, height)) = layer(source.module.first()) else { continue };
        // Tests at the end of a file may use higher layers, but a domain stays pure.
        for import in imports.iter().filter(|import| own == "domain" || !import.in_tests) {
            let mut violate = |rule: String| {
                violations.push(Violation { file: source.file.clone(), line: import.line, rule });
            };
            let path = import.path.join("::");
            match target(import, root) {
                Target::Module(module) if own == "domain" && module != own => {
                    violate(format!("domain imports {path}; it may import nothing of its service but domain"));
                }
                Target::Module(module) => match layer(Some(&module)) {
                    Some((_, above)) if above > height => {
                        violate(format!("{own} imports {path}, a layer above it"));
                    }
                    Some((other, same)) if other != own && same == height => {
                        sideways.push((own, other, &source.file, import.line));
                    }
                    _ => {}
                },
                Target::Impure if own == "domain" => {
                    violate(format!("domain uses {path}; it is pure and has no input or output"));
                }
                Target::Impure | Target::Other => {}
            }
        }
    }
    for (own, other, file, line) in &sideways {
        if sideways.iter().any(|(from, to, ..)| (from, to) == (other, own)) {
            let rule = format!("{own} and {other} import each other");
            violations.push(Violation { file: (*file).clone(), line: *line, rule });
        }
    }
    violations.dedup();
    violations
}

enum Target {
    Module(String),
    Impure,
    Other,
}

fn target(import: &Import, root: &[Import]) -> Target {
    let segments: Vec<&str> = import.path.iter().map(String::as_str).collect();
    match *segments {
        // `*` in a top-level module itself, or the crate's own name in `pub(crate)`.
        ["crate"] | ["crate", "*" | "self"] => Target::Other,
        ["crate", name, ..] => Target::Module(home(name, root)),
        ["souk_store", item, ..] if DECLARATIONS.contains(&item) => Target::Other,
        ["async"] | ["souk_store", ..] => Target::Impure,
        [name, ..] if IMPURE.contains(&name) => Target::Impure,
        _ => Target::Other,
    }
}

/// Returns the top-level module that `crate::name` comes from. Items that `lib.rs` itself defines,
/// such as `App`, are of the layer `app`.
fn home(name: &str, root: &[Import]) -> String {
    let exported = root.iter().find(|import| import.path.last().is_some_and(|last| last == name));
    match exported.map(|import| &import.path[..]) {
        Some([first, module, _, ..]) if first == "crate" => module.clone(),
        _ if name.starts_with(char::is_uppercase) => "app".to_owned(),
        _ => name.to_owned(),
    }
}

fn layer(module: Option<&String>) -> Option<(&'static str, u8)> {
    LAYERS.into_iter().find(|(name, _)| module.is_some_and(|module| module == name))
}

#[cfg(test)]
mod tests {
    use super::{Source, check};

    fn source(module: &str, text: &str) -> Source {
        let module: Vec<String> = module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Source { file: format!("{}.rs", module.join("/")), module, text: text.to_owned() }
    }

    fn violations(sources: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = sources.iter().map(|(module, text)| source(module, text)).collect();
        check(&sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn dependencies_that_point_down_pass() {
        let lib = "pub use self::domain::email::Email;\nuse self::application::orders;\npub struct App;";
        let passing = [
            ("", lib),
            ("domain::order", "use souk_store::{Document, Index};\nuse super::email::Email;\nuse crate::Email;"),
            ("repositories", "use crate::domain::order::Order;\nuse souk_store::Database;\nasync fn get() {}"),
            ("app", "use crate::repositories::Orders;"),
            ("application::orders", "use crate::{App, domain::order::Order, providers};\nuse super::carts;"),
            ("jobs", "use crate::application::orders;"),
            ("http::orders", "use crate::application::orders;\nuse rocket::get;\nuse crate::jobs::run;"),
        ];
        assert_eq!(violations(&passing), [""; 0]);
    }

    #[test]
    fn domain_is_pure_and_imports_only_domain() {
        let domain = "use crate::application::orders;\nuse crate::App;\nuse rocket::serde::Serialize;\nasync fn f() {}\n\
                      use souk_store::Collection;\nuse crate::options::Options;\nfn g() { tokio::spawn(()); }";
        let found = violations(&[("", "pub struct App;"), ("domain::order", domain)]);
        let lines: Vec<&str> = found.iter().map(|line| line.split_once(": ").unwrap().0).collect();
        assert_eq!(lines, (1..=7).map(|line| format!("domain/order.rs:{line}")).collect::<Vec<_>>());
        assert_eq!(
            found[0],
            "domain/order.rs:1: domain imports crate::application::orders; it may import nothing of its service but domain"
        );
        assert_eq!(
            found[2],
            "domain/order.rs:3: domain uses rocket::serde::Serialize; it is pure and has no input or output"
        );
    }

    #[test]
    fn layers_do_not_import_those_above_them() {
        let found = violations(&[
            ("application::orders", "use crate::\n    http::orders;\nfn f() { super::super::jobs::run(); }"),
            ("repositories", "use crate::App;"),
            ("providers::stripe", "use crate::application::payments;"),
        ]);
        assert_eq!(
            found,
            [
                "application/orders.rs:2: application imports crate::http::orders, a layer above it",
                "application/orders.rs:3: application imports crate::jobs::run, a layer above it",
                "repositories.rs:1: repositories imports crate::App, a layer above it",
                "providers/stripe.rs:1: providers imports crate::application::payments, a layer above it",
            ]
        );
    }

    #[test]
    fn pages_use_the_client_of_the_services_and_not_the_other_way_round() {
        let found = violations(&[
            ("http::cart", "use crate::api::cart::Cart;\nuse crate::visit::Visit;"),
            ("api::cart", "use crate::http::cart;\nuse crate::App;\nuse crate::links;"),
        ]);
        assert_eq!(
            found,
            [
                "api/cart.rs:1: api imports crate::http::cart, a layer above it",
                "api/cart.rs:2: api imports crate::App, a layer above it",
            ]
        );
    }

    #[test]
    fn layers_of_one_height_do_not_import_each_other() {
        let found = violations(&[("http", "use crate::jobs::run;"), ("jobs", "use crate::http::routes;")]);
        assert_eq!(found, ["http.rs:1: http and jobs import each other", "jobs.rs:1: jobs and http import each other"]);
    }

    #[test]
    fn flat_service_is_not_checked() {
        let flat =
            [("", "mod order;"), ("order", "use crate::checkout;"), ("checkout", "use crate::order; async fn f() {}")];
        assert_eq!(violations(&flat), [""; 0]);
    }
}
