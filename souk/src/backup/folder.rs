//! A folder of encrypted backups: their names, and how many it keeps.
//!
//! A backup is named after its time in UTC, `souk-20260131T031700Z.tar.gz.age`. Other files in the
//! folder stay untouched, whatever they are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use time::macros::format_description;
use time::{PrimitiveDateTime, UtcDateTime};

use super::draft::unwritable;
use crate::data_directory;

/// The ending of encrypted backups, also of those whose name the operator has chosen.
pub(super) const EXTENSION: &str = "age";
const PREFIX: &str = "souk-";
const SUFFIX: &str = ".tar.gz.age";
const DRAFT_PREFIX: &str = ".souk-";
const DRAFT_SUFFIX: &str = ".draft";

/// A file that a backup is written to. It disappears unless it is finished.
pub(super) struct FileDraft {
    file: NamedTempFile,
    target: PathBuf,
}

impl FileDraft {
    /// Begins a new file. Errors: it exists, or its folder cannot be written.
    pub(super) fn begin(target: &Path) -> Result<Self, String> {
        let folder = folder_of(target);
        data_directory::create(folder)?;
        if target.exists() {
            return Err(exists(target));
        }
        let create = || {
            remove_orphaned_drafts(folder)?;
            let file = tempfile::Builder::new().prefix(DRAFT_PREFIX).suffix(DRAFT_SUFFIX).tempfile_in(folder)?;
            // The lock shows to other processes that this draft is not orphaned. On a file system
            // without locks, no draft seems to be orphaned.
            let _ = file.as_file().try_lock();
            Ok(file)
        };
        let file = create().map_err(|error: io::Error| unwritable(folder, &error))?;
        Ok(Self { file, target: target.to_owned() })
    }

    pub(super) fn open(&self) -> Result<File, String> {
        self.file.as_file().try_clone().map_err(|error| unwritable(&self.target, &error))
    }

    /// Gives the file its name. Returns its size in bytes.
    pub(super) fn finish(self) -> Result<u64, String> {
        let Self { file, target } = self;
        let file = file.persist_noclobber(&target).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(&target),
            _ => unwritable(&target, &error.error),
        })?;
        let sync = || File::open(folder_of(&target))?.sync_all();
        sync().map_err(|error| unwritable(&target, &error))?;
        Ok(file.metadata().map_err(|error| unwritable(&target, &error))?.len())
    }
}

/// Removes drafts of processes that were killed.
fn remove_orphaned_drafts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_draft = name.to_str().is_some_and(|name| name.starts_with(DRAFT_PREFIX) && name.ends_with(DRAFT_SUFFIX));
        if is_draft && entry.file_type()?.is_file() && File::open(entry.path())?.try_lock().is_ok() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn exists(target: &Path) -> String {
    format!("{} exists; nothing was changed", target.display())
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Returns the path of a backup that is made at this time.
pub(super) fn path_at(folder: &Path, time: UtcDateTime) -> PathBuf {
    let (date, clock) = (time.date(), time.time());
    let (month, day) = (u8::from(date.month()), date.day());
    let (hour, minute, second) = clock.as_hms();
    let year = date.year();
    folder.join(format!("{PREFIX}{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z{SUFFIX}"))
}

fn time_in(name: &str) -> Option<UtcDateTime> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    Some(PrimitiveDateTime::parse(time, format).ok()?.as_utc())
}

/// Returns the backups in a folder by their time. A folder that does not exist has none.
pub(super) fn list(folder: &Path) -> Result<BTreeMap<UtcDateTime, PathBuf>, String> {
    let read = || -> io::Result<_> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if let Some(time) = entry.file_name().to_str().and_then(time_in)
                && entry.file_type()?.is_file()
            {
                found.insert(time, entry.path());
            }
        }
        Ok(found)
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        found => found.map_err(|error| format!("{} cannot be read: {error}", folder.display())),
    }
}

/// Deletes backups of a folder, so that `keep` remain: `written` and the newest others.
pub(super) fn delete_superseded(folder: &Path, written: &Path, keep: NonZeroUsize) -> Result<(), String> {
    let backups = list(folder)?;
    for path in superseded(&backups, written, keep) {
        fs::remove_file(path).map_err(|error| {
            format!("the new backup is complete, but {} cannot be deleted: {error}", path.display())
        })?;
        println!("deleted {}", path.display());
    }
    Ok(())
}

