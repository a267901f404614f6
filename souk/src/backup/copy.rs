//! Copies of all databases of a shop, as of one moment.

use std::collections::HashSet;
use std::path::Path;

use souk_contract::shopping::{OrderConfirmed, OrderId};
use souk_store::{CopyStats, Snapshot};

use super::interrupt::Interrupt;
use crate::data_directory;
use crate::databases::{Databases, operator_message};
use crate::shop_args::ShopLocation;

/// The numbers that a command prints.
pub(super) struct Copied {
    documents: usize,
    events: usize,
}

impl Copied {
    /// Prints one line: what was done with how much.
    pub(super) fn print(&self, done: &str) {
        println!("{done}: {} documents and {} events that are not yet handled", self.documents, self.events);
    }
}

impl From<CopyStats> for Copied {
    fn from(CopyStats { documents, events, .. }: CopyStats) -> Self {
        Self { documents, events }
    }
}

/// Copies a running shop into files in this directory.
pub(super) async fn copy_shop(
    from: &ShopLocation,
    directory: &Path,
    interrupt: &mut Interrupt,
) -> Result<Copied, String> {
    let shop = Databases::open(from)?;
    let copied = copy_databases(from, &shop, directory, interrupt).await;
    shop.close().await;
    let mut copied = copied?;
    copied.events += republish_lost_events(directory, interrupt).await?;
    Ok(copied)
}

async fn copy_databases(
    from: &ShopLocation,
    shop: &Databases,
    directory: &Path,
    interrupt: &mut Interrupt,
) -> Result<Copied, String> {
    // MongoDB opens any database name, also a mistyped one.
    if let ShopLocation::MongoDb { prefix, .. } = from
        && interrupt.or_done(shop.are_empty()).await?
    {
        return Err(format!("all databases {prefix}... are empty: check the server and --database-prefix"));
    }
    copy_into_files(shop, directory, interrupt).await
}

/// Copies databases into files in this directory.
pub(super) async fn copy_into_files(
    from: &Databases,
    directory: &Path,
    interrupt: &mut Interrupt,
) -> Result<Copied, String> {
    let copy = Databases::open_each(|service| data_directory::open_shared(directory, service))?;
    let copying = async {
        let snapshots = Snapshot::of(&from.all()).await.map_err(operator_message)?;
        copy_all(snapshots, &copy).await
    };
    let copied = interrupt.or_done(copying).await;
    // Closing a database merges its files into one.
    copy.close().await;
    copied
}

/// Copies each snapshot into the database of its service.
pub(super) async fn copy_all(from: Vec<Snapshot>, to: &Databases) -> Result<Copied, String> {
    let mut sum = CopyStats::default();
    // The loop drops each snapshot as soon as it is copied.
    for (snapshot, target) in from.into_iter().zip(to.all()) {
        let CopyStats { documents, events, handled } = snapshot.copy_to(target).await.map_err(operator_message)?;
        sum.documents += documents;
        sum.events += events;
        sum.handled += handled;
    }
    Ok(sum.into())
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
