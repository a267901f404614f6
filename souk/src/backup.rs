//! `souk backup` and `souk restore`: a shop as it was at one moment, put into a directory, and from there into a shop that is empty.
//!
//! A backup is the directory of a one-process shop, whatever the shop is that was backed up: `souk audit --data` can look at it, `souk
//! --data` can open it, and a shop that was begun in one process moves into a fleet by being restored there. Signing keys are in no
//! backup: tokens end after ten minutes, and a shop without a key makes one.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rocket::tokio::sync::mpsc::Receiver;
use souk_contract::customer::CustomerId;
use souk_contract::shopping::{OrderConfirmed, OrderId};
use souk_http::signal::shutdown_signal;
use souk_store::{CopyStats, Snapshot};
use tempfile::TempDir;

use crate::data;
use crate::databases::{Databases, SERVICES};
use crate::options::{Backup, Books, Restore};

/// Carries out `souk backup`. Errors: there is something in the directory already; a database cannot be read, or there is no shop in it.
pub(crate) async fn back_up(command: Backup) -> Result<(), String> {
    let (from, to) = command.settle()?;
    let mut interrupt = Interrupt::listen()?;
    let shop = Databases::open(&from)?;
    let drafted = drafted(&from, &shop, &to, &mut interrupt).await;
    shop.close().await;
    let (draft, CopyStats { documents, events, .. }) = drafted?;
    let again = announce_again(&Books::Directory(draft.path().to_owned()), &mut interrupt).await?;
    draft.finish()?;
    let waiting = events + again;
    println!("{}: {documents} documents, and {waiting} events that their listeners have yet to handle", to.display());
    Ok(())
}

async fn drafted(
    from: &Books,
    shop: &Databases,
    to: &Path,
    interrupt: &mut Interrupt,
) -> Result<(Draft, CopyStats), String> {
    // A directory has its files, but a server has whatever databases one asks for.
    if let Books::MongoDb { prefix, .. } = from
        && interrupt.may_end(is_blank(shop)).await?
    {
        return Err(format!(
            "there is nothing in any database {prefix}...: is it the right server, and the right --database-prefix?"
        ));
    }
    draft_of(shop, to, interrupt).await
}

