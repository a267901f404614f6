//! `souk admin`: writes to the customers' database directly, so it works whether the shop is running or not, and on a fleet's
//! database as on a directory's.

use std::path::{Path, PathBuf};

use customer::{Email, Password, admin};
use souk_store::Database;

use crate::data;
use crate::options::{Admin, Customers};

/// Carries out a command.
pub(crate) async fn run(command: Admin) -> Result<(), String> {
    match command {
        Admin::Create { email, password_file, promote, of } => {
            create(&email, password_file, promote, of.customers()?).await
        }
    }
}

/// The database, and what to call the shop in messages.
fn open(customers: Customers) -> Result<(Database, String), String> {
    match customers {
        Customers::Directory(directory) => {
            let shop = directory.display().to_string();
            // A directory that is mistyped must not become a shop of its own, with an admin whom nobody meets.
            if !directory.join("customer.db").exists() {
                return Err(format!("there is no shop in {shop}: name its directory with --data, or start it once"));
            }
            Ok((data::beside(&directory, "customer")?, shop))
        }
        Customers::MongoDb { uri, database } => {
            let opened = Database::mongodb("customer", &uri, &database).map_err(text)?;
            Ok((opened, format!("the database {database}")))
        }
    }
}

async fn create(
    address: &str,
    password_file: Option<PathBuf>,
    promote: bool,
    customers: Customers,
) -> Result<(), String> {
    let email: Email = address.parse().map_err(|problem| format!("the e-mail address {address:?} {problem}"))?;
    let (database, shop) = open(customers)?;
    let outcome = create_in(&database, &shop, address, email, password_file, promote).await;
    database.close().await;
    outcome
}

async fn create_in(
    database: &Database,
    shop: &str,
    address: &str,
    email: Email,
    password_file: Option<PathBuf>,
    promote: bool,
) -> Result<(), String> {
    if promote {
        let promoted = admin::promote(database, &email).await.map_err(text)?;
        promoted.ok_or_else(|| format!("{address} has no account in {shop}"))?;
        println!("{address} is an admin in {shop} from the next sign-in on, with the same password.");
        return Ok(());
    }
    // Anybody may have signed up with this address; their password would be the admin's.
    if admin::has_account(database, &email).await.map_err(text)? {
        return Err(format!("{address} has an account in {shop} already; if it is the right person's, say --promote"));
    }
    let password = password(password_file.as_deref())?;
    admin::create(database, email, password).await.map_err(text)?;
    println!("{address} is an admin in {shop} now and can sign in.");
    Ok(())
}

fn text(error: souk_types::Error) -> String {
    error.operator_message()
}

pub(crate) fn password(file: Option<&Path>) -> Result<Password, String> {
    let typed = file.map_or_else(ask_twice, first_line)?;
    typed.parse().map_err(|problem| format!("the password {problem}"))
}

fn first_line(file: &Path) -> Result<String, String> {
    let content = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(content.lines().next().unwrap_or_default().to_owned())
}

fn ask_twice() -> Result<String, String> {
    let ask = |prompt| {
        rpassword::prompt_password(prompt)
            .map_err(|error| format!("cannot ask for the password ({error}); give it with --password-file"))
    };
    let typed = ask("Password: ")?;
    if ask("Again: ")? == typed { Ok(typed) } else { Err("the passwords differ".to_owned()) }
}
