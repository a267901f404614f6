//! The service `web`: the pages of the shop, rendered on the server. It stores nothing. It gets
//! everything that a page shows from the other services, by requests of their public API over the
//! bus (`souk_contract::api`), so a page can do what its visitor may do and nothing else.
//!
//! A page is a route in `http/`, a template in `templates/`, and texts in `locales/`. A route takes
//! a `visit::Visit`, which has the visitor's language, session and API client, and the outer
//! parts of every page. A route that changes something takes a `form::Form` too, which has passed
//! the check against forged requests.

mod admin_section;
mod api;
mod app;
mod assets;
mod cookies;
mod csrf;
mod dead_letters;
mod fields;
mod form;
mod http;
mod idempotency;
mod legal;
mod links;
mod locale;
mod monitor;
mod options;
mod page;
mod product_lists;
mod session;
mod sitemap;
mod upload;
mod visit;

use std::sync::Arc;

use rocket::{Build, Rocket};
use souk_bus::Bus;

pub use self::app::App;
pub use self::options::{Defaults, Options};

use self::locale::Language;
use self::monitor::Monitor;
use self::product_lists::ProductLists;
use self::upload::UploadLimit;

impl App {
    /// Returns the state of the service.
    #[must_use]
    pub fn start(bus: &Bus, options: Options) -> Self {
        Self {
            bus: bus.clone(),
            options: Arc::new(options),
            shop: Arc::default(),
            lists: ProductLists::default(),
            sitemap: Arc::default(),
            monitor: Monitor::start(bus),
            uploads: UploadLimit::default(),
        }
    }
}

/// Mounts the pages: those of the storefront below the prefix of each language, and those that have
/// no language at the root.
#[must_use]
pub fn mount(rocket: Rocket<Build>, app: App) -> Rocket<Build> {
    let rocket = rocket.attach(cookies::CookieFairing).mount("/", http::root_routes()).manage(app);
    Language::ALL.into_iter().fold(rocket, |rocket, language| {
        rocket.mount(language.prefix(), http::routes()).register(language.prefix(), http::catchers())
    })
}
