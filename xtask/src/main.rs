//! The tasks of a contributor's day: `cargo xtask check`, `cargo xtask test`, `cargo xtask bench`.
//!
//! Each runs plain cargo commands and says which; what a task needs and does not find is named in its closing table as
//! skipped, never passed over.

mod suite;

use std::process::{Command, ExitCode};

use crate::suite::{Report, Suite};

const USAGE: &str = "usage: cargo xtask <task>

  check   formatting, lints, documentation and the fast tests; about a minute
  test    every test: units, conformance suites, journeys on the one-process shop
  bench   the benchmarks, in release mode; prints ratios and whether they meet their targets";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match (arguments.next().as_deref(), arguments.next()) {
        (Some("check"), None) => check(),
        (Some("test"), None) => test(),
        (Some("bench"), None) => bench(),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])?;
    // `--deny warnings` for rustdoc goes by the environment.
    run(cargo_command(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings"))?;
    let mut report = Report::default();
    report.run(Suite::cargo("fast tests", &["--workspace", "--exclude", "journeys", "--lib", "--bins"]));
    if Command::new("cargo-deny").arg("--version").output().is_ok_and(|output| output.status.success()) {
        cargo(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"])?;
    } else {
        report.skip("licences and sources", "cargo-deny is not installed: cargo install --locked cargo-deny");
    }
    report.close()
}

fn test() -> Result<(), String> {
    cargo(&["build", "--package", "souk"])?;
    let mut report = Report::default();
    report.run(Suite::cargo("unit tests", &["--workspace", "--exclude", "journeys", "--lib", "--bins"]));
    report.run(Suite::cargo("conformance: bus, store, outbox", &["--package", "common", "--tests"]).without_units());
    report.run(Suite::cargo("journeys: one process", &["--package", "journeys", "--no-fail-fast"]));
    report.close()
}

fn bench() -> Result<(), String> {
    cargo(&["build", "--release", "--package", "souk", "--package", "bench"])?;
    cargo(&["run", "--release", "--quiet", "--package", "bench"])
}

fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments);
    command
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    run(&mut cargo_command(arguments))
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = suite::shown(command);
    eprintln!("$ {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
