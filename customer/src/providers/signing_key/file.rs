//! The signing key in a file of a one-process shop.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use super::{NotAKey, SigningKey, generate};

impl SigningKey {
    /// Loads the key, or creates the file. Errors: other users have permissions on the file.
    pub fn load_or_create(file: &Path) -> Result<Self, KeyError> {
        let unusable = |error| KeyError::Unusable(file.to_owned(), error);
        let mut opened = match File::open(file) {
            Err(missing) if missing.kind() == ErrorKind::NotFound => {
                create(file).and_then(|()| File::open(file)).map_err(unusable)?
            }
            opened => opened.map_err(unusable)?,
        };
        if let Some(mode) = exposed_mode(&opened).map_err(unusable)? {
            return Err(KeyError::Exposed(file.to_owned(), mode));
        }
        let mut bytes = Vec::new();
        opened.read_to_end(&mut bytes).map_err(unusable)?;
        let pem = str::from_utf8(&bytes).map_err(|_| KeyError::Foreign(file.to_owned()))?;
        pem.parse().map_err(|NotAKey| KeyError::Foreign(file.to_owned()))
    }
}

/// Writes a new key to a temporary file that only its owner can read, syncs it and renames it, so
/// that a crash leaves no half-written key. Keeps a key that another process has written meanwhile.
fn create(file: &Path) -> io::Result<()> {
    let mut temporary = tempfile::Builder::new().prefix(".signing-key-").tempfile_in(directory_of(file))?;
    temporary.write_all(generate()?.as_bytes())?;
    temporary.as_file().sync_all()?;
    match temporary.persist_noclobber(file) {
        Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.map(drop).map_err(|refused| refused.error),
    }
}

pub(super) fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the file's mode when users other than its owner have any permission.
#[cfg(unix)]
fn exposed_mode(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt;
    let mode = file.metadata()?.mode() & 0o777;
    Ok(Some(mode).filter(|mode| mode & 0o077 != 0))
}

/// Without Unix modes, the directory's permissions protect the file.
#[cfg(not(unix))]
fn exposed_mode(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

/// Why a key file cannot be used.
#[derive(Debug)]
pub enum KeyError {
    /// The file cannot be read or created.
    Unusable(PathBuf, io::Error),
    /// Other users have permissions on the file; its mode.
    Exposed(PathBuf, u32),
    /// The file does not contain a key.
    Foreign(PathBuf),
    /// A step of a key rotation does not follow from the keys in the file.
    Rotation(PathBuf, &'static str),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(file, error) => write!(f, "the signing key {} cannot be used: {error}", file.display()),
            Self::Exposed(file, mode) => {
                let file = file.display();
                write!(
                    f,
                    "other users have access to the signing key {file} (mode {mode:o}): run `chmod 600 {file}`, "
                )?;
                f.write_str("or delete it to get a new key if another user may have read it")
            }
            Self::Rotation(file, why) => write!(f, "the file of the signing key {} {why}", file.display()),
            Self::Foreign(file) => {
                write!(f, "the signing key {} is not an Ed25519 private key in PEM (PKCS#8)", file.display())
            }
        }
    }
}

impl error::Error for KeyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unusable(_, error) => Some(error),
            Self::Exposed(..) | Self::Foreign(_) | Self::Rotation(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_created_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("signing-key.pem");
        let created = SigningKey::load_or_create(&file).unwrap_or_else(|error| panic!("{error}"));
        let read = SigningKey::load_or_create(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(created.public_keys(), read.public_keys());
        assert_eq!(created.header.kid.as_ref().map(String::len), Some(43));
        create(&file).unwrap();
        let again = SigningKey::load_or_create(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(created.public_keys(), again.public_keys(), "a second process keeps the first key");
        assert_eq!(directory.path().read_dir().unwrap().count(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_with_open_permissions_is_refused() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("signing-key.pem");
        assert!(SigningKey::load_or_create(&file).is_ok());
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        for mode in [0o644, 0o640, 0o602] {
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let refusal = SigningKey::load_or_create(&file).err().unwrap();
            assert!(matches!(refusal, KeyError::Exposed(_, exposed) if exposed == mode), "{mode:o}: {refusal}");
            assert!(refusal.to_string().contains("chmod 600"));
        }
    }

    #[test]
    fn a_foreign_file_is_refused_and_not_changed() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing").join("signing-key.pem");
        assert!(matches!(SigningKey::load_or_create(&missing), Err(KeyError::Unusable(..))));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        assert!(matches!(SigningKey::load_or_create(file.path()), Err(KeyError::Foreign(_))));
        assert!(std::fs::read_to_string(file.path()).unwrap().contains("AAAA"));
    }
}
