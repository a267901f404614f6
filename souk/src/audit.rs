//! `souk audit`: whether the books balance, across all databases and the broker. It reads what is there, while the shop runs or
//! when it is closed, and changes nothing. What is still under way is waited for; what then remains is a breach. The rules are in
//! [`check`], which knows no database.

mod check;
mod erased;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use souk_bus::{AmqpOptions, DeadLetters, EventCounts};
use souk_contract::customer::CustomerId;

use self::check::{Read, Told};
pub(crate) use self::erased::Erased;
use crate::databases::Databases;
use crate::options::{Audit, Wanted};

/// What is under way is looked at again after this.
const GLANCE: Duration = Duration::from_millis(250);
/// Events of an outbox that are counted.
const MOST_EVENTS: usize = 10_000;

/// What an audit has to say.
#[derive(Default)]
struct Findings {
    /// A line each.
    breaches: Vec<String>,
    /// What was looked at.
    summary: String,
}

/// Carries out the command. Errors: a breach, or something could not be read.
pub(crate) async fn run(command: Audit) -> Result<(), String> {
    let wanted = command.settle()?;
    let databases = Databases::open(&wanted.books)?;
    let outcome = findings(&databases, &wanted).await;
    databases.close().await;
    let Findings { breaches, summary } = outcome?;
    let mut out = std::io::stdout().lock();
    for breach in &breaches {
        writeln!(out, "{breach}").map_err(|error| error.to_string())?;
    }
    eprintln!("{summary}");
    match breaches.len() {
        0 => Ok(()),
        1 => Err("1 breach".to_owned()),
        more => Err(format!("{more} breaches")),
    }
}

async fn findings(databases: &Databases, wanted: &Wanted) -> Result<Findings, String> {
    if let Some(erased) = &wanted.erased {
        is_deleted(databases, erased.customer).await?;
        let logs = erased::logs(erased)?;
        let mut found = until_settled(databases, wanted, &Look::Traces(erased)).await?;
        found.breaches.extend(logs.breaches);
        found.summary = format!("{}, {}", found.summary, logs.summary);
        return Ok(found);
    }
    let told = wanted.told.as_deref().map(told).transpose()?.unwrap_or_default();
    until_settled(databases, wanted, &Look::Balance(told)).await
}

async fn is_deleted(databases: &Databases, customer: CustomerId) -> Result<(), String> {
    let accounts = customer::ledger::read(&databases.customer).await.map_err(text)?;
    if accounts.erased.contains(&customer) {
        Ok(())
    } else if accounts.confirmed_orders.contains_key(&customer) {
        Err(format!("the account {customer} is not deleted"))
    } else {
        Err(format!("there never was an account {customer}"))
    }
}

/// What is looked for.
enum Look<'w> {
    /// Whether the books balance, also with what clients were told.
    Balance(Vec<Told>),
    /// What is left of somebody.
    Traces(&'w Erased),
}

impl Look<'_> {
    async fn once(&self, databases: &Databases, broker: Option<&AmqpOptions>) -> Result<Findings, String> {
        match self {
            Self::Balance(told) => {
                let read = read(databases, broker).await?;
                Ok(Findings { breaches: check::check(&read, told), summary: read.summary(told.len()) })
            }
            Self::Traces(erased) => erased::look(databases, broker, erased).await,
        }
    }
}

/// Looks until there is no breach, or the time is over.
async fn until_settled(databases: &Databases, wanted: &Wanted, look: &Look<'_>) -> Result<Findings, String> {
    let begun = Instant::now();
    loop {
        let looked = look.once(databases, wanted.broker.as_ref()).await;
        let is_settled = looked.as_ref().is_ok_and(|findings| findings.breaches.is_empty());
        if is_settled || begun.elapsed() >= wanted.within {
            return looked;
        }
        // There is no event that says of several databases and a broker that they have come to rest.
        rocket::tokio::time::sleep(GLANCE).await;
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

/// Reads all there is. Deletions first: what is deleted meanwhile cannot be missed elsewhere then.
async fn read(databases: &Databases, broker: Option<&AmqpOptions>) -> Result<Read, String> {
    let Databases { customer, products, shopping } = databases;
    let mut read = Read { accounts: customer::ledger::read(customer).await.map_err(text)?, ..Read::default() };
    for database in databases.all() {
        let waiting = database.count_pending_events(MOST_EVENTS).await.map_err(text)?;
        read.outboxes.push((database.name(), waiting));
    }
    read.orders = shopping::ledger::orders(shopping).await.map_err(text)?;
    read.bank = shopping::ledger::bank(shopping).await.map_err(text)?;
    read.stock = products::ledger::stock(products).await.map_err(text)?;
    read.reservations = products::ledger::reservations(products).await.map_err(text)?;
    read.erased_in_products = products::ledger::erased_customers(products).await.map_err(text)?;
    read.erased_in_shopping = shopping::ledger::erased(shopping).await.map_err(text)?;
    read.with_carts = shopping::ledger::carts(shopping).await.map_err(text)?;
    if let Some(broker) = broker {
        read.broker = Some(count(broker.clone()).await?);
    }
    Ok(read)
}

async fn count(broker: AmqpOptions) -> Result<EventCounts, String> {
    let letters = DeadLetters::open(broker, souk_contract::EVENTS).await.map_err(text)?;
    let counted = letters.count().await;
    letters.close().await;
    counted.map_err(text)
}

fn text(error: souk_types::Error) -> String {
    error.operator_message()
}
