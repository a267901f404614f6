//! The options of `souk backup` and `souk restore`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use souk_http::config::Environment;
use time::UtcDateTime;

use super::keys::Recipients;
use super::{folder, is_named_as_encrypted};
use crate::shop_args::ShopArgs;

const RECIPIENTS: &str = "BACKUP_RECIPIENTS";

#[derive(Args)]
pub(crate) struct BackupArgs {
    /// Directory of the backup; it must be new or empty. An encrypted backup: a folder of backups,
    /// which gets the file souk-TIME.tar.gz.age; or the file, if its name ends in .age
    #[arg(long, value_name = "PATH")]
    pub(super) to: PathBuf,
    #[arg(
        long,
        value_name = "age1...",
        help = "Encrypt the backup to this public key; repeatable [env: BACKUP_RECIPIENTS, or BACKUP_RECIPIENTS_FILE with a path]"
    )]
    encrypt_to: Vec<String>,
    /// Encrypt the backup to the public keys in this file, one a line
    #[arg(long, value_name = "FILE")]
    recipients_file: Option<PathBuf>,
    /// Keep this many encrypted backups in the folder: after a backup, delete the oldest ones
    #[arg(long, value_name = "NUMBER")]
    keep: Option<NonZeroUsize>,
    /// Run until a signal, and back up whenever the newest backup in the folder is this old: 24h
    #[arg(long, value_name = "TIME", value_parser = period)]
    every: Option<Duration>,
    #[command(flatten)]
    pub(super) shop: ShopArgs,
}

#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// Directory of a backup, or of a one-process shop; an encrypted backup, or a folder of them,
    /// whose newest counts
    #[arg(long, value_name = "PATH")]
    pub(super) from: PathBuf,
    /// Encrypted backup: file with the private key, as age-keygen writes it
    #[arg(long, value_name = "FILE")]
    pub(super) identity: Option<PathBuf>,
    /// Delete all data in the fleet's databases first
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) shop: ShopArgs,
}

/// How a backup is encrypted, and what becomes of it.
pub(super) struct Encryption {
    pub(super) recipients: Recipients,
    pub(super) target: Target,
    pub(super) every: Option<Duration>,
}

pub(super) enum Target {
    /// A folder of backups, which keeps this many.
    Folder { folder: PathBuf, keep: Option<NonZeroUsize> },
    /// A file whose name the operator has chosen.
    File(PathBuf),
}

impl Target {
    /// Returns the path of a backup that is made at this time.
    pub(super) fn path_at(&self, time: UtcDateTime) -> PathBuf {
        match self {
            Self::Folder { folder, .. } => folder::path_at(folder, time),
            Self::File(file) => file.clone(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        let (Self::Folder { folder: path, .. } | Self::File(path)) = self;
        path
    }
}

impl BackupArgs {
    /// Returns `None` for a backup that is not encrypted.
    pub(super) fn encryption(&self) -> Result<Option<Encryption>, String> {
        self.encryption_in(&mut Environment::from_process())
    }

    fn encryption_in(&self, environment: &mut Environment) -> Result<Option<Encryption>, String> {
        let is_scheduled = self.keep.is_some() || self.every.is_some();
        let Some(recipients) = self.recipients(environment)? else {
            // An empty variable must not make a schedule write backups that are not encrypted.
            if is_scheduled || is_named_as_encrypted(&self.to) {
                let remedy = "name a public key with --encrypt-to or BACKUP_RECIPIENTS";
                return Err(format!("--keep, --every and names in .age are for encrypted backups: {remedy}"));
            }
            return Ok(None);
        };
        let target = if !is_named_as_encrypted(&self.to) {
            Target::Folder { folder: self.to.clone(), keep: self.keep }
        } else if is_scheduled {
            return Err("--keep and --every need a folder: --to names a file".to_owned());
        } else {
            Target::File(self.to.clone())
        };
        Ok(Some(Encryption { recipients, target, every: self.every }))
    }

    /// Returns the keys of the options, or else of the environment.
    fn recipients(&self, environment: &mut Environment) -> Result<Option<Recipients>, String> {
        let mut sources = Vec::new();
        for key in &self.encrypt_to {
            sources.push(Recipients::parse(key, "--encrypt-to")?);
        }
        if let Some(file) = &self.recipients_file {
            sources.push(Recipients::read(file)?);
        }
        if sources.is_empty() {
            let text: Option<String> = environment.optional(RECIPIENTS);
            environment.check()?;
            return text.map(|text| Recipients::parse(&text, RECIPIENTS)).transpose();
        }
        Ok(sources.into_iter().reduce(|mut keys, more| {
            keys.extend(more);
            keys
        }))
    }
}

fn period(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
    let seconds = UNITS.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*seconds).filter(|seconds| (1..=366 * 86_400).contains(seconds))
    });
    seconds.map(Duration::from_secs).ok_or_else(|| "must be a time such as 24h, 30m or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const KEY: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        backup: BackupArgs,
    }

    fn resolve(arguments: &[&str], variables: &[(&str, &str)]) -> Result<String, String> {
        let parsed = Parsed::try_parse_from(["souk", "--to"].iter().chain(arguments)).unwrap();
        let mut environment = Environment::from_pairs(variables.iter().copied());
        let encryption = parsed.backup.encryption_in(&mut environment)?;
        Ok(encryption.map_or_else(String::new, |Encryption { recipients, target, .. }| {
            let target = match &target {
                Target::Folder { folder, keep } => format!("{} {keep:?}", folder.display()),
                Target::File(file) => file.display().to_string(),
            };
            format!("{} {target}", recipients.each().count())
        }))
    }

    #[test]
    fn a_schedule_writes_encrypted_backups_only() {
        let variable = [(RECIPIENTS, KEY)];
        for (arguments, variables, expected) in [
            (&["b"][..], &[][..], Ok("")),
            (&["b"], &[(RECIPIENTS, "")], Ok("")),
            (&["b"], &variable, Ok("1 b None")),
            (&["b", "--keep", "2"], &variable, Ok("1 b Some(2)")),
            (&["b.age"], &variable, Ok("1 b.age")),
            (&["b", "--encrypt-to", KEY, "--encrypt-to", KEY], &[(RECIPIENTS, "x")], Ok("2 b None")),
            (&["b", "--keep", "2"], &[(RECIPIENTS, "")], Err("--encrypt-to")),
            (&["b", "--every", "24h"], &[], Err("--encrypt-to")),
            (&["b.age"], &[], Err("--encrypt-to")),
            (&["b.age", "--keep", "2"], &variable, Err("need a folder")),
            (&["b"], &[(RECIPIENTS, "age1x")], Err("age1x")),
            (&["b", "--recipients-file", "/nowhere"], &variable, Err("/nowhere")),
        ] {
            let resolved = resolve(arguments, variables);
            match expected {
                Ok(expected) => assert_eq!(resolved.as_deref(), Ok(expected), "{arguments:?}"),
                Err(expected) => assert!(resolved.unwrap_err().contains(expected), "{arguments:?}"),
            }
        }
    }

    #[test]
    fn periods_have_a_unit() {
        assert_eq!(period("24h"), Ok(Duration::from_hours(24)));
        for wrong in ["", "24", "h", "0s", "-1h", "367d", "1.5h", "99999999999999999999d"] {
            assert!(period(wrong).is_err(), "{wrong:?}");
        }
    }
}
