//! `souk seed`: the sample catalogue, and an admin, for a fleet that is new. What is there stays as it is, so it may be run again.

use customer::{Email, admin};
use products::demo;
use products::imports::Importer;
use souk_store::Database;

use crate::admin::password;
use crate::options::Seed;

/// Carries out the command.
pub(crate) async fn run(command: Seed) -> Result<(), String> {
    let seed = command.settle()?;
    let catalogue = Database::mongodb("products", &seed.uri, &format!("{}products", seed.prefix)).map_err(text)?;
    let loaded = samples(&catalogue).await;
    catalogue.close().await;
    match loaded? {
        0 => println!("there are products already; no samples were added"),
        loaded => println!("{loaded} sample products are on the shelves"),
    }
    let Some((email, password_file)) = seed.admin else { return Ok(()) };
    let customers = Database::mongodb("customer", &seed.uri, &format!("{}customer", seed.prefix)).map_err(text)?;
    let known = make_admin(&customers, &email, &password_file).await;
    customers.close().await;
    if known? {
        println!("{email} has an account already; it stays as it is");
    } else {
        println!("{email} is an admin, with the password in {}", password_file.display());
    }
    Ok(())
}

async fn samples(database: &Database) -> Result<usize, String> {
    demo::load_if_empty(&Importer::open(database).map_err(text)?).await.map_err(text)
}

/// Whether the address had an account.
async fn make_admin(database: &Database, address: &str, password_file: &std::path::Path) -> Result<bool, String> {
    let email: Email = address.parse().map_err(|problem| format!("the e-mail address {address:?} {problem}"))?;
    if admin::has_account(database, &email).await.map_err(text)? {
        return Ok(true);
    }
    admin::create(database, email, password(Some(password_file))?).await.map_err(text)?;
    Ok(false)
}

fn text(error: souk_types::Error) -> String {
    error.operator_message()
}
