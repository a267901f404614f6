//! `souk backup` and `souk restore`.
//!
//! A backup is the data directory of a one-process shop, even a backup of a fleet. It has
//! no signing key: access tokens expire after ten minutes, and a shop without a key creates one.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use rocket::tokio::sync::mpsc::Receiver;
use souk_contract::shopping::{OrderConfirmed, OrderId};
use souk_http::signal::shutdown_signal;
use souk_store::{CopyStats, Snapshot};
use tempfile::TempDir;

use crate::data_directory;
use crate::databases::{Databases, SERVICES, operator_message};
use crate::shop_args::{ShopArgs, ShopLocation};

#[derive(Args)]
pub(crate) struct BackupArgs {
    /// Directory of the backup; it must be new or empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    shop: ShopArgs,
}

#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// Directory of a backup, or of a one-process shop
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Delete all data in the fleet's databases first
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    shop: ShopArgs,
}

pub(crate) async fn back_up(args: BackupArgs) -> Result<(), String> {
    let from = args.shop.resolve()?;
    let mut interrupt = Interrupt::listen()?;
    let shop = Databases::open(&from)?;
    let copied = copy_shop(&from, &shop, &args.to, &mut interrupt).await;
    shop.close().await;
    let (draft, CopyStats { documents, events, .. }) = copied?;
    let republished = republish_lost_events(draft.path(), &mut interrupt).await?;
    draft.finish()?;
    print_result("backed up", documents, events + republished);
    Ok(())
}

pub(crate) async fn restore(args: RestoreArgs) -> Result<(), String> {
    let to = args.shop.resolve()?;
    if let (ShopLocation::Directory(directory), true) = (&to, args.force) {
        return Err(format!("--force works on fleets only: move {} away instead", directory.display()));
    }
    let mut interrupt = Interrupt::listen()?;
    let backup = Databases::open(&ShopLocation::Directory(args.from))?;
    let restored = restore_into(&backup, &to, args.force, &mut interrupt).await;
    backup.close().await;
    let CopyStats { documents, events, .. } = restored?;
    print_result("restored", documents, events);
    Ok(())
}

fn print_result(done: &str, documents: usize, events: usize) {
    println!("{done}: {documents} documents and {events} events that are not yet handled");
}

async fn copy_shop(
    from: &ShopLocation,
    shop: &Databases,
    to: &Path,
    interrupt: &mut Interrupt,
) -> Result<(Draft, CopyStats), String> {
    // MongoDB opens any database name, also a mistyped one.
    if let ShopLocation::MongoDb { prefix, .. } = from
        && interrupt.or_done(shop.are_empty()).await?
    {
        return Err(format!("all databases {prefix}... are empty: check the server and --database-prefix"));
    }
    copy_to_directory(shop, to, interrupt).await
}

async fn restore_into(
    backup: &Databases,
    to: &ShopLocation,
    force: bool,
    interrupt: &mut Interrupt,
) -> Result<CopyStats, String> {
    match to {
        ShopLocation::Directory(directory) => {
            let (draft, copied) = copy_to_directory(backup, directory, interrupt).await?;
            draft.finish()?;
            Ok(copied)
        }
        ShopLocation::MongoDb { .. } => {
            let shop = Databases::open(to)?;
            let copied = replace(backup, &shop, force, interrupt).await;
            shop.close().await;
            copied
        }
    }
}

async fn copy_to_directory(
    from: &Databases,
    directory: &Path,
    interrupt: &mut Interrupt,
) -> Result<(Draft, CopyStats), String> {
    let draft = Draft::begin(directory)?;
    let copy = Databases::open_each(|service| data_directory::open_shared(draft.path(), service))?;
    let copying = async {
        let snapshots = Snapshot::of(&from.all()).await.map_err(operator_message)?;
        copy_all(snapshots, &copy).await
    };
    let copied = interrupt.or_done(copying).await;
    // Closing a database merges its files into one.
    copy.close().await;
    Ok((draft, copied?))
}

async fn replace(
    backup: &Databases,
    shop: &Databases,
    force: bool,
    interrupt: &mut Interrupt,
) -> Result<CopyStats, String> {
    let snapshots = interrupt.or_done(verify(backup, shop, force)).await?;
    let restoring = async {
        for database in shop.all() {
            database.clear().await.map_err(operator_message)?;
        }
        copy_all(snapshots, shop).await
    };
    let restored = interrupt.or_done(restoring).await;
    restored.map_err(|error| format!("{error}; the databases are incomplete: run the command again with --force"))
}

/// Errors: the backup is damaged or empty, or the shop is not empty and `--force` is missing.
async fn verify(backup: &Databases, shop: &Databases, force: bool) -> Result<Vec<Snapshot>, String> {
    if backup.are_empty().await? {
        return Err("the backup is empty; nothing was changed".to_owned());
    }
    let snapshots = Snapshot::of(&backup.all()).await.map_err(operator_message)?;
    for snapshot in &snapshots {
        snapshot.verify().await.map_err(|error| format!("{}.db: {}", snapshot.name(), operator_message(error)))?;
    }
    for database in shop.all() {
        if !force && !database.is_empty().await.map_err(operator_message)? {
            let service = database.name();
            return Err(format!(
                "the database of {service} is not empty; nothing was changed. --force deletes all data of the fleet first"
            ));
        }
    }
    Ok(snapshots)
}

