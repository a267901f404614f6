//! The directory in which one shop keeps everything: a database for each service, the signing key, and a lock by which
//! a second shop on the same directory is noticed.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use customer::SigningKey;
use souk_store::{Database, Durability};
use tempfile::TempDir;

/// The file that whoever works with a directory has locked.
pub(crate) const LOCK: &str = "souk.lock";

/// A shop's directory, held for as long as this lives.
pub(crate) struct Data {
    directory: PathBuf,
    durability: Durability,
    /// Unlocked when the process ends, however it ends.
    _lock: File,
    /// Deleted when this is dropped.
    _temporary: Option<TempDir>,
}

impl Data {
    /// Takes the directory, and makes it when it is not there. `None`: one that ends with the process.
    pub(crate) fn open(directory: Option<&Path>) -> Result<Self, String> {
        let Some(directory) = directory else {
            let temporary =
                temporary(&std::env::temp_dir()).map_err(|error| format!("no room for temporary data: {error}"))?;
            let directory = temporary.path().to_owned();
            let lock = lock(&directory)?;
            return Ok(Self { directory, durability: Durability::Process, _lock: lock, _temporary: Some(temporary) });
        };
        make(directory)?;
        let lock = lock(directory)?;
        warn_of_missing(directory);
        Ok(Self { directory: directory.to_owned(), durability: Durability::Disk, _lock: lock, _temporary: None })
    }

    /// The database of a service.
    pub(crate) fn database(&self, service: &'static str) -> Result<Database, String> {
        open(&self.directory, service, self.durability)
    }

    /// The key that signs access tokens, made on the first start.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, String> {
        SigningKey::load_or_create(&self.directory.join("signing-key.pem")).map_err(|error| error.to_string())
    }
}

/// The database of a service, without taking the directory: a shop may be running on it.
pub(crate) fn beside(directory: &Path, service: &'static str) -> Result<Database, String> {
    open(directory, service, Durability::Disk)
}

fn open(directory: &Path, service: &'static str, durability: Durability) -> Result<Database, String> {
    let file = directory.join(format!("{service}.db"));
    keep_to_owner(&file).map_err(|error| format!("{} cannot be opened: {error}", file.display()))?;
    Database::sqlite(service, &file, durability)
        .map_err(|error| format!("{} cannot be opened: {}", file.display(), error.operator_message()))
}

/// Makes the directory when it is not there, for its owner alone: addresses and password hashes lie in it.
pub(crate) fn make(directory: &Path) -> Result<(), String> {
    let mut maker = DirBuilder::new();
    maker.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    if directory.is_file() {
        return Err(format!("the data directory {} is a file", directory.display()));
    }
    maker
        .create(directory)
        .map_err(|error| format!("the data directory {} cannot be made: {error}", directory.display()))
}

/// Keeps the directory for this process, for as long as the result lives. Errors: another one has it.
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
            let other = "stop it, or choose another directory with --data";
            Err(format!("a shop is already running on the data directory {}; {other}", directory.display()))
        }
        Err(TryLockError::Error(error)) => Err(format!("{} cannot be locked: {error}", path.display())),
    }
}

/// A shop that has lost a part starts with that part empty; it should not do so in silence.
fn warn_of_missing(directory: &Path) {
    let (there, missing): (Vec<&str>, Vec<&str>) =
        ["customer.db", "products.db", "shopping.db"].into_iter().partition(|file| directory.join(file).exists());
    // `souk admin create` may have made the customers before the first start.
    if !missing.is_empty() && there.iter().any(|file| *file != "customer.db") {
        eprintln!(
            "souk: {} has lost {}: starting with nothing in place of it",
            directory.display(),
            missing.join(" and ")
        );
    }
}

/// A directory for its owner alone, deleted when it is dropped.
pub(crate) fn temporary(within: &Path) -> std::io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("souk-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(within)
}

/// Makes a database file that nobody else can read, also in a directory that others can; SQLite gives the files beside
/// it the same mode.
fn keep_to_owner(file: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}
