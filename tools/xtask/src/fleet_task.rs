//! `cargo xtask fleet`: a whole shop of many processes, until Ctrl-C.

use std::fs;
use std::time::{Duration, Instant};

use fleet::{Fleet, Options, Profile, StopSignal};
use serde_json::Value;

/// How often it is looked whether a part has died.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    let options = read(options)?;
    crate::build_programs(options.profile == Profile::Release)?;
    let begun = Instant::now();
    let fleet = Fleet::start(&options).map_err(|error| error.to_string())?;
    fleet.wait_until_ready(crate::READY).map_err(|error| error.to_string())?;
    // Before this, Ctrl-C ends us at once, and what was started with us.
    let mut stop = StopSignal::listen().map_err(|error| error.to_string())?;
    let file = fleet::target_dir().join("fleet.json");
    fs::write(&file, format!("{:#}\n", Value::from(fleet.describe())))
        .map_err(|error| format!("{}: {error}", file.display()))?;

    for component in fleet.components() {
        let pid = component.pid().map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        println!("{:<20}{:>9}  {:<22}{}", component.name(), pid, component.address(), component.log().display());
    }
    println!("\n{} after {:.1} s; Ctrl-C stops it.", fleet.url(), begun.elapsed().as_secs_f64());

    let mut dead: Vec<&str> = Vec::new();
    while !stop.wait(POLL_INTERVAL) {
        // It is not started again: a fleet has to do without a part, and people kill parts to see that it does.
        for component in fleet.components() {
            if let Some(status) = component.exited().filter(|_| !dead.contains(&component.name())) {
                dead.push(component.name());
                eprintln!("\n{} has ended: {status}; its log ends so:\n{}", component.name(), component.log_tail());
            }
        }
    }
    eprintln!("stopping");
    let stopped = fleet.stop().map_err(|error| error.to_string());
    fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    stopped
}

fn read(words: &[&str]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = words;
    loop {
        rest = match rest {
            [] => return Ok(options),
            ["--release", rest @ ..] => {
                options.profile = Profile::Release;
                rest
            }
            ["--instances", number, rest @ ..] => {
                options.instances = number.parse().map_err(|error| format!("--instances {number}: {error}"))?;
                rest
            }
            ["--port", port, rest @ ..] => {
                options.port = port.parse().map_err(|error| format!("--port {port}: {error}"))?;
                rest
            }
            _ => return Err(crate::USAGE.to_owned()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = read(&["--port", "0", "--release", "--instances", "3"]).unwrap();
        assert_eq!((options.port, options.instances, options.profile), (0, 3, Profile::Release));
        assert_eq!(read(&[]).unwrap().instances, 2);
        for bad in [&["--port"][..], &["--port", "x"], &["--port", "70000"], &["--instances", "-1"], &["3"]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
