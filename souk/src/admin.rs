//! `souk admin`: the staff of the shop. Writes to the database of `customer`, while the shop runs
//! or is stopped.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use customer::{Password, operator};
use souk_contract::role::Role;
use souk_store::Database;
use souk_types::Email;

use crate::data_directory;
use crate::databases::operator_message;
use crate::shop_args::{ShopArgs, ShopLocation};

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Create an account for a member of staff
    Create {
        /// E-mail address of the account
        email: String,
        /// What the account may do
        #[arg(long, value_enum, default_value = "admin")]
        role: StaffRole,
        /// Read the password from the first line of this file instead of asking for it
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Give the role to the existing account with this e-mail address, and sign it out. Check
        /// first whose account it is: sign-up does not verify addresses
        #[arg(long, conflicts_with = "password_file")]
        promote: bool,
        #[command(flatten)]
        shop: ShopArgs,
    },
    /// List the accounts with a role
    List {
        #[command(flatten)]
        shop: ShopArgs,
    },
    /// Make an account a customer's, and sign it out
    Demote(Account),
    /// Lock an account, of staff or of a customer, and sign it out
    Lock(Account),
    /// Unlock an account
    Unlock(Account),
    /// Set a new password of an account, turn its second step off, and sign it out
    Reset {
        #[command(flatten)]
        account: Account,
        /// Read the password from the first line of this file instead of asking for it
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Account {
    /// E-mail address of the account
    email: String,
    #[command(flatten)]
    shop: ShopArgs,
}

/// A role of staff, as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StaffRole {
    /// Sees orders and mails, writes notes
    Support,
    /// Packs, sends, cancels and refunds orders
    Orders,
    /// Changes products, stock and discounts
    Catalogue,
    /// May do everything
    Admin,
}

impl From<StaffRole> for Role {
    fn from(role: StaffRole) -> Self {
        match role {
            StaffRole::Support => Self::Support,
            StaffRole::Orders => Self::Orders,
            StaffRole::Catalogue => Self::Catalogue,
            StaffRole::Admin => Self::Admin,
        }
    }
}

pub(crate) async fn run(command: AdminCommand) -> Result<(), String> {
    match command {
        AdminCommand::Create { email, role, password_file, promote, shop } => {
            let (database, shop) = open(shop.resolve()?)?;
            let outcome = create(&database, &shop, &email, role.into(), password_file.as_deref(), promote).await;
            database.close().await;
            outcome
        }
        AdminCommand::List { shop } => {
            let (database, _) = open(shop.resolve()?)?;
            let listed = list(&database).await;
            database.close().await;
            listed
        }
        AdminCommand::Demote(account) => {
            change(account, "is a customer now", async |database, email| {
                operator::set_role(database, email, Role::Customer).await
            })
            .await
        }
        AdminCommand::Lock(account) => {
            change(account, "is locked", async |database, email| operator::set_locked(database, email, true).await)
                .await
        }
        AdminCommand::Unlock(account) => {
            change(account, "can sign in", async |database, email| operator::set_locked(database, email, false).await)
                .await
        }
        AdminCommand::Reset { account, password_file } => {
            let password = password(password_file.as_deref())?;
            change(account, "has a new password and no second step", async move |database, email| {
                operator::reset_password(database, email, password).await
            })
            .await
        }
    }
}

async fn list(database: &Database) -> Result<(), String> {
    let staff = operator::staff(database).await.map_err(operator_message)?;
    if staff.is_empty() {
        println!("No account has a role. Create one: souk admin create you@example.com");
    }
    for account in staff {
        let lock = if account.is_locked { ", locked" } else { "" };
        let step = if account.has_second_step { ", two steps" } else { "" };
        println!("{:<10} {} (since {}{step}{lock})", account.role.as_str(), account.email.as_str(), account.created_at);
    }
    Ok(())
}

/// Changes an account, and says what it is now.
async fn change(
    Account { email: address, shop }: Account,
    outcome: &str,
    rule: impl AsyncFnOnce(&Database, &Email) -> souk_types::Result<()>,
) -> Result<(), String> {
    let email = email(&address)?;
    let (database, shop) = open(shop.resolve()?)?;
    let changed = rule(&database, &email).await;
    database.close().await;
    changed.map_err(|error| match error.code() {
        "not-found" => format!("{address} has no account in {shop}"),
        "last-admin" => format!("{address} is the only admin of {shop}: create another one first"),
        _ => operator_message(error),
    })?;
    println!("{address} {outcome} in {shop}.");
    Ok(())
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
    role: Role,
    password_file: Option<&Path>,
    promote: bool,
) -> Result<(), String> {
    let (email, name) = (email(address)?, role.as_str());
    // Another person may have signed up with this address and would get the role.
    let has_account = operator::has_account(database, &email).await.map_err(operator_message)?;
    match (has_account, promote) {
        (false, true) => Err(format!("{address} has no account in {shop}")),
        (true, false) => {
            Err(format!("{address} already has an account in {shop}: if it is the right person's, use --promote"))
        }
        (true, true) => {
            operator::set_role(database, &email, role).await.map_err(operator_message)?;
            println!("{address} has the role {name} in {shop} from the next sign-in on, with the same password.");
            Ok(())
        }
        (false, false) => {
            let password = password(password_file)?;
            operator::create(database, email, password, role).await.map_err(operator_message)?;
            println!("{address} has the role {name} in {shop} and can sign in.");
            Ok(())
        }
    }
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
