//! The program of the service `web`. `.env.example` describes its environment.

use std::process::ExitCode;

use souk_http::config::Environment;
use souk_http::service;
use souk_types::Error;
use web::{App, Defaults, Options};

fn main() -> ExitCode {
    let mut environment = Environment::from_process();
    let options = Options::read(&mut environment, &Defaults::default());
    service::run_stateless("web", environment, |service| {
        // `service::run_stateless` reports what is missing before it starts the service.
        let options = options.ok_or_else(|| Error::internal("the options are incomplete"))?;
        Ok(web::mount(service.rocket(), App::start(&service.bus, options)))
    })
}
