//! What a process tells about itself: log lines on standard error, and reports of unexpected errors to Sentry, when that is
//! configured. Nothing personal is in either: no headers, bodies, addresses, and no paths with what a client put there.
//!
//! One request is one line (`http` writes it); every line that is written because of a request carries its id. Whatever is
//! logged as an error is unexpected and goes to Sentry; what was to be expected is logged below that.

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

/// The name of this process, once it is known.
static INSTANCE: OnceLock<String> = OnceLock::new();

/// How a process tells about itself.
pub struct Telemetry {
    /// Which program: `products`.
    pub service: &'static str,
    /// Which of its instances: `products-2`. A name from the service and the process id when there is none.
    pub instance: Option<String>,
    /// A level or a list of `target=level`, as `RUST_LOG` takes it.
    pub filter: String,
    /// As JSON or as text; `None`: as text on a terminal, else as JSON.
    pub format: Option<Format>,
    /// Where to report unexpected errors; `None`: nowhere.
    pub reporting: Option<Reporting>,
}

/// Sends what is still to be reported when it is dropped; it takes 2 s at most.
#[must_use = "what was reported last is lost when this is dropped at once"]
pub struct TelemetryGuard {
    _reporting: Option<sentry::ClientInitGuard>,
}

impl Telemetry {
    /// Starts logging and reporting, for the rest of the process. Errors: one line for the operator.
    pub fn start(self) -> Result<TelemetryGuard, String> {
        // A word alone is taken for a target by `EnvFilter`, so that a level with a typing error would log nothing.
        let bare = self.filter.split(',').find(|part| !part.contains('=') && part.parse::<LevelFilter>().is_err());
        if let Some(word) = bare {
            return Err(format!("{word:?} is no log level: error, warn, info, debug, trace, off"));
        }
        // Rocket's own lines repeat ours and cost a quarter of the throughput; the drivers tell us what they know as errors.
        let quiet = "rocket=off,rocket_http=off,hyper=warn,lapin=off,mongodb=off,hickory_net=warn,hickory_resolver=warn,rustls=warn";
        let filter = EnvFilter::try_new(format!("{},{quiet}", self.filter))
            .map_err(|error| format!("the log filter {:?} cannot be read: {error}", self.filter))?;
        let instance = INSTANCE.get_or_init(|| self.instance.unwrap_or_else(|| own_name(self.service)));
        let terminal = std::io::stderr().is_terminal();
        let format = self.format.unwrap_or(if terminal { Format::Text } else { Format::Json });
        // What Rocket logs in our name, about guards, has such targets, and quotes what clients sent.
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

/// A panic is a line as every other, with the request that it happened in.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without words");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(panic = message, place, "panicked");
}

fn own_name(service: &str) -> String {
    format!("{service}-{}", std::process::id())
}

/// What `GET /whoami` of a service answers: which program, which instance of it.
#[must_use]
pub fn whoami(service: &str) -> serde_json::Value {
    let instance = INSTANCE.get().filter(|instance| instance.starts_with(service)).cloned();
    serde_json::json!({
        "service": service,
        "version": env!("CARGO_PKG_VERSION"),
        "instance": instance.unwrap_or_else(|| own_name(service)),
    })
}
