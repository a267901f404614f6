//! Restores a backup into a new directory, or into the databases of a fleet.

use souk_store::Snapshot;

use super::copy::{Copied, copy_all, copy_into_files};
use super::draft::Draft;
use super::interrupt::Interrupt;
use crate::databases::{Databases, operator_message};
use crate::shop_args::ShopLocation;

/// Copies the files of a backup into a shop. `force` deletes the data of a fleet first.
pub(super) async fn restore_into(
    backup: &Databases,
    to: &ShopLocation,
    force: bool,
    interrupt: &mut Interrupt,
) -> Result<Copied, String> {
    match to {
        ShopLocation::Directory(directory) => {
            let draft = Draft::begin(directory)?;
            let copied = copy_into_files(backup, draft.path(), interrupt).await?;
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

async fn replace(
    backup: &Databases,
    shop: &Databases,
    force: bool,
    interrupt: &mut Interrupt,
) -> Result<Copied, String> {
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

/// Errors: the backup is damaged or empty; the shop is not empty and `--force` is missing; a
/// database of the shop cannot be written.
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
    // The user of MongoDB may have rights on some of the databases only.
    for database in shop.all() {
        database.check_writable().await.map_err(|error| {
            let (service, cause) = (database.name(), operator_message(error));
            format!("the database of {service} cannot be written; nothing was changed: {cause}")
        })?;
    }
    Ok(snapshots)
}
