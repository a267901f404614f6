//! Finds programs, and installs missing ones from Debian's packages.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::error::{Error, Result};

/// Debian installs servers here, but a user's `PATH` may not list these folders.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(SYSTEM_FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Returns the result of `find`, if necessary after installing Debian packages, which needs root or
/// `sudo` without a password.
pub fn find_or_install<T>(what: &'static str, packages: &[&str], find: impl Fn() -> Option<T>) -> Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let missing = |why: &str| Error::Missing { what, help: format!("{why}; apt-get install {}", packages.join(" ")) };
    let prefix: &[&str] = if find_program("apt-get").is_none() {
        return Err(missing("it is not on the PATH"));
    } else if rustix::process::geteuid().is_root() {
        &[]
    } else if succeeds("sudo", &["-n", "true"]) {
        &["sudo", "-n"]
    } else {
        return Err(missing("it is not on the PATH, and only root may install it"));
    };
    install(prefix, packages).map_err(|why| missing(&why))?;
    find().ok_or_else(|| missing("the package does not contain it"))
}

fn install(prefix: &[&str], packages: &[&str]) -> Result<(), String> {
    // apt-get does not run concurrently.
    static LOCK: Mutex<()> = Mutex::new(());
    let _lock = LOCK.lock();
    eprintln!("installing Debian's {}", packages.join(", "));
    let install: Vec<&str> = ["install", "--no-install-recommends"].iter().chain(packages).copied().collect();
    // The package lists may be missing or outdated.
    apt_get(prefix, &install).or_else(|_| apt_get(prefix, &["update"]).and_then(|()| apt_get(prefix, &install)))
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> Result<(), String> {
    let mut words = prefix.to_vec();
    // `RUNLEVEL=1` keeps packages from starting their servers.
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-qq", "-y"]);
    words.extend(["-o", "DPkg::Lock::Timeout=120"]);
    words.extend(arguments);
    let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("apt-get failed").to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn succeeds(program: impl AsRef<Path>, arguments: &[&str]) -> bool {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
