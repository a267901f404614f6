//! `souk migrate`: rewrites what the previous release has stored, while the shop sells.
//!
//! A release that changes the format of documents or messages writes the format of the one before
//! at first, so that instances of both work together. `run` tells all instances to write the
//! current format, waits until they do, and rewrites the documents that are left.

use std::time::Duration;

use clap::{Args, Subcommand};
use rocket::tokio::time::{Instant, sleep};
use souk_contract::instance::InstanceState;
use souk_store::{Database, Mark};
use souk_types::format::Format;

use crate::data_directory;
use crate::databases::{Databases, SERVICES, operator_message};
use crate::instances::{LISTEN_FOR, Listener};
use crate::shop_args::{BrokerArgs, ShopArgs, ShopLocation};
use crate::terminal::{print, printable, table};

/// Time for all instances to write the current format. They look for it once a second.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(30);
/// Time in which a write that has begun in the former format ends.
const SETTLE_TIME: Duration = Duration::from_secs(5);
/// Pause between two looks at the states that the instances broadcast.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Progress is printed after this many documents of a collection, which are read in pages of 500.
const PROGRESS_STEP: usize = 10_000;

#[derive(Subcommand)]
pub(crate) enum MigrateCommand {
    /// Show the format of each database, and how many documents are to be rewritten
    Status(MigrateArgs),
    /// Write the current format from now on, and rewrite all other documents
    ///
    /// Run it when all instances run this release. It may be interrupted and run again.
    Run {
        /// All instances of the fleet are stopped
        #[arg(long)]
        stopped: bool,
        #[command(flatten)]
        shop: MigrateArgs,
    },
}

#[derive(Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    shop: ShopArgs,
    #[command(flatten)]
    broker: BrokerArgs,
}

pub(crate) async fn run(command: MigrateCommand) -> Result<(), String> {
    let (args, is_run, is_stopped) = match command {
        MigrateCommand::Status(args) => (args, false, false),
        MigrateCommand::Run { stopped, shop } => (shop, true, stopped),
    };
    let shop = args.shop.resolve()?;
    let listener = match &shop {
        ShopLocation::Directory(directory) => {
            data_directory::require_current_release(directory)?;
            None
        }
        ShopLocation::MongoDb { .. } => Some(Listener::start(args.broker).await?),
    };
    let databases = Databases::open(&shop)?;
    let outcome = async {
        open_collections(&databases).map_err(operator_message)?;
        if listener.is_some() {
            // No event reports that all instances have broadcast their state.
            sleep(LISTEN_FOR).await;
        }
        if is_run {
            migrate(&databases, listener.as_ref(), is_stopped).await
        } else {
            status(&databases, listener.as_ref()).await
        }
    };
    let outcome = outcome.await;
    databases.close().await;
    if let Some(listener) = &listener {
        listener.close().await;
    }
    outcome
}

fn open_collections(databases: &Databases) -> souk_types::Result<()> {
    customer::open_collections(&databases.customer)?;
    mail::open_collections(&databases.mail)?;
    products::open_collections(&databases.products)?;
    shopping::open_collections(&databases.shopping)
}

async fn status(databases: &Databases, listener: Option<&Listener>) -> Result<(), String> {
    let mut rows = vec![["DATABASE", "FORMAT", "TO REWRITE"].map(str::to_owned)];
    let mut is_done = true;
    for database in databases.all() {
        let mark = database.mark().await.map_err(operator_message)?;
        let mut outdated = database.count_outdated().await.map_err(operator_message)?;
        outdated.retain(|(_, count)| *count > 0);
        is_done &= mark.format == Format::CURRENT && !mark.is_rewriting && outdated.is_empty();
        let outdated: Vec<String> = outdated.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let outdated = if outdated.is_empty() { "-".to_owned() } else { outdated.join(", ") };
        rows.push([database.name().to_owned(), format_of(mark), outdated]);
    }
    let mut text = table(&rows);
    for instance in listener.map(Listener::running).unwrap_or_default() {
        if instance.newest_format < Format::CURRENT {
            text.push_str(&name_of(&instance));
            text.push_str(" runs an earlier release\n");
        }
    }
    text.push_str(if is_done { "nothing to do\n" } else { "when all instances run this release: souk migrate run\n" });
    print(&text)
}

fn format_of(Mark { format, is_rewriting }: Mark) -> String {
    let rewriting = if is_rewriting { ", being rewritten" } else { "" };
    format!("{}{rewriting}", format.number())
}

fn name_of(instance: &InstanceState) -> String {
    printable(&instance.instance)
}

