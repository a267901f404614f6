//! A program of a stolen service can do what its service does, and nothing else: with its users,
//! it is refused the queues, exchanges and databases of all others. The tables here repeat the
//! contract on purpose, so that a right too many in it is found.

use fleet::Service;
use futures_util::{StreamExt, TryStreamExt};
use journeys::TestFleet;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Error, ErrorKind, ExchangeKind};
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};

/// The services that a service calls, and those whose events it receives.
const CONTRACT: &[(Service, &[&str], &[&str])] = &[
    (Service::Customer, &["shopping"], &["mail", "products", "shopping"]),
    (Service::Products, &["customer"], &["customer"]),
    (Service::Shopping, &["customer", "products"], &["customer"]),
    (Service::Mail, &["customer", "shopping"], &["customer", "shopping"]),
    (Service::Web, &["customer", "mail", "products", "shopping"], &[]),
];

/// The event queues: listener and owner.
const EVENT_QUEUES: &[(&str, &str)] = &[
    ("customer", "mail"),
    ("customer", "products"),
    ("customer", "shopping"),
    ("mail", "customer"),
    ("mail", "shopping"),
    ("products", "customer"),
    ("shopping", "customer"),
];

/// Attempts of one service; collects those with an unexpected outcome.
struct Attempts<'f> {
    service: &'static str,
    connection: &'f Connection,
    unexpected: Vec<String>,
}

impl Attempts<'_> {
    async fn expect(&mut self, is_allowed: bool, what: &str, attempt: impl AsyncFnOnce(Channel) -> lapin::Result<()>) {
        // A refusal closes the channel.
        let channel = self.connection.create_channel().await.unwrap();
        let outcome = attempt(channel).await;
        let is_expected = match &outcome {
            Ok(()) => is_allowed,
            Err(error) => !is_allowed && is_refusal(error),
        };
        if !is_expected {
            self.unexpected.push(format!("{}: {what}: {outcome:?}", self.service));
        }
    }

    async fn refused(&mut self, what: &str, attempt: impl AsyncFnOnce(Channel) -> lapin::Result<()>) {
        self.expect(false, what, attempt).await;
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error)
        if matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)))
}

async fn publish(channel: &Channel, exchange: &str, key: &str, properties: BasicProperties) -> lapin::Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), key.into(), options, b"", properties).await?.await.map(drop)
}

async fn declare(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.map(drop)
}

async fn bind(channel: &Channel, queue: &str, exchange: &str) -> lapin::Result<()> {
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.into(), exchange.into(), "any".into(), options, arguments).await
}

