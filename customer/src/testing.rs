//! The service on an empty database, for unit tests.

use souk_bus::Bus;
use souk_contract::customer::Role;
use souk_store::{Database, Durability};
use tempfile::TempDir;

use crate::application::accounts::{self, NewAccount};
use crate::domain::account::Profile;
use crate::{App, SigningKey};

pub(crate) const PASSWORD: &str = "correct horse";

/// Starts the service. The database is deleted with the directory.
pub(crate) fn start() -> (App, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (start_on(&Bus::local(), &directory), directory)
}

pub(crate) fn start_on(bus: &Bus, directory: &TempDir) -> App {
    let file = directory.path().join("customer.db");
    let database = Database::sqlite("customer", &file, Durability::Process).unwrap();
    App::start(database, bus, SigningKey::ephemeral().unwrap()).unwrap()
}

/// Creates the account of Ana, whose password is [`PASSWORD`].
pub(crate) async fn ana(app: &App) -> Profile {
    accounts::create(&app.accounts, &app.hasher, new_account("ana@example.com")).await.unwrap()
}

pub(crate) fn new_account(email: &str) -> NewAccount {
    let (email, password) = (email.parse().unwrap(), PASSWORD.parse().unwrap());
    NewAccount { email, password, phone: None, role: Role::Customer }
}
