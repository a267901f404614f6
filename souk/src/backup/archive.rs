//! The content of an encrypted backup: the files of a data directory as `tar`, compressed by
//! `gzip`, encrypted by [age](https://age-encryption.org/v1). The programs of these names open it:
//! `age --decrypt --identity KEYFILE BACKUP | tar --extract --gzip`.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use age::{DecryptError, Decryptor, Encryptor, Identity};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::{Archive, EntryType, Header};

use super::interrupt::{Stop, Stoppable};
use super::keys::Recipients;
use crate::databases::SERVICES;

/// Writes the databases of this directory to `file`, and waits until they are on the disk.
pub(super) fn seal(directory: &Path, recipients: &Recipients, file: File, stop: Stop) -> Result<(), String> {
    let encryptor = Encryptor::with_recipients(recipients.each()).map_err(|error| error.to_string())?;
    let write = || {
        let output = BufWriter::new(Stoppable { file, stop });
        let compressed = GzEncoder::new(encryptor.wrap_output(output)?, Compression::default());
        let mut archive = tar::Builder::new(compressed);
        for service in SERVICES {
            append(&mut archive, directory, &format!("{service}.db"))?;
        }
        let mut output = archive.into_inner()?.finish()?.finish()?;
        output.flush()?;
        output.get_ref().file.sync_all()
    };
    write().map_err(|error: io::Error| error.to_string())
}

fn append(archive: &mut tar::Builder<impl Write>, directory: &Path, name: &str) -> io::Result<()> {
    let file = File::open(directory.join(name))?;
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(file.metadata()?.len());
    archive.append_data(&mut header, name, file)
}

/// Decrypts a backup into this directory. Errors: no identity fits, or the backup is damaged. Only
/// when there is no error is all of it authentic, up to its end.
pub(super) fn open(
    backup: &Path,
    identities: &[Box<dyn Identity + Send + Sync>],
    directory: &Path,
    stop: Stop,
) -> Result<(), String> {
    let describe = |problem: &dyn std::fmt::Display| format!("{}: {problem}; nothing was changed", backup.display());
    let file = File::open(backup).map_err(|error| format!("{} cannot be read: {error}", backup.display()))?;
    let encrypted = BufReader::new(Stoppable { file, stop });
    let decryptor = Decryptor::new_buffered(encrypted).map_err(|error| describe(&explain(&error)))?;
    let identities = identities.iter().map(|identity| identity.as_ref() as &dyn Identity);
    let decrypted = decryptor.decrypt(identities).map_err(|error| describe(&explain(&error)))?;
    unpack(decrypted, directory).map_err(|error| describe(&format!("it is damaged or incomplete: {error}")))
}

fn explain(error: &DecryptError) -> String {
    match error {
        DecryptError::NoMatchingKeys => {
            "the key of --identity does not open it: it is encrypted to another key, or its beginning is damaged".into()
        }
        DecryptError::InvalidMac | DecryptError::DecryptionFailed | DecryptError::Io(_) => {
            format!("it is damaged or incomplete: {error}")
        }
        DecryptError::InvalidHeader | DecryptError::UnknownFormat => "it is no encrypted backup, or is damaged".into(),
        other => other.to_string(),
    }
}

