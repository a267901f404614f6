//! Private RabbitMQ and MongoDB: they keep their port and data over restarts, and leave no
//! processes or files behind.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fleet::{Component, MongoDb, RabbitMq};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use mongodb::bson::{Document, doc};

const TIMEOUT: Duration = Duration::from_secs(30);

fn wait_for(what: &str, mut look: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !look() {
        assert!(begun.elapsed() < TIMEOUT, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn survives_restarts(component: &Component, check: impl AsyncFn()) {
    let address = component.address();
    check().await;

    let stopped = component.stop().unwrap();
    assert!(stopped.status.success(), "{stopped:?}");
    assert!(TcpStream::connect(address).is_err(), "it still listens");
    assert!(component.pid().is_none());
    component.start().unwrap();
    check().await;

    let killed = component.kill().unwrap();
    assert!(!killed.status.success(), "{killed:?}");
    assert!(TcpStream::connect(address).is_err(), "it still listens");
    component.start().unwrap();
    assert_eq!(component.address(), address);
    check().await;

    component.pause().unwrap();
    assert!(component.exit_status().is_none());
    // The kernel accepts the connection, the process does not respond.
    assert!(TcpStream::connect(address).is_ok());
    component.resume().unwrap();
    check().await;

    component.pause().unwrap();
    assert!(component.stop().unwrap().status.success(), "a paused component also stops gracefully");
}

#[tokio::test]
#[ignore = "needs RabbitMQ"]
async fn rabbitmq_keeps_port_and_data() {
    let rabbitmq = RabbitMq::start().unwrap();
    let connect = async || {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(rabbitmq.url(), properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare("kept".into(), durable, FieldTable::default()).await.unwrap();
        (connection, channel)
    };
    let (_connection, channel) = connect().await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let published = channel.basic_publish("".into(), "kept".into(), BasicPublishOptions::default(), b"1", persistent);
    assert!(published.await.unwrap().await.unwrap().is_ack());

    survives_restarts(rabbitmq.component(), async || {
        let (_connection, channel) = connect().await;
        let message = channel.basic_get("kept".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        assert_eq!(message.delivery.data, b"1");
        // The unacknowledged message is requeued.
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MongoDB"]
async fn mongodb_keeps_port_and_data() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mongodb = MongoDb::start().unwrap();
    let collection = async || {
        let client = mongodb::Client::with_uri_str(mongodb.url()).await.unwrap();
        client.database("test").collection::<Document>("kept")
    };
    collection().await.insert_one(doc! { "_id": 1, "starts": 0 }).await.unwrap();

    survives_restarts(mongodb.component(), async || {
        let kept = collection().await;
        // A transaction needs a replica set.
        let mut session = kept.client().start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        let changed = kept.update_one(doc! { "_id": 1 }, doc! { "$inc": { "starts": 1 } }).session(&mut session);
        assert_eq!(changed.await.unwrap().modified_count, 1);
        session.commit_transaction().await.unwrap();
    })
    .await;
}

fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path()) {
        let read = |file| String::from_utf8_lossy(&fs::read(process.join(file)).unwrap_or_default()).into_owned();
        let (arguments, environment) = (read("cmdline"), read("environ"));
        if arguments.contains(folder) || environment.contains(folder) {
            found.push(format!("{}: {arguments}", process.display()));
        }
    }
    found
}

fn leaves_nothing(end: impl FnOnce(&mut std::process::Child)) {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_fleet-servers"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines().take(2);
    let folders: Vec<PathBuf> = lines
        .map(|line| PathBuf::from(line.unwrap().split_once(' ').unwrap().1).parent().unwrap().to_owned())
        .collect();
    assert_eq!(folders.len(), 2);
    for folder in &folders {
        assert!(!processes_of(folder).is_empty(), "{} has processes", folder.display());
    }
    end(&mut owner);
    owner.wait().unwrap();
    for folder in &folders {
        wait_for("the processes to end", || processes_of(folder).is_empty());
        wait_for("the folder to go", || !folder.exists());
    }
}

fn signal(name: &'static str) -> impl FnOnce(&mut std::process::Child) {
    move |owner| {
        assert!(Command::new("kill").args(["-s", name, &owner.id().to_string()]).status().unwrap().success());
    }
}

fn order(what: &'static str) -> impl FnOnce(&mut std::process::Child) {
    move |owner| owner.stdin.take().unwrap().write_all(what.as_bytes()).unwrap()
}

#[test]
#[ignore = "needs RabbitMQ and MongoDB"]
fn nothing_outlives_its_owner() {
    for what in ["return\n", "exit\n", "panic\n"] {
        eprintln!("{what}");
        leaves_nothing(order(what));
    }
    for name in ["INT", "TERM", "KILL"] {
        eprintln!("{name}");
        leaves_nothing(signal(name));
    }
}
