//! A temporary folder that is removed with its owner.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::watchdog::{self, Guarded};

/// A temporary folder. `Drop` removes it; the watchdog does when this process is killed.
pub(crate) struct TempFolder(TempDir);

impl TempFolder {
    pub(crate) fn new(prefix: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir();
        let folder = folder.map_err(Error::context("cannot create a temporary folder"))?;
        watchdog::guard(&Guarded::folder(folder.path()))?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn detach(mut self) -> PathBuf {
        watchdog::release(&Guarded::folder(self.path()));
        self.0.disable_cleanup(true);
        self.path().to_owned()
    }
}

/// Writes a new file that only its owner can read.
pub(crate) fn write_secret(file: &Path, content: &str) -> Result<()> {
    let opened = File::options().write(true).create_new(true).mode(0o600).open(file);
    opened.and_then(|mut opened| opened.write_all(content.as_bytes())).map_err(Error::context(file.display()))
}
