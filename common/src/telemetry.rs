//! Logs, on standard error. What a request did wrong is one line with its request id; nothing personal is written.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging. `filter` is a level or a list of `target=level`, as `RUST_LOG` takes it.
pub fn start(filter: &str) -> Result<(), String> {
    // Rocket's own lines (some under the target `_`) repeat ours and cost a quarter of the throughput.
    let filter = EnvFilter::try_new(format!("{filter},_=off,rocket=off,rocket_http=off,hyper=warn"))
        .map_err(|error| format!("the log filter {filter:?} cannot be read: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
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
