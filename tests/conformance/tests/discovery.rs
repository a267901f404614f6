//! Broker and database by SRV name, with a real name server: found, found again after a move, and
//! in order of priority. The name server gives every record a TTL of one hour (`fleet::Dns`), so
//! these tests also show that records are not cached.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use fault_proxy::{FaultMode, FaultProxy};
use fleet::{Dns, MongoDb};
use rocket::http::Status;
use rocket::local::asynchronous::Client;
use serde::{Deserialize, Serialize};
use souk_bus::{AmqpOptions, Bus, DeadLetters, Request};
use souk_http::health::{self, Health};
use souk_store::{Collection, Database, Document};
use souk_types::{Error, ErrorKind, Id};

#[allow(dead_code, reason = "only the fresh database is used here")]
#[path = "support/home.rs"]
mod home;
#[path = "support/line.rs"]
mod line;

use self::home::Fresh;
use self::line::options;

/// The longest pause of the supervisor, plus connecting on a busy machine.
const BACK: Duration = Duration::from_secs(10);
/// Like `BACK`, when MongoDB's driver must notice first that all servers are unreachable.
const FOUND: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize)]
struct Square(u64);

impl Request for Square {
    const NAME: &'static str = "maths.square";
    type Reply = u64;
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Crate {
    pieces: i64,
}

impl Document for Crate {
    type Id = Id<Self>;
    const COLLECTION: &'static str = "crates";
}

fn record(service: &str, priority: u16, to: SocketAddr) -> String {
    format!("_{service}._tcp SRV {priority} 1 {} here\nhere A 127.0.0.1\n", to.port())
}

fn named(url: &str, service: &str, dns: &Dns) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    let (authority, rest) = rest.split_once('/').unwrap();
    let credentials = authority.rsplit_once('@').map(|(credentials, _)| format!("{credentials}@")).unwrap_or_default();
    let separator = if rest.contains('?') { '&' } else { '?' };
    format!("srv://{credentials}_{service}._tcp.{}/{rest}{separator}dns={}", Dns::ZONE, dns.address())
}

fn host(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    rest.split(['/', '?']).next().unwrap().rsplit('@').next().unwrap().to_owned()
}

fn password(url: &str) -> String {
    let (before, _) = url.split_once('@').unwrap();
    before.rsplit_once(':').unwrap().1.to_owned()
}

/// Returns the URLs of the broker, by name and by address.
fn brokers(dns: &Dns) -> (AmqpOptions, AmqpOptions) {
    let plain = options();
    (AmqpOptions { url: named(&plain.url, "amqp", dns), ..plain.clone() }, plain)
}

/// Returns a service that connects by address, and a caller that connects by name.
async fn pair(dns: &Dns) -> (Bus, Bus) {
    let (by_name, plain) = brokers(dns);
    let (caller, service) = (Bus::amqp(by_name).unwrap(), Bus::amqp(plain).unwrap());
    service.serve(|Square(number)| async move { Ok(number * number) });
    service.ready().await;
    (caller, service)
}

