//! `souk admin`: writes to the database of `customer`, while the shop runs or is stopped.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use customer::{Password, admin};
use souk_store::Database;
use souk_types::Email;

use crate::data_directory;
use crate::databases::operator_message;
use crate::shop_args::{ShopArgs, ShopLocation};

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Create an admin account, while the shop runs or is stopped
    Create {
        /// E-mail address of the account
        email: String,
        /// Read the password from the first line of this file instead of asking for it
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Make the existing account with this e-mail address an admin. Check first whose account
        /// it is: sign-up does not verify addresses
        #[arg(long, conflicts_with = "password_file")]
        promote: bool,
        #[command(flatten)]
        shop: ShopArgs,
    },
}

pub(crate) async fn run(command: AdminCommand) -> Result<(), String> {
    match command {
        AdminCommand::Create { email, password_file, promote, shop } => {
            let (database, shop) = open(shop.resolve()?)?;
            let outcome = create(&database, &shop, &email, password_file.as_deref(), promote).await;
            database.close().await;
            outcome
        }
    }
}

/// Opens the database of `customer`, and returns it with the shop's name for messages.
fn open(shop: ShopLocation) -> Result<(Database, String), String> {
    match shop {
        ShopLocation::Directory(directory) => {
            let shop = directory.display().to_string();
            // Opening a mistyped directory would create a database there.
            if !directory.join("customer.db").exists() {
                return Err(format!("there is no shop in {shop}: name its directory with --data, or start it once"));
            }
            Ok((data_directory::open_shared(&directory, "customer")?, shop))
        }
        ShopLocation::MongoDb { uri, prefix } => {
            let name = format!("{prefix}customer");
            let database = Database::mongodb("customer", &uri, &name).map_err(operator_message)?;
            Ok((database, format!("the database {name}")))
        }
    }
}

async fn create(
    database: &Database,
    shop: &str,
    address: &str,
    password_file: Option<&Path>,
    promote: bool,
) -> Result<(), String> {
    let email = email(address)?;
    if promote {
        let promoted = admin::promote(database, &email).await.map_err(operator_message)?;
        promoted.ok_or_else(|| format!("{address} has no account in {shop}"))?;
        println!("{address} is an admin in {shop} from the next sign-in on, with the same password.");
        return Ok(());
    }
    // Another person may have signed up with this address and would become the admin.
    if admin::has_account(database, &email).await.map_err(operator_message)? {
        return Err(format!("{address} already has an account in {shop}: if it is the right person's, use --promote"));
    }
    let password = password(password_file)?;
    admin::create(database, email, password).await.map_err(operator_message)?;
    println!("{address} is an admin in {shop} and can sign in.");
    Ok(())
}

pub(crate) fn email(address: &str) -> Result<Email, String> {
    address.parse().map_err(|problem| format!("the e-mail address {address:?} {problem}"))
}

pub(crate) fn password(file: Option<&Path>) -> Result<Password, String> {
    let text = file.map_or_else(ask_twice, first_line)?;
    text.parse().map_err(|problem| format!("the password {problem}"))
}

fn first_line(file: &Path) -> Result<String, String> {
    let content = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(content.lines().next().unwrap_or_default().to_owned())
}

fn ask_twice() -> Result<String, String> {
    let ask = |prompt| {
        rpassword::prompt_password(prompt)
            .map_err(|error| format!("cannot ask for the password ({error}): use --password-file"))
    };
    let first = ask("Password: ")?;
    if ask("Again: ")? == first { Ok(first) } else { Err("the passwords differ".to_owned()) }
}
