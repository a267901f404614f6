//! `souk signing-key`: replaces the key that signs access tokens, while sessions continue.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use customer::{RotationStep, SigningKey};

use crate::data_directory::signing_key_file;
use crate::settings;

#[derive(Subcommand)]
pub(crate) enum SigningKeyCommand {
    /// Show the ids of the keys
    List(KeyArgs),
    /// Add a new key, which verifies tokens and does not sign yet
    Add(KeyArgs),
    /// Sign with the newest key. Wait ten minutes after `add` and its restarts
    Activate(KeyArgs),
    /// Delete the former key. Wait 30 days after `activate` and its restarts: sessions last as long
    Retire(KeyArgs),
}

#[derive(Args)]
pub(crate) struct KeyArgs {
    /// The file of the key [default: that of the one-process shop]
    #[arg(long, env = "SIGNING_KEY_FILE", value_name = "FILE")]
    file: Option<PathBuf>,
    /// One-process shop: its data directory [default: data in souk.toml, else ./data]
    #[arg(long, env = "SOUK_DATA", value_name = "DIR", conflicts_with = "file")]
    data: Option<PathBuf>,
}

impl KeyArgs {
    fn resolve(self) -> Result<PathBuf, String> {
        match (self.file, self.data) {
            (Some(file), _) => Ok(file),
            (None, Some(data)) => Ok(signing_key_file(&data)),
            (None, None) => settings::data_directory(None).map(|data| signing_key_file(&data)),
        }
    }
}

pub(crate) fn run(command: SigningKeyCommand) -> Result<(), String> {
    let (args, step) = match command {
        SigningKeyCommand::List(args) => (args, None),
        SigningKeyCommand::Add(args) => (args, Some(RotationStep::Add)),
        SigningKeyCommand::Activate(args) => (args, Some(RotationStep::Activate)),
        SigningKeyCommand::Retire(args) => (args, Some(RotationStep::Retire)),
    };
    let file = args.resolve()?;
    let ids = step.map_or_else(|| SigningKey::ids(&file), |step| SigningKey::rotate(&file, step));
    for (number, id) in ids.map_err(|error| error.to_string())?.iter().enumerate() {
        println!("{:<9} {id}", if number == 0 { "signs" } else { "verifies" });
    }
    if step.is_some() {
        println!("restart the shop, or the instances of customer one by one");
    }
    Ok(())
}
