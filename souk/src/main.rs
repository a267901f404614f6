//! The command `souk`: the whole shop in one process (`souk up`, the default), and what an operator does with it.
//!
//! Reading order for a newcomer: here, `up.rs`, then `shopping/src/lib.rs`.

mod admin;
mod audit;
mod backup;
mod data;
mod databases;
mod dlq;
mod front;
mod options;
mod order;
mod seed;
mod up;

use std::process::ExitCode;

use clap::Parser;

use crate::options::{Command, Souk};

fn main() -> ExitCode {
    let outcome = match Souk::parse().command() {
        Command::Up(options) => options.settle().and_then(|settings| rocket::execute(up::up(settings))),
        Command::Admin(command) => rocket::execute(admin::run(command)),
        Command::Audit(command) => rocket::execute(audit::run(command)),
        Command::Backup(command) => rocket::execute(backup::back_up(command)),
        Command::Restore(command) => rocket::execute(backup::restore(command)),
        Command::Order(command) => rocket::execute(order::run(command)),
        Command::Seed(command) => rocket::execute(seed::run(command)),
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
