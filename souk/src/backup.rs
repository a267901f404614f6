//! `souk backup` and `souk restore`.
//!
//! A backup is the data directory of a one-process shop, even a backup of a fleet: as it is, or
//! encrypted in one file ([`archive`]). It has no signing key: access tokens expire after ten
//! minutes, and a shop without a key creates one.

mod archive;
mod args;
mod copy;
mod draft;
mod folder;
mod interrupt;
mod keys;
mod restore;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rocket::tokio::time::sleep;
use tempfile::TempDir;
use time::UtcDateTime;

pub(crate) use self::args::{BackupArgs, RestoreArgs};
use self::args::{Encryption, Target};
use self::draft::Draft;
use self::folder::FileDraft;
use self::interrupt::Interrupt;
use self::keys::Recipients;
use crate::data_directory;
use crate::databases::Databases;
use crate::shop_args::ShopLocation;

const BACKED_UP: &str = "backed up";

/// Longest delay between the failure of a scheduled backup and the end of the process. Long against
/// the load of a copy, and short against a day.
const MAX_FAILURE_DELAY: Duration = Duration::from_mins(10);

pub(crate) async fn back_up(args: BackupArgs) -> Result<(), String> {
    let encryption = args.encryption()?;
    let from = args.shop.resolve()?;
    let mut interrupt = Interrupt::listen()?;
    let Some(Encryption { recipients, target, every }) = encryption else {
        return back_up_plainly(&from, &args.to, &mut interrupt).await;
    };
    let Some(every) = every else {
        return back_up_encrypted(&from, &target, &recipients, &mut interrupt).await;
    };
    match back_up_on_schedule(&from, &target, &recipients, every, &mut interrupt).await {
        Err(error) if !interrupt.has_arrived() => Err(report_and_wait(&error, every, &mut interrupt).await),
        ended => ended,
    }
}

/// Backs up until a signal arrives between two backups. Errors: a backup fails, or a signal
/// interrupts it.
async fn back_up_on_schedule(
    from: &ShopLocation,
    target: &Target,
    recipients: &Recipients,
    every: Duration,
    interrupt: &mut Interrupt,
) -> Result<(), String> {
    while wait_until_due(target.folder(), every, interrupt).await? {
        back_up_encrypted(from, target, recipients, interrupt).await?;
    }
    Ok(())
}

/// Prints the failure of a scheduled backup, and waits until the process may end or a signal
/// arrives. The supervisor shows the failure and starts the process again; without the delay, a
/// failure at the end of a backup would make it copy the shop without a pause. Returns the last
/// message of the process.
async fn report_and_wait(error: &str, every: Duration, interrupt: &mut Interrupt) -> String {
    let delay = every.min(MAX_FAILURE_DELAY);
    eprintln!("souk: {error}; this process ends in {} s", delay.as_secs());
    rocket::tokio::select! {
        () = interrupt.signalled() => {}
        () = sleep(delay) => {}
    }
    "a scheduled backup failed".to_owned()
}

/// Waits until a backup is due. Returns false after a signal.
async fn wait_until_due(folder: &Path, every: Duration, interrupt: &mut Interrupt) -> Result<bool, String> {
    let Some((newest, _)) = folder::list(folder)?.pop_last() else { return Ok(true) };
    let wait = time_until_due(newest, UtcDateTime::now(), every);
    println!("the newest backup is from {newest}; the next one begins in {} s", wait.as_secs());
    rocket::tokio::select! {
        () = interrupt.signalled() => Ok(false),
        () = sleep(wait) => Ok(true),
    }
}

/// The time since the newest backup counts, so that a restart of this process neither delays a
/// backup nor makes another one. A backup that seems to be of the future, because the clock was
/// wrong, counts as one of now.
fn time_until_due(newest: UtcDateTime, now: UtcDateTime, every: Duration) -> Duration {
    let age = Duration::try_from(now - newest).unwrap_or_default();
    every.saturating_sub(age)
}

async fn back_up_plainly(from: &ShopLocation, to: &Path, interrupt: &mut Interrupt) -> Result<(), String> {
    let draft = Draft::begin(to)?;
    let copied = copy::copy_shop(from, draft.path(), interrupt).await?;
    draft.finish()?;
    copied.print(BACKED_UP);
    Ok(())
}