/// `written` stays also when the clock was wrong and others seem to be newer.
fn superseded<'b>(
    backups: &'b BTreeMap<UtcDateTime, PathBuf>,
    written: &Path,
    keep: NonZeroUsize,
) -> impl Iterator<Item = &'b PathBuf> {
    backups.values().rev().filter(move |path| *path != written).skip(keep.get() - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use time::macros::utc_datetime;

    use super::*;

    fn on_day(day: u8) -> UtcDateTime {
        UtcDateTime::new(
            time::Date::from_calendar_date(2026, time::Month::January, day).unwrap(),
            time::Time::from_hms(3, 17, 0).unwrap(),
        )
    }

    fn backup_of(day: u8) -> PathBuf {
        path_at(Path::new("backups"), on_day(day))
    }

    #[test]
    fn the_newest_and_the_written_backup_stay() {
        for (days, written, keep, expected) in [
            (&[1, 2, 3][..], 3, 3, &[][..]),
            (&[1, 2, 3], 3, 2, &[1]),
            (&[1, 2, 3], 3, 1, &[2, 1]),
            (&[3], 3, 1, &[]),
            (&[], 3, 1, &[]),
            // The clock was set back: two backups seem to be of the future.
            (&[5, 8, 9], 5, 2, &[8]),
            (&[5, 8, 9], 5, 1, &[9, 8]),
        ] {
            let backups = days.iter().map(|day| (on_day(*day), backup_of(*day))).collect();
            let deleted: Vec<_> =
                superseded(&backups, &backup_of(written), NonZeroUsize::new(keep).unwrap()).cloned().collect();
            let expected: Vec<_> = expected.iter().copied().map(backup_of).collect();
            assert_eq!(deleted, expected, "{days:?}, keep {keep}");
        }
    }

    #[test]
    fn only_files_with_the_name_of_a_backup_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let keep = NonZeroUsize::MIN;
        let others = [
            "souk-20260101T031700Z.tar.gz",
            "souk-20260101T031700Z.tar.gz.age.sha256",
            "souk-20260101T031700Z-copy.tar.gz.age",
            "souk-20261301T031700Z.tar.gz.age",
            "souk-2026-01-01T03:17:00Z.tar.gz.age",
            "before-the-upgrade.tar.gz.age",
            "customer.db",
        ];
        for name in others {
            fs::write(folder.path().join(name), name).unwrap();
        }
        for day in [1, 2, 3] {
            fs::write(path_at(folder.path(), on_day(day)), "backup").unwrap();
        }
        let directory = path_at(folder.path(), on_day(4));
        fs::create_dir(&directory).unwrap();
        delete_superseded(folder.path(), &path_at(folder.path(), on_day(3)), keep).unwrap();
        let remaining: BTreeSet<PathBuf> =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        let mut expected: BTreeSet<PathBuf> = others.iter().map(|name| folder.path().join(name)).collect();
        expected.extend([path_at(folder.path(), on_day(3)), directory]);
        assert_eq!(remaining, expected);
    }

    #[test]
    fn names_are_times() {
        let time = utc_datetime!(2026-01-31 03:17:09);
        let path = path_at(Path::new("backups"), time);
        assert_eq!(path, Path::new("backups/souk-20260131T031709Z.tar.gz.age"));
        assert_eq!(time_in(path.file_name().unwrap().to_str().unwrap()), Some(time));
    }

    #[test]
    fn drafts_of_killed_processes_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let running = FileDraft::begin(&folder.path().join("first.age")).unwrap();
        let orphan = folder.path().join(".souk-abc.draft");
        fs::write(&orphan, "half").unwrap();
        let second = FileDraft::begin(&folder.path().join("second.age")).unwrap();
        assert!(!orphan.exists());
        assert_eq!((running.finish(), second.finish()), (Ok(0), Ok(0)));
        let taken = FileDraft::begin(&folder.path().join("first.age")).map(drop);
        assert!(taken.unwrap_err().contains("exists"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a draft remains");
    }
}
