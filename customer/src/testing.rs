//! The service on an empty database, for unit tests.

use std::net::IpAddr;

use souk_bus::Bus;
use souk_contract::customer::Role;
use souk_store::{Database, Durability};
use souk_types::Network;
use tempfile::TempDir;

use crate::application::accounts::{self, NewAccount};
use crate::domain::account::Profile;
use crate::{App, Options, SigningKey};

pub(crate) const PASSWORD: &str = "correct horse";

/// The network from which Ana signs in.
pub(crate) fn home() -> Network {
    IpAddr::from([203, 0, 113, 7]).into()
}

/// Starts the service. The database is deleted with the directory.
pub(crate) fn start() -> (App, TempDir) {
    start_with(Options::default())
}

pub(crate) fn start_with(options: Options) -> (App, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (start_in(&Bus::local(), &directory, options), directory)
}

pub(crate) fn start_on(bus: &Bus, directory: &TempDir) -> App {
    start_in(bus, directory, Options::default())
}

fn start_in(bus: &Bus, directory: &TempDir, options: Options) -> App {
    let file = directory.path().join("customer.db");
    let database = Database::sqlite("customer", &file, Durability::Process).unwrap();
    App::start(database, bus, SigningKey::ephemeral().unwrap(), options).unwrap()
}

/// Creates the account of Ana, whose password is [`PASSWORD`].
pub(crate) async fn ana(app: &App) -> Profile {
    accounts::create(&app.accounts, &app.hasher, new_account("ana@example.com"), Some(home())).await.unwrap()
}

pub(crate) fn new_account(email: &str) -> NewAccount {
    let (email, password) = (email.parse().unwrap(), PASSWORD.parse().unwrap());
    NewAccount { email, password, phone: None, role: Role::Customer }
}