async fn until<R>(within: Duration, work: impl AsyncFn() -> Result<R, Error>) -> R {
    let begun = Instant::now();
    loop {
        match work().await {
            Ok(answer) => return answer,
            Err(error) => assert!(begun.elapsed() < within, "still {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn works(caller: &Bus) {
    assert_eq!(until(BACK, async || caller.call(Square(3)).await).await, 9);
}

async fn broker(mode: FaultMode) -> FaultProxy {
    let proxy = FaultProxy::in_front_of(host(&options().url)).await.unwrap();
    proxy.set_mode(mode);
    proxy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL and a DNS server: cargo xtask test"]
async fn a_broker_that_moves_is_found() {
    let dns = Dns::start().unwrap();
    let (old, new) = (broker(FaultMode::PassThrough).await, broker(FaultMode::PassThrough).await);
    dns.publish(&record("amqp", 1, old.address())).unwrap();
    let (caller, service) = pair(&dns).await;
    works(&caller).await;
    for (next, last) in [(&new, &old), (&old, &new)] {
        next.set_mode(FaultMode::PassThrough);
        dns.publish(&record("amqp", 1, next.address())).unwrap();
        // Connections to the old address stay open.
        works(&caller).await;
        last.set_mode(FaultMode::Disconnect);
        works(&caller).await;
    }
    tokio::join!(caller.close(), service.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL and a DNS server: cargo xtask test"]
async fn the_reachable_broker_with_the_lowest_priority_serves() {
    let dns = Dns::start().unwrap();
    let (first, second) = (broker(FaultMode::PassThrough).await, broker(FaultMode::PassThrough).await);
    let records = [(7, &second), (3, &first)].map(|(priority, proxy)| record("amqp", priority, proxy.address()));
    dns.publish(&records.concat()).unwrap();
    let (caller, service) = pair(&dns).await;
    works(&caller).await;
    for _ in 0..2 {
        // The second broker has no connection to lose.
        second.set_mode(FaultMode::Disconnect);
        for _ in 0..10 {
            caller.call(Square(3)).await.unwrap();
        }
        second.set_mode(FaultMode::PassThrough);
        for mode in [FaultMode::Disconnect, FaultMode::Stall] {
            first.set_mode(mode);
            works(&caller).await;
        }
        // A new connection tries it first again.
        first.set_mode(FaultMode::PassThrough);
        second.disconnect_all();
        works(&caller).await;
    }
    tokio::join!(caller.close(), service.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL, MONGODB_URI and a DNS server: cargo xtask test"]
async fn a_service_is_not_ready_until_dns_resolves_its_servers() {
    let dns = Dns::start().unwrap();
    let (fresh, (by_name, _)) = (Fresh::new(), brokers(&dns));
    let secret = password(&by_name.url);
    let bus = Bus::amqp(by_name).unwrap();
    let uri = named(&fresh.uri, "mongodb", &dns).replace("srv://", "srv://ana:s3cret@");
    let database = Database::mongodb("harbour", &named(&fresh.uri, "mongodb", &dns), &fresh.name).unwrap();
    let locked = Database::mongodb("harbour", &uri, &fresh.name).unwrap();
    let ready = async |databases: &[&Database]| {
        let health = Health { databases: databases.iter().map(|&one| one.clone()).collect(), bus: bus.clone() };
        let rocket = rocket::custom(rocket::Config { log_level: rocket::log::LogLevel::Off, ..Default::default() });
        let client = Client::untracked(rocket.mount("/", health::routes()).manage(health)).await.unwrap();
        let answer = client.get("/ready").dispatch().await;
        (answer.status(), answer.into_string().await.unwrap())
    };
    let readiness_names = async |databases: &[&Database], words: &str| {
        until(BACK, async || match ready(databases).await {
            (Status::ServiceUnavailable, body) if body.contains(words) => {
                assert!(!body.contains(&secret) && !body.contains("s3cret"), "{body}");
                Ok(())
            }
            other => Err(Error::internal(format!("expected {words:?}, got {other:?}"))),
        })
        .await;
    };
    readiness_names(&[&database], "_amqp._tcp.souk.test failed: there is no such record").await;
    dns.publish("_amqp._tcp SRV 0 0 0 .").unwrap();
    readiness_names(&[&database], "decidedly not available").await;
    dns.component().kill().unwrap();
    readiness_names(&[&database], "_amqp._tcp.souk.test").await;
    dns.component().start().unwrap();
    let broker = host(&options().url).parse().unwrap();
    dns.publish(&record("amqp", 1, broker)).unwrap();
    bus.ready().await;
    assert_eq!(bus.dns_error(), None);
    for database in [&database, &locked] {
        readiness_names(&[database], "_mongodb._tcp.souk.test failed: there is no such record").await;
        let error = database.ping().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Unavailable && !error.operator_message().contains("s3cret"), "{error:?}");
    }
    let both = record("amqp", 1, broker) + &record("mongodb", 1, host(&fresh.uri).parse().unwrap());
    dns.publish(&both).unwrap();
    until(BACK, async || database.ping().await).await;
    assert_eq!((ready(&[&database]).await.0, database.dns_error()), (Status::Ok, None));
    tokio::join!(bus.close(), database.close(), locked.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL and a DNS server: cargo xtask test"]
async fn dead_letters_are_found_by_srv_name() {
    let dns = Dns::start().unwrap();
    let (by_name, plain) = brokers(&dns);
    let unreachable = broker(FaultMode::Disconnect).await;
    let records = record("amqp", 1, unreachable.address()) + &record("amqp", 2, host(&plain.url).parse().unwrap());
    dns.publish(&records).unwrap();
    let letters = DeadLetters::open(by_name.clone(), &[]).await.unwrap();
    assert_eq!(letters.count().await.unwrap().dead_letters, 0);
    letters.close().await;
    dns.publish(&record("amqp", 1, unreachable.address())).unwrap();
    let message = DeadLetters::open(by_name.clone(), &[]).await.err().unwrap().operator_message();
    let address = format!("amqp://here.souk.test:{}", unreachable.address().port());
    for words in ["srv://_amqp._tcp.souk.test", &address] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert!(!message.contains(&password(&by_name.url)), "{message}");
}

/// The client verifies the certificate for the SRV target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a DNS server: cargo xtask test"]
async fn tls_verifies_the_name_of_the_target() {
    let dns = Dns::start().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    dns.publish(&record("amqps", 1, listener.local_addr().unwrap())).unwrap();
    let url = named("amqps://ana:secret@mq/%2f", "amqps", &dns);
    // Installed by every program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bus =
        Bus::amqp(AmqpOptions { url, name: "test".to_owned(), service: "test".to_owned(), prefix: String::new() })
            .unwrap();
    let hello = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 4096];
        let length = stream.read(&mut hello).unwrap();
        hello[..length].to_vec()
    });
    let hello = hello.await.unwrap();
    let text = String::from_utf8_lossy(&hello);
    assert!(text.contains("here.souk.test") && !text.contains("_amqps"), "{text:?}");
    bus.close().await;
}

fn open(uri: &str, name: &str) -> (Database, Collection<Crate>) {
    let database = Database::mongodb("harbour", uri, name).unwrap();
    let crates = database.collection().unwrap();
    (database, crates)
}

async fn keeps(crates: &Collection<Crate>) {
    let one = Crate { pieces: 7 };
    until(FOUND, async || {
        let id = Id::new();
        crates.insert(id, one.clone()).await?;
        assert_eq!(crates.get(id).await?, Some(one.clone()));
        Ok(())
    })
    .await;
}

/// Through a fault proxy, so with a direct connection: the server would announce its own address.
async fn database(uri: &str, mode: FaultMode) -> FaultProxy {
    let proxy = FaultProxy::in_front_of(host(uri)).await.unwrap();
    proxy.set_mode(mode);
    proxy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI and a DNS server: cargo xtask test"]
async fn a_database_that_moves_is_found() {
    let (dns, fresh) = (Dns::start().unwrap(), Fresh::new());
    let (old, new) =
        (database(&fresh.uri, FaultMode::PassThrough).await, database(&fresh.uri, FaultMode::PassThrough).await);
    dns.publish(&record("mongodb", 1, old.address())).unwrap();
    let uri = named("mongodb://any/?directConnection=true", "mongodb", &dns);
    let (database, crates) = open(&uri, &fresh.name);
    keeps(&crates).await;
    for (next, last) in [(&new, &old), (&old, &new)] {
        next.set_mode(FaultMode::PassThrough);
        dns.publish(&record("mongodb", 1, next.address())).unwrap();
        keeps(&crates).await;
        last.set_mode(FaultMode::Disconnect);
        keeps(&crates).await;
    }
    database.close().await;
    assert!(crates.get(Id::new()).await.is_err(), "a closed database should not reconnect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MONGODB_URI and a DNS server: cargo xtask test"]
async fn a_database_of_the_next_priority_serves_when_the_first_is_unreachable() {
    let (dns, fresh) = (Dns::start().unwrap(), Fresh::new());
    let (first, second) =
        (database(&fresh.uri, FaultMode::Disconnect).await, database(&fresh.uri, FaultMode::PassThrough).await);
    let records = [(1, &first), (2, &second)].map(|(priority, proxy)| record("mongodb", priority, proxy.address()));
    dns.publish(&records.concat()).unwrap();
    let uri = named("mongodb://any/?directConnection=true", "mongodb", &dns);
    let (database, crates) = open(&uri, &fresh.name);
    keeps(&crates).await;
    first.set_mode(FaultMode::PassThrough);
    second.set_mode(FaultMode::Disconnect);
    keeps(&crates).await;
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a DNS server and mongod: cargo xtask test"]
async fn a_replica_set_whose_members_all_change_is_followed() {
    let dns = Dns::start().unwrap();
    let start = || tokio::task::spawn_blocking(|| MongoDb::start().unwrap());
    let (old, new) = tokio::try_join!(start(), start()).unwrap();
    dns.publish(&record("mongodb", 1, old.component().address())).unwrap();
    let uri = named(old.url(), "mongodb", &dns);
    let (database, crates) = open(&uri, "harbour");
    keeps(&crates).await;
    old.component().kill().unwrap();
    assert_eq!(crates.get(Id::new()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    // While DNS is unchanged, the old servers are still tried.
    tokio::time::sleep(Duration::from_secs(2)).await;
    dns.publish(&record("mongodb", 1, new.component().address())).unwrap();
    keeps(&crates).await;
    new.component().kill().unwrap();
    let again = tokio::task::spawn_blocking(move || {
        old.component().start().unwrap();
        old
    });
    let old = again.await.unwrap();
    dns.publish(&record("mongodb", 1, old.component().address())).unwrap();
    keeps(&crates).await;
    database.close().await;
}
