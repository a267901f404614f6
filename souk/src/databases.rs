//! The databases of a shop, for commands that work on all of them.

use souk_store::Database;

use crate::data_directory;
use crate::shop_args::ShopLocation;

pub(crate) const SERVICES: [&str; 4] = ["customer", "mail", "products", "shopping"];

pub(crate) struct Databases {
    pub(crate) customer: Database,
    pub(crate) mail: Database,
    pub(crate) products: Database,
    pub(crate) shopping: Database,
}

impl Databases {
    pub(crate) fn open(shop: &ShopLocation) -> Result<Self, String> {
        Self::open_each(|service| match shop {
            ShopLocation::Directory(directory) => {
                if directory.is_file() {
                    let remedy = "restore a backup into a new directory first, with souk restore --identity";
                    return Err(format!("{} is a file: {remedy}", directory.display()));
                }
                // Opening a missing file would create an empty database.
                let bytes = std::fs::metadata(directory.join(format!("{service}.db"))).map(|file| file.len());
                if bytes.unwrap_or_default() == 0 {
                    return Err(format!("there is no shop in {}: {service}.db is missing", directory.display()));
                }
                data_directory::open_shared(directory, service)
            }
            ShopLocation::MongoDb { uri, prefix } => {
                Database::mongodb(service, uri, &format!("{prefix}{service}")).map_err(operator_message)
            }
        })
    }

    pub(crate) fn open_each(open: impl Fn(&'static str) -> Result<Database, String>) -> Result<Self, String> {
        let [customer, mail, products, shopping] = SERVICES.map(open);
        Ok(Self { customer: customer?, mail: mail?, products: products?, shopping: shopping? })
    }

    pub(crate) fn all(&self) -> [&Database; 4] {
        [&self.customer, &self.mail, &self.products, &self.shopping]
    }

    /// Whether no database has a document or an event.
    pub(crate) async fn are_empty(&self) -> Result<bool, String> {
        for database in self.all() {
            if !database.is_empty().await.map_err(operator_message)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) async fn close(&self) {
        for database in self.all() {
            database.close().await;
        }
    }
}

pub(crate) fn operator_message(error: souk_types::Error) -> String {
    error.operator_message()
}
