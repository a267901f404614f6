//! The program of the service `mail`. `.env.example` describes its environment.

use std::process::ExitCode;

use mail::{App, Defaults, Options, routes};
use souk_contract::api::MailApi;
use souk_http::BusApi;
use souk_http::auth::Verifier;
use souk_http::config::Environment;
use souk_http::service;
use souk_types::Error;

fn main() -> ExitCode {
    let mut environment = Environment::from_process();
    let keys = environment.optional("JWKS_URL");
    let options = Options::read(&mut environment, &Defaults::default());
    service::run("mail", environment, move |service| {
        // `service::run` reports what is missing before it starts the service.
        let options = options.ok_or_else(|| Error::internal("the options are incomplete"))?;
        let verifier = keys.map_or_else(|| Verifier::from_bus(service.bus.clone()), Verifier::from_url);
        let app = App::start(service.database.clone(), &service.bus, verifier, options)?;
        Ok(service.rocket().mount("/", routes()).manage(app).manage(BusApi::default().with::<MailApi>("/")))
    })
}
