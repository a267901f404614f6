//! The service `products` as its own process. `.env.example` documents its environment.

use std::process::ExitCode;

use products::{App, Options, routes, sample_catalogue};
use souk_contract::api::ProductsApi;
use souk_http::BusApi;
use souk_http::auth::Verifier;
use souk_http::config::Environment;
use souk_http::service;

fn main() -> ExitCode {
    let mut environment = Environment::from_process();
    let keys = environment.optional("JWKS_URL");
    let load_sample_catalogue = environment.optional("DEMO_CATALOGUE").unwrap_or(false);
    let options = Options::read(&mut environment);
    service::run("products", environment, move |service| {
        let verifier = keys.map_or_else(|| Verifier::from_bus(service.bus.clone()), Verifier::from_url);
        let app = App::start(service.database.clone(), &service.bus, verifier, options)?;
        if load_sample_catalogue {
            sample_catalogue::spawn_load(app.importer());
        }
        Ok(service.rocket().mount("/", routes()).manage(app).manage(BusApi::default().with::<ProductsApi>("/")))
    })
}
