//! `souk audit`: whether the books balance, across all databases and the broker. It reads what is there, while the shop runs or
//! when it is closed, and changes nothing. What is still under way is waited for; what then remains is a breach. The rules are in
//! [`check`], which knows no database.

mod check;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use common::bus::{AmqpOptions, Counted, DeadLetters};
use common::contract;
use common::store::Database;

use self::check::{Read, Told};
use crate::options::{Audit, Books};

/// What is under way is looked at again after this.
const GLANCE: Duration = Duration::from_millis(250);
/// Events of an outbox that are counted.
const MOST_EVENTS: usize = 10_000;

/// Carries out the command. Errors: a breach, or something could not be read.
pub(crate) async fn run(command: Audit) -> Result<(), String> {
    let (books, broker, orders, within) = command.settle()?;
    let told = orders.as_deref().map(told).transpose()?.unwrap_or_default();
    let databases = Databases::open(&books)?;
    let begun = Instant::now();
    let outcome = loop {
        let read = databases.read(broker.as_ref()).await;
        match read {
            Ok(read) => {
                let breaches = check::check(&read, &told);
                if breaches.is_empty() || begun.elapsed() >= within {
                    break Ok((read, breaches));
                }
            }
            Err(error) if begun.elapsed() >= within => break Err(error),
            Err(_) => {}
        }
        // There is no event that says of several databases and a broker that they have come to rest.
        rocket::tokio::time::sleep(GLANCE).await;
    };
    databases.close().await;
    let (read, breaches) = outcome?;
    let mut out = std::io::stdout().lock();
    for breach in &breaches {
        writeln!(out, "{breach}").map_err(|error| error.to_string())?;
    }
    eprintln!("{}", read.summary(told.len()));
    match breaches.len() {
        0 => Ok(()),
        1 => Err("1 breach".to_owned()),
        more => Err(format!("{more} breaches")),
    }
}

/// What clients were told, a line of JSON for each.
fn told(file: &Path) -> Result<Vec<Told>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", file.display());
    let lines = BufReader::new(File::open(file).map_err(|error| unreadable(&error))?).lines();
    lines
        .map(|line| {
            let line = line.map_err(|error| unreadable(&error))?;
            serde_json::from_str(&line).map_err(|error| unreadable(&error))
        })
        .collect()
}

/// The databases of a shop, for whoever reads and changes nothing.
pub(crate) struct Databases {
    customer: Database,
    pub(crate) products: Database,
    pub(crate) shopping: Database,
}

impl Databases {
    pub(crate) fn open(books: &Books) -> Result<Self, String> {
        let open = |service: &'static str| match books {
            Books::Directory(directory) => {
                if !directory.join(format!("{service}.db")).exists() {
                    return Err(format!("there is no shop in {}: {service}.db is missing", directory.display()));
                }
                crate::data::beside(directory, service)
            }
            Books::MongoDb { uri, prefix } => {
                Database::mongodb(service, uri, &format!("{prefix}{service}")).map_err(text)
            }
        };
        Ok(Self { customer: open("customer")?, products: open("products")?, shopping: open("shopping")? })
    }

    /// Reads all there is. Deletions first: what is deleted meanwhile cannot be missed elsewhere then.
    async fn read(&self, broker: Option<&AmqpOptions>) -> Result<Read, String> {
        let mut read =
            Read { accounts: customer::books::ledger(&self.customer).await.map_err(text)?, ..Read::default() };
        for database in [&self.customer, &self.products, &self.shopping] {
            let waiting = database.waiting_events(MOST_EVENTS).await.map_err(text)?;
            read.outboxes.push((database.name(), waiting));
        }
        read.orders = shopping::books::orders(&self.shopping).await.map_err(text)?;
        read.bank = shopping::books::bank(&self.shopping).await.map_err(text)?;
        read.shelves = products::books::shelves(&self.products).await.map_err(text)?;
        read.claims = products::books::claims(&self.products).await.map_err(text)?;
        read.erased_in_products = products::books::erased(&self.products).await.map_err(text)?;
        read.erased_in_shopping = shopping::books::erased(&self.shopping).await.map_err(text)?;
        read.with_carts = shopping::books::carts(&self.shopping).await.map_err(text)?;
        if let Some(broker) = broker {
            read.broker = Some(count(broker.clone()).await?);
        }
        Ok(read)
    }

    pub(crate) async fn close(&self) {
        for database in [&self.customer, &self.products, &self.shopping] {
            database.close().await;
        }
    }
}

async fn count(broker: AmqpOptions) -> Result<Counted, String> {
    let letters = DeadLetters::open(broker, contract::EVENTS).await.map_err(text)?;
    let counted = letters.count().await;
    letters.close().await;
    counted.map_err(text)
}

fn text(error: common::Error) -> String {
    error.for_operator()
}
