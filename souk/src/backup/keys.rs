//! The keys of encrypted backups: public keys encrypt ("recipients"), private keys decrypt
//! ("identities"). `age-keygen` makes them.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use age::x25519::Recipient;
use age::{Identity, IdentityFile};

/// The public keys that a backup is encrypted to; each of their private keys opens it.
#[derive(Clone, Debug)]
pub(crate) struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Reads public keys, separated by white space or commas. A `#` begins a comment, to the end of
    /// the line. `source` names the text in errors. Errors: there is none, or one is no public key.
    pub(super) fn parse(text: &str, source: &str) -> Result<Self, String> {
        let words = text.lines().flat_map(|line| {
            let keys = line.split('#').next().unwrap_or_default();
            keys.split([' ', '\t', ',']).filter(|word| !word.is_empty())
        });
        let keys = words.map(|word| parse_key(word).map_err(|problem| format!("{source} {problem}")));
        let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(format!("{source} has no public key")) } else { Ok(Self(keys)) }
    }

    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        Self::parse(&text, &file.display().to_string())
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|key| key as &dyn age::Recipient)
    }
}

fn parse_key(word: &str) -> Result<Recipient, String> {
    // A private key must not reach a log.
    if word.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err("has a private key: name its public key, which begins with age1".to_owned());
    }
    word.parse().map_err(|_| format!("has {word:?}, which is no public key of age (age1...)"))
}

/// Reads the private keys in a file that `age-keygen` has written.
pub(super) fn read_identities(file: &Path) -> Result<Vec<Box<dyn Identity + Send + Sync>>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", file.display());
    let wrong = || {
        let expected = "has no private key of age (AGE-SECRET-KEY-1...)";
        format!("{} {expected}; decrypt the file first if it has a passphrase", file.display())
    };
    let content = BufReader::new(File::open(file).map_err(|error| unreadable(&error))?);
    let identities = IdentityFile::from_buffer(content).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => wrong(),
        _ => unreadable(&error),
    })?;
    let identities = identities.into_identities().map_err(|error| unreadable(&error))?;
    if identities.is_empty() { Err(wrong()) } else { Ok(identities) }
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;
    use age::x25519;

    use super::*;

    #[test]
    fn recipients_are_public_keys_with_comments() {
        let [first, second] = [(); 2].map(|()| x25519::Identity::generate().to_public().to_string());
        for text in [
            format!("{first}\n{second}\n"),
            format!("# the safe\r\n{first} # Ana\r\n\r\n{second}"),
            format!("{first},{second}"),
            format!(" {first} {second} "),
        ] {
            let keys = Recipients::parse(&text, "keys").unwrap();
            let keys: Vec<String> = keys.0.iter().map(ToString::to_string).collect();
            assert_eq!(keys, [&*first, &*second], "{text:?}");
        }
        for (text, expected) in [("", "no public key"), ("# age1", "no public key"), ("age1change-me", "age1change-me")]
        {
            let error = Recipients::parse(text, "keys").unwrap_err();
            assert!(error.starts_with("keys ") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_private_key_is_rejected_and_not_repeated() {
        let secret = x25519::Identity::generate().to_string();
        for text in [secret.expose_secret().to_owned(), secret.expose_secret().to_lowercase()] {
            let error = Recipients::parse(&text, "keys").unwrap_err();
            assert!(error.contains("private key") && !error.contains(&text[20..]), "{error}");
        }
    }
}
