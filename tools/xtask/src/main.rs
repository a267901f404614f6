//! The tasks of a contributor: `cargo xtask check`, `test`, `ci`, `bench`, `chaos`,
//! `screenshots`, `fleet`, `servers`.
//!
//! Each task runs plain cargo commands and prints them. A task lists the suites that it could not
//! run as skipped, with the reason.

mod architecture;
mod attacks;
mod check;
mod command;
mod commits;
mod delivery;
mod files;
mod fleet_task;
mod measure;
mod previous;
mod report;
mod screenshots;
mod servers;
mod suite;
mod test;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Time that the instances of a fleet have to become ready, on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// Tasks of a contributor.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check formatting, layers, lints and documentation, and run the unit tests; one or two
    /// minutes
    Check(check::Options),
    /// Run every test: units, conformance suites, journeys through one process and through a fleet
    ///
    /// Installs RabbitMQ, MongoDB, nginx, Unbound and Chromium where it may; suites whose servers
    /// are missing are reported as skipped.
    Test,
    /// Run `check`, `check --delivery` and `test`, the unit tests once
    Ci,
    /// Run the benchmarks in release mode; print ratios and whether they meet their targets
    Bench {
        /// Parts to run, all by default: stores, shop, orders, pages, bus, mongo, fleet
        parts: Vec<String>,
    },
    /// Run a fleet under load, inject faults, and report what clients saw and whether the ledgers
    /// reconcile
    Chaos {
        /// Options of the program `chaos`: see `cargo xtask chaos -- --help`. Its short form is
        /// part of `test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Write pictures of every page, narrow and wide, light and dark; about two minutes
    Screenshots(screenshots::Options),
    /// Run a whole fleet until Ctrl-C: RabbitMQ, MongoDB, instances of each service, nginx
    ///
    /// The file target/fleet.json lists its components.
    Fleet(fleet_task::Options),
    /// Start RabbitMQ and MongoDB in the background: eval "$(cargo xtask servers)"
    Servers {
        #[command(subcommand)]
        action: Option<ServersAction>,
    },
}

#[derive(Subcommand)]
enum ServersAction {
    /// Stop them and remove their data
    Stop,
}

fn main() -> ExitCode {
    let outcome = match Options::parse().task {
        Task::Check(options) => check::run(&options),
        Task::Test => test::run(),
        Task::Ci => check::static_checks().and_then(|()| delivery::check()).and_then(|()| test::run()),
        Task::Bench { parts } => measure::bench(&parts),
        Task::Chaos { options } => measure::chaos(&options),
        Task::Screenshots(options) => screenshots::run(&options),
        Task::Fleet(options) => fleet_task::run(&options),
        Task::Servers { action: None } => servers::start(),
        Task::Servers { action: Some(ServersAction::Stop) } => servers::stop(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn options_are_consistent() {
        super::Options::command().debug_assert();
    }
}
