//! The service `products` as a program of its own; `.env.example` has its environment.

use std::process::ExitCode;

use products::{App, ImportLimits, demo, routes};
use souk_http::auth::Verifier;
use souk_http::config::Environment;
use souk_http::service;

fn main() -> ExitCode {
    let mut environment = Environment::from_process();
    let keys = environment.optional("JWKS_URL");
    let samples = environment.optional("DEMO_CATALOGUE").unwrap_or(false);
    let limits = ImportLimits::read(&mut environment);
    service::run("products", environment, move |service| {
        let verifier = keys.map_or_else(|| Verifier::from_bus(service.bus.clone()), Verifier::from_url);
        let app = App::start(service.database.clone(), &service.bus, verifier, limits)?;
        if samples {
            demo::load_in_time(app.importer());
        }
        Ok(service.rocket().mount("/", routes()).manage(app))
    })
}
