//! The runtime of a service in a fleet. The service reserves its port first and listens when its
//! database and its broker have answered, or after 5 s: what needs them is then answered with 503
//! until they are up. It ends when the database has data of another format.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::str::FromStr;

use rocket::{Build, Rocket};

use crate::RunError;
use crate::client_address::TrustedProxies;
use crate::config::Environment;
use crate::cors::CorsOrigins;
use crate::health::{self, Health};
use crate::instance::Instance;
use crate::limits::RequestLimit;
use crate::rate_limit::PerMinute;
use crate::rate_limit::shared::SharedLimits;
use crate::telemetry::{Dsn, Format, Reporting, Telemetry};
use souk_bus::{AmqpOptions, Bus};
use souk_store::Database;
use souk_types::{Error, Result};

/// The resources of a service. `D` is [`Database`], or `()` for a service that stores nothing.
pub struct Service<D = Database> {
    /// The service's database.
    pub database: D,
    /// The bus to the other services.
    pub bus: Bus,
    /// The rate limits that all instances of the service share.
    pub limits: SharedLimits,
    /// `database`, if there is one.
    databases: Vec<Database>,
    instance: Instance,
    address: IpAddr,
    port: u16,
    cors: CorsOrigins,
    trusted_proxies: TrustedProxies,
    requests_per_network: PerMinute,
}

impl<D> Service<D> {
    /// Returns a Rocket with `/health`. Mount routes at `/`, because nginx removes the prefix.
    #[must_use]
    pub fn rocket(&self) -> Rocket<Build> {
        let health = Health { databases: self.databases.clone(), bus: self.bus.clone() };
        crate::rocket(self.address, self.port)
            .mount("/health", health::routes())
            .manage(health)
            .manage(self.instance.clone())
            .manage(self.cors.clone())
            .manage(self.trusted_proxies.clone())
            .manage(RequestLimit::new(self.requests_per_network))
    }
}

struct Settings<D> {
    service: Service<D>,
    telemetry: Telemetry,
}

/// Runs a service until a shutdown signal. `start` is called only when the configuration is valid.
/// With the argument `health`, probes the instance of the environment instead.
pub fn run(
    name: &'static str,
    environment: Environment,
    start: impl FnOnce(&Service) -> Result<Rocket<Build>> + Send,
) -> ExitCode {
    run_with(name, environment, read_database, start)
}

/// Runs a service without a database, as [`run`] does.
pub fn run_stateless(
    name: &'static str,
    environment: Environment,
    start: impl FnOnce(&Service<()>) -> Result<Rocket<Build>> + Send,
) -> ExitCode {
    run_with(name, environment, |_, _| Some(((), Vec::new())), start)
}

/// Opens the database of a service, if the environment names a valid one.
type OpenDatabase<D> = fn(&'static str, &mut Environment) -> Option<(D, Vec<Database>)>;

fn run_with<D: Send + Sync>(
    name: &'static str,
    environment: Environment,
    open: OpenDatabase<D>,
    start: impl FnOnce(&Service<D>) -> Result<Rocket<Build>> + Send,
) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(name, environment, open, start),
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

/// Returns the address at which the instance can be probed from the same machine.
fn address(mut environment: Environment) -> std::result::Result<SocketAddr, String> {
    let address = environment.optional("ADDRESS").unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let address = if address.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address };
    let port = environment.required::<Port>("PORT");
    port.map(|port| SocketAddr::new(address, port.0)).ok_or_else(|| environment.problems().join("; "))
}

