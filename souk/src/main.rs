//! The command `souk`: the whole shop in one process (`souk up`, the default), and the maintenance
//! of shops.
//!
//! Reading order for a newcomer: here, `up.rs`, then `shopping/src/lib.rs`.

mod admin;
mod audit;
mod backup;
mod cli;
mod credentials;
mod data_directory;
mod databases;
mod dlq;
mod instances;
mod mail;
mod migrate;
mod order;
mod permissions;
mod seed;
mod settings;
mod shop_args;
mod signing_key;
mod terminal;
mod top;
mod up;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Command, Souk};

fn main() -> ExitCode {
    let outcome = match Souk::parse().command() {
        Command::Up(args) => args.resolve().and_then(|settings| rocket::execute(up::run(settings))),
        Command::Admin(command) => rocket::execute(admin::run(command)),
        Command::Audit(args) => rocket::execute(audit::run(args)),
        Command::Backup(args) => rocket::execute(backup::back_up(args)),
        Command::Restore(args) => rocket::execute(backup::restore(args)),
        Command::Migrate(command) => rocket::execute(migrate::run(command)),
        Command::Mail(command) => rocket::execute(mail::run(command)),
        Command::Order(args) => rocket::execute(order::run(args)),
        Command::Seed(args) => rocket::execute(seed::run(args)),
        Command::Ps(args) => rocket::execute(top::ps(args)),
        Command::Top(args) => rocket::execute(top::top(args)),
        Command::Permissions(args) => permissions::run(&args),
        Command::SigningKey(command) => signing_key::run(command),
        Command::Credentials(command) => rocket::execute(credentials::run(command)),
        Command::Dlq(command) => rocket::execute(dlq::run(command)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("souk: {message}");
            ExitCode::FAILURE
        }
    }
}
