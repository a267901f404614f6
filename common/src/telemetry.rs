//! Logs, on standard error. What a request did wrong is one line with its request id; nothing personal is written.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. `filter` is a level or a list of `target=level`, as `RUST_LOG` takes it.
pub fn start(filter: &str) -> Result<(), String> {
    // A word alone is taken for a target by `EnvFilter`, so that a level with a typing error would log nothing.
    let bare = filter.split(',').find(|part| !part.contains('=') && part.parse::<LevelFilter>().is_err());
    if let Some(word) = bare {
        return Err(format!("{word:?} is no log level: error, warn, info, debug, trace, off"));
    }
    // Rocket's own lines repeat ours and cost a quarter of the throughput.
    let filter = EnvFilter::try_new(format!("{filter},rocket=off,rocket_http=off,hyper=warn"))
        .map_err(|error| format!("the log filter {filter:?} cannot be read: {error}"))?;
    // What it logs in our name, about guards, has such targets, and quotes what clients sent.
    let not_rocket = filter_fn(|metadata| !metadata.target().ends_with("::_"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(not_rocket)
        .with(lines)
        .try_init()
        .map_err(|error| format!("logging cannot start: {error}"))
}

/// What `GET /whoami` of a service answers: which program, which instance of it.
#[must_use]
pub fn whoami(service: &str) -> serde_json::Value {
    serde_json::json!({
        "service": service,
        "version": env!("CARGO_PKG_VERSION"),
        "instance": format!("{service}-{}", std::process::id()),
    })
}