async fn back_up_encrypted(
    from: &ShopLocation,
    target: &Target,
    recipients: &Recipients,
    interrupt: &mut Interrupt,
) -> Result<(), String> {
    let path = target.path_at(UtcDateTime::now());
    let draft = FileDraft::begin(&path)?;
    let plain = private_directory()?;
    let copied = copy::copy_shop(from, plain.path(), interrupt).await?;
    let (directory, recipients, file) = (plain.path().to_owned(), recipients.clone(), draft.open()?);
    let seal = move |stop| archive::seal(&directory, &recipients, file, stop);
    let sealed = interrupt.or_done_blocking(seal).await;
    sealed.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    remove(plain)?;
    let bytes = draft.finish()?;
    copied.print(BACKED_UP);
    println!("{}: {bytes} bytes", path.display());
    match target {
        Target::Folder { folder, keep: Some(keep) } => folder::delete_superseded(folder, &path, *keep),
        Target::Folder { keep: None, .. } | Target::File(_) => Ok(()),
    }
}

pub(crate) async fn restore(args: RestoreArgs) -> Result<(), String> {
    let to = args.shop.resolve()?;
    if let (ShopLocation::Directory(directory), true) = (&to, args.force) {
        return Err(format!("--force works on fleets only: move {} away instead", directory.display()));
    }
    let mut interrupt = Interrupt::listen()?;
    let Some(encrypted) = encrypted_backup(&args.from)? else {
        if args.identity.is_some() {
            return Err(format!("{} is not encrypted: leave out --identity", args.from.display()));
        }
        return restore_plainly(args.from, &to, args.force, &mut interrupt).await;
    };
    let Some(identity) = args.identity else {
        let remedy = "name the file with the private key with --identity";
        return Err(format!("{} is encrypted: {remedy}", encrypted.display()));
    };
    let identities = keys::read_identities(&identity)?;
    let plain = private_directory()?;
    let directory = plain.path().to_owned();
    println!("decrypting {}", encrypted.display());
    let open = move |stop| archive::open(&encrypted, &identities, &directory, stop);
    interrupt.or_done_blocking(open).await?;
    restore_plainly(plain.path().to_owned(), &to, args.force, &mut interrupt).await?;
    remove(plain)
}

async fn restore_plainly(
    from: PathBuf,
    to: &ShopLocation,
    force: bool,
    interrupt: &mut Interrupt,
) -> Result<(), String> {
    let backup = Databases::open(&ShopLocation::Directory(from))?;
    let restored = restore::restore_into(&backup, to, force, interrupt).await;
    backup.close().await;
    restored?.print("restored");
    Ok(())
}

/// Returns the encrypted backup that a path names: itself, or the newest in a folder of backups.
fn encrypted_backup(from: &Path) -> Result<Option<PathBuf>, String> {
    if from.is_dir() {
        return Ok(folder::list(from)?.pop_last().map(|(_, path)| path));
    }
    Ok((from.is_file() || is_named_as_encrypted(from)).then(|| from.to_owned()))
}

fn is_named_as_encrypted(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == folder::EXTENSION)
}

/// Creates the directory for the copy before it is encrypted and after it is decrypted: not in the
/// folder of backups, but where the operating system has temporary files.
fn private_directory() -> Result<TempDir, String> {
    let parent = std::env::temp_dir();
    data_directory::temporary(&parent)
        .map_err(|error| format!("cannot create a temporary directory in {}: {error}", parent.display()))
}

fn remove(plain: TempDir) -> Result<(), String> {
    let path = plain.path().display().to_string();
    plain.close().map_err(|error| format!("{path} is not encrypted and cannot be deleted: {error}"))
}

#[cfg(test)]
mod tests {
    use time::macros::utc_datetime;

    use super::*;

    #[test]
    fn a_backup_is_due_when_the_newest_is_old() {
        let (day, newest) = (Duration::from_hours(24), utc_datetime!(2026-01-31 03:17));
        for (now, hours) in [
            (newest, 24),
            (utc_datetime!(2026-01-31 10:17), 17),
            (utc_datetime!(2026-02-01 03:17), 0),
            (utc_datetime!(2026-03-01 00:00), 0),
            // The clock was set back.
            (utc_datetime!(2026-01-01 00:00), 24),
        ] {
            assert_eq!(time_until_due(newest, now, day), Duration::from_hours(hours), "{now}");
        }
    }
}
