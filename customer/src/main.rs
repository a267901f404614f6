//! The service `customer` as a program of its own; `.env.example` has its environment.

use std::process::ExitCode;

use customer::{App, SigningKey, routes};
use souk_http::config::Environment;
use souk_http::service;
use souk_types::Error;

fn main() -> ExitCode {
    let mut environment = Environment::from_process();
    let key: Option<SigningKey> = environment.required("SIGNING_KEY");
    service::run("customer", environment, |service| {
        let key = key.ok_or_else(|| Error::internal("started without a key"))?;
        let app = App::start(service.database.clone(), &service.bus, key)?;
        Ok(service.rocket().mount("/", routes()).manage(app))
    })
}
