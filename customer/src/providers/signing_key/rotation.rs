//! Replaces the signing key in its file, step by step, so that sessions continue.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::file::directory_of;
use super::{END_OF_PEM, KeyError, NotAKey, SigningKey, generate};

/// A step of a key rotation. After each, the instances of `customer` restart one by one, so that
/// all of them have a key before the first one signs with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// A new key, which verifies and does not sign yet.
    Add,
    /// The newest key signs, and the others verify. Repeated, it exchanges the two keys again.
    Activate,
    /// Only the signing key is left. What others have signed is refused.
    Retire,
}

impl SigningKey {
    /// Returns the ids of the keys in a file (RFC 7638). The first one signs.
    pub fn ids(file: &Path) -> Result<Vec<String>, KeyError> {
        let text = fs::read_to_string(file).map_err(|error| KeyError::Unusable(file.to_owned(), error))?;
        ids(&text).map_err(|NotAKey| KeyError::Foreign(file.to_owned()))
    }

    /// Carries out a step on a key file, which is replaced as a whole, and returns the ids of its
    /// keys. Errors: the step does not follow from the keys in the file.
    pub fn rotate(file: &Path, step: RotationStep) -> Result<Vec<String>, KeyError> {
        let unusable = |error| KeyError::Unusable(file.to_owned(), error);
        let text = fs::read_to_string(file).map_err(unusable)?;
        let foreign = |NotAKey| KeyError::Foreign(file.to_owned());
        ids(&text).map_err(foreign)?;
        let mut keys: Vec<&str> =
            text.split_inclusive(END_OF_PEM).map(str::trim).filter(|pem| !pem.is_empty()).collect();
        let new = generate().map_err(unusable)?;
        match (step, keys.as_slice()) {
            (RotationStep::Add, [_]) => keys.push(new.trim()),
            (RotationStep::Add, _) => return Err(KeyError::Rotation(file.to_owned(), "has a second key already")),
            (RotationStep::Activate | RotationStep::Retire, [_]) => {
                return Err(KeyError::Rotation(file.to_owned(), "has only one key"));
            }
            (RotationStep::Activate, _) => keys.rotate_right(1),
            (RotationStep::Retire, _) => keys.truncate(1),
        }
        let text = keys.join("\n") + "\n";
        replace(file, &text).map_err(unusable)?;
        ids(&text).map_err(foreign)
    }
}

fn ids(text: &str) -> Result<Vec<String>, NotAKey> {
    let key: SigningKey = text.parse()?;
    Ok(key.all().filter_map(|key| key.header.kid.clone()).collect())
}

/// Replaces the text of a file at once. The file keeps its owner and its permissions.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut temporary = tempfile::Builder::new().prefix(".signing-key-").tempfile_in(directory_of(file))?;
    temporary.write_all(text.as_bytes())?;
    let before = file.metadata()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        fchown(temporary.as_file(), Some(before.uid()), Some(before.gid()))?;
    }
    temporary.as_file().set_permissions(before.permissions())?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|refused| refused.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_added_then_signs_and_then_is_the_only_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("signing-key.pem");
        assert!(matches!(SigningKey::rotate(&file, RotationStep::Add), Err(KeyError::Unusable(..))));
        SigningKey::load_or_create(&file).unwrap_or_else(|error| panic!("{error}"));
        let rotate = |step| SigningKey::rotate(&file, step);
        let ids = || SigningKey::ids(&file).unwrap();
        let [old] = ids().try_into().unwrap();
        for step in [RotationStep::Activate, RotationStep::Retire] {
            assert!(matches!(rotate(step), Err(KeyError::Rotation(..))), "{step:?} needs two keys");
        }

        let [first, new] = rotate(RotationStep::Add).unwrap().try_into().unwrap();
        assert_eq!(first, old);
        assert_ne!(new, old);
        assert!(matches!(rotate(RotationStep::Add), Err(KeyError::Rotation(..))));
        assert_eq!(rotate(RotationStep::Activate).unwrap(), [new.clone(), old.clone()]);
        assert_eq!(rotate(RotationStep::Activate).unwrap(), [old.clone(), new.clone()], "and back");
        rotate(RotationStep::Activate).unwrap();
        assert_eq!(rotate(RotationStep::Retire).unwrap(), [new]);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_keeps_its_permissions_and_a_foreign_one_its_text() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("signing-key.pem");
        SigningKey::load_or_create(&file).unwrap_or_else(|error| panic!("{error}"));
        set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        SigningKey::rotate(&file, RotationStep::Add).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o640);
        fs::write(&file, "no key").unwrap();
        assert!(matches!(SigningKey::rotate(&file, RotationStep::Add), Err(KeyError::Foreign(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "no key");
    }
}
