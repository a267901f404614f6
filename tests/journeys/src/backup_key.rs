//! Keys of encrypted backups, and their content.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use age::Decryptor;
use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use flate2::read::GzDecoder;

/// A pair of keys, as `age-keygen` makes it.
pub struct BackupKey {
    identity: Identity,
    file: PathBuf,
}

impl BackupKey {
    /// Makes a pair and writes the private key to a file.
    pub fn new(file: PathBuf) -> Self {
        let identity = Identity::generate();
        let secret = identity.to_string();
        fs::write(&file, format!("# public key: {}\n{}\n", identity.to_public(), secret.expose_secret())).unwrap();
        Self { identity, file }
    }

    /// Returns the public key.
    pub fn recipient(&self) -> String {
        self.identity.to_public().to_string()
    }

    /// Returns the path of the private key.
    pub fn identity(&self) -> &str {
        self.file.to_str().unwrap()
    }

    /// Decrypts a backup into its archive of files.
    pub fn decrypt(&self, backup: &Path) -> Vec<u8> {
        let encrypted = fs::read(backup).unwrap();
        let decryptor = Decryptor::new_buffered(encrypted.as_slice()).unwrap();
        let decrypted = decryptor.decrypt(std::iter::once(&self.identity as &dyn age::Identity)).unwrap();
        let mut archive = Vec::new();
        GzDecoder::new(decrypted).read_to_end(&mut archive).unwrap();
        archive
    }
}
