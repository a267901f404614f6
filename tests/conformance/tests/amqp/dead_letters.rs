//! Dead letters: they are where they were after somebody has looked, however that ended, and come back to the one queue that
//! failed.

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
const SPOKEN: &[(&str, &[&str])] = &[("press", &["archive", "reader"])];
const EVENTS: &[EventDescriptor] = &[EventDescriptor::of::<Torn>()];

#[derive(Debug, Serialize, Deserialize)]
struct Torn(u32);

impl Event for Torn {
    const NAME: &'static str = "press.torn";
    const LISTENERS: &'static [&'static str] = &["archive", "reader"];
}

/// What was heard: by whom, and under which id.
type Heard = watch::Receiver<Vec<(&'static str, String, u32)>>;

/// A bus on which both listen.
async fn both_listen(options: &AmqpOptions) -> (Bus, Heard) {
    let bus = Bus::amqp(options.clone()).unwrap();
    let (hear, heard) = watch::channel(Vec::new());
    for listener in Torn::LISTENERS {
        let hear = hear.clone();
        bus.subscribe(listener, move |delivery: Delivery<Torn>| {
            hear.send_modify(|all| all.push((*listener, delivery.id.to_string(), delivery.event.0)));
            async { Ok(()) }
        });
    }
    bus.ready().await;
    (bus, heard)
}

/// Puts letters into a dead-letter queue as the transport does, and returns their ids.
async fn park(options: &AmqpOptions, queue: &str, bodies: &[&str]) -> Vec<String> {
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
    // What is published is there when it can be seen.
    seen(options, &DeadLetterFilter::default(), |letters| ids.iter().all(|id| letters.contains(id))).await;
    ids
}

async fn open(options: &AmqpOptions) -> DeadLetters {
    DeadLetters::open(options.clone(), EVENTS).await.unwrap()
}

async fn look(options: &AmqpOptions, which: &DeadLetterFilter) -> Vec<DeadLetter> {
    let letters = open(options).await;
    let mut found = Vec::new();
    letters.list(which, |letter| found.push(letter)).await.unwrap();
    letters.close().await;
    found
}

async fn ids(options: &AmqpOptions, which: &DeadLetterFilter) -> Vec<String> {
    look(options, which).await.into_iter().map(|letter| letter.id).collect()
}

async fn seen(options: &AmqpOptions, which: &DeadLetterFilter, enough: impl Fn(&[String]) -> bool) {
    let looking = async { while !enough(&ids(options, which).await) {} };
    timeout(SOON, looking).await.expect("should be seen");
}

fn of(id: &str) -> DeadLetterFilter {
    DeadLetterFilter { id: Some(id.to_owned()), queue: None }
}

fn of_queue(queue: &str) -> DeadLetterFilter {
    DeadLetterFilter { id: None, queue: Some(queue.to_owned()) }
}

async fn end(options: &AmqpOptions, bus: &Bus) {
    bus.close().await;
    clear(options, SPOKEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn looking_changes_nothing() {
    let options = options();
    assert!(look(&options, &DeadLetterFilter::default()).await.is_empty(), "where nobody has ever been");
    let (bus, _) = both_listen(&options).await;
    assert!(look(&options, &DeadLetterFilter::default()).await.is_empty());
    let parked = park(&options, "reader.press", &["1", "2", "3"]).await;
    // More often than RabbitMQ lets a message come back by itself.
    for round in 0..25 {
        assert_eq!(ids(&options, &DeadLetterFilter::default()).await, parked, "round {round}");
        assert_eq!(ids(&options, &of(&parked[1])).await, parked[1..2], "round {round}");
    }
    let letter = look(&options, &of(&parked[0])).await.remove(0);
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
    let (bus, mut heard) = both_listen(&options).await;
    let parked = park(&options, "archive.press", &["7", "8"]).await;
    let letters = open(&options).await;
    let mut told = Vec::new();
    let replayed = letters.replay(&of(&parked[0]), |letter| told.push(letter.id)).await.unwrap();
    assert_eq!((replayed, &told[..]), (1, &parked[..1]));
    letters.close().await;
    timeout(SOON, heard.wait_for(|heard| !heard.is_empty())).await.expect("should be heard").unwrap();
    assert_eq!(ids(&options, &DeadLetterFilter::default()).await, parked[1..], "the other one stays");
    let letters = open(&options).await;
    assert_eq!(letters.replay(&DeadLetterFilter::default(), |_| {}).await.unwrap(), 1);
    assert_eq!(letters.replay(&DeadLetterFilter::default(), |_| {}).await.unwrap(), 0);
    letters.close().await;
    timeout(SOON, heard.wait_for(|heard| heard.len() == 2)).await.expect("should be heard").unwrap();
    let expected = [("archive", parked[0].clone(), 7), ("archive", parked[1].clone(), 8)];
    assert_eq!(*heard.borrow(), expected, "by nobody else");
    end(&options, &bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn what_fails_again_is_parked_again_with_a_new_history() {
    let options = options();
    let (bus, _) = both_listen(&options).await;
    let mut parked = park(&options, "reader.press", &["{", "["]).await;
    let letters = open(&options).await;
    assert_eq!(letters.replay(&of_queue("reader.press"), |_| {}).await.unwrap(), 2, "each once");
    letters.close().await;
    seen(&options, &DeadLetterFilter::default(), |letters| letters.len() == 2).await;
    let again = look(&options, &DeadLetterFilter::default()).await;
    assert!(again.iter().all(|letter| letter.attempts == 1 && letter.reason.contains("cannot be read")), "{again:?}");
    let mut ids: Vec<String> = again.into_iter().map(|letter| letter.id).collect();
    ids.sort();
    parked.sort();
    assert_eq!(ids, parked);
    end(&options, &bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn what_is_dropped_is_gone_and_nothing_else() {
    let options = options();
    let (bus, _) = both_listen(&options).await;
    let reader = park(&options, "reader.press", &["1", "2", "3"]).await;
    let archive = park(&options, "archive.press", &["1"]).await;
    let letters = open(&options).await;
    let mut told = Vec::new();
    assert_eq!(letters.discard(&of(&reader[1]), |letter| told.push(letter.id)).await.unwrap(), 1);
    assert_eq!(told, reader[1..2]);
    assert_eq!(letters.discard(&of("nobody"), |_| {}).await.unwrap(), 0);
    // As the broker's own tools call it.
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
async fn a_letter_stays_when_its_queue_is_gone_or_its_looker_dies() {
    let options = options();
    let (bus, _) = both_listen(&options).await;
    let parked = park(&options, "reader.press", &["1", "2"]).await;
    let dying = open(&options).await;
    let looking = tokio::spawn(async move { dying.list(&DeadLetterFilter::default(), |_| panic!("dies")).await });
    assert!(looking.await.unwrap_err().is_panic());
    let mut left = ids(&options, &DeadLetterFilter::default()).await;
    // What the broker takes back from the dead may come behind the others.
    left.sort();
    assert_eq!(left, parked);
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
async fn two_operators_do_not_get_in_each_others_way() {
    let options = options();
    let (bus, mut heard) = both_listen(&options).await;
    let parked = park(&options, "reader.press", &["1", "2", "3", "4", "5", "6", "7", "8"]).await;
    let everything = DeadLetterFilter::default();
    for _ in 0..5 {
        let (one, other) = tokio::join!(ids(&options, &everything), ids(&options, &everything));
        assert_eq!((&one, &other), (&parked, &parked));
    }
    let replay = async || {
        let letters = open(&options).await;
        let replayed = letters.replay(&DeadLetterFilter::default(), |_| {}).await.unwrap();
        letters.close().await;
        replayed
    };
    let (one, other) = tokio::join!(replay(), replay());
    assert_eq!(one + other, 8);
    timeout(SOON, heard.wait_for(|heard| heard.len() == 8)).await.expect("should be heard").unwrap();
    end(&options, &bus).await;
}

#[tokio::test]
async fn without_a_broker_it_says_where_it_looked() {
    let url = "amqp://souk:secret@127.0.0.1:1/%2f".to_owned();
    let options = AmqpOptions { url, name: "test".to_owned(), prefix: String::new() };
    let error = DeadLetters::open(options, EVENTS).await.err().expect("nobody is there").operator_message();
    assert!(error.contains("amqp://127.0.0.1:1//") && !error.contains("secret"), "{error}");
}
