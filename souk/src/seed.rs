//! `souk seed`: loads the sample catalogue into a new fleet and creates an admin. It can be
//! repeated.

use std::path::{Path, PathBuf};

use clap::Args;
use customer::operator;
use products::imports::Importer;
use products::sample_catalogue;
use souk_contract::role::Role;
use souk_store::Database;

use crate::admin::{email, password};
use crate::databases::operator_message;
use crate::shop_args::{ShopArgs, ShopLocation};

#[derive(Args)]
pub(crate) struct SeedArgs {
    /// Create an admin with this e-mail address
    #[arg(long, value_name = "EMAIL", requires = "password_file")]
    admin: Option<String>,
    /// File whose first line is the admin's password
    #[arg(long, value_name = "FILE", requires = "admin")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    shop: ShopArgs,
}

pub(crate) async fn run(args: SeedArgs) -> Result<(), String> {
    let ShopLocation::MongoDb { uri, prefix } = args.shop.resolve()? else {
        return Err(
            "name a fleet with --mongodb-uri or MONGODB_URI; a one-process shop loads its sample catalogue itself"
                .to_owned(),
        );
    };
    let open = |service| Database::mongodb(service, &uri, &format!("{prefix}{service}")).map_err(operator_message);
    let catalogue = open("products")?;
    let loaded = load_sample_catalogue(&catalogue).await;
    catalogue.close().await;
    match loaded? {
        0 => println!("There are products already; no samples were added."),
        loaded => println!("{loaded} sample products were added."),
    }
    let Some((address, password_file)) = args.admin.zip(args.password_file) else { return Ok(()) };
    let accounts = open("customer")?;
    let created = create_admin(&accounts, &address, &password_file).await;
    accounts.close().await;
    if created? {
        println!("{address} is an admin, with the password in {}.", password_file.display());
    } else {
        println!("{address} already has an account; it stays as it is.");
    }
    Ok(())
}

async fn load_sample_catalogue(database: &Database) -> Result<usize, String> {
    let importer = Importer::open(database).map_err(operator_message)?;
    sample_catalogue::load_if_empty(&importer).await.map_err(operator_message)
}

/// Returns `false` when the address already has an account.
async fn create_admin(database: &Database, address: &str, password_file: &Path) -> Result<bool, String> {
    let email = email(address)?;
    if operator::has_account(database, &email).await.map_err(operator_message)? {
        return Ok(false);
    }
    operator::create(database, email, password(Some(password_file))?, Role::Admin).await.map_err(operator_message)?;
    Ok(true)
}
