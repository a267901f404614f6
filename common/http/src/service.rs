//! A service as a program of its own: settings from the environment, a database in MongoDB, a bus over RabbitMQ. It binds its
//! port first and finds database and broker when they are there; until then it is not ready and answers 503. What the
//! services have of their own is in their `main.rs`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::str::FromStr;

use rocket::error::ErrorKind;
use rocket::{Build, Rocket};

use crate::config::Environment;
use crate::health::{self, Health};
use crate::telemetry::{Dsn, Format, Reporting, Telemetry};
use souk_bus::{AmqpOptions, Bus};
use souk_store::Database;
use souk_types::Result;

/// What a service's program works with.
pub struct Service {
    /// Its own database.
    pub database: Database,
    /// The way to the others.
    pub bus: Bus,
    address: IpAddr,
    port: u16,
}

impl Service {
    /// A Rocket on the configured port, with `/health`; the service mounts its routes at `/`, because the proxy takes the
    /// prefix away.
    #[must_use]
    pub fn rocket(&self) -> Rocket<Build> {
        let health = Health { databases: vec![self.database.clone()], bus: self.bus.clone() };
        crate::rocket(self.address, self.port).mount("/health", health::routes()).manage(health)
    }
}

/// Everything that the environment says, besides what one service alone needs.
struct Settings {
    service: Service,
    telemetry: Telemetry,
}

/// Runs a service until it is told to stop; or, with the argument `health`, asks the instance that its environment describes whether it is
/// ready, and exits with 0 when it is. `start` makes its `App` and mounts its routes; it is not called when
/// anything is wrong with the environment: then all of it is told, and nothing is started.
pub fn run(
    name: &'static str,
    environment: Environment,
    start: impl FnOnce(&Service) -> Result<Rocket<Build>> + Send,
) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(name, environment, start),
        ["health"] => address(environment).and_then(health::probe),
        _ => Err(format!("usage: {name} [health]; its settings are in the environment (.env.example)")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{name}: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Where this service's instance is to be asked, from the same machine.
fn address(mut environment: Environment) -> std::result::Result<SocketAddr, String> {
    let address = environment.optional("ADDRESS").unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let address = if address.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address };
    let port = environment.required::<Port>("PORT");
    port.map(|port| SocketAddr::new(address, port.0)).ok_or_else(|| environment.problems().join("; "))
}

fn serve(
    name: &'static str,
    environment: Environment,
    start: impl FnOnce(&Service) -> Result<Rocket<Build>> + Send,
) -> std::result::Result<(), String> {
    rocket::execute(async move {
        // Before anyone makes a connection: MongoDB's driver and RabbitMQ's could each bring a provider of their own. It is
        // an error only when there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Settings { service, telemetry } = read_settings(name, environment)?;
        let _telemetry = telemetry.start()?;
        let shop = start(&service).map_err(|error| error.operator_message())?;
        tracing::info!(address = %service.address, port = service.port, version = env!("CARGO_PKG_VERSION"), "starting");
        let outcome = crate::run(shop, &service.bus, crate::DRAIN_PERIOD).await;
        service.database.close().await;
        outcome.map_err(|error| match error.kind() {
            ErrorKind::Bind(reason) | ErrorKind::Io(reason) => {
                format!("cannot listen on {} port {}: {reason}", service.address, service.port)
            }
            other => format!("the web server stopped: {other}"),
        })
    })
}

fn read_settings(name: &'static str, mut environment: Environment) -> std::result::Result<Settings, String> {
    let address = environment.optional("ADDRESS").unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = environment.required::<Port>("PORT");
    let instance = environment.optional("INSTANCE");
    let instance = instance.unwrap_or_else(|| instance_name(name, environment.optional("HOSTNAME")));
    let bus = environment.required::<String>("AMQP_URL").and_then(|url| {
        let prefix = environment.optional("AMQP_PREFIX").unwrap_or_default();
        noted(&mut environment, "AMQP_URL", Bus::amqp(AmqpOptions { url, name: instance.clone(), prefix }))
    });
    let uri: Option<String> = environment.required("MONGODB_URI");
    let kept_in: Option<DatabaseName> = environment.required("DATABASE");
    let database = uri
        .zip(kept_in)
        .and_then(|(uri, kept_in)| noted(&mut environment, "MONGODB_URI", Database::mongodb(name, &uri, &kept_in.0)));
    let telemetry = Telemetry {
        service: name,
        instance: Some(instance),
        filter: environment.optional("LOG").unwrap_or_else(|| "info".to_owned()),
        format: environment.optional::<Format>("LOG_FORMAT"),
        reporting: reporting(name, &mut environment),
    };
    match (bus, database, port, environment.problems()) {
        (Some(bus), Some(database), Some(port), []) => {
            Ok(Settings { service: Service { database, bus, address, port: port.0 }, telemetry })
        }
        _ => Err(environment.report()),
    }
}

/// A name for an instance that was given none. In containers every process has the id 1, and the host's name tells them apart.
fn instance_name(service: &str, host: Option<String>) -> String {
    match (std::process::id(), host) {
        (1, Some(pod)) if pod.starts_with(service) => pod,
        (1, Some(host)) => format!("{service}-{host}"),
        (process, _) => format!("{service}-{process}"),
    }
}

/// SentryLayer without the name of their environment cannot be told apart, so neither goes without the other.
fn reporting(name: &str, environment: &mut Environment) -> Option<Reporting> {
    let dsn: Option<Dsn> = environment.optional("SENTRY_DSN");
    let of: Option<String> = environment.optional("ENVIRONMENT");
    let release = environment.optional("RELEASE").unwrap_or_else(|| format!("{name}@{}", env!("CARGO_PKG_VERSION")));
    match (dsn, of) {
        (Some(dsn), Some(environment)) => Some(Reporting { dsn, environment, release }),
        (Some(_), None) => {
            environment.add_problem("SENTRY_DSN is set and ENVIRONMENT is not");
            None
        }
        (None, _) => None,
    }
}

fn noted<T>(environment: &mut Environment, name: &str, outcome: Result<T>) -> Option<T> {
    outcome.map_err(|error| environment.add_problem(format!("{name}: {}", error.operator_message()))).ok()
}

/// A port that a proxy can be told.
struct Port(u16);

impl FromStr for Port {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        text.parse().ok().filter(|port| *port != 0).map(Self).ok_or("must be a port, 1 to 65535")
    }
}

/// A name that MongoDB takes on every system.
struct DatabaseName(String);

impl FromStr for DatabaseName {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if (1..=60).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 1 to 60 letters, digits, hyphens and underscores")
        }
    }
}
