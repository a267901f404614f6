//! `cargo xtask fleet`: a whole fleet until Ctrl-C.

use std::fs;
use std::time::{Duration, Instant};

use fleet::{Fleet, Profile, StopSignal};
use serde_json::Value;

use crate::READY_TIMEOUT;
use crate::command::build_programs;

const POLL_INTERVAL: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Instances of each service
    #[arg(long, default_value_t = 2)]
    instances: usize,
    /// Port of nginx; 0 takes any free one
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Run release builds
    #[arg(long)]
    release: bool,
    /// Let clients do everything as often as they like, for load tests
    #[arg(long)]
    unlimited: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    build_programs(&[], options.release)?;
    let text = |error: fleet::Error| error.to_string();
    let begun = Instant::now();
    let defaults = if options.unlimited { fleet::Options::without_rate_limits() } else { fleet::Options::default() };
    let fleet = Fleet::start(&fleet::Options {
        instances: options.instances,
        port: options.port,
        profile: if options.release { Profile::Release } else { Profile::Dev },
        ..defaults
    })
    .map_err(text)?;
    fleet.wait_until_ready(READY_TIMEOUT).map_err(text)?;
    // Until here, Ctrl-C ends this process at once, and the watchdog ends the components.
    let mut stop = StopSignal::listen().map_err(text)?;
    let file = fleet::target_dir().join("fleet.json");
    fs::write(&file, format!("{:#}\n", Value::from(fleet.describe())))
        .map_err(|error| format!("{}: {error}", file.display()))?;

    for component in fleet.components() {
        let pid = component.pid().map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        println!("{:<20}{pid:>9}  {:<22}{}", component.name(), component.address(), component.log().display());
    }
    println!("\n{} after {:.1} s; Ctrl-C stops it.", fleet.url(), begun.elapsed().as_secs_f64());

    let mut exited: Vec<&str> = Vec::new();
    while !stop.wait(POLL_INTERVAL) {
        // A component that exits is not started again: users kill components to see that the others
        // go on.
        for component in fleet.components() {
            if let Some(status) = component.exit_status().filter(|_| !exited.contains(&component.name())) {
                exited.push(component.name());
                eprintln!("\n{} has exited: {status}; the end of its log:\n{}", component.name(), component.log_tail());
            }
        }
    }
    eprintln!("stopping");
    let stopped = fleet.stop().map_err(text);
    fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    stopped
}
