//! A service to test with, and Ana, who has an account there. Each test has a database of its own.

use souk_bus::Bus;
use souk_store::{Database, Durability};
use tempfile::TempDir;

use crate::application::accounts::Profile;
use crate::application::sign_up::{self as signup, NewAccount};
use crate::{App, SigningKey};

/// A service with an empty database, which lives as long as the directory.
pub(crate) fn start() -> (App, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (start_on(&Bus::local(), &directory), directory)
}

pub(crate) fn start_on(bus: &Bus, directory: &TempDir) -> App {
    let file = directory.path().join("customer.db");
    let database = Database::sqlite("customer", &file, Durability::Process).unwrap();
    App::start(database, bus, SigningKey::ephemeral().unwrap()).unwrap()
}

/// Ana has an account, with [`PASSWORD`].
pub(crate) async fn ana(app: &App) -> Profile {
    signup::create(&app.accounts, &app.hasher, new_account("ana@example.com")).await.unwrap()
}

pub(crate) fn new_account(email: &str) -> NewAccount {
    let (email, password) = (email.parse().unwrap(), PASSWORD.parse().unwrap());
    NewAccount { email, password, phone: None, role: souk_http::auth::Role::Customer }
}

pub(crate) const PASSWORD: &str = "correct horse";
