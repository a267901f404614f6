//! Runs programs and prints their command lines.

use std::path::Path;
use std::process::Command;

/// Variables that `cargo run` sets for this program.
const OWN_VARIABLES: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];

/// Returns a cargo command with the environment of a shell. The variables of this program would
/// make build scripts run again, and rebuild everything that depends on them.
pub(crate) fn cargo_command(arguments: &[&str]) -> Command {
    // Without a cargo that runs xtask, the one on the PATH. It selects the toolchain for rustc as
    // well; otherwise rustup would select one by a `rust-toolchain` file of a dependency.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if OWN_VARIABLES.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    run(&mut cargo_command(arguments))
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let line = line(command);
    eprintln!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{line}: {status}")),
        Err(error) => Err(format!("{line}: {error}")),
    }
}

pub(crate) fn line(command: &Command) -> String {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    format!("{program} {}", arguments.join(" "))
}

/// Builds the programs of a fleet and `others`. Always with `--workspace`: a single package would
/// select other features of its dependencies and compile them again.
pub(crate) fn build_programs(others: &[&str], is_release: bool) -> Result<(), String> {
    let programs = fleet::programs();
    let programs = programs.iter().chain(others).flat_map(|program| ["--bin", program]);
    let profile = is_release.then_some("--release");
    cargo(&["build", "--workspace"].into_iter().chain(profile).chain(programs).collect::<Vec<_>>())?;
    if is_release { reject_failpoints() } else { Ok(()) }
}

/// Fails when a release build contains failpoints (`common/types/src/failpoint.rs`): the name of
/// their variable is in the program then.
fn reject_failpoints() -> Result<(), String> {
    for program in fleet::programs() {
        let file = fleet::target_dir().join("release").join(program);
        let content = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        if String::from_utf8_lossy(&content).contains("SOUK_FAILPOINT") {
            return Err(format!("{} is a release build with failpoints in it", file.display()));
        }
    }
    Ok(())
}
