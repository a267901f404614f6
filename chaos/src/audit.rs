//! Whether the books balance, asked of `souk audit`. It is given what clients were told, and reads the databases and the broker.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use journeys::{Books, Customer, Outcome};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::load::Told;
use crate::scene::{SCARCE, STOCKED, Scene};

/// What the audit gives events and sweepers to finish.
const SETTLED: Duration = Duration::from_mins(1);
/// How often it is looked whether they have.
const GLANCE: Duration = Duration::from_millis(100);
/// Orders that are looked at together.
const AT_ONCE: usize = 16;
/// How `souk` ends when it does not know a command (clap's number).
const UNKNOWN: i32 = 2;

/// What an audit says.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    Passed,
    Breaches(Vec<String>),
    /// Why.
    NotRun(String),
}

impl Verdict {
    /// A breach that the audit does not look for.
    pub(crate) fn adds(&mut self, breach: String) {
        match self {
            Self::Breaches(breaches) => breaches.push(breach),
            Self::Passed | Self::NotRun(_) => *self = Self::Breaches(vec![breach]),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Breaches(breaches) => write!(f, "{} breaches !", breaches.len()),
            Self::NotRun(why) => write!(f, "not run ({why})"),
        }
    }
}

/// Looks into the books; `told` is what clients were told since the last time.
pub(crate) async fn audit(scene: &Scene, told: &[Told]) -> Result<Verdict, String> {
    let text = |error: std::io::Error| format!("the audit: {error}");
    let file = scene.folder.path().join("orders.ndjson");
    // Everything that was ever told stays true.
    let mut orders = BufWriter::new(File::options().create(true).append(true).open(&file).map_err(text)?);
    for told in told {
        writeln!(orders, "{}", told.line).map_err(text)?;
    }
    orders.into_inner().map_err(|error| text(error.into_error()))?;
    let mut souk = scene.fleet.souk();
    souk.args(["audit", "--orders"]).arg(&file).args(["--within", &format!("{}s", SETTLED.as_secs())]);
    let output = spawn_blocking(move || souk.output()).await.map_err(|error| error.to_string())?.map_err(text)?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Ok(Verdict::Passed),
        Some(1) => Ok(Verdict::Breaches(said.lines().map(str::to_owned).collect())),
        Some(UNKNOWN) => Ok(seen_from_outside(scene, told).await),
        _ => Err(format!("souk audit: {}: {}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}

/// What can be seen without the audit: a breach is one, the rest proves little.
async fn seen_from_outside(scene: &Scene, told: &[Told]) -> Verdict {
    // A token lasts ten minutes, and this may take longer.
    let admin = scene.fleet.admin().await;
    let mut breaches = Vec::new();
    for some in told.chunks(AT_ONCE) {
        let orders = join_all(some.iter().map(|told| told.customer.order(&told.id).unless_busy())).await;
        for (Told { line, .. }, order) in some.iter().zip(orders) {
            let stands = order.status == 200 && (line["status"] != "confirmed" || order["status"] == "confirmed");
            if !stands {
                breaches.push(format!("told {line}, found {order}"));
            }
        }
    }
    for (number, product) in scene.goods.iter().enumerate() {
        let stocked = if number + 1 == scene.goods.len() { SCARCE } else { STOCKED };
        let begun = Instant::now();
        let mut books = admin.books(product).await;
        while books.reserved > 0 && begun.elapsed() < SETTLED {
            sleep(GLANCE).await;
            books = admin.books(product).await;
        }
        let Books { available, reserved, sold } = books;
        if books.stocked() != stocked || reserved > 0 {
            breaches.push(format!("{}: {available} + {reserved} + {sold} of {stocked}", product.id));
        }
    }
    if breaches.is_empty() {
        Verdict::NotRun("orders told and stock add up".to_owned())
    } else {
        Verdict::Breaches(breaches)
    }
}

/// Whether a deleted account is served nowhere any more, also with the token that it had.
pub(crate) async fn is_forgotten(leaver: &Customer) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < SETTLED {
        let refused = |outcome: Outcome| outcome.status() == Some(401);
        if refused(leaver.profile().outcome().await) && refused(leaver.cart().outcome().await) {
            return true;
        }
        sleep(GLANCE).await;
    }
    false
}
