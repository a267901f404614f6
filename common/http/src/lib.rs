//! HTTP for Souk's services: the configured Rocket, limits of concurrency and time, typed input,
//! problem+json, authentication, health checks, telemetry, and the runtime of a service.

pub mod auth;
mod body;
mod client_address;
mod client_language;
mod compression;
mod concurrency_limit;
pub mod config;
mod content;
mod cors;
mod descriptors;
pub mod documents;
mod entity_tag;
pub mod health;
mod idempotency;
mod input;
mod instance;
mod limits;
mod param;
mod problem;
pub mod rate_limit;
mod request_id;
mod request_log;
mod response_headers;
mod server;
pub mod service;
pub mod signal;
mod stop;
pub mod telemetry;
mod traffic;

use std::collections::HashSet;
use std::net::IpAddr;

use rocket::config::{LogLevel, Shutdown};
use rocket::{Build, Config, Rocket};

pub use self::body::Body;
pub use self::client_address::{ClientNetwork, IsHttps, TrustedProxies};
pub use self::client_language::ClientLanguage;
use self::concurrency_limit::ConcurrencyLimiter;
pub use self::content::Content;
pub use self::cors::CorsOrigins;
pub use self::entity_tag::{IfMatch, Tagged};
pub use self::idempotency::{OptionalKey, Replayable, RequestKey};
pub use self::input::{Json, NoInput, Query, header};
pub use self::instance::Instance;
pub use self::limits::{RequestLimit, with_limits, with_page_limits, without_limits};
pub use self::param::Param;
pub use self::problem::{Problem, Result, data_outcome, guard_outcome, retry_after_refusal, status};
pub use self::request_id::request_id;
use self::request_log::RequestFairing;
pub use self::response_headers::{Public, PublicForADay, PublicImmutable};
use self::response_headers::{ResponseHeaders, shield};
pub use self::server::{BusApi, RunError, run};
pub use self::stop::{DRAIN_PERIOD, ShutdownFlag};
use self::traffic::Traffic;

/// Returns a Rocket with Souk's configuration. The caller mounts the services.
#[must_use]
pub fn rocket(address: IpAddr, port: u16) -> Rocket<Build> {
    let config = Config {
        address,
        port,
        log_level: LogLevel::Off,
        cli_colors: false,
        // A client could write any address into the header.
        ip_header: None,
        // `run` handles the signals.
        shutdown: Shutdown { ctrlc: false, signals: HashSet::new(), ..Shutdown::default() },
        ..Config::release_default()
    };
    rocket::custom(config)
        .attach(shield())
        .attach(ResponseHeaders)
        .attach(RequestFairing)
        .manage(ShutdownFlag::default())
        .manage(Traffic::default())
        .manage(ConcurrencyLimiter::new(limits::MAX_CONCURRENT_REQUESTS))
        .manage(limits::PageLimiter::default())
        .register("/", problem::catchers())
}
