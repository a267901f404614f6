//! Finding programs, and installing Debian's package of one that is not there.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::error::{Error, Result};

/// Where Debian keeps servers, which is not on everybody's `PATH`.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// The program of this name.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(SYSTEM.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// What `look` finds, if need be after installing Debian's `packages`, when we may (root, or `sudo` without a password). Errors: `Missing`,
/// with the command that would help.
pub fn or_debian<T>(what: &'static str, packages: &[&str], look: impl Fn() -> Option<T>) -> Result<T> {
    if let Some(found) = look() {
        return Ok(found);
    }
    let missing = |why: &str| Error::Missing { what, help: format!("{why}; apt-get install {}", packages.join(" ")) };
    let may_install: &[&str] = if find("apt-get").is_none() {
        return Err(missing("it is not on the PATH"));
    } else if rustix::process::geteuid().is_root() {
        &[]
    } else if succeeds("sudo", &["-n", "true"]) {
        &["sudo", "-n"]
    } else {
        return Err(missing("it is not on the PATH, and only root may install it"));
    };
    install(may_install, packages).map_err(|why| missing(&why))?;
    look().ok_or_else(|| missing("its package has no such program"))
}

fn install(prefix: &[&str], packages: &[&str]) -> Result<(), String> {
    // apt-get takes one at a time.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    eprintln!("installing Debian's {}", packages.join(", "));
    let install: Vec<&str> = ["install", "--no-install-recommends"].iter().chain(packages).copied().collect();
    // A fresh system knows no packages yet, and an old one knows those that are no longer there.
    apt_get(prefix, &install).or_else(|_| apt_get(prefix, &["update"]).and_then(|()| apt_get(prefix, &install)))
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> Result<(), String> {
    // The package must not start a server of the system's own beside ours (`RUNLEVEL`).
    let mut words = prefix.to_vec();
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

/// Whether a command ends well; nothing of it is shown.
pub(crate) fn succeeds(program: impl AsRef<Path>, arguments: &[&str]) -> bool {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