/// Accepts the databases of a shop and no other file: an attacker with the public key can make an
/// archive.
fn unpack(decrypted: impl Read, directory: &Path) -> io::Result<()> {
    let mut archive = Archive::new(GzDecoder::new(decrypted));
    let mut missing = SERVICES.map(|service| format!("{service}.db")).to_vec();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let expected = missing.iter().position(|name| path.as_os_str() == OsStr::new(name));
        let (Some(expected), EntryType::Regular) = (expected, entry.header().entry_type()) else {
            return Err(io::Error::other(format!("it has the unexpected file {}", path.display())));
        };
        let mut file = create_private(&directory.join(missing.remove(expected)))?;
        io::copy(&mut entry, &mut file)?;
    }
    if let Some(name) = missing.first() {
        return Err(io::Error::other(format!("{name} is missing in it")));
    }
    // Reads to the end, where the checksum of gzip and the last block of age are.
    let mut compressed = archive.into_inner();
    io::copy(&mut compressed, &mut io::sink())?;
    if io::copy(&mut compressed.into_inner(), &mut io::sink())? > 0 {
        return Err(io::Error::other("it continues after its end"));
    }
    Ok(())
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use age::x25519;
    use tempfile::TempDir;

    use super::*;

    struct Sealed {
        identity: x25519::Identity,
        folder: TempDir,
        bytes: Vec<u8>,
    }

    impl Sealed {
        /// Encrypts an archive with these files.
        fn new(files: &[(&str, &[u8])]) -> Self {
            let (identity, folder) = (x25519::Identity::generate(), tempfile::tempdir().unwrap());
            let recipients = Recipients::parse(&identity.to_public().to_string(), "test").unwrap();
            let encryptor = Encryptor::with_recipients(recipients.each()).unwrap();
            let mut bytes = Vec::new();
            let encrypted = encryptor.wrap_output(&mut bytes).unwrap();
            let mut archive = tar::Builder::new(GzEncoder::new(encrypted, Compression::fast()));
            for (name, content) in files {
                let mut header = Header::new_gnu();
                header.set_size(content.len() as u64);
                // Unlike `append_data`, this permits any path.
                header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
                header.set_cksum();
                archive.append(&header, *content).unwrap();
            }
            archive.into_inner().unwrap().finish().unwrap().finish().unwrap();
            Self { identity, folder, bytes }
        }

        fn open(&self, bytes: &[u8]) -> Result<TempDir, String> {
            let file = self.folder.path().join("backup.age");
            fs::write(&file, bytes).unwrap();
            let directory = tempfile::tempdir_in(self.folder.path()).unwrap();
            open(&file, &[Box::new(self.identity.clone())], directory.path(), Stop::default())?;
            Ok(directory)
        }
    }

    fn databases() -> [(String, Vec<u8>); 4] {
        // More than a block of age, which has 64 KiB, and not compressible.
        let mut seed = 0_u32;
        SERVICES.map(|service| {
            seed += 1;
            let noise = (0..100_000_u32).map(|n| (n ^ seed).wrapping_mul(2_654_435_761).to_le_bytes()[2]);
            (format!("{service}.db"), noise.collect())
        })
    }

    #[test]
    fn a_sealed_directory_opens_with_each_key() {
        let (directory, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, content) in databases() {
            fs::write(directory.path().join(name), content).unwrap();
        }
        let identities = [(); 2].map(|()| x25519::Identity::generate());
        let keys = identities.clone().map(|identity| identity.to_public().to_string()).join("\n");
        let recipients = Recipients::parse(&keys, "test").unwrap();
        let path = target.path().join("backup.age");
        seal(directory.path(), &recipients, File::create(&path).unwrap(), Stop::default()).unwrap();
        for identity in identities {
            let opened = tempfile::tempdir().unwrap();
            open(&path, &[Box::new(identity)], opened.path(), Stop::default()).unwrap();
            for (name, content) in databases() {
                assert!(fs::read(opened.path().join(&name)).unwrap() == content, "{name} has changed");
            }
        }
        let stranger = x25519::Identity::generate();
        let rejected = open(&path, &[Box::new(stranger)], target.path(), Stop::default());
        assert!(rejected.unwrap_err().contains("--identity does not open it"));
    }

    #[test]
    fn a_damaged_backup_is_rejected() {
        let databases = databases();
        let files: Vec<(&str, &[u8])> = databases.iter().map(|(name, content)| (&**name, &**content)).collect();
        let sealed = Sealed::new(&files);
        sealed.open(&sealed.bytes).unwrap();
        let size = sealed.bytes.len();
        for at in (0..250).chain((250..size).step_by(9_973)).chain(size - 40..size) {
            let mut bytes = sealed.bytes.clone();
            bytes[at] ^= 1;
            let error = sealed.open(&bytes).expect_err("a changed byte is accepted");
            assert!(error.contains("nothing was changed"), "byte {at}: {error}");
            assert!(sealed.open(&sealed.bytes[..at]).is_err(), "the first {at} bytes are accepted");
        }
        assert!(sealed.open(&[&sealed.bytes[..], b"x"].concat()).is_err(), "another byte is accepted");
    }

    #[test]
    fn an_archive_of_other_files_is_rejected() {
        let all = SERVICES.map(|service| format!("{service}.db"));
        let all = all.each_ref().map(|name| (&**name, &b"x"[..]));
        for (files, expected) in [
            (all.to_vec(), None),
            (all[1..].to_vec(), Some("is missing")),
            ([&all[..], &[("customer.db", &b"y"[..])]].concat(), Some("unexpected file customer.db")),
            ([&all[..], &[("signing-key.pem", &b"y"[..])]].concat(), Some("unexpected file signing-key.pem")),
            ([&[("../mail.db", &b"y"[..])][..], &all[..]].concat(), Some("unexpected file ../mail.db")),
            ([&[("/tmp/mail.db", &b"y"[..])][..], &all[..]].concat(), Some("unexpected file /tmp/mail.db")),
        ] {
            let sealed = Sealed::new(&files);
            let opened = sealed.open(&sealed.bytes).map(drop);
            match expected {
                None => assert_eq!(opened, Ok(())),
                Some(expected) => assert!(opened.unwrap_err().contains(expected), "{expected}"),
            }
        }
    }
}
