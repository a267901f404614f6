//! The databases of a shop, for commands that look at all of them: a one-process shop's files, or a fleet's on MongoDB.

use souk_store::Database;

use crate::data;
use crate::options::Books;

/// What the services are called, each with its database.
pub(crate) const SERVICES: [&str; 3] = ["customer", "products", "shopping"];

/// One for each service.
pub(crate) struct Databases {
    pub(crate) customer: Database,
    pub(crate) products: Database,
    pub(crate) shopping: Database,
}

impl Databases {
    /// Those of a shop that is there. Errors: there is none in this directory; an address that cannot be read.
    pub(crate) fn open(books: &Books) -> Result<Self, String> {
        Self::each(|service| match books {
            Books::Directory(directory) => {
                // What is opened would be made, and look like a database without a document.
                let bytes = std::fs::metadata(directory.join(format!("{service}.db"))).map(|file| file.len());
                if bytes.unwrap_or_default() == 0 {
                    return Err(format!("there is no shop in {}: {service}.db is missing", directory.display()));
                }
                data::beside(directory, service)
            }
            Books::MongoDb { uri, prefix } => {
                let opened = Database::mongodb(service, uri, &format!("{prefix}{service}"));
                opened.map_err(|error| error.operator_message())
            }
        })
    }

    /// Opens each by the name of its service.
    pub(crate) fn each(open: impl Fn(&'static str) -> Result<Database, String>) -> Result<Self, String> {
        let [customer, products, shopping] = SERVICES.map(open);
        Ok(Self { customer: customer?, products: products?, shopping: shopping? })
    }

    pub(crate) fn all(&self) -> [&Database; 3] {
        [&self.customer, &self.products, &self.shopping]
    }

    pub(crate) async fn close(&self) {
        for database in self.all() {
            database.close().await;
        }
    }
}
