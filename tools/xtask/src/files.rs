//! The files of the workspace.

use std::path::Path;
use std::process::Command;

/// Lists the files that git tracks, or would unless they are ignored, by their paths from the root
/// of the workspace.
pub(crate) fn list(is_wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
    let mut command = Command::new("git");
    let root = fleet::workspace_dir();
    command.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = command.output().map_err(|error| format!("git ls-files: {error}"))?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let exists = |file: &str| Path::new(root).join(file).exists();
    Ok(names.lines().filter(|file| is_wanted(file) && exists(file)).map(str::to_owned).collect())
}

pub(crate) fn is_rust(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "rs")
}
