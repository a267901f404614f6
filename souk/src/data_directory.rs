//! The data directory of a one-process shop: a database for each service, the signing key, and a
//! lock file against a second process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use customer::SigningKey;
use souk_store::{Database, Durability};
use souk_types::format::Format;
use tempfile::TempDir;

pub(crate) const LOCK: &str = "souk.lock";
/// The databases of all services.
const DATABASES: [&str; 4] = ["customer.db", "mail.db", "products.db", "shopping.db"];

/// Where the data of a shop is to be.
pub(crate) struct DataLocation {
    path: PathBuf,
    /// Deletes the directory when it is dropped.
    temporary: Option<TempDir>,
}

pub(crate) struct DataDirectory {
    durability: Durability,
    /// The operating system releases the locks when the process ends.
    _locks: [File; 2],
    location: DataLocation,
}

impl DataLocation {
    /// Returns the directory without creating it. `None`: a new temporary directory, which is
    /// deleted at the end.
    pub(crate) fn choose(directory: Option<&Path>) -> Result<Self, String> {
        if let Some(directory) = directory {
            return Ok(Self { path: directory.to_owned(), temporary: None });
        }
        let directory = temporary(&std::env::temp_dir())
            .map_err(|error| format!("cannot create a temporary directory: {error}"))?;
        Ok(Self { path: directory.path().to_owned(), temporary: Some(directory) })
    }

    /// Where mails are files, in a shop without an SMTP server.
    pub(crate) fn mails(&self) -> PathBuf {
        mails(&self.path)
    }
}

impl DataDirectory {
    /// Creates and locks the directory.
    pub(crate) fn open(location: DataLocation) -> Result<Self, String> {
        let durability = if location.temporary.is_some() { Durability::Process } else { Durability::Disk };
        create(&location.path)?;
        let locks = [lock(&location.path)?, lock_format(&location.path)?];
        if location.temporary.is_none() {
            warn_of_missing_databases(&location.path);
        }
        Ok(Self { durability, _locks: locks, location })
    }

    pub(crate) fn database(&self, service: &'static str) -> Result<Database, String> {
        open(&self.location.path, service, self.durability)
    }

    pub(crate) fn signing_key(&self) -> Result<SigningKey, String> {
        SigningKey::load_or_create(&signing_key_file(&self.location.path)).map_err(|error| error.to_string())
    }
}

/// Returns the file of the signing key in a data directory.
pub(crate) fn signing_key_file(directory: &Path) -> PathBuf {
    directory.join("signing-key.pem")
}

/// Returns the directory of mails in a data directory.
pub(crate) fn mails(directory: &Path) -> PathBuf {
    directory.join("mail")
}

/// Opens the database of a service without locking the directory: the shop may be running.
pub(crate) fn open_shared(directory: &Path, service: &'static str) -> Result<Database, String> {
    open(directory, service, Durability::Disk)
}

fn open(directory: &Path, service: &'static str, durability: Durability) -> Result<Database, String> {
    let file = directory.join(format!("{service}.db"));
    create_private(&file).map_err(|error| format!("{} cannot be opened: {error}", file.display()))?;
    Database::sqlite(service, &file, durability)
        .map_err(|error| format!("{} cannot be opened: {}", file.display(), error.operator_message()))
}

/// Creates the directory for its owner alone: it holds personal data and password hashes.
pub(crate) fn create(directory: &Path) -> Result<(), String> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    if directory.is_file() {
        return Err(format!("the data directory {} is a file", directory.display()));
    }
    builder
        .create(directory)
        .map_err(|error| format!("the data directory {} cannot be created: {error}", directory.display()))
}

/// Locks the directory while the result lives. Errors: another process has locked it.
pub(crate) fn lock(directory: &Path) -> Result<File, String> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| format!("the data directory {} cannot be written: {error}", directory.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let remedy = "stop it, or choose another directory with --data";
            Err(format!("a shop is already running on the data directory {}: {remedy}", directory.display()))
        }
        Err(TryLockError::Error(error)) => Err(format!("{} cannot be locked: {error}", path.display())),
    }
}

/// The file that a running shop of this format has locked, beside [`LOCK`].
fn format_lock(directory: &Path) -> PathBuf {
    directory.join(format!("souk.format-{}.lock", Format::CURRENT.number()))
}

/// Tells `souk migrate` that the running shop reads the current format.
fn lock_format(directory: &Path) -> Result<File, String> {
    let path = format_lock(directory);
    let file = File::create(&path).and_then(|file| file.lock().map(|()| file));
    file.map_err(|error| format!("{} cannot be locked: {error}", path.display()))
}

/// Errors: the shop that is running on the directory is of an earlier release.
pub(crate) fn require_current_release(directory: &Path) -> Result<(), String> {
    if is_locked(&directory.join(LOCK))? && !is_locked(&format_lock(directory))? {
        return Err(format!("restart the shop on {} with this release first", directory.display()));
    }
    Ok(())
}

fn is_locked(path: &Path) -> Result<bool, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        file => file.map_err(unreadable)?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(unreadable(error)),
    }
}

/// Warns when some of the databases are missing, because the shop starts with empty ones.
fn warn_of_missing_databases(directory: &Path) {
    let (present, missing): (Vec<&str>, Vec<&str>) =
        DATABASES.into_iter().partition(|file| directory.join(file).exists());
    // An interrupted first start may have created customer.db alone.
    if !missing.is_empty() && present.iter().any(|file| *file != "customer.db") {
        eprintln!("souk: {} is missing in {}: starting without its data", missing.join(" and "), directory.display());
    }
}

/// Creates a directory for its owner alone, which is deleted when the result is dropped.
pub(crate) fn temporary(within: &Path) -> std::io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("souk-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(within)
}

/// Only its owner can read the file. SQLite gives its other files the same mode.
fn create_private(file: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}
