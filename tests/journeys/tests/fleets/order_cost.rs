//! The cost of one order of one line: operations on MongoDB, counted by its profiler, and messages,
//! counted by RabbitMQ's tracer.
//!
//! - A **write** is an insert, an update or a deletion by one command, in a transaction or not. The
//!   commit of a transaction is a write too.
//! - A **read** is a query or an aggregation, or one of its further batches.
//! - A **message** is one publication on the broker: an event, or one or more calls or replies that
//!   travel together.
//!
//! What an idle fleet does is not counted: operations of the kinds that it has done just before,
//! and the broadcasts of its instances.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet::Service;
use futures_util::TryStreamExt;
use journeys::{TestFleet, euros, unique, wait_for};
use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};

/// At most today's cost, so that no change raises it unnoticed.
const MAX_WRITES: usize = 11;
const MAX_READS: usize = 8;
const MAX_MESSAGES: usize = 7;

/// Time in which an idle fleet repeats what it does: jobs and relays run at least once a second,
/// and the monitor asks the databases every 5 s.
const IDLE: Duration = Duration::from_secs(8);
/// Time without an operation after which an order is settled. Longer than the interval of a relay.
const QUIET: Duration = Duration::from_secs(3);

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_order_of_one_line_costs_few_operations() {
    let fleet = TestFleet::start_with(|options| options.instances = 1).await;
    let product = fleet.new_product("tea", &euros(499), 100).await;
    // Of a customer without a verified address, the unpaid orders of the network are read twice.
    let customer = fleet.new_verified_customer().await.sign_in_again().await;
    // Connections, keys and caches are there afterwards.
    customer.add_to_cart(&product, 1).await.expect_status(200);
    customer.place_order(&unique("key")).await.expect_status(201);
    customer.add_to_cart(&product, 1).await.expect_status(200);

    let tracer = Tracer::start(&fleet).await;
    let mut profiler = Profiler::open(&fleet).await;
    // The last operations of the first order end.
    tokio::time::sleep(QUIET).await;
    profiler.observe_polling().await;
    profiler.start().await;
    tracer.messages().await;
    let commits = profiler.commits().await;
    customer.place_order(&unique("key")).await.expect_status(201);
    profiler.wait_until_quiet().await;

    let (operations, messages) = (profiler.operations().await, tracer.messages().await);
    let commits = (commits..profiler.commits().await).map(|_| "commit of a transaction".to_owned());
    let writes = operations.iter().filter(|operation| operation.is_write()).map(ToString::to_string);
    let writes = print("writes", writes.chain(commits));
    let reads = print("reads", operations.iter().filter(|operation| operation.is_read()));
    let messages = print("messages", &messages);
    assert!(writes <= MAX_WRITES && reads <= MAX_READS && messages <= MAX_MESSAGES);
    assert!(writes > 0 && reads > 0 && messages > 0, "nothing was counted");
}

fn print<T: std::fmt::Display>(what: &str, all: impl IntoIterator<Item = T>) -> usize {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(one.to_string()).or_default() += 1;
    }
    let sum = counts.values().sum();
    println!("{sum} {what}");
    for (one, count) in counts {
        println!("  {count:>3}  {one}");
    }
    sum
}

/// The kind of an operation. Polling repeats the same kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Operation {
    service: String,
    collection: String,
    command: String,
    /// The fields of the condition, and the index that a query names.
    condition: String,
}

impl Operation {
    fn of(entry: &Document) -> Option<Self> {
        let command = entry.get_document("command").ok()?;
        let (database, collection) = entry.get_str("ns").ok()?.split_once('.')?;
        let name = match entry.get_str("op").ok()? {
            "command" => command.keys().next()?.as_str(),
            name => name,
        };
        let conditions = [command.get("filter"), command.get("q"), command.get("query"), first_match(command)];
        let fields: BTreeSet<&String> =
            conditions.into_iter().flatten().filter_map(Bson::as_document).flatten().map(|(field, _)| field).collect();
        let mut condition: Vec<String> = fields.into_iter().cloned().collect();
        condition.extend(command.get("hint").map(|hint| format!("by index {hint}")));
        if command.contains_key("startTransaction") || command.contains_key("autocommit") {
            condition.push("in a transaction".to_owned());
        }
        let service = entry.get_str("appName").unwrap_or(database).to_owned();
        let (collection, command) = (collection.to_owned(), name.to_owned());
        Some(Self { service, collection, command, condition: condition.join(", ") })
    }

    fn is_write(&self) -> bool {
        ["insert", "update", "remove", "findAndModify", "findandmodify"].contains(&self.command.as_str())
    }

    fn is_read(&self) -> bool {
        ["query", "find", "getmore", "aggregate", "count", "distinct"].contains(&self.command.as_str())
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<9} {:<17} {:<18} {}", self.service, self.command, self.collection, self.condition)
    }
}