fn serve<D: Send + Sync>(
    name: &'static str,
    environment: Environment,
    open: OpenDatabase<D>,
    start: impl FnOnce(&Service<D>) -> Result<Rocket<Build>> + Send,
) -> std::result::Result<(), String> {
    rocket::execute(async move {
        // Before the first connection, so that all drivers use the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Settings { service, telemetry } = read_settings(name, environment, open)?;
        let _telemetry = telemetry.start()?;
        let shop = start(&service).map_err(|error| error.operator_message())?;
        tracing::info!(address = %service.address, port = service.port, version = env!("CARGO_PKG_VERSION"), "starting");
        let outcome = tokio::select! {
            outcome = crate::run(shop, &service.bus, crate::DRAIN_PERIOD) => outcome,
            error = incompatible(&service.databases) => return Err(error.operator_message()),
        };
        for database in &service.databases {
            database.close().await;
        }
        outcome.map_err(|error| match error {
            RunError::Listen(reason) => {
                format!("cannot listen on {} port {}: {reason}", service.address, service.port)
            }
            other @ RunError::Setup(_) => other.to_string(),
        })
    })
}

/// Waits until a database has data of another format.
async fn incompatible(databases: &[Database]) -> Error {
    match databases {
        [database, ..] => database.incompatible().await,
        [] => std::future::pending().await,
    }
}

fn read_database(name: &'static str, environment: &mut Environment) -> Option<(Database, Vec<Database>)> {
    let uri: Option<String> = environment.required("MONGODB_URI");
    let database_name: Option<DatabaseName> = environment.required("DATABASE");
    let (uri, database_name) = uri.zip(database_name)?;
    let database = or_add_problem(environment, "MONGODB_URI", Database::mongodb(name, &uri, &database_name.0))?;
    Some((database.clone(), vec![database]))
}

fn read_settings<D>(
    name: &'static str,
    mut environment: Environment,
    open: OpenDatabase<D>,
) -> std::result::Result<Settings<D>, String> {
    let address = environment.optional("ADDRESS").unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = environment.required::<Port>("PORT");
    let trusted_proxies = environment.optional("TRUSTED_PROXIES").unwrap_or_else(TrustedProxies::private);
    let instance = environment.optional("INSTANCE");
    let instance = instance.unwrap_or_else(|| instance_name(name, environment.optional("HOSTNAME")));
    let bus = environment.required::<String>("AMQP_URL").and_then(|url| {
        let prefix = environment.optional("AMQP_PREFIX").unwrap_or_default();
        let options = AmqpOptions { url, name: instance.clone(), service: name.to_owned(), prefix };
        or_add_problem(&mut environment, "AMQP_URL", Bus::amqp(options))
    });
    let database = open(name, &mut environment);
    let cors = CorsOrigins::read(&mut environment);
    let requests_per_network = RequestLimit::read_rate(&mut environment);
    let telemetry = Telemetry {
        service: name,
        instance: Some(instance.clone()),
        filter: environment.optional("LOG").unwrap_or_else(|| "info".to_owned()),
        format: environment.optional::<Format>("LOG_FORMAT"),
        reporting: reporting(name, &mut environment),
    };
    match (bus, database, port, environment.problems()) {
        (Some(bus), Some((database, databases)), Some(port), []) => {
            let instance = Instance::new(name, instance);
            let limits = SharedLimits::start(&bus, &instance);
            let service = Service {
                database,
                bus,
                limits,
                databases,
                instance,
                address,
                port: port.0,
                cors,
                trusted_proxies,
                requests_per_network,
            };
            Ok(Settings { service, telemetry })
        }
        _ => Err(environment.report()),
    }
}

/// The default name of an instance. In a container the process id is 1, so it is the host's name.
fn instance_name(service: &str, host: Option<String>) -> String {
    match (std::process::id(), host) {
        (1, Some(pod)) if pod.starts_with(service) => pod,
        (1, Some(host)) => format!("{service}-{host}"),
        (process, _) => format!("{service}-{process}"),
    }
}

/// Sentry requires `ENVIRONMENT`, which distinguishes the reports of several environments.
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

fn or_add_problem<T>(environment: &mut Environment, name: &str, outcome: Result<T>) -> Option<T> {
    outcome.map_err(|error| environment.add_problem(format!("{name}: {}", error.operator_message()))).ok()
}

/// A TCP port other than 0, because nginx must know the port.
struct Port(u16);

impl FromStr for Port {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        text.parse().ok().filter(|port| *port != 0).map(Self).ok_or("must be a port, 1 to 65535")
    }
}

/// A database name that MongoDB accepts on every operating system.
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
