//! The service `shopping` as a program of its own. `.env.example` documents its environment
//! variables.

use std::process::ExitCode;

use shopping::{App, Options, PaymentMethod, routes};
use souk_contract::api::ShoppingApi;
use souk_http::BusApi;
use souk_http::auth::Verifier;
use souk_http::config::Environment;
use souk_http::service;

fn main() -> ExitCode {
    let mut environment = Environment::from_process();
    let keys = environment.optional("JWKS_URL");
    let options = Options::read(&mut environment, None);
    let demo_payments = options.offers(PaymentMethod::Demo);
    service::run("shopping", environment, |service| {
        if demo_payments {
            tracing::warn!("demo payments are offered: they move no money, so that goods are free");
        }
        let verifier = keys.map_or_else(|| Verifier::from_bus(service.bus.clone()), Verifier::from_url);
        let app = App::start(service.database.clone(), &service.bus, &service.limits, verifier, options)?;
        Ok(service.rocket().mount("/", routes()).manage(app).manage(BusApi::default().with::<ShoppingApi>("/")))
    })
}
