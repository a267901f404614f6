//! `cargo xtask test`: every test, with the servers that it needs.

use std::path::PathBuf;
use std::process::Command;
use std::thread;

use fleet::{Axe, ChromeDriver, Dns, Fleet, MongoDb, Nginx, RabbitMq, SmtpServer};

use crate::READY_TIMEOUT;
use crate::command::cargo;
use crate::previous::{self, Unavailable};
use crate::report::Report;
use crate::suite::Suite;

/// This test starts several `mongod` processes itself.
const NEEDS_MONGOD: &str = "results_rest_on_majority_committed_state";
/// This test of a fleet waits for minutes and uses no CPU time.
const IDLE_TEST: &str = "a_fleet_recovers_from_a_broker_outage_of_three_minutes";
/// The journeys that assert how long a fleet takes, or that it serves a load, by their files. They
/// have the machine for themselves. `outage` is also `page_outage`.
const LONE_FLEET_TESTS: [&str; 9] = [
    "account_deletion::",
    "attempts::",
    "credentials::passwords",
    "deployment::",
    "hot_product::",
    "order_cost::",
    "outage::",
    "restart::",
    "start_order::",
];
/// Fleets at the same time. They mostly wait: for servers to start and for leases to expire.
const CONCURRENT_FLEETS: usize = 2;
/// The journeys that need an SMTP server, in one process and in a fleet.
const SMTP_TESTS: &str = "smtp::";
/// The journey of a fleet that needs the programs of the previous release.
const UPGRADE_TEST: &str = "upgrade::";
/// The journeys in a browser that also run on a fleet, by their files.
const BROWSER_FLEET_TESTS: [&str; 3] = ["buying::", "card::", "merchant::"];
/// The journeys in a browser that need axe-core.
const AXE_TESTS: &str = "accessibility::";

pub(crate) fn run() -> Result<(), String> {
    // First: it deletes the programs of this workspace, which the next build restores.
    let previous = previous::programs();
    // Programs and tests in one build, because two builds would select other features of their
    // dependencies.
    cargo(&["build", "--workspace", "--all-targets"])?;
    let mut report = Report::default();
    report.run(Suite::units("unit tests"));
    report.run(Suite::files("services: their programs", &["memory", "program"]));
    conformance(&mut report);
    one_process(&mut report);
    fleets(&mut report, previous);
    report.close()
}

fn one_process(report: &mut Report) {
    report.run(with_souk(Suite::files("journeys: one process", &["shop", "large_import"])));
    // Many of these tests wait for the leases of processes that they have killed.
    let processes = Suite::files("journeys: processes of their own", &["process"]);
    report.run(with_souk(processes).without(SMTP_TESTS).concurrency(4));
    let smtp = "journeys: mails through SMTP";
    if has(report, smtp, &[SmtpServer::ensure_installed]) {
        report.run(with_souk(Suite::files(smtp, &["process"])).only(SMTP_TESTS).include_ignored());
    }
    let in_a_browser = "journeys: in a browser";
    if has(report, in_a_browser, &[ChromeDriver::ensure_installed]) {
        report.run(with_souk(Suite::files(in_a_browser, &["browser"])).without(AXE_TESTS).include_ignored());
    }
    let accessibility = "journeys: accessibility";
    if has(report, accessibility, &[ChromeDriver::ensure_installed, Axe::ensure_installed]) {
        report.run(with_souk(Suite::files(accessibility, &["browser"])).only(AXE_TESTS).include_ignored());
    }
}

fn conformance(report: &mut Report) {
    let store = Suite::files("conformance: store", &["store"]);
    // These tests mostly wait for servers.
    let others = Suite::files("conformance: bus, outbox, servers", &["bus", "outbox", "amqp", "mongo", "reports"]);
    let others = others.concurrency(4);
    match RabbitMq::start().and_then(|rabbitmq| Ok((rabbitmq, MongoDb::start()?))) {
        Ok((rabbitmq, mongodb)) => {
            let with_servers = |suite: Suite| {
                suite.env("AMQP_URL", rabbitmq.url()).env("MONGODB_URI", mongodb.url()).include_ignored()
            };
            report.run(with_servers(store));
            let others = if let Ok(Some(mongod)) = MongoDb::program() {
                with_servers(others).env("MONGOD", &mongod.to_string_lossy())
            } else {
                report.skip("conformance: a lost majority", "only a container has mongod: put mongod on the PATH");
                with_servers(others).without(NEEDS_MONGOD)
            };
            let by_name = "conformance: servers by DNS";
            let discovery = has(report, by_name, &[Dns::ensure_installed])
                .then(|| with_servers(Suite::files(by_name, &["discovery"])));
            in_parallel(report, discovery, |report| {
                report.run(others);
            });
        }
        Err(fleet::Error::Missing { .. }) => {
            // Tests that need servers count as skipped. A separate row gives the reason.
            report.run(store);
            report.run(others);
            has(report, "conformance: servers", &[RabbitMq::ensure_installed, MongoDb::ensure_installed]);
        }
        Err(error) => {
            report.run(store);
            report.run(others);
            report.fail("conformance: servers", &error.to_string());
        }
    }
}

