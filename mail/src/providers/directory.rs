//! Mails as files, for shops without an SMTP server: `20261128T093012Z-<id>.eml`. The directory and
//! its files are for their owner alone.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use souk_types::{Error, Result};

use crate::domain::mail::{Failure, Mail};

#[derive(Clone)]
pub(crate) struct Directory(Arc<PathBuf>);

/// Returns the name of a mail's file.
pub(crate) fn file_name(mail: &Mail) -> String {
    let second: String = mail.created().to_string().chars().take("2026-11-28T09:30:12".len()).collect();
    format!("{}Z-{}.eml", second.replace(['-', ':'], ""), mail.id())
}

impl Directory {
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| {
            Error::internal(format!("the directory of mails {} cannot be created: {error}", path.display()))
        })?;
        Ok(Self(Arc::new(path)))
    }

    pub(crate) async fn write(&self, mail: &Mail, content: Vec<u8>) -> std::result::Result<(), Failure> {
        let (directory, name) = (Arc::clone(&self.0), file_name(mail));
        self.blocking(move || write(&directory, &name, &content))
            .await
            .map_err(|error| Failure::transient(format!("the file cannot be written: {error}")))
    }

    pub(crate) async fn delete(&self, mail: &Mail) -> Result<()> {
        let file = self.0.join(file_name(mail));
        let delete = move || match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        self.blocking(delete)
            .await
            .map_err(|error| Error::internal(format!("a mail's file cannot be deleted: {error}")))
    }

    async fn blocking(&self, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

/// Writes a file as a whole: a reader, or a crash, finds all of it or nothing.
fn write(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    // `tempfile` creates it with mode 0600.
    let mut draft = tempfile::Builder::new().prefix(".mail-").tempfile_in(directory)?;
    draft.write_all(content)?;
    draft.as_file().sync_all()?;
    draft.persist(directory.join(name))?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use souk_contract::EventId;
    use souk_contract::customer::AccountMailId;
    use souk_types::Timestamp;

    use super::*;
    use crate::domain::mail::Source;

    #[tokio::test]
    async fn a_mail_is_one_private_file_until_it_is_deleted() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("data/mail");
        let directory = Directory::open(path.clone()).unwrap();
        let mail =
            Mail::new(EventId::new(), Source::Account { mail: AccountMailId::new() }, "souk.example", Timestamp::now());
        for content in ["first", "second"] {
            assert!(directory.write(&mail, content.into()).await.is_ok());
            let files: Vec<PathBuf> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
            assert_eq!(files, [path.join(file_name(&mail))]);
            assert_eq!(fs::read_to_string(&files[0]).unwrap(), content);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(&path.join(file_name(&mail)))), (0o700, 0o600));
        }
        directory.delete(&mail).await.unwrap();
        directory.delete(&mail).await.unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    }
}
