//! `souk audit`: reconciles the data of all services, and searches for references to an erased
//! customer. It reads and changes nothing. The shop may run: the audit repeats until it finds
//! nothing, or `--within` has passed. [`rules`] has the rules of the reconciliation.

mod erased;
mod rules;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use souk_bus::{AmqpOptions, DeadLetters, EventCounts};
use souk_contract::customer::CustomerId;

use self::erased::ErasedCustomer;
use self::rules::{ClientResponse, Records};
use crate::databases::{Databases, operator_message};
use crate::shop_args::{BrokerArgs, ShopArgs, ShopLocation};

/// Interval between two attempts, while the shop may still be working.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Events that are counted in an outbox.
const MAX_EVENTS: usize = 10_000;

#[derive(Args)]
pub(crate) struct AuditArgs {
    /// Also check the orders in the responses to clients: one line of JSON {customer, key, order,
    /// status} for each 2xx response to POST /shopping/order
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// Instead search all databases, outboxes and dead letters for this erased customer
    #[arg(long, value_name = "ID", conflicts_with = "orders")]
    erased: Option<String>,
    /// With --erased: also search for this text, such as the customer's e-mail address; repeatable
    #[arg(long, value_name = "TEXT", requires = "erased", value_parser = NonEmptyStringValueParser::new())]
    word: Vec<String>,
    /// With --erased: also search this log file, every file in this directory, or - for standard
    /// input; repeatable
    #[arg(long, value_name = "PATH", requires = "erased")]
    log: Vec<PathBuf>,
    /// Seconds to wait until running orders and events are finished
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    within: Duration,
    #[command(flatten)]
    shop: ShopArgs,
    #[command(flatten)]
    broker: BrokerArgs,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse();
    number.map(Duration::from_secs).map_err(|_| "must be a number of seconds".to_owned())
}

#[derive(Default)]
struct Report {
    /// One line each.
    findings: Vec<String>,
    /// The number of records that were read.
    scope: String,
}

enum Check {
    Reconciliation(Vec<ClientResponse>),
    Erasure(ErasedCustomer),
}

pub(crate) async fn run(args: AuditArgs) -> Result<(), String> {
    let shop = args.shop.resolve()?;
    let (broker, directory) = match &shop {
        ShopLocation::Directory(directory) => (None, Some(directory.clone())),
        ShopLocation::MongoDb { .. } => {
            let missing = "name the fleet's broker too, with --amqp-url or AMQP_URL";
            (Some(args.broker.resolve()?.ok_or(missing)?), None)
        }
    };
    let check = match args.erased {
        Some(id) => {
            let id = id.parse().map_err(|problem| format!("{id:?} {problem}"))?;
            Check::Erasure(ErasedCustomer { id, words: args.word, logs: args.log, directory })
        }
        None => Check::Reconciliation(args.orders.as_deref().map(client_responses).transpose()?.unwrap_or_default()),
    };
    let databases = Databases::open(&shop)?;
    let report = audit(&databases, broker.as_ref(), &check, args.within).await;
    databases.close().await;
    print(&report?)
}

fn print(Report { findings, scope }: &Report) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    for finding in findings {
        writeln!(out, "{finding}").map_err(|error| error.to_string())?;
    }
    eprintln!("read {scope}");
    match findings.len() {
        0 => Ok(()),
        1 => Err("1 finding".to_owned()),
        more => Err(format!("{more} findings")),
    }
}

async fn audit(
    databases: &Databases,
    broker: Option<&AmqpOptions>,
    check: &Check,
    within: Duration,
) -> Result<Report, String> {
    let Check::Erasure(customer) = check else {
        return repeat_until_clean(databases, broker, check, within).await;
    };
    require_erased(databases, customer.id).await?;
    let logs = erased::search_logs(customer)?;
    let mut report = repeat_until_clean(databases, broker, check, within).await?;
    report.findings.extend(logs.findings);
    report.scope = format!("{}, {}", report.scope, logs.scope);
    Ok(report)
}

