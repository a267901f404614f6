//! The program of the service `customer`. `.env.example` describes its environment.

use std::process::ExitCode;

use customer::{App, Options, SigningKey, routes};
use souk_contract::api::CustomerApi;
use souk_http::BusApi;
use souk_http::config::Environment;
use souk_http::service;
use souk_types::Error;

fn main() -> ExitCode {
    let mut environment = Environment::from_process();
    let key: Option<SigningKey> = environment.required("SIGNING_KEY");
    let options = Options::read(&mut environment, None);
    service::run("customer", environment, |service| {
        // `service::run` reports a missing key before it starts the service.
        let key = key.ok_or_else(|| Error::internal("SIGNING_KEY is missing"))?;
        let app = App::start(service.database.clone(), &service.bus, &service.limits, key, options)?;
        Ok(service.rocket().mount("/", routes()).manage(app).manage(BusApi::default().with::<CustomerApi>("/")))
    })
}