/// SIGTERM or Ctrl-C. Ends a command with an error, so that the command removes its temporary
/// files.
struct Interrupt(Receiver<()>);

impl Interrupt {
    fn listen() -> Result<Self, String> {
        shutdown_signal().map(Self).map_err(|error| format!("cannot handle signals: {error}"))
    }

    /// Runs `work` to its end. Errors: those of `work`, or a signal interrupts it.
    async fn or_done<T>(&mut self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        rocket::tokio::select! {
            _ = self.0.recv() => Err("interrupted".to_owned()),
            outcome = work => outcome,
        }
    }
}

async fn copy_all(from: Vec<Snapshot>, to: &Databases) -> Result<CopyStats, String> {
    let mut sum = CopyStats::default();
    // The loop drops each snapshot as soon as it is copied.
    for (snapshot, target) in from.into_iter().zip(to.all()) {
        let CopyStats { documents, events, handled } = snapshot.copy_to(target).await.map_err(operator_message)?;
        sum.documents += documents;
        sum.events += events;
        sum.handled += handled;
    }
    Ok(sum)
}

/// Publishes the confirmations that the copy lacks: one that was on the broker at the moment of the
/// backup is neither in the outbox nor a mail. Of all events only this one must be published again:
/// erasures repeat theirs.
async fn republish_lost_events(copy: &Path, interrupt: &mut Interrupt) -> Result<usize, String> {
    let databases = Databases::open(&ShopLocation::Directory(copy.to_owned()))?;
    let republishing = async {
        let lost = unmailed_orders(&databases).await?;
        shopping::ledger::publish_confirmations_again(&databases.shopping, &lost).await.map_err(operator_message)?;
        Ok(lost.len())
    };
    let republished = interrupt.or_done(republishing).await;
    databases.close().await;
    republished
}

/// Returns the confirmed orders that have no mail and whose event is not pending.
async fn unmailed_orders(databases: &Databases) -> Result<Vec<OrderId>, String> {
    let mails = mail::ledger::mails(&databases.mail, |_| true).await.map_err(operator_message)?;
    let mut known: HashSet<OrderId> = mails.iter().filter_map(mail::ledger::MailRecord::confirmed_order).collect();
    let pending = databases.shopping.pending_events_of::<OrderConfirmed>().await.map_err(operator_message)?;
    known.extend(pending.into_iter().map(|pending| pending.event.id));
    let mut confirmed = shopping::ledger::confirmed_orders(&databases.shopping).await.map_err(operator_message)?;
    confirmed.retain(|order| !known.contains(order));
    Ok(confirmed)
}

/// A directory that a command fills. The files are written to a temporary directory inside it, and
/// moved when all are complete.
struct Draft {
    temporary: TempDir,
    target: PathBuf,
    /// Whether this draft has created the target and removes it when it fails.
    remove_target: bool,
    /// Prevents a shop from starting in the target.
    _lock: File,
}

impl Draft {
    fn begin(target: &Path) -> Result<Self, String> {
        let remove_target = !target.exists();
        data_directory::create(target)?;
        // The first check keeps the lock file out of a foreign directory; the second is safe from
        // races.
        require_empty(target)?;
        let lock = data_directory::lock(target)?;
        require_empty(target)?;
        let temporary = data_directory::temporary(target).map_err(|error| unwritable(target, &error))?;
        Ok(Self { temporary, target: target.to_owned(), remove_target, _lock: lock })
    }

    fn path(&self) -> &Path {
        self.temporary.path()
    }

    fn finish(mut self) -> Result<(), String> {
        let move_files = || {
            for service in SERVICES {
                let file = format!("{service}.db");
                std::fs::rename(self.temporary.path().join(&file), self.target.join(&file))?;
            }
            File::open(&self.target)?.sync_all()
        };
        move_files().map_err(|error| unwritable(&self.target, &error))?;
        self.remove_target = false;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // A file that remains does no harm, and the operator sees it.
        let _ = std::fs::remove_dir_all(self.temporary.path());
        let _ = std::fs::remove_file(self.target.join(data_directory::LOCK));
        if self.remove_target {
            // This fails after success, because the directory is not empty.
            let _ = std::fs::remove_dir(&self.target);
        }
    }
}

/// Errors: the directory has a file other than the lock.
fn require_empty(directory: &Path) -> Result<(), String> {
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(directory).and_then(Iterator::collect);
    let entries = entries.map_err(|error| unwritable(directory, &error))?;
    if entries.iter().all(|entry| entry.file_name() == data_directory::LOCK) {
        return Ok(());
    }
    Err(format!("{} is not empty; nothing was changed. Name another directory", directory.display()))
}

fn unwritable(directory: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be written: {error}", directory.display())
}