fn first_match(command: &Document) -> Option<&Bson> {
    command.get_array("pipeline").ok()?.first()?.as_document()?.get("$match")
}

/// The profiles of the databases of all services.
struct Profiler {
    databases: Vec<Database>,
    /// Of each server: they count commits, which no profile has.
    admins: Vec<Database>,
    polling: BTreeSet<Operation>,
}

impl Profiler {
    async fn open(fleet: &TestFleet) -> Self {
        let (mut databases, mut admins) = (Vec::new(), Vec::new());
        let mut servers = BTreeSet::new();
        for service in Service::WITH_DATABASE {
            let uri = fleet.mongodb_uri(service).to_owned();
            let client = Client::with_uri_str(&uri).await.unwrap();
            databases.push(client.database(&service.database()));
            if servers.insert(uri) {
                admins.push(client.database("admin"));
            }
        }
        Self { databases, admins, polling: BTreeSet::new() }
    }

    /// Begins empty profiles.
    async fn start(&self) {
        for database in &self.databases {
            database.run_command(doc! {"profile": 0}).await.unwrap();
            database.collection::<Document>("system.profile").drop().await.unwrap();
            database.create_collection("system.profile").capped(true).size(64 * 1024 * 1024).await.unwrap();
            database.run_command(doc! {"profile": 2}).await.unwrap();
        }
    }

    /// Remembers the kinds of operations of an idle fleet.
    async fn observe_polling(&mut self) {
        self.start().await;
        tokio::time::sleep(IDLE).await;
        let operations = self.operations().await;
        print(&format!("operations of an idle fleet in {IDLE:?}"), &operations);
        assert!(operations.iter().all(Operation::is_read), "an idle fleet writes");
        self.polling.extend(operations);
    }

    /// Returns the operations on collections, without polling.
    async fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for database in &self.databases {
            let found = database.collection::<Document>("system.profile").find(doc! {}).await.unwrap();
            let entries: Vec<Document> = found.try_collect().await.unwrap();
            operations.extend(entries.iter().filter_map(Operation::of));
        }
        operations.retain(|operation| !operation.collection.starts_with("system."));
        operations.retain(|operation| operation.is_read() || operation.is_write());
        operations.retain(|operation| !self.polling.contains(operation));
        operations
    }

    /// Returns the number of committed transactions since the start of the servers.
    async fn commits(&self) -> i64 {
        let mut commits = 0;
        for admin in &self.admins {
            let status = admin.run_command(doc! {"serverStatus": 1}).await.unwrap();
            commits += status.get_document("transactions").unwrap().get_i64("totalCommitted").unwrap();
        }
        commits
    }

    /// Waits until only polling has taken place for a while.
    async fn wait_until_quiet(&self) {
        wait_for("the fleet to be quiet", async || {
            let before = self.operations().await.len();
            tokio::time::sleep(QUIET).await;
            if self.operations().await.len() == before { Ok(()) } else { Err("there are new operations") }
        })
        .await;
    }
}

/// RabbitMQ's firehose: a copy of every published message.
struct Tracer {
    channel: lapin::Channel,
    /// Ends with the test, and the queue with it.
    _connection: lapin::Connection,
}

const TRACE_QUEUE: &str = "order-cost";
/// Each instance broadcasts its state once a second.
const BROADCASTS: &str = "souk.broadcasts";

impl Tracer {
    async fn start(fleet: &TestFleet) -> Self {
        fleet.rabbitmqctl(&["trace_on"]).await;
        let connection =
            lapin::Connection::connect(fleet.amqp_url(), lapin::ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(TRACE_QUEUE.into(), exclusive, FieldTable::default()).await.unwrap();
        let (trace, published) = ("amq.rabbitmq.trace".into(), "publish.#".into());
        channel
            .queue_bind(TRACE_QUEUE.into(), trace, published, QueueBindOptions::default(), FieldTable::default())
            .await
            .unwrap();
        Self { channel, _connection: connection }
    }

    /// Returns the destinations of the messages since the last call.
    async fn messages(&self) -> Vec<String> {
        let mut messages = Vec::new();
        let no_ack = BasicGetOptions { no_ack: true };
        while let Some(message) = self.channel.basic_get(TRACE_QUEUE.into(), no_ack).await.unwrap() {
            let headers = message.properties.headers().clone().unwrap_or_default();
            let text = |value: &AMQPValue| match value {
                AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
                other => format!("{other:?}"),
            };
            let exchange = headers.inner().get("exchange_name").map(text).unwrap_or_default();
            if exchange == BROADCASTS {
                continue;
            }
            let keys = match headers.inner().get("routing_keys") {
                Some(AMQPValue::FieldArray(keys)) => keys.as_slice().iter().map(text).collect::<Vec<_>>().join(" "),
                _ => String::new(),
            };
            let key = if exchange.ends_with(".replies") { "" } else { &keys };
            messages.push(format!("{exchange} {key}").trim().to_owned());
        }
        messages
    }
}
