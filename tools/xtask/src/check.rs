//! `cargo xtask check`: the checks that a commit has to pass.

use crate::command::{self, cargo, cargo_command};
use crate::report::Report;
use crate::suite::Suite;
use crate::{architecture, attacks, commits, delivery};

/// Selects the checks.
#[derive(clap::Args)]
#[group(multiple = false)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Options {
    /// Check the delivery instead: scripts, workflows, images, compose files, Kubernetes manifests,
    /// nginx configurations, licences and sources of dependencies
    #[arg(long)]
    delivery: bool,
    /// Check the subjects of the commits BASE..HEAD instead: `area: imperative`, at most 72
    /// characters, no full stop at the end; merges are passed over
    #[arg(long, value_name = "BASE")]
    commits: Option<String>,
    /// Check only layers and crates against ARCHITECTURE.md
    #[arg(long)]
    architecture: bool,
    /// Check only that no comment is wider than 100 columns
    #[arg(long)]
    comments: bool,
    /// Check only that each attack of docs/security.md has a test
    #[arg(long)]
    attacks: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    if options.delivery {
        return delivery::check();
    }
    if let Some(base) = &options.commits {
        return commits::check(base);
    }
    if options.architecture {
        return architecture::check();
    }
    if options.comments {
        return architecture::check_comments();
    }
    if options.attacks {
        return attacks::check();
    }
    static_checks()?;
    let mut report = Report::default();
    report.run(Suite::units("unit tests"));
    report.close()
}

pub(crate) fn static_checks() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    architecture::check()?;
    architecture::check_comments()?;
    attacks::check()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])?;
    command::run(cargo_command(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings"))
}
