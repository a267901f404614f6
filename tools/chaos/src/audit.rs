//! Whether the books balance, asked of `souk audit`. It is given what clients were told, and reads
//! the databases and the broker.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use journeys::{Customer, Outcome};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::scene::Scene;
use serde_json::Value;

/// What the audit gives events and sweepers to finish.
const SETTLED: Duration = Duration::from_mins(1);
/// How often it is looked whether they have.
const GLANCE: Duration = Duration::from_millis(100);

/// What an audit says.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    Passed,
    Breaches(Vec<String>),
}

impl Verdict {
    /// A breach that the audit does not look for.
    pub(crate) fn adds(&mut self, breach: String) {
        match self {
            Self::Breaches(breaches) => breaches.push(breach),
            Self::Passed => *self = Self::Breaches(vec![breach]),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Breaches(breaches) => write!(f, "{} breaches !", breaches.len()),
        }
    }
}

/// Looks into the books; `told` is what clients were told since the last time, as it reads it.
pub(crate) async fn audit(scene: &Scene, told: &[Value]) -> Result<Verdict, String> {
    let text = |error: std::io::Error| format!("the audit: {error}");
    let file = scene.folder.path().join("orders.ndjson");
    // Everything that was ever told stays true.
    let mut orders = BufWriter::new(File::options().create(true).append(true).open(&file).map_err(text)?);
    for told in told {
        writeln!(orders, "{told}").map_err(text)?;
    }
    orders.into_inner().map_err(|error| text(error.into_error()))?;
    let mut souk = scene.fleet.souk();
    souk.args(["audit", "--orders"]).arg(&file).args(["--within", &format!("{}s", SETTLED.as_secs())]);
    let output = spawn_blocking(move || souk.output()).await.map_err(|error| error.to_string())?.map_err(text)?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Ok(Verdict::Passed),
        Some(1) => Ok(Verdict::Breaches(said.lines().map(str::to_owned).collect())),
        _ => Err(format!("souk audit: {}: {}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}

/// Whether a deleted account is served nowhere any more, also with the token that it had.
pub(crate) async fn is_forgotten(leaver: &Customer) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < SETTLED {
        let refused = |outcome: Outcome| outcome.status() == Some(401);
        if refused(leaver.get_profile().outcome().await) && refused(leaver.get_cart().outcome().await) {
            return true;
        }
        sleep(GLANCE).await;
    }
    false
}
