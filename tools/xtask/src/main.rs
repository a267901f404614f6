//! The tasks of a contributor's day: `cargo xtask check`, `test`, `bench`, `chaos`, `fleet`, `servers`.
//!
//! Each runs plain cargo commands and says which; what a task needs and does not find is named in its closing table as
//! skipped, never passed over.

mod delivery;
mod fleet_task;
mod servers_task;
mod suite;

use std::process::{Command, ExitCode};
use std::time::Duration;

use fleet::{ChromeDriver, Dns, Fleet, MongoDb, Nginx, RabbitMq};

use crate::suite::{Report, Suite};

const USAGE: &str = "usage: cargo xtask <task>

  check   formatting, lints, documentation and the fast tests; about a minute
          --delivery: scripts, workflows, images, compose files, Kubernetes manifests, nginx configurations and where
          dependencies come from instead
  test    every test: units, conformance suites, journeys on the one-process shop and on a fleet; what it needs
          (RabbitMQ, MongoDB, nginx, Unbound) it fetches where it may
  bench   [stores] [shop] [bus] [mongo] [fleet]
          the benchmarks, or some of them, in release mode; prints ratios and whether they meet their targets
  chaos   [--short] [--seed 1] [FAULT ...]
          a fleet under load whose components are killed, stopped and cut off, or only by faults with these words in their names;
          what clients saw of it, and whether the books balance. The short form is a component of `test`
  fleet   [--instances 2] [--port 8000] [--release]
          a whole fleet: RabbitMQ, MongoDB, instances of each service, nginx in front; until Ctrl-C.
          target/fleet.json says what runs where
  servers RabbitMQ and MongoDB alone, for tests at hand; they go on by themselves:
          eval \"$(cargo xtask servers)\", and at the end: cargo xtask servers stop";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *words {
        ["check"] => check(),
        ["check", "--delivery"] => delivery::check(),
        ["test"] => test(),
        ["bench", ref components @ ..] => bench(components),
        ["chaos", ref options @ ..] => chaos(options),
        ["fleet", ref options @ ..] => fleet_task::run(options),
        ["servers"] => servers_task::start(),
        ["servers", "stop"] => servers_task::stop(),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])?;
    // `--deny warnings` for rustdoc goes by the environment.
    run(cargo_command(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings"))?;
    let mut report = Report::default();
    report.run(Suite::units("fast tests"));
    report.close()
}

fn test() -> Result<(), String> {
    // Programs and tests together: apart, they would be built with other features of their dependencies, and so twice.
    cargo(&["build", "--workspace", "--all-targets"])?;
    let mut report = Report::default();
    report.run(Suite::units("unit tests"));
    report.run(Suite::files("services: their programs", &["memory", "program"]));
    conformance(&mut report);
    let souk = fleet::target_dir().join("debug").join("souk");
    let with_souk = |suite: Suite| suite.with("SOUK_BIN", &souk.to_string_lossy());
    report.run(with_souk(Suite::files("journeys: one process", &["shop", "process", "large_import"])));
    let in_a_browser = "journeys: in a browser";
    if needed(&mut report, in_a_browser, &[ChromeDriver::ensure_installed]) {
        report.run(with_souk(Suite::files(in_a_browser, &["browser"])).with_those_that_need_servers());
    }
    fleets(&mut report);
    report.close()
}

/// One suite for every transport, engine and outbox, and what only those with a server can show; who needs servers gets private ones.
fn conformance(report: &mut Report) {
    let name = "conformance: bus, outbox, servers";
    let suite = Suite::files(name, &["bus", "outbox", "amqp", "mongo", "reports"]).at_once(4);
    let store = Suite::files("conformance: store", &["store"]);
    match RabbitMq::start().and_then(|rabbitmq| Ok((rabbitmq, MongoDb::start()?))) {
        Ok((rabbitmq, mongodb)) => {
            let with_servers = |suite: Suite| suite.with("AMQP_URL", rabbitmq.url()).with("MONGODB_URI", mongodb.url());
            report.run(with_servers(store).with_those_that_need_servers());
            let suite = with_servers(suite);
            if let Ok(Some(mongod)) = MongoDb::program() {
                report.run(suite.with("MONGOD", &mongod.to_string_lossy()).with_those_that_need_servers());
            } else {
                report.run(suite.with_those_that_need_servers().without(NEEDS_MONGOD));
                report
                    .skip("conformance: a lost majority", "there is no mongod, only a container: put one on the PATH");
            }
            let by_name = "conformance: servers by DNS";
            if needed(report, by_name, &[Dns::ensure_installed]) {
                report.run(with_servers(Suite::files(by_name, &["discovery"])).with_those_that_need_servers());
            }
        }
        Err(fleet::Error::Missing { .. }) => {
            // Those that need servers are ignored, which counts as skipped; why is a row of its own.
            report.run(store);
            report.run(suite);
            needed(report, "conformance: servers", &[RabbitMq::ensure_installed, MongoDb::ensure_installed]);
        }
        Err(error) => {
            report.run(store);
            report.run(suite);
            report.fail("conformance: servers", &error.to_string());
        }
    }
}

/// It starts several servers by itself.
const NEEDS_MONGOD: &str = "no_answer_rests_on_what_the_majority_does_not_have";

/// What a fleet is made of, then journeys through one.
fn fleets(report: &mut Report) {
    let suite = |name, test| Suite::files(name, &[test]).with_those_that_need_servers();
    if needed(report, "fleet: nginx", &[Nginx::ensure_installed]) {
        report.run(suite("fleet: nginx", "nginx"));
    }
    if needed(report, "fleet: RabbitMQ, MongoDB", &[RabbitMq::ensure_installed, MongoDb::ensure_installed]) {
        report.run(Suite::files("fleet: RabbitMQ, MongoDB", &["servers"]).at_once(3).with_those_that_need_servers());
    }
    if needed(
        report,
        "journeys: a fleet",
        &[RabbitMq::ensure_installed, MongoDb::ensure_installed, Nginx::ensure_installed],
    ) {
        report.run(suite("fleet: its components", "components"));
        journeys_in_a_fleet(report);
        let souk = fleet::target_dir().join("debug").join("souk");
        let suite = Suite::files("journeys: about fleets", &["fleets"]).with("SOUK_BIN", &souk.to_string_lossy());
        report.run(suite.with_those_that_need_servers());
        let chaos = fleet::target_dir().join("debug").join("chaos");
        report.check("chaos, short form", Command::new(chaos).arg("--short"));
    }
}

fn journeys_in_a_fleet(report: &mut Report) {
    const NAME: &str = "journeys: a fleet";
    // The database is new unless MONGODB_URI names one, where the admin of an earlier run may still be.
    let email = format!("admin.{}@example.com", std::process::id());
    let password = "correct horse battery";
    let options = fleet::Options {
        port: 0,
        sign_in: fleet::SignInRate::UNLIMITED,
        demo_catalogue: false,
        ..fleet::Options::default()
    };
    let started = Fleet::start(&options).and_then(|fleet| {
        fleet.wait_until_ready(READY)?;
        fleet.create_admin(&email, password)?;
        Ok(fleet)
    });
    match started {
        Ok(fleet) => {
            let suite = Suite::files(NAME, &["shop", "large_import"])
                .with("SOUK_URL", fleet.url())
                .with("SOUK_ADMIN_EMAIL", &email)
                .with("SOUK_ADMIN_PASSWORD", password);
            let passed = report.run(suite);
            let outcome = if passed { fleet.stop() } else { fleet.copy_logs(&fleet::target_dir().join("fleet-logs")) };
            if let Err(error) = outcome {
                report.fail(NAME, &error.to_string());
            }
        }
        Err(error) => report.fail(NAME, &error.to_string()),
    }
}

/// The instances of a fleet on a busy machine.
const READY: Duration = Duration::from_mins(1);

/// Whether all that a suite needs is there, or can be brought there; what is not is noted under its name.
fn needed(report: &mut Report, name: &'static str, what: &[fn() -> fleet::Result<()>]) -> bool {
    let missing: Vec<String> = what.iter().filter_map(|obtain| obtain().err()).map(|error| error.to_string()).collect();
    if !missing.is_empty() {
        report.skip(name, &missing.join("; "));
    }
    missing.is_empty()
}

/// The services and `souk`.
fn build_programs(release: bool) -> Result<(), String> {
    build(&fleet::programs(), release)
}

/// Programs of the workspace, with the features that all of it has: see [`Suite`].
fn build(programs: &[&str], release: bool) -> Result<(), String> {
    let programs = programs.iter().flat_map(|program| ["--bin", program]);
    let profile = release.then_some("--release");
    cargo(&["build", "--workspace"].into_iter().chain(profile).chain(programs).collect::<Vec<_>>())?;
    if release { without_failpoints() } else { Ok(()) }
}

/// What is shipped cannot be made to die: it does not even know the variable's name (`common/types/src/failpoint.rs`).
fn without_failpoints() -> Result<(), String> {
    for program in fleet::programs() {
        let file = fleet::target_dir().join("release").join(program);
        let content = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        if String::from_utf8_lossy(&content).contains("SOUK_FAILPOINT") {
            return Err(format!("{} is a release build with failpoints in it", file.display()));
        }
    }
    Ok(())
}

fn chaos(options: &[&str]) -> Result<(), String> {
    let (release, folder) = if options.contains(&"--short") { (false, "debug") } else { (true, "release") };
    let programs: Vec<&str> = fleet::programs().into_iter().chain(["chaos"]).collect();
    build(&programs, release)?;
    run(Command::new(fleet::target_dir().join(folder).join("chaos")).args(options))
}

fn bench(components: &[&str]) -> Result<(), String> {
    let programs: Vec<&str> = fleet::programs().into_iter().chain(["bench"]).collect();
    build(&programs, true)?;
    let mut bench = Command::new(fleet::target_dir().join("release").join("bench"));
    bench.args(components);
    // Without servers it says what it skips.
    let (rabbitmq, mongodb) = (RabbitMq::start(), MongoDb::start());
    for (variable, url) in
        [("AMQP_URL", rabbitmq.as_ref().map(RabbitMq::url)), ("MONGODB_URI", mongodb.as_ref().map(MongoDb::url))]
    {
        match url {
            Ok(url) => drop(bench.env(variable, url)),
            Err(error) => eprintln!("{variable}: {error}"),
        }
    }
    run(&mut bench)
}

/// Cargo, as if it had been called from a shell: what `cargo run` tells us about ourselves (`CARGO_PKG_NAME` and so on) would make
/// build scripts run anew, and everything that depends on them.
pub(crate) fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if ours.iter().any(|beginning| name.to_string_lossy().starts_with(beginning)) {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    run(&mut cargo_command(arguments))
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = suite::shown(command);
    eprintln!("$ {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
