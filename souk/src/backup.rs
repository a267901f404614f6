//! `souk backup` and `souk restore`: a shop as it was at one moment, put into a directory, and from there into a shop that is empty.
//!
//! A backup is the directory of a one-process shop, whatever the shop is that was backed up: `souk audit --data` can look at it, `souk
//! --data` can open it, and a shop that was begun in one process moves into a fleet by being restored there. Signing keys are in no
//! backup: tokens end after ten minutes, and a shop without a key makes one.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use common::contract::customer::CustomerId;
use common::contract::shopping::{OrderConfirmed, OrderId};
use common::store::{Copied, Snapshot};
use tempfile::TempDir;

use crate::data;
use crate::databases::Databases;
use crate::options::{Backup, Books, Restore};

/// Carries out `souk backup`. Errors: there is something in the directory already; a database cannot be read.
pub(crate) async fn back_up(command: Backup) -> Result<(), String> {
    let (from, to) = command.settle()?;
    let draft = Draft::begin(&to)?;
    let shop = Databases::open(&from)?;
    let copied = copy_into(&shop, &draft).await;
    shop.close().await;
    let copied = copied?;
    let again = announce_again(&Books::Directory(draft.path().to_owned())).await?;
    draft.finish()?;
    let Copied { documents, events, .. } = copied;
    let waiting = events + again;
    println!("{}: {documents} documents, and {waiting} events that their listeners have yet to handle", to.display());
    Ok(())
}

/// Carries out `souk restore`. Errors: no backup there; a shop that is not empty, without `--force`; a database that cannot be written.
pub(crate) async fn restore(command: Restore) -> Result<(), String> {
    let (from, to, force) = command.settle()?;
    let backup = Databases::open(&Books::Directory(from))?;
    let restored = restore_into(&backup, &to, force).await;
    backup.close().await;
    let Copied { documents, events, .. } = restored?;
    println!("restored: {documents} documents, and {events} events that their listeners have yet to handle");
    Ok(())
}

async fn restore_into(backup: &Databases, to: &Books, force: bool) -> Result<Copied, String> {
    match to {
        Books::Directory(directory) => {
            let draft = Draft::begin(directory)?;
            let copied = copy_into(backup, &draft).await?;
            draft.finish()?;
            Ok(copied)
        }
        Books::MongoDb { .. } => {
            let shop = Databases::open(to)?;
            let copied = replace(backup, &shop, force).await;
            shop.close().await;
            copied
        }
    }
}

async fn copy_into(from: &Databases, draft: &Draft) -> Result<Copied, String> {
    let copy = Databases::each(|service| data::fresh(draft.path(), service))?;
    let copied = copy_all(from, &copy).await;
    // Then each is one file.
    copy.close().await;
    copied
}

async fn replace(backup: &Databases, shop: &Databases, force: bool) -> Result<Copied, String> {
    // All are looked at before one is touched.
    for database in shop.all() {
        if !force && !database.is_blank().await.map_err(text)? {
            let service = database.name();
            return Err(format!(
                "the database of {service} is not empty, and nothing was changed; --force empties all three"
            ));
        }
    }
    for database in shop.all() {
        database.clear().await.map_err(text)?;
    }
    copy_all(backup, shop).await.map_err(|why| format!("{why}; restored is a part of it: run this again with --force"))
}

/// All databases, as they are now.
async fn copy_all(from: &Databases, to: &Databases) -> Result<Copied, String> {
    let mut sum = Copied::default();
    let snapshots = Snapshot::of(&from.all()).await.map_err(text)?;
    // Each moment ends as soon as it is copied.
    for (snapshot, target) in snapshots.into_iter().zip(to.all()) {
        let Copied { documents, events, handled } = snapshot.copy_to(target).await.map_err(text)?;
        sum.documents += documents;
        sum.events += events;
        sum.handled += handled;
    }
    Ok(sum)
}

/// Confirmed orders are counted with their account by an event. One that the broker had in hand at the moment was in no outbox any more, and had
/// not had its effect yet, so it is announced once more: that is the only event without which the books would not balance, because
/// erasures are announced again by themselves. Returns how many.
async fn announce_again(backup: &Books) -> Result<usize, String> {
    let databases = Databases::open(backup)?;
    let lost = lost_orders(&databases).await;
    let announced = match lost {
        Ok(lost) => {
            shopping::books::announce_again(&databases.shopping, &lost).await.map(|()| lost.len()).map_err(text)
        }
        Err(error) => Err(error),
    };
    databases.close().await;
    announced
}

/// Orders whose confirmation is neither counted nor waits to be.
async fn lost_orders(databases: &Databases) -> Result<Vec<(OrderId, CustomerId)>, String> {
    let mut counted = customer::books::ledger(&databases.customer).await.map_err(text)?.orders;
    for waiting in databases.shopping.waiting::<OrderConfirmed>().await.map_err(text)? {
        let account = waiting.event.customer.and_then(|customer| counted.get_mut(&customer));
        if let Some(account) = account
            && !databases.customer.has_handled(waiting.id).await.map_err(text)?
        {
            *account += 1;
        }
    }
    let mut confirmed: HashMap<CustomerId, Vec<OrderId>> = HashMap::new();
    for entry in shopping::books::orders(&databases.shopping).await.map_err(text)? {
        if let Some(customer) = entry.customer.filter(|_| entry.was_confirmed) {
            confirmed.entry(customer).or_default().push(entry.order);
        }
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

/// A directory that is made beside its place, and moved there when it is complete: nobody takes half of a shop for a whole one.
struct Draft {
    directory: TempDir,
    place: PathBuf,
}

impl Draft {
    /// Errors: there is something in that place, or it cannot be written.
    fn begin(place: &Path) -> Result<Self, String> {
        let unwritable = |error: std::io::Error| format!("{} cannot be made: {error}", place.display());
        let is_empty = match std::fs::read_dir(place) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(unwritable(error)),
        };
        if !is_empty {
            return Err(format!("{} is not empty, and nothing was changed: name another directory", place.display()));
        }
        std::fs::create_dir_all(beside(place)).map_err(unwritable)?;
        let directory = data::temporary(beside(place)).map_err(unwritable)?;
        Ok(Self { directory, place: place.to_owned() })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn finish(self) -> Result<(), String> {
        let place = self.place;
        let moved = std::fs::rename(self.directory.path(), &place).and_then(|()| {
            // It is nobody's to delete any more.
            let _ = self.directory.keep();
            File::open(beside(&place))?.sync_all()
        });
        moved.map_err(|error| format!("{} cannot be made: {error}", place.display()))
    }
}

/// The directory that a path is in.
fn beside(place: &Path) -> &Path {
    place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn text(error: common::Error) -> String {
    error.for_operator()
}
