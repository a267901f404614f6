//! Listing changes nothing, a replay goes to the one queue that failed, and operators wait.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::AMQPValue;
use serde::{Deserialize, Serialize};
use souk_bus::{AmqpOptions, Bus, DeadLetter, DeadLetterFilter, DeadLetters, Delivery, Event, EventDescriptor};
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

use crate::line::{clear, options};
use crate::raw::{Raw, version};

const SOON: Duration = Duration::from_mins(1);
const TOPOLOGY: &[(&str, &[&str])] = &[("press", &["archive", "reader"])];
const EVENTS: &[EventDescriptor] = &[EventDescriptor::of::<Torn>()];

#[derive(Debug, Serialize, Deserialize)]
struct Torn(u32);

impl Event for Torn {
    const NAME: &'static str = "press.torn";
    const LISTENERS: &'static [&'static str] = &["archive", "reader"];
}

/// Handled events: listener, event id, number.
type Handled = watch::Receiver<Vec<(&'static str, String, u32)>>;

async fn both_listen(options: &AmqpOptions) -> (Bus, Handled) {
    let bus = Bus::amqp(options.clone()).unwrap();
    let (handle, handled) = watch::channel(Vec::new());
    for listener in Torn::LISTENERS {
        let handle = handle.clone();
        bus.subscribe(listener, move |delivery: Delivery<Torn>| {
            handle.send_modify(|all| all.push((*listener, delivery.id.to_string(), delivery.event.0)));
            async { Ok(()) }
        });
    }
    bus.ready().await;
    (bus, handled)
}

/// Stores events in a dead-letter queue as the transport does; returns their ids.
async fn dead_letter(options: &AmqpOptions, queue: &str, bodies: &[&str]) -> Vec<String> {
    let raw = Raw::connect(options).await;
    let mut ids = Vec::new();
    for body in bodies {
        let id = Uuid::now_v7().to_string();
        let mut headers = version(1);
        headers.insert("souk-attempts".into(), AMQPValue::LongLongInt(5));
        headers.insert("souk-refusals".into(), AMQPValue::LongLongInt(5));
        headers.insert("souk-first-failure".into(), AMQPValue::LongLongInt(1_763_728_187_123));
        headers.insert("souk-last-failure".into(), AMQPValue::LongLongInt(1_763_728_198_123));
        headers.insert("souk-reason".into(), AMQPValue::LongString("it is torn".into()));
        headers.insert("souk-queue".into(), AMQPValue::LongString(format!("{}{queue}", options.prefix).into()));
        headers.insert("souk-request".into(), AMQPValue::LongString("r-1".into()));
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_type(Torn::NAME.into())
            .with_message_id(id.as_str().into())
            .with_headers(headers);
        raw.send("", &format!("{}{queue}.dead", options.prefix), body.as_bytes(), properties).await;
        ids.push(id);
    }
    // Published messages are visible after a moment.
    wait_for_ids(options, &DeadLetterFilter::default(), |letters| ids.iter().all(|id| letters.contains(id))).await;
    ids
}

async fn open(options: &AmqpOptions) -> DeadLetters {
    DeadLetters::open(options.clone(), EVENTS).await.unwrap()
}

async fn list(options: &AmqpOptions, which: &DeadLetterFilter) -> Vec<DeadLetter> {
    let letters = open(options).await;
    let mut found = Vec::new();
    letters.list(which, |letter| found.push(letter)).await.unwrap();
    letters.close().await;
    found
}

async fn ids(options: &AmqpOptions, which: &DeadLetterFilter) -> Vec<String> {
    list(options, which).await.into_iter().map(|letter| letter.id).collect()
}

async fn wait_for_ids(options: &AmqpOptions, which: &DeadLetterFilter, enough: impl Fn(&[String]) -> bool) {
    let listing = async { while !enough(&ids(options, which).await) {} };
    timeout(SOON, listing).await.expect("should be listed");
}

fn of(id: &str) -> DeadLetterFilter {
    DeadLetterFilter { id: Some(id.to_owned()), ..DeadLetterFilter::default() }
}

fn of_queue(queue: &str) -> DeadLetterFilter {
    DeadLetterFilter { queue: Some(queue.to_owned()), ..DeadLetterFilter::default() }
}

async fn end(options: &AmqpOptions, bus: &Bus) {
    bus.close().await;
    clear(options, TOPOLOGY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn listing_changes_nothing() {
    let options = options();
    assert!(list(&options, &DeadLetterFilter::default()).await.is_empty(), "before any service has run");
    let (bus, _) = both_listen(&options).await;
    assert!(list(&options, &DeadLetterFilter::default()).await.is_empty());
    let stored = dead_letter(&options, "reader.press", &["1", "2", "3"]).await;
    // More often than the default delivery limit of RabbitMQ.
    for round in 0..25 {
        assert_eq!(ids(&options, &DeadLetterFilter::default()).await, stored, "round {round}");
        assert_eq!(ids(&options, &of(&stored[1])).await, stored[1..2], "round {round}");
    }
    let letter = list(&options, &of(&stored[0])).await.remove(0);
    assert_eq!((letter.queue.as_str(), letter.event.as_deref()), ("reader.press", Some("press.torn")));
    assert_eq!((letter.attempts, letter.reason.as_str(), letter.request.as_deref()), (5, "it is torn", Some("r-1")));
    assert_eq!(letter.first_failed_at.unwrap().to_string(), "2025-11-21T12:29:47.123Z");
    assert_eq!(letter.dead_lettered_at.unwrap().to_string(), "2025-11-21T12:29:58.123Z");
    assert_eq!((letter.body.as_slice(), &letter.headers["souk-version"]), (b"1".as_slice(), &1.into()));
    end(&options, &bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_replay_goes_to_the_queue_that_failed_under_the_same_id() {
    let options = options();
    let (bus, mut handled) = both_listen(&options).await;
    let stored = dead_letter(&options, "archive.press", &["7", "8"]).await;
    let letters = open(&options).await;
    let mut reported = Vec::new();
    let replayed = letters.replay(&of(&stored[0]), |letter| reported.push(letter.id)).await.unwrap();
    assert_eq!((replayed, &reported[..]), (1, &stored[..1]));
    letters.close().await;
    timeout(SOON, handled.wait_for(|handled| !handled.is_empty())).await.expect("should be handled").unwrap();
    assert_eq!(ids(&options, &DeadLetterFilter::default()).await, stored[1..], "the other dead letter stays");
    let letters = open(&options).await;
    assert_eq!(letters.replay(&DeadLetterFilter::default(), |_| {}).await.unwrap(), 1);
    assert_eq!(letters.replay(&DeadLetterFilter::default(), |_| {}).await.unwrap(), 0);
    letters.close().await;
    timeout(SOON, handled.wait_for(|handled| handled.len() == 2)).await.expect("should be handled").unwrap();
    let expected = [("archive", stored[0].clone(), 7), ("archive", stored[1].clone(), 8)];
    assert_eq!(*handled.borrow(), expected, "no other listener receives them");
    end(&options, &bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_replayed_event_that_fails_again_has_a_new_history() {
    let options = options();
    let (bus, _) = both_listen(&options).await;
    let mut stored = dead_letter(&options, "reader.press", &["{", "["]).await;
    let letters = open(&options).await;
    assert_eq!(letters.replay(&of_queue("reader.press"), |_| {}).await.unwrap(), 2, "each once");
    letters.close().await;
    wait_for_ids(&options, &DeadLetterFilter::default(), |letters| letters.len() == 2).await;
    let again = list(&options, &DeadLetterFilter::default()).await;
    assert!(again.iter().all(|letter| letter.attempts == 1 && letter.reason.contains("cannot be read")), "{again:?}");
    let mut ids: Vec<String> = again.into_iter().map(|letter| letter.id).collect();
    ids.sort();
    stored.sort();
    assert_eq!(ids, stored);
    end(&options, &bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn discard_removes_the_selected_dead_letters_only() {
    let options = options();
    let (bus, _) = both_listen(&options).await;
    let reader = dead_letter(&options, "reader.press", &["1", "2", "3"]).await;
    let archive = dead_letter(&options, "archive.press", &["1"]).await;
    let letters = open(&options).await;
    let mut reported = Vec::new();
    assert_eq!(letters.discard(&of(&reader[1]), |letter| reported.push(letter.id)).await.unwrap(), 1);
    assert_eq!(reported, reader[1..2]);
    assert_eq!(letters.discard(&of("unknown"), |_| {}).await.unwrap(), 0);
    // The name that the broker's own tools show.
    let named = format!("{}reader.press.dead", options.prefix);
    assert_eq!(letters.discard(&of_queue(&named), |_| {}).await.unwrap(), 2);
    let unknown = letters.discard(&of_queue("reader.pres"), |_| {}).await.unwrap_err();
    assert!(unknown.operator_message().contains("archive.press, reader.press"), "{unknown}");
    letters.close().await;
    assert_eq!(ids(&options, &DeadLetterFilter::default()).await, archive);
    end(&options, &bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_dead_letter_stays_when_its_queue_is_missing_or_the_operator_dies() {
    let options = options();
    let (bus, _) = both_listen(&options).await;
    let stored = dead_letter(&options, "reader.press", &["1", "2"]).await;
    let dying = open(&options).await;
    let listing = tokio::spawn(async move { dying.list(&DeadLetterFilter::default(), |_| panic!("dies")).await });
    assert!(listing.await.unwrap_err().is_panic());
    let mut left = ids(&options, &DeadLetterFilter::default()).await;
    // The broker may requeue the messages of the dead process behind the others.
    left.sort();
    assert_eq!(left, stored);
    bus.close().await;
    Raw::connect(&options).await.delete("reader.press").await;
    let letters = open(&options).await;
    let error = letters.replay(&DeadLetterFilter::default(), |_| {}).await.unwrap_err();
    assert!(error.operator_message().contains("there is no queue"), "{error}");
    letters.close().await;
    assert_eq!(ids(&options, &DeadLetterFilter::default()).await.len(), 2);
    end(&options, &bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn operators_wait_for_each_other() {
    let options = options();
    let (bus, mut handled) = both_listen(&options).await;
    let stored = dead_letter(&options, "reader.press", &["1", "2", "3", "4", "5", "6", "7", "8"]).await;
    let everything = DeadLetterFilter::default();
    for _ in 0..5 {
        let (one, other) = tokio::join!(ids(&options, &everything), ids(&options, &everything));
        assert_eq!((&one, &other), (&stored, &stored));
    }
    let replay = async || {
        let letters = open(&options).await;
        let replayed = letters.replay(&DeadLetterFilter::default(), |_| {}).await.unwrap();
        letters.close().await;
        replayed
    };
    let (one, other) = tokio::join!(replay(), replay());
    assert_eq!(one + other, 8);
    timeout(SOON, handled.wait_for(|handled| handled.len() == 8)).await.expect("should be handled").unwrap();
    end(&options, &bus).await;
}

#[tokio::test]
async fn the_error_of_an_unreachable_broker_names_its_address() {
    let url = "amqp://souk:secret@127.0.0.1:1/%2f".to_owned();
    let options = AmqpOptions { url, name: "test".to_owned(), service: "test".to_owned(), prefix: String::new() };
    let error = DeadLetters::open(options, EVENTS).await.err().expect("no broker listens there").operator_message();
    assert!(error.contains("amqp://127.0.0.1:1//") && !error.contains("secret"), "{error}");
}
