//! The service `products` as its own process. `.env.example` documents its environment.

use std::process::ExitCode;

use products::{App, ImportLimits, demo, routes};
use souk_contract::api::ProductsApi;
use souk_http::BusApi;
use souk_http::auth::Verifier;
use souk_http::config::Environment;
use souk_http::service;

fn main() -> ExitCode {
    let mut environment = Environment::from_process();
    let keys = environment.optional("JWKS_URL");
    let load_demo = environment.optional("DEMO_CATALOGUE").unwrap_or(false);
    let limits = ImportLimits::read(&mut environment);
    service::run("products", environment, move |service| {
        let verifier = keys.map_or_else(|| Verifier::from_bus(service.bus.clone()), Verifier::from_url);
        let app = App::start(service.database.clone(), &service.bus, verifier, limits)?;
        if load_demo {
            demo::spawn_load(app.importer());
        }
        Ok(service.rocket().mount("/", routes()).manage(app).manage(BusApi::default().with::<ProductsApi>("/")))
    })
}
