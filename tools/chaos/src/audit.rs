//! Reconciles the databases with the responses that clients got, by `souk audit`.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use journeys::{Customer, Outcome};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::environment::Environment;

/// Time that events and background jobs have to finish.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(2);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub(crate) enum Audit {
    Passed,
    Violations(Vec<String>),
}

impl Audit {
    pub(crate) fn add(&mut self, violation: String) {
        match self {
            Self::Violations(violations) => violations.push(violation),
            Self::Passed => *self = Self::Violations(vec![violation]),
        }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Violations(violations) => write!(f, "{} violations !", violations.len()),
        }
    }
}

/// Runs `souk audit` with all orders that were confirmed to clients so far.
pub(crate) async fn run(environment: &Environment, confirmed_orders: &[Value]) -> Result<Audit, String> {
    let text = |error: std::io::Error| format!("souk audit: {error}");
    let file = environment.folder.path().join("orders.ndjson");
    let mut orders = BufWriter::new(File::options().create(true).append(true).open(&file).map_err(text)?);
    for order in confirmed_orders {
        writeln!(orders, "{order}").map_err(text)?;
    }
    orders.into_inner().map_err(|error| text(error.into_error()))?;
    let mut souk = environment.fleet.souk();
    souk.args(["audit", "--orders"]).arg(&file).args(["--within", &format!("{}s", SETTLE_TIMEOUT.as_secs())]);
    let output = spawn_blocking(move || souk.output()).await.map_err(|error| error.to_string())?.map_err(text)?;
    let report = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Ok(Audit::Passed),
        Some(1) => Ok(Audit::Violations(report.lines().map(str::to_owned).collect())),
        _ => Err(format!("souk audit: {}: {}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}

pub(crate) async fn is_rejected_everywhere(deleted: &Customer) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < SETTLE_TIMEOUT {
        let is_rejected = |outcome: Outcome| outcome.status() == Some(401);
        if is_rejected(deleted.get_profile().outcome().await) && is_rejected(deleted.get_cart().outcome().await) {
            return true;
        }
        sleep(POLL_INTERVAL).await;
    }
    false
}
