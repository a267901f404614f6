//! The programs of the previous release, which the journey of an upgrade starts with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo, cargo_command, run};

/// Names the release: a tag or a commit. Lines with `#` are comments.
const REVISION: &str = "deploy/previous-release";

/// Why there are no programs of the previous release.
pub(crate) enum Unavailable {
    /// The clone does not have the release.
    Missing(String),
    Failed(String),
}

impl From<String> for Unavailable {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

/// Returns the folder of the programs. Builds them once for each release, from the history of the
/// repository.
///
/// They are built in the target folder of the workspace, so that dependencies are compiled once.
/// There, Cargo does not distinguish the crates of two checkouts, so those of the workspace are
/// deleted before and afterwards.
pub(crate) fn programs() -> Result<PathBuf, Unavailable> {
    let file = fs::read_to_string(fleet::workspace_dir().join(REVISION));
    let revision = revision(&file.map_err(|error| format!("{REVISION}: {error}"))?)?;
    let commit = commit(&revision)?;
    let target = fleet::target_dir();
    let folder = target.join("previous").join(&commit);
    if folder.is_dir() {
        return Ok(folder);
    }
    let source = target.join("previous").join("source");
    unpack(&commit, &source)?;
    clean()?;
    build(&source)?;
    let unfinished = target.join("previous").join("unfinished");
    copy_programs(&target.join("debug"), &unfinished).map_err(|error| format!("{}: {error}", unfinished.display()))?;
    clean()?;
    let finished = fs::rename(&unfinished, &folder).and_then(|()| fs::remove_dir_all(&source));
    finished.map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

fn clean() -> Result<(), String> {
    cargo(&["clean", "--workspace", "--profile", "dev", "--quiet"])
}

fn revision(file: &str) -> Result<String, String> {
    let mut lines = file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(revision), None) => Ok(revision.to_owned()),
        _ => Err(format!("{REVISION} must name one tag or commit")),
    }
}

fn commit(revision: &str) -> Result<String, Unavailable> {
    let wanted = format!("{revision}^{{commit}}");
    let mut git = git();
    git.args(["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]);
    let output = git.output().map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        let why = format!("this clone does not have {revision}: git fetch --tags --unshallow");
        return Err(Unavailable::Missing(why));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn git() -> Command {
    let mut git = Command::new("git");
    git.current_dir(fleet::workspace_dir());
    git
}

fn unpack(commit: &str, folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let archive = folder.join("source.tar");
    run(git().arg("archive").arg("--output").arg(&archive).arg(commit))?;
    run(Command::new("tar").arg("--extract").arg("--file").arg(&archive).arg("--directory").arg(folder))
}

fn build(source: &Path) -> Result<(), String> {
    let mut cargo = cargo_command(&["build", "--workspace", "--locked", "--manifest-path"]);
    cargo.arg(source.join("Cargo.toml"));
    cargo.args(fleet::programs().iter().flat_map(|program| ["--bin", program]));
    // The program that runs this has been started in another workspace.
    run(cargo.env("CARGO_TARGET_DIR", fleet::target_dir()))
}

fn copy_programs(from: &Path, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for program in fleet::programs() {
        fs::copy(from.join(program), folder.join(program))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_one_revision() {
        assert_eq!(revision("# The last release.\n\nv1.2.0\n").as_deref(), Ok("v1.2.0"));
        assert!(revision("# None yet.\n").is_err());
        assert!(revision("v1.2.0\nv1.1.0\n").is_err());
    }
}
