//! Tools that are fetched once, in the user's cache folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::Stdio;
use std::{env, fs, io};

/// Returns the folder `name` of the cache. When there is none, `fetch` gets an empty folder to work
/// in and returns the folder in it that becomes the cached one. Concurrent calls are safe.
pub(crate) fn folder(name: &str, fetch: impl FnOnce(&Path) -> Result<PathBuf, String>) -> Result<PathBuf, String> {
    let text = |error: io::Error| error.to_string();
    let folder = root().ok_or("neither HOME nor XDG_CACHE_HOME is set")?.join("souk").join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    eprintln!("fetching {name}, once");
    let parent = folder.parent().ok_or("no folder for the cache")?;
    fs::create_dir_all(parent).map_err(text)?;
    let draft = tempfile::Builder::new().prefix(".fetch-").tempdir_in(parent).map_err(text)?;
    let fetched = fetch(draft.path())?;
    match fs::rename(fetched, &folder) {
        // Another process was faster.
        Err(_) if folder.is_dir() => {}
        outcome => outcome.map_err(text)?,
    }
    Ok(folder)
}

/// Runs the command of a package manager. Errors: the last line that it printed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", said.lines().last().unwrap_or("failed")))
}

fn root() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))
}