fn fleets(report: &mut Report, previous: Result<PathBuf, Unavailable>) {
    let servers: [fn() -> fleet::Result<()>; 2] = [RabbitMq::ensure_installed, MongoDb::ensure_installed];
    let nginx_suite = "fleet: nginx";
    let nginx = has(report, nginx_suite, &[Nginx::ensure_installed])
        .then(|| Suite::files(nginx_suite, &["nginx"]).include_ignored());
    let servers_suite = "fleet: RabbitMQ, MongoDB";
    let has_servers = has(report, servers_suite, &servers);
    in_parallel(report, nginx, |report| {
        if has_servers {
            report.run(Suite::files(servers_suite, &["servers"]).concurrency(3).include_ignored());
        }
    });
    if !has(report, "journeys: a fleet", &[servers[0], servers[1], Nginx::ensure_installed]) {
        return;
    }
    let journeys = |name| with_souk(Suite::files(name, &["fleets"])).include_ignored();
    in_parallel(report, Some(journeys("journeys: a long outage").only(IDLE_TEST)), |report| {
        report.run(Suite::files("fleet: its components", &["components"]).include_ignored());
        journeys_through_a_fleet(report);
    });
    let lone = journeys("journeys: one fleet at a time").without(IDLE_TEST).at_a_time(1);
    report.run(LONE_FLEET_TESTS.into_iter().fold(lone, Suite::only));
    let others = journeys("journeys: two fleets at a time")
        .without(IDLE_TEST)
        .without(UPGRADE_TEST)
        .at_a_time(CONCURRENT_FLEETS);
    let others = LONE_FLEET_TESTS.into_iter().fold(others, Suite::without);
    let has_smtp = has(report, "journeys: a fleet that sends mails", &[SmtpServer::ensure_installed]);
    report.run(if has_smtp { others } else { others.without(SMTP_TESTS) });
    let upgrade = "journeys: an upgrade";
    match previous {
        Ok(programs) => {
            let suite = journeys(upgrade).only(UPGRADE_TEST).env("SOUK_PREVIOUS", &programs.to_string_lossy());
            report.run(suite);
        }
        Err(Unavailable::Missing(why)) => report.skip(upgrade, &why),
        Err(Unavailable::Failed(why)) => report.fail(upgrade, &why),
    }
    let in_a_browser = "journeys: in a browser, through a fleet";
    if has(report, in_a_browser, &[ChromeDriver::ensure_installed]) {
        let suite = with_souk(Suite::files(in_a_browser, &["browser"])).env("SOUK_TEST_FLEET", "1");
        let suite = BROWSER_FLEET_TESTS.into_iter().fold(suite, Suite::only);
        report.run(suite.include_ignored().at_a_time(1));
    }
    let chaos = fleet::target_dir().join("debug").join("chaos");
    report.check("chaos, short form", Command::new(chaos).arg("--short"));
}

fn journeys_through_a_fleet(report: &mut Report) {
    const NAME: &str = "journeys: a fleet";
    // A MongoDB that MONGODB_URI names may have the admin of an earlier run.
    let email = format!("admin.{}@example.com", std::process::id());
    let password = "correct horse battery";
    let options = fleet::Options { sample_catalogue: false, ..fleet::Options::without_rate_limits() };
    let started = Fleet::start(&options).and_then(|fleet| {
        fleet.wait_until_ready(READY_TIMEOUT)?;
        fleet.create_admin(&email, password)?;
        Ok(fleet)
    });
    match started {
        Ok(fleet) => {
            let suite = Suite::files(NAME, &["shop", "large_import"])
                .env("SOUK_URL", fleet.url())
                .env("SOUK_MAILS", &fleet.mails().to_string_lossy())
                .env("SOUK_ADMIN_EMAIL", &email)
                .env("SOUK_ADMIN_PASSWORD", password);
            let passed = report.run(suite);
            let outcome = if passed { fleet.stop() } else { fleet.copy_logs(&fleet::target_dir().join("fleet-logs")) };
            if let Err(error) = outcome {
                report.fail(NAME, &error.to_string());
            }
        }
        Err(error) => report.fail(NAME, &error.to_string()),
    }
}

fn in_parallel(report: &mut Report, background: Option<Suite>, foreground: impl FnOnce(&mut Report)) {
    thread::scope(|scope| {
        let background = background.map(|suite| scope.spawn(|| suite.in_background().run()));
        foreground(report);
        match background.map(thread::ScopedJoinHandle::join) {
            Some(Ok(outcome)) => drop(report.add(outcome)),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => {}
        }
    });
}

fn with_souk(suite: Suite) -> Suite {
    suite.env("SOUK_BIN", &fleet::target_dir().join("debug").join("souk").to_string_lossy())
}

/// Whether everything that a suite needs is installed. Adds it as skipped otherwise.
fn has(report: &mut Report, suite: &'static str, needs: &[fn() -> fleet::Result<()>]) -> bool {
    let missing: Vec<String> =
        needs.iter().filter_map(|ensure| ensure().err()).map(|error| error.to_string()).collect();
    if !missing.is_empty() {
        report.skip(suite, &missing.join("; "));
    }
    missing.is_empty()
}
