//! The program of the service `mail`. `.env.example` describes its environment.

use std::process::ExitCode;

use mail::{App, Defaults, Options};
use souk_http::config::Environment;
use souk_http::service;
use souk_types::Error;

fn main() -> ExitCode {
    let mut environment = Environment::from_process();
    let options = Options::read(&mut environment, &Defaults::default());
    service::run("mail", environment, |service| {
        // `service::run` reports what is missing before it starts the service.
        let options = options.ok_or_else(|| Error::internal("the options are incomplete"))?;
        App::start(service.database.clone(), &service.bus, options)?;
        Ok(service.rocket())
    })
}