async fn require_erased(databases: &Databases, customer: CustomerId) -> Result<(), String> {
    let accounts = customer::ledger::read(&databases.customer).await.map_err(operator_message)?;
    if accounts.erased.contains(&customer) {
        Ok(())
    } else if accounts.open.contains(&customer) {
        Err(format!("the account {customer} is not deleted"))
    } else {
        Err(format!("there never was an account {customer}"))
    }
}

async fn repeat_until_clean(
    databases: &Databases,
    broker: Option<&AmqpOptions>,
    check: &Check,
    within: Duration,
) -> Result<Report, String> {
    let begun = Instant::now();
    loop {
        let report = match check {
            Check::Reconciliation(responses) => reconcile(databases, broker, responses).await,
            Check::Erasure(customer) => erased::search(databases, broker, customer).await,
        };
        let is_clean = report.as_ref().is_ok_and(|report| report.findings.is_empty());
        if is_clean || begun.elapsed() >= within {
            return report;
        }
        // No event signals that the databases and the broker are idle.
        rocket::tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn client_responses(file: &Path) -> Result<Vec<ClientResponse>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", file.display());
    let lines = BufReader::new(File::open(file).map_err(|error| unreadable(&error))?).lines();
    lines
        .map(|line| {
            let line = line.map_err(|error| unreadable(&error))?;
            serde_json::from_str(&line).map_err(|error| unreadable(&error))
        })
        .collect()
}

async fn reconcile(
    databases: &Databases,
    broker: Option<&AmqpOptions>,
    responses: &[ClientResponse],
) -> Result<Report, String> {
    let records = read(databases, broker).await?;
    Ok(Report { findings: rules::check(&records, responses), scope: records.scope(responses.len()) })
}

/// Accounts come first: the erasure of an account deleted during the read is not expected yet.
async fn read(databases: &Databases, broker: Option<&AmqpOptions>) -> Result<Records, String> {
    let Databases { customer, mail: mails, products, shopping } = databases;
    let accounts = customer::ledger::read(customer).await.map_err(operator_message)?;
    let mut records = Records { accounts, ..Records::default() };
    for database in databases.all() {
        let waiting = database.count_pending_events(MAX_EVENTS).await.map_err(operator_message)?;
        records.outboxes.push((database.name(), waiting));
    }
    records.orders = shopping::ledger::orders(shopping).await.map_err(operator_message)?;
    records.discounts = shopping::ledger::discounts(shopping).await.map_err(operator_message)?;
    records.demo_payments = shopping::ledger::demo_payments(shopping).await.map_err(operator_message)?;
    records.stock = products::ledger::stock(products).await.map_err(operator_message)?;
    records.reservations = products::ledger::reservations(products).await.map_err(operator_message)?;
    for record in mail::ledger::mails(mails, |_| true).await.map_err(operator_message)? {
        records.failed_mails += usize::from(record.status == mail::Status::Failed);
        if let Some(order) = record.confirmed_order().filter(|_| record.resend_of.is_none()) {
            *records.confirmation_mails.entry(order).or_default() += 1;
        }
    }
    records.erased_in_mail = mail::ledger::erased_customers(mails).await.map_err(operator_message)?;
    records.erased_in_products = products::ledger::erased_customers(products).await.map_err(operator_message)?;
    records.erased_in_shopping = shopping::ledger::erased_customers(shopping).await.map_err(operator_message)?;
    records.customers_with_carts =
        shopping::ledger::customers_with_cart_items(shopping).await.map_err(operator_message)?;
    if let Some(broker) = broker {
        records.broker = Some(count_events(broker.clone()).await?);
    }
    Ok(records)
}

async fn count_events(broker: AmqpOptions) -> Result<EventCounts, String> {
    let letters = DeadLetters::open(broker, souk_contract::EVENTS).await.map_err(operator_message)?;
    let counts = letters.count().await;
    letters.close().await;
    counts.map_err(operator_message)
}
