//! A whole fleet under load, to which one bad thing after another happens: parts are killed, stand
//! still, are cut off from each other. After each it prints what clients saw, how long it took to
//! recover, and whether the books still balance; it ends with 1 when a target is missed. `cargo
//! xtask chaos` runs it, `docs/chaos.md` says how it measures.

mod audit;
mod fault;
mod load;
mod random;
mod row;
mod scene;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::fault::Fault;
use crate::load::Load;
use crate::random::Random;
use crate::row::{Recovery, Row};
use crate::scene::Scene;

/// What there is to see before anything happens: everybody has come in, connections are open.
const BEFORE: Duration = Duration::from_secs(1);
/// What is still wrong after this is written down as not recovered.
const RECOVERY: Duration = Duration::from_secs(30);
/// After the recovery: what was begun just before it has ended.
const AFTER: Duration = Duration::from_millis(500);

const USAGE: &str = "usage: chaos [--short] [--seed N] [FAULT ...]";

/// How long things last, and which of them happen.
#[derive(Debug, Clone, Default)]
struct Options {
    short: bool,
    seed: u64,
    /// Only faults whose names have one of these in them; all, when there is none.
    only: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = read(&arguments).and_then(|options| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(run(&options))
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(words: &[String]) -> Result<Options, String> {
    let mut options = Options { seed: 1, ..Options::default() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--short" => options.short = true,
            "--seed" => {
                let number = words.next().ok_or(USAGE)?;
                options.seed = number.parse().map_err(|error| format!("--seed {number}: {error}"))?;
            }
            unknown if unknown.starts_with('-') => return Err(USAGE.to_owned()),
            fault => options.only.push(fault.to_owned()),
        }
    }
    Ok(options)
}

/// Whether every target was met.
async fn run(options: &Options) -> Result<bool, String> {
    let begun = Instant::now();
    let mut random = Random::from(options.seed);
    let scene = Scene::set(options.short).await?;
    let faults = fault::all(options.short, &mut random);
    let wanted = |fault: &Fault| options.only.is_empty() || options.only.iter().any(|part| fault.name.contains(part));
    let mut rows = Vec::new();
    row::print_head();
    for fault in faults.into_iter().filter(wanted) {
        let row = happens(&scene, fault, &mut random, options.short).await?;
        println!("{row}");
        rows.push(row);
    }
    let missed = rows.iter().filter(|row| !row.meets_its_targets()).count();
    let (form, seconds) = (if options.short { "short" } else { "long" }, begun.elapsed().as_secs());
    println!("\n{}\nseed {}, {form} form, {seconds} s", row::markdown(&rows), options.seed);
    for row in &rows {
        row.print_what_is_wrong();
    }
    println!("{}", if missed == 0 { "all targets met".to_owned() } else { format!("{missed} faults missed a target") });
    if missed > 0 {
        let folder = fleet::target_dir().join("fleet-logs").join(format!("chaos-{}", std::process::id()));
        scene.fleet.copy_logs(&folder);
        println!("The fleet's logs are in {}.", folder.display());
    }
    Ok(missed == 0)
}

/// One fault from beginning to end, under a load of its own.
async fn happens(scene: &Scene, fault: Fault, random: &mut Random, short: bool) -> Result<Row, String> {
    let leaver = scene.fleet.new_customer().await;
    let load = Load::begins(scene, random.split());
    sleep(BEFORE).await;
    fault.begins(scene).await;
    // Whoever leaves while something is broken is forgotten all the same.
    let leaving = tokio::spawn(load::leaves(leaver.clone()));
    fault.lasts(scene, &load).await?;
    fault.ends(scene).await;
    let back = Instant::now();
    let took = load.recovers(back, RECOVERY).await;
    let recovery = Recovery { back, took, within: if short { row::RECOVERED_IN_A_TEST } else { row::RECOVERED } };
    sleep(AFTER).await;
    let seen = load.ends().await;
    let left = leaving.await.map_err(|error| error.to_string())?;
    let mut verdict = audit::audit(scene, &seen.told).await?;
    if left && !audit::is_forgotten(&leaver).await {
        verdict.adds(format!("the deleted account {} is still served somewhere", leaver.id));
    }
    Ok(Row::of(&fault, &seen.attempts, &recovery, verdict))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn options_are_read() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let options = read(&words("--short --seed 7 broker")).unwrap();
        assert_eq!((options.short, options.seed, options.only), (true, 7, vec!["broker".to_owned()]));
        for bad in ["--seed", "--seed x", "--long"] {
            assert!(read(&words(bad)).is_err(), "{bad}");
        }
    }
}
