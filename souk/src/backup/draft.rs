//! The directory of a plain backup, or of a restored one-process shop, while a command fills it.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::data_directory;
use crate::databases::SERVICES;

/// A directory that a command fills. The files are written to a temporary directory inside it, and
/// moved when all are complete.
pub(super) struct Draft {
    temporary: TempDir,
    target: PathBuf,
    /// Whether this draft has created the target and removes it when it fails.
    remove_target: bool,
    /// Prevents a shop from starting in the target.
    _lock: File,
}

impl Draft {
    pub(super) fn begin(target: &Path) -> Result<Self, String> {
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

    pub(super) fn path(&self) -> &Path {
        self.temporary.path()
    }

    pub(super) fn finish(mut self) -> Result<(), String> {
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

pub(super) fn unwritable(directory: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be written: {error}", directory.display())
}
