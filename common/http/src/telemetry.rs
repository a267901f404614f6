//! Logging to standard error, and reports of unexpected errors to Sentry. Neither has personal
//! data: no headers, no bodies, no client addresses, and no part of a path that a client chose.
//!
//! Every request has one line, and every line written because of a request carries its id. An error
//! in the log is unexpected and goes to Sentry; expected failures have a lower level.

mod line;
mod redact;
mod report;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use self::line::Format;
pub use self::report::{Dsn, Reporting};

static INSTANCE: OnceLock<String> = OnceLock::new();

/// The settings of logging and error reporting.
pub struct Telemetry {
    /// The service, such as `products`.
    pub service: &'static str,
    /// The instance, such as `products-2`; by default the service and the process id.
    pub instance: Option<String>,
    /// A level or a list of `target=level`, as `RUST_LOG` takes it.
    pub filter: String,
    /// The format of log lines; by default text on a terminal and JSON elsewhere.
    pub format: Option<Format>,
    /// Error reporting; `None` disables it.
    pub reporting: Option<Reporting>,
}

/// Sends the remaining error reports when it is dropped, within 2 s.
#[must_use = "error reporting stops when the guard is dropped"]
pub struct TelemetryGuard {
    _reporting: Option<sentry::ClientInitGuard>,
}

impl Telemetry {
    /// Starts logging and reporting for the rest of the process. Errors: one line for the operator.
    pub fn start(self) -> Result<TelemetryGuard, String> {
        // `EnvFilter` takes a bare word for a target, so a misspelt level would log nothing.
        let bare = self.filter.split(',').find(|part| !part.contains('=') && part.parse::<LevelFilter>().is_err());
        if let Some(word) = bare {
            return Err(format!("{word:?} is no log level: error, warn, info, debug, trace, off"));
        }
        // Rocket's lines repeat ours and cost a quarter of the throughput; drivers return errors.
        let quiet = "rocket=off,rocket_http=off,hyper=warn,lapin=off,mongodb=off,hickory_net=warn,hickory_resolver=warn,rustls=warn";
        let filter = EnvFilter::try_new(format!("{},{quiet}", self.filter))
            .map_err(|error| format!("the log filter {:?} cannot be read: {error}", self.filter))?;
        let instance = INSTANCE.get_or_init(|| self.instance.unwrap_or_else(|| own_name(self.service)));
        let terminal = std::io::stderr().is_terminal();
        let format = self.format.unwrap_or(if terminal { Format::Text } else { Format::Json });
        // Rocket's messages about guards have such targets, and quote client input.
        let not_rocket = filter_fn(|metadata| !metadata.target().ends_with("::_"));
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(terminal)
            .event_format(line::Line { format, service: self.service, instance });
        let reporting = self.reporting.map(|reporting| reporting.start(self.service, instance));
        tracing_subscriber::registry()
            .with(filter)
            .with(not_rocket)
            .with(lines)
            .with(reporting.is_some().then_some(report::SentryLayer))
            .try_init()
            .map_err(|error| format!("logging cannot start: {error}"))?;
        std::panic::set_hook(Box::new(log_panic));
        Ok(TelemetryGuard { _reporting: reporting })
    }
}

/// Logs a panic as an error, with the id of its request.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(panic = message, place, "panicked");
}

fn own_name(service: &str) -> String {
    format!("{service}-{}", std::process::id())
}

/// Returns the body of `GET /whoami`: service, version, instance.
#[must_use]
pub fn whoami(service: &str) -> serde_json::Value {
    let instance = INSTANCE.get().filter(|instance| instance.starts_with(service)).cloned();
    serde_json::json!({
        "service": service,
        "version": env!("CARGO_PKG_VERSION"),
        "instance": instance.unwrap_or_else(|| own_name(service)),
    })
}