/// Whether there is nothing in any of them.
async fn is_blank(databases: &Databases) -> Result<bool, String> {
    for database in databases.all() {
        if !database.is_empty().await.map_err(text)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Carries out `souk restore`. Errors: no backup there; a shop that is not empty, without `--force`; a database that cannot be written.
pub(crate) async fn restore(command: Restore) -> Result<(), String> {
    let (from, to, force) = command.settle()?;
    let mut interrupt = Interrupt::listen()?;
    let backup = Databases::open(&Books::Directory(from))?;
    let restored = restore_into(&backup, &to, force, &mut interrupt).await;
    backup.close().await;
    let CopyStats { documents, events, .. } = restored?;
    println!("restored: {documents} documents, and {events} events that their listeners have yet to handle");
    Ok(())
}

async fn restore_into(
    backup: &Databases,
    to: &Books,
    force: bool,
    interrupt: &mut Interrupt,
) -> Result<CopyStats, String> {
    match to {
        Books::Directory(directory) => {
            let (draft, copied) = draft_of(backup, directory, interrupt).await?;
            draft.finish()?;
            Ok(copied)
        }
        Books::MongoDb { .. } => {
            let shop = Databases::open(to)?;
            let copied = replace(backup, &shop, force, interrupt).await;
            shop.close().await;
            copied
        }
    }
}

/// A copy of all databases that has yet to be moved to its place.
async fn draft_of(from: &Databases, place: &Path, interrupt: &mut Interrupt) -> Result<(Draft, CopyStats), String> {
    let draft = Draft::begin(place)?;
    // As beside another process: what has its snapshots kept would keep all that is written in the WAL.
    let copy = Databases::each(|service| data::beside(draft.path(), service))?;
    let copying = async {
        let snapshots = Snapshot::of(&from.all()).await.map_err(text)?;
        copy_all(snapshots, &copy).await
    };
    let copied = interrupt.may_end(copying).await;
    // Then each is one file.
    copy.close().await;
    Ok((draft, copied?))
}

async fn replace(
    backup: &Databases,
    shop: &Databases,
    force: bool,
    interrupt: &mut Interrupt,
) -> Result<CopyStats, String> {
    let snapshots = interrupt.may_end(checked(backup, shop, force)).await?;
    let restoring = async {
        for database in shop.all() {
            database.clear().await.map_err(text)?;
        }
        copy_all(snapshots, shop).await
    };
    let restored = interrupt.may_end(restoring).await;
    restored.map_err(|why| format!("{why}; restored is a part of it, or nothing: run this again with --force"))
}

/// What is in a backup, if all of it can be read and the shop may be replaced by it.
async fn checked(backup: &Databases, shop: &Databases, force: bool) -> Result<Vec<Snapshot>, String> {
    if is_blank(backup).await? {
        return Err("there is nothing in the backup, and nothing was changed".to_owned());
    }
    let snapshots = Snapshot::of(&backup.all()).await.map_err(text)?;
    for snapshot in &snapshots {
        snapshot.verify().await.map_err(|error| format!("{}.db: {}", snapshot.name(), text(error)))?;
    }
    for database in shop.all() {
        if !force && !database.is_empty().await.map_err(text)? {
            let service = database.name();
            return Err(format!(
                "the database of {service} is not empty, and nothing was changed; --force empties all three"
            ));
        }
    }
    Ok(snapshots)
}

/// SIGTERM or Ctrl-C, which end a command like any other error does: what it had begun is cleared away.
struct Interrupt(Receiver<()>);

impl Interrupt {
    fn listen() -> Result<Self, String> {
        shutdown_signal().map(Self).map_err(|error| format!("signals cannot be heard: {error}"))
    }

    /// Carries this out. Errors: the process was told to stop before it was done.
    async fn may_end<T>(&mut self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        rocket::tokio::select! {
            _ = self.0.recv() => Err("interrupted".to_owned()),
            outcome = work => outcome,
        }
    }
}

/// Each into its database.
async fn copy_all(from: Vec<Snapshot>, to: &Databases) -> Result<CopyStats, String> {
    let mut sum = CopyStats::default();
    // Each moment ends as soon as it is copied.
    for (snapshot, target) in from.into_iter().zip(to.all()) {
        let CopyStats { documents, events, handled } = snapshot.copy_to(target).await.map_err(text)?;
        sum.documents += documents;
        sum.events += events;
        sum.handled += handled;
    }
    Ok(sum)
}

/// Confirmed orders are counted with their account by an event. One that the broker had in hand at the moment was in no outbox any more, and had
/// not had its effect yet, so it is announced once more: that is the only event without which the books would not balance, because
/// erasures are announced again by themselves. Returns how many.
async fn announce_again(backup: &Books, interrupt: &mut Interrupt) -> Result<usize, String> {
    let databases = Databases::open(backup)?;
    let announcing = async {
        let lost = lost_orders(&databases).await?;
        shopping::ledger::announce_again(&databases.shopping, &lost).await.map_err(text)?;
        Ok(lost.len())
    };
    let announced = interrupt.may_end(announcing).await;
    databases.close().await;
    announced
}

/// Orders whose confirmation is neither counted nor waits to be.
async fn lost_orders(databases: &Databases) -> Result<Vec<(OrderId, CustomerId)>, String> {
    let mut counted = customer::ledger::read(&databases.customer).await.map_err(text)?.confirmed_orders;
    for waiting in databases.shopping.pending_events_of::<OrderConfirmed>().await.map_err(text)? {
        let account = waiting.event.customer.and_then(|customer| counted.get_mut(&customer));
        if let Some(account) = account
            && !databases.customer.has_handled(waiting.id).await.map_err(text)?
        {
            *account += 1;
        }
    }
    let mut confirmed: HashMap<CustomerId, Vec<OrderId>> = HashMap::new();
    for (order, customer) in shopping::ledger::confirmed(&databases.shopping).await.map_err(text)? {
        confirmed.entry(customer).or_default().push(order);
    }
    let mut lost = Vec::new();
    for (customer, counted) in counted {
        // Which of them it was does not matter: they are counted, and no more is done with them.
        let orders = confirmed.remove(&customer).unwrap_or_default();
        let counted = usize::try_from(counted).unwrap_or(usize::MAX);
        lost.extend(orders.into_iter().skip(counted).map(|order| (order, customer)));
    }
    Ok(lost)
}

/// Files that are made aside, in the directory where they belong, and put into their places when all are complete: nobody takes half of a
/// shop for a whole one.
struct Draft {
    aside: TempDir,
    place: PathBuf,
    /// Whether the place itself was not there before.
    made: bool,
    /// No shop is opened in that place meanwhile.
    _lock: File,
}

impl Draft {
    /// Errors: there is something in that place, or it cannot be written.
    fn begin(place: &Path) -> Result<Self, String> {
        let made = !place.exists();
        data::make(place)?;
        // Looked at before a lock is put there, and once more when nobody can come in between.
        free(place)?;
        let lock = data::lock(place)?;
        free(place)?;
        let aside = data::temporary(place).map_err(|error| unwritable(place, &error))?;
        Ok(Self { aside, place: place.to_owned(), made, _lock: lock })
    }

    fn path(&self) -> &Path {
        self.aside.path()
    }

    fn finish(mut self) -> Result<(), String> {
        let put = || {
            for service in SERVICES {
                let file = format!("{service}.db");
                std::fs::rename(self.aside.path().join(&file), self.place.join(&file))?;
            }
            File::open(&self.place)?.sync_all()
        };
        put().map_err(|error| unwritable(&self.place, &error))?;
        self.made = false;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be taken away harms nobody, and is seen by who looks there.
        let _ = std::fs::remove_dir_all(self.aside.path());
        let _ = std::fs::remove_file(self.place.join(data::LOCK));
        if self.made {
            // Only what is empty then.
            let _ = std::fs::remove_dir(&self.place);
        }
    }
}

/// Errors: there is something in that place.
fn free(place: &Path) -> Result<(), String> {
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(place).and_then(Iterator::collect);
    let entries = entries.map_err(|error| unwritable(place, &error))?;
    if entries.iter().all(|entry| entry.file_name() == data::LOCK) {
        return Ok(());
    }
    Err(format!("{} is not empty, and nothing was changed: name another directory", place.display()))
}

fn unwritable(place: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be written: {error}", place.display())
}

fn text(error: souk_types::Error) -> String {
    error.operator_message()
}
