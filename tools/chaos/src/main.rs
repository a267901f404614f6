//! Injects one fault after another into a fleet under load: components are killed, stopped and
//! disconnected. Prints the responses to clients, the time to recover and the result of `souk
//! audit`. Exits with 1 when a target is missed. `docs/chaos.md` describes the method. `cargo xtask
//! chaos` runs it.

mod attackers;
mod audit;
mod environment;
mod fault;
mod load;
mod outcome;
mod random;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::time::sleep;

use crate::environment::Environment;
use crate::fault::Fault;
use crate::load::Load;
use crate::outcome::{FaultOutcome, Recovery};
use crate::random::Random;

/// Load before the fault, so that clients have open connections.
const WARM_UP: Duration = Duration::from_secs(1);
/// A service that still fails after this time counts as not recovered.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// Load after the recovery, in which requests that began before it end.
const COOL_DOWN: Duration = Duration::from_millis(500);

/// Inject faults into a fleet under load
#[derive(Parser)]
#[command(name = "chaos")]
struct Options {
    /// One fault of each kind, in debug builds; about two minutes
    #[arg(long)]
    short: bool,
    /// Instead of faults: attackers at 200 addresses, while 50 shoppers buy
    #[arg(long)]
    attackers: bool,
    /// Selects the instances and the actions of the clients
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only faults whose names contain one of these words; all by default
    faults: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(run(&options)));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<bool, String> {
    if options.attackers {
        return attackers::run(options.short).await;
    }
    let begun = Instant::now();
    let mut random = Random::from(options.seed);
    let environment = Environment::start(options.short).await?;
    let faults = fault::all(options.short, &mut random);
    let is_selected =
        |fault: &Fault| options.faults.is_empty() || options.faults.iter().any(|word| fault.name.contains(word));
    let mut outcomes = Vec::new();
    outcome::print_head();
    for fault in faults.into_iter().filter(is_selected) {
        let outcome = inject(&environment, fault, &mut random, options.short).await?;
        println!("{outcome}");
        outcomes.push(outcome);
    }
    let missed = outcomes.iter().filter(|outcome| !outcome.meets_targets()).count();
    let (form, seconds) = (if options.short { "short" } else { "long" }, begun.elapsed().as_secs());
    println!("\n{}\nseed {}, {form} form, {seconds} s", outcome::markdown(&outcomes), options.seed);
    for outcome in &outcomes {
        outcome.print_examples();
    }
    if missed == 0 {
        println!("all targets met");
        return Ok(true);
    }
    println!("{missed} faults missed a target");
    let folder = fleet::target_dir().join("fleet-logs").join(format!("chaos-{}", std::process::id()));
    environment.fleet.copy_logs(&folder);
    println!("The logs of the fleet are in {}.", folder.display());
    Ok(false)
}

async fn inject(
    environment: &Environment,
    fault: Fault,
    random: &mut Random,
    short: bool,
) -> Result<FaultOutcome, String> {
    let leaver = environment.fleet.new_customer().await;
    let arrival_rate = if short { load::SHORT_ARRIVAL_RATE } else { load::ARRIVAL_RATE };
    let load = Load::start(environment, arrival_rate, random.split());
    sleep(WARM_UP).await;
    fault.begin(environment).await;
    let deletion = tokio::spawn(load::delete_account(leaver.clone()));
    fault.hold(environment, &load).await?;
    fault.end(environment).await;
    let ended = Instant::now();
    let time = load.time_to_recover(ended, RECOVERY_TIMEOUT).await;
    let target = if short { outcome::SHORT_RECOVERY_TARGET } else { outcome::RECOVERY_TARGET };
    sleep(COOL_DOWN).await;
    let record = load.stop().await;
    let is_deleted = deletion.await.map_err(|error| error.to_string())?;
    let mut audit = audit::run(environment, &record.confirmed_orders).await?;
    if is_deleted && !audit::is_rejected_everywhere(&leaver).await {
        audit.add(format!("the token of the deleted account {} is still accepted", leaver.id));
    }
    Ok(FaultOutcome::new(&fault, &record.attempts, &Recovery { ended, time, target }, audit))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn options_are_parsed() {
        let options = Options::try_parse_from("chaos --short --seed 7 broker".split(' ')).unwrap();
        assert_eq!((options.short, options.seed, options.faults), (true, 7, vec!["broker".to_owned()]));
        assert_eq!(Options::try_parse_from(["chaos"]).unwrap().seed, 1);
        for bad in ["chaos --seed", "chaos --seed x", "chaos --long"] {
            assert!(Options::try_parse_from(bad.split(' ')).is_err(), "{bad}");
        }
    }
}