async fn consume(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    channel.basic_consume(queue.into(), "".into(), options, arguments).await.map(drop)
}

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_service_is_refused_what_is_not_its_own() {
    let fleet = TestFleet::start().await;
    // Declares the queues of all events that the journey of a customer publishes.
    let ana = fleet.new_customer().await;
    ana.delete_account().await.expect_status(202);
    ana.get_cart().until_status(401).await;

    let mut unexpected = Vec::new();
    for (service, called, subscribed) in CONTRACT {
        let connection = connect(&fleet.amqp_url_of(*service)).await;
        let mut attempts = Attempts { service: service.name(), connection: &connection, unexpected: Vec::new() };
        for other in Service::ALL.into_iter().filter(|other| other != service).map(Service::name) {
            of_another_service(&mut attempts, other, called.contains(&other), subscribed.contains(&other)).await;
        }
        attempts
            .refused("deletes the exchange of all", async |channel| {
                channel.exchange_delete("souk.broadcasts".into(), ExchangeDeleteOptions::default()).await
            })
            .await;
        for (listener, owner) in EVENT_QUEUES {
            of_an_event_queue(&mut attempts, listener, owner).await;
        }
        unexpected.extend(attempts.unexpected);
        unexpected.extend(databases(&fleet, *service).await);
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}

/// Tries to stand in for another service, to publish its events, and to receive its messages.
async fn of_another_service(attempts: &mut Attempts<'_>, other: &str, calls: bool, receives: bool) {
    let own = format!("{}.stolen", attempts.service);
    let named = |rest: &str| format!("{other}.{rest}");
    let plain = BasicProperties::default;
    for queue in [named("rpc"), named("replies.mine"), named("broadcasts.mine"), named("anything")] {
        attempts.refused(&format!("declares {queue}"), async |channel| declare(&channel, &queue).await).await;
    }
    attempts.refused("consumes the calls", async |channel| consume(&channel, &named("rpc")).await).await;
    attempts
        .refused("deletes the queue of calls", async |channel| {
            channel.queue_delete(named("rpc").into(), QueueDeleteOptions::default()).await.map(drop)
        })
        .await;
    for (exchange, may_read) in [("calls", false), ("replies", calls), ("events", receives)] {
        let exchange = named(exchange);
        attempts
            .expect(may_read, &format!("binds a queue to {exchange}"), async |channel| {
                declare(&channel, &own).await?;
                bind(&channel, &own, &exchange).await
            })
            .await;
        attempts
            .refused(&format!("deletes {exchange}"), async |channel| {
                channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await
            })
            .await;
        attempts
            .refused(&format!("declares {exchange}"), async |channel| {
                let (options, kind) = (ExchangeDeclareOptions::default(), ExchangeKind::Topic);
                channel.exchange_declare(exchange.as_str().into(), kind, options, FieldTable::default()).await
            })
            .await;
    }
    for (exchange, key, may_write) in [
        (named("calls"), "any", calls),
        (named("replies"), "any", false),
        (named("events"), "", false),
        // The default exchange leads to every queue.
        (String::new(), &*named("rpc"), false),
    ] {
        let what = format!("publishes to {exchange:?} {key:?}");
        attempts.expect(may_write, &what, async |channel| publish(&channel, &exchange, key, plain()).await).await;
    }
    // The broker checks the name of the sender.
    let forged = attempts.connection.create_channel().await.unwrap();
    let outcome = publish(&forged, "souk.broadcasts", "", plain().with_user_id(other.into())).await;
    if outcome.is_ok() {
        attempts.unexpected.push(format!("{}: sends under the name of {other}", attempts.service));
    }
}

/// Tries to take, add and delete events. `web` may take dead letters.
async fn of_an_event_queue(attempts: &mut Attempts<'_>, listener: &str, owner: &str) {
    if [listener, owner].contains(&attempts.service) {
        return;
    }
    let queue = format!("{listener}.{owner}");
    let may_handle_dead_letters = attempts.service == "web";
    for (ending, may_take) in [("", false), (".retry.5000", false), (".dead", may_handle_dead_letters)] {
        let queue = format!("{queue}{ending}");
        attempts
            .expect(may_take, &format!("takes from {queue}"), async |channel| {
                channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await.map(drop)
            })
            .await;
        // RabbitMQ asks for the same right to purge a queue as to receive from it.
        attempts
            .expect(may_take, &format!("purges {queue}"), async |channel| {
                channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await.map(drop)
            })
            .await;
        attempts
            .refused(&format!("deletes {queue}"), async |channel| {
                channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.map(drop)
            })
            .await;
        for exchange in [format!("{listener}.{owner}.failures"), String::new()] {
            let what = format!("adds to {queue} through {exchange:?}");
            let plain = BasicProperties::default();
            attempts.refused(&what, async |channel| publish(&channel, &exchange, &queue, plain).await).await;
        }
    }
}

/// Tries the databases of all services; returns unexpected outcomes.
async fn databases(fleet: &TestFleet, service: Service) -> Vec<String> {
    let mut unexpected = Vec::new();
    let Some(uri) = fleet.mongodb_uri_of(service) else { return unexpected };
    let client = Client::with_uri_str(&uri).await.unwrap();
    for database in Service::ALL.map(Service::database).into_iter().chain(["admin".to_owned(), "local".to_owned()]) {
        let is_own = database == service.database();
        let of = client.database(&database);
        for command in [
            doc! {"find": "accounts"},
            doc! {"insert": "accounts", "documents": [{"_id": "forged"}]},
            doc! {"update": "accounts", "updates": [{"q": {}, "u": {"$set": {"stolen": true}}, "multi": true}]},
            doc! {"delete": "accounts", "deletes": [{"q": {"_id": "forged"}, "limit": 0}]},
            doc! {"aggregate": "accounts", "pipeline": [], "cursor": {}},
            doc! {"listCollections": 1},
            doc! {"createIndexes": "stolen", "indexes": [{"key": {"a": 1}, "name": "a"}]},
            doc! {"drop": "stolen"},
        ] {
            let outcome = of.run_command(command.clone()).await;
            // The documents of `accounts` are changed in the own database only.
            if outcome.is_ok() != is_own {
                unexpected.push(format!("{service}: {database}: {command}: {outcome:?}"));
            }
        }
        let rights = doc! {"createUser": "mine", "pwd": "secret", "roles": ["root"]};
        for command in [rights, doc! {"profile": 2}, doc! {"usersInfo": 1}] {
            if let Ok(answer) = of.run_command(command.clone()).await {
                unexpected.push(format!("{service}: {database}: {command}: {answer}"));
            }
        }
    }
    unexpected.extend(own_sessions(service, &client.database("admin")).await);
    unexpected
}

/// A service may end its own sessions: it aborts transactions of its crashed processes.
async fn own_sessions(service: Service, admin: &Database) -> Option<String> {
    let end = async {
        let session = admin.client().start_session().await?;
        let pipeline = [doc! {"$currentOp": {"idleSessions": true, "allUsers": false}}];
        let _own: Vec<Document> = admin.aggregate(pipeline).await?.try_collect().await?;
        let id = session.id().get("id").cloned().unwrap_or(Bson::Null);
        admin.run_command(doc! {"killSessions": [{"id": id}]}).await
    };
    let refused: mongodb::error::Result<Document> = end.await;
    refused.err().map(|error| format!("{service}: its own sessions: {error}"))
}

/// Sends a call as a service and returns the reply.
async fn reply_to(connection: &Connection, service: &str, to: &str, call: &str, sender: Option<&str>) -> String {
    let channel = connection.create_channel().await.unwrap();
    let queue = format!("{service}.mine");
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap();
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    let replies = format!("{to}.replies");
    channel.queue_bind(queue.as_str().into(), replies.into(), queue.as_str().into(), options, arguments).await.unwrap();
    let consuming =
        channel.basic_consume(queue.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut answers = consuming.await.unwrap();
    let properties = BasicProperties::default().with_type("calls/1".into()).with_reply_to(queue.as_str().into());
    let properties = sender.map_or(properties.clone(), |sender| properties.with_user_id(sender.into()));
    let body = format!("7\t{call}\t99999999999999\t2000\t-\t{{}}\n");
    let (exchange, key, options) = (format!("{to}.calls"), format!("{to}.rpc"), BasicPublishOptions::default());
    channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await.unwrap();
    let answer = tokio::time::timeout(std::time::Duration::from_mins(1), answers.next()).await;
    let answer = answer.unwrap().unwrap().unwrap();
    channel.close(200, "".into()).await.unwrap();
    String::from_utf8(answer.data).unwrap()
}

/// Sends a broadcast as `products`.
async fn broadcast(connection: &Connection, name: &str, body: &str) {
    let properties = BasicProperties::default().with_type(name.into()).with_user_id("products".into());
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish("souk.broadcasts".into(), "".into(), options, body.as_bytes(), properties);
    confirm.await.unwrap().await.unwrap();
}

async fn wait_for_log(fleet: &TestFleet, instance: &str, line: &str) {
    journeys::wait_for(line, async || {
        let log = fleet.log_of(instance);
        if log.contains(line) { Ok(()) } else { Err(log) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_service_refuses_calls_and_events_of_services_that_do_not_make_them() {
    let fleet = TestFleet::start().await;
    let connection = connect(&fleet.amqp_url_of(Service::Products)).await;
    for (call, sender, expected) in [
        ("customer.keys", Some("products"), None),
        ("customer.contact", Some("products"), Some("forbidden")),
        ("customer.api", Some("products"), Some("forbidden")),
        ("customer.keys", None, Some("forbidden")),
    ] {
        let reply = reply_to(&connection, "products", "customer", call, sender).await;
        let error = reply.strip_prefix("7\terror\t");
        let is_expected = match expected {
            Some(expected) => error.is_some_and(|error| error.contains(expected)),
            None => error.is_none(),
        };
        assert!(is_expected, "{call} of {sender:?}: {reply}");
    }
    // The processes of a service cannot be stopped by another one, and its limits not used up.
    broadcast(&connection, "souk.stop-instance", r#"{"service": "mail", "instance": "mail-1"}"#).await;
    wait_for_log(&fleet, "mail-1", "a broadcast was refused").await;
    assert!(!fleet.log_of("mail-1").contains("asked this instance to stop"));
    let uses =
        r#"{"service": "customer", "instance": "customer-9", "uses": [{"limit": "attempts", "key": 1, "times": 30}]}"#;
    broadcast(&connection, "souk.limit-uses", uses).await;
    wait_for_log(&fleet, "customer-1", "a broadcast in the name of another service was refused").await;

    // Without a user, or with a wrong password, the database serves nothing.
    let uri = fleet.mongodb_uri_of(Service::Customer).unwrap();
    let (_, server) = uri.split_once('@').unwrap();
    for user in ["", "customer:wrong@"] {
        let uri = format!("mongodb://{user}{server}").replace("&authSource=admin", "");
        let database = Client::with_uri_str(&uri).await.unwrap().database(&Service::Customer.database());
        database.run_command(doc! {"find": "accounts"}).await.expect_err("the server should refuse it");
    }
}