async fn migrate(databases: &Databases, listener: Option<&Listener>, is_stopped: bool) -> Result<(), String> {
    if let Some(listener) = listener {
        require_current_releases(&listener.running(), is_stopped)?;
    }
    let mut is_former = false;
    for database in databases.all() {
        is_former |= database.mark().await.map_err(operator_message)?.format < Format::CURRENT;
    }
    for database in databases.all() {
        database.begin_rewriting().await.map_err(operator_message)?;
    }
    if let Some(listener) = listener {
        wait_until_all_write_current(listener).await?;
    }
    if is_former {
        // No event tells that the last one has ended.
        sleep(SETTLE_TIME).await;
    }
    for database in databases.all() {
        let rewritten = rewrite(database).await?;
        println!("{}: {rewritten} rewritten", database.name());
    }
    Ok(())
}

/// Errors: an instance of an earlier release runs, or it is not known whether one does.
fn require_current_releases(running: &[InstanceState], is_stopped: bool) -> Result<(), String> {
    let is_silent = |service: &&&str| running.iter().all(|instance| instance.service != **service);
    let silent: Vec<&str> = SERVICES.iter().filter(is_silent).copied().collect();
    if !silent.is_empty() && !is_stopped {
        let silent = silent.join(", ");
        return Err(format!("no instance of {silent} broadcasts its state on this broker; add --stopped if none runs"));
    }
    let old: Vec<String> =
        running.iter().filter(|instance| instance.newest_format < Format::CURRENT).map(name_of).collect();
    if old.is_empty() {
        return Ok(());
    }
    Err(format!("upgrade these instances first, which run an earlier release: {}", old.join(", ")))
}

async fn wait_until_all_write_current(listener: &Listener) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let running = listener.running();
        let waiting: Vec<String> =
            running.iter().filter(|instance| instance.written_format < Format::CURRENT).map(name_of).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > SWITCH_TIMEOUT {
            let seconds = SWITCH_TIMEOUT.as_secs();
            return Err(format!("after {seconds} s these instances write the former format: {}", waiting.join(", ")));
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Rewrites until nothing is left, and returns the number of documents.
async fn rewrite(database: &Database) -> Result<usize, String> {
    let (name, mut sum) = (database.name(), 0);
    loop {
        let progress = |collection: &str, read: usize| {
            if read.is_multiple_of(PROGRESS_STEP) {
                eprintln!("{name}: {read} {collection} read");
            }
        };
        let rewritten = database.rewrite(progress).await.map_err(operator_message)?;
        sum += rewritten;
        // A write that was under way may have stored one more document in the former format.
        if rewritten == 0 {
            database.finish_rewriting().await.map_err(operator_message)?;
            return Ok(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Returns the names of the collections that the sources in a folder declare.
    fn declared_in(folder: &PathBuf) -> Vec<String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names.extend(declared_in(&path));
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let declarations = source.split("const COLLECTION: &'static str = \"").skip(1);
            names.extend(declarations.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
        names
    }

    #[test]
    fn all_services_must_run_this_release_or_none() {
        let instance = |service: &str, newest_format| InstanceState {
            service: service.to_owned(),
            instance: format!("{service}-1"),
            version: "0.1.0".to_owned(),
            newest_format,
            written_format: Format::PREVIOUS,
            started_at: souk_types::Timestamp::now(),
            is_stopping: false,
            traffic: souk_contract::instance::Traffic::default(),
            databases: Vec::new(),
            unanswered_services: Vec::new(),
        };
        let mut running = SERVICES.map(|service| instance(service, Format::CURRENT)).to_vec();
        assert_eq!(require_current_releases(&running, false), Ok(()));
        let silent = require_current_releases(&running[1..], false).unwrap_err();
        assert!(silent.contains("no instance of customer"), "{silent}");
        assert_eq!(require_current_releases(&[], true), Ok(()));
        running.push(instance("web", Format::PREVIOUS));
        for is_stopped in [false, true] {
            let old = require_current_releases(&running, is_stopped).unwrap_err();
            assert!(old.ends_with(": web-1"), "{old}");
        }
    }

    #[rocket::async_test]
    async fn every_collection_of_a_service_is_rewritten() {
        let directory =
            data_directory::DataDirectory::open(data_directory::DataLocation::choose(None).unwrap()).unwrap();
        let databases = Databases::open_each(|service| directory.database(service)).unwrap();
        open_collections(&databases).unwrap();
        for database in databases.all() {
            let opened = database.collections();
            let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(database.name()).join("src");
            let declared = declared_in(&sources);
            assert!(declared.len() > 1, "{}", database.name());
            for name in declared {
                assert!(opened.contains(&&*name), "{}: {name} is missing in open_collections", database.name());
            }
        }
        databases.close().await;
    }
}
