//! The conformance suite for calls, passed by every transport of the bus; `outbox.rs` checks
//! events. Each check is a function of a [`Line`] of its own; `checks!` makes the tests.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_bus::{Bus, CALL_TIMEOUT, EventId, EventMessage, Request};
use souk_types::format::{Format, FormatChange, rename};
use souk_types::{Error, ErrorKind, FieldError};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

#[path = "support/line.rs"]
mod line;

use self::line::Line;

const CHECK_TIMEOUT: Duration = Duration::from_mins(1);
const AT_ONCE: Duration = Duration::from_millis(100);

macro_rules! checks {
    ($($check:ident)*) => {
        checks!(@ local, Line::local(), [], $($check)*);
        checks!(@ amqp, Line::amqp(), [#[ignore = "needs AMQP_URL: cargo xtask test"]], $($check)*);
    };
    (@ $transport:ident, $line:expr, $attributes:tt, $($check:ident)*) => {
        mod $transport {
            use super::Line;

            $(checks!(@@ $check, $line, $attributes);)*
        }
    };
    (@@ $check:ident, $line:expr, [$(#[$attribute:meta])*]) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $check() {
            let line = $line;
            let outcome = tokio::time::timeout(crate::CHECK_TIMEOUT, super::$check(&line)).await;
            line.close(&[]).await;
            outcome.expect("should not hang");
        }
    };
}

checks! {
    a_call_gets_its_reply
    one_service_serves_several_requests
    an_error_keeps_its_public_parts
    an_error_loses_its_cause
    a_call_without_a_server_fails_at_once_and_names_the_service
    a_timeout_names_the_service
    a_service_serves_after_a_timeout
    an_expired_call_is_not_executed
    a_panic_is_an_internal_error
    a_service_serves_after_panics
    an_unreadable_request_is_refused
    a_service_serves_after_unreadable_requests
    an_unreadable_reply_is_an_internal_error
    concurrent_calls_get_their_own_replies
    calls_of_one_name_run_concurrently
    a_cancelled_caller_does_not_stop_the_handler
    a_handler_may_call
    a_large_message_arrives_whole
    an_event_that_is_not_registered_is_refused
    calls_between_two_releases_are_understood
}

/// A request whose members have other names in the previous format, and so has its reply.
#[derive(Debug, Serialize, Deserialize)]
struct Measure {
    width: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Area {
    size: u32,
}

impl Request for Measure {
    const NAME: &'static str = "sums.measure";
    type Reply = Area;
    const CHANGE: Option<FormatChange> = Some(FormatChange {
        upgrade: |request| rename(request, "breadth", "width"),
        downgrade: |request| rename(request, "width", "breadth"),
    });
    const REPLY_CHANGE: Option<FormatChange> = Some(FormatChange {
        upgrade: |reply| rename(reply, "extent", "size"),
        downgrade: |reply| rename(reply, "size", "extent"),
    });
}

/// The same request in the previous release.
#[derive(Debug, Serialize, Deserialize)]
struct FormerMeasure {
    breadth: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FormerArea {
    extent: u32,
}

impl Request for FormerMeasure {
    const NAME: &'static str = Measure::NAME;
    type Reply = FormerArea;
}

async fn calls_between_two_releases_are_understood(Line { bus, .. }: &Line) {
    let serve_former = || bus.serve(|FormerMeasure { breadth }| async move { Ok(FormerArea { extent: breadth * 2 }) });
    let serve = || bus.serve(|Measure { width }| async move { Ok(Area { size: width * 2 }) });
    serve_former();
    bus.ready().await;
    assert_eq!(bus.call(Measure { width: 3 }).await.unwrap(), Area { size: 6 });
    serve();
    assert_eq!(bus.call(FormerMeasure { breadth: 3 }).await.unwrap(), FormerArea { extent: 6 });
    assert_eq!(bus.call(Measure { width: 3 }).await.unwrap(), Area { size: 6 });

    bus.write_format(Format::CURRENT);
    bus.write_format(Format::PREVIOUS);
    assert_eq!(bus.format(), Format::CURRENT, "a process does not go back");
    assert_eq!(bus.call(Measure { width: 3 }).await.unwrap(), Area { size: 6 });
    serve_former();
    bus.call(Measure { width: 3 }).await.unwrap_err();
}

async fn a_call_gets_its_reply(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    assert_eq!(bus.call(Double { number: 21 }).await.unwrap(), 42);
}

async fn one_service_serves_several_requests(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.serve(|request: Echo| async move { Ok(request.text) });
    bus.ready().await;
    assert_eq!(bus.call(Echo { text: "ü".to_owned() }).await.unwrap(), "ü");
    assert_eq!(bus.call(Double { number: 1 }).await.unwrap(), 2);
}

async fn an_error_keeps_its_public_parts(Line { bus, .. }: &Line) {
    let sent = Error::invalid(vec![FieldError::new("price.amount", "is too high")]).with_member("most", 99);
    let refusal = sent.clone();
    bus.serve(move |_: Double| {
        let refusal = refusal.clone();
        async move { Err(refusal) }
    });
    bus.ready().await;
    let received = bus.call(Double { number: 1 }).await.unwrap_err();
    assert_eq!(
        (received.kind(), received.code(), received.detail(), received.fields(), received.members()),
        (sent.kind(), sent.code(), sent.detail(), sent.fields(), sent.members()),
    );
}

async fn an_error_loses_its_cause(Line { bus, .. }: &Line) {
    bus.serve(|_: Double| async { Err(Error::conflict("taken", "Taken.").caused_by("a secret")) });
    bus.ready().await;
    assert_eq!(bus.call(Double { number: 1 }).await.unwrap_err().cause(), None);
}

async fn a_call_without_a_server_fails_at_once_and_names_the_service(Line { bus, .. }: &Line) {
    bus.ready().await;
    let start = Instant::now();
    let error = bus.call(Double { number: 1 }).await.unwrap_err();
    assert!(start.elapsed() < CALL_TIMEOUT / 2, "took {:?}", start.elapsed());
    assert_eq!((error.kind(), &error.members()["service"]), (ErrorKind::Unavailable, &"sums".into()));
}

async fn a_timeout_names_the_service(Line { bus, .. }: &Line) {
    bus.serve(|_: Double| std::future::pending());
    bus.ready().await;
    let start = Instant::now();
    let error = bus.call(Double { number: 1 }).await.unwrap_err();
    assert!(start.elapsed() < CALL_TIMEOUT * 3, "took {:?}", start.elapsed());
    assert_eq!((error.kind(), &error.members()["service"]), (ErrorKind::Unavailable, &"sums".into()));
}

async fn a_service_serves_after_a_timeout(Line { bus, .. }: &Line) {
    bus.serve(|request: Double| async move {
        if request.number == 0 {
            std::future::pending::<()>().await;
        }
        Ok(request.number * 2)
    });
    bus.ready().await;
    bus.call(Double { number: 0 }).await.unwrap_err();
    assert_eq!(bus.call(Double { number: 1 }).await.unwrap(), 2);
}

async fn an_expired_call_is_not_executed(Line { bus, recovers_within, .. }: &Line) {
    let started = Arc::new(AtomicU32::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let (counting, waiting) = (Arc::clone(&started), Arc::clone(&gate));
    bus.serve(move |request: Double| {
        counting.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&waiting);
        async move {
            let _ = gate.acquire().await;
            Ok(request.number * 2)
        }
    });
    bus.ready().await;
    // More than any transport runs at the same time; none gets a reply.
    let mut calling = JoinSet::new();
    for number in 0..1000 {
        let bus = bus.clone();
        calling.spawn(async move { bus.call(Double { number }).await });
    }
    while let Some(outcome) = calling.join_next().await {
        outcome.unwrap().unwrap_err();
    }
    let started_in_time = started.load(Ordering::SeqCst);
    gate.close();
    assert_eq!(recover_within(*recovers_within, bus).await, 2);
    assert_eq!(started.load(Ordering::SeqCst), started_in_time + 1);
}

async fn a_panic_is_an_internal_error(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    assert_eq!(bus.call(Double { number: PANIC }).await.unwrap_err().kind(), ErrorKind::Internal);
}

async fn a_service_serves_after_panics(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    let mut panicking = JoinSet::new();
    // More than any transport runs at the same time: each must release its permit.
    for _ in 0..1000 {
        let bus = bus.clone();
        panicking.spawn(async move { bus.call(Double { number: PANIC }).await });
    }
    while let Some(outcome) = panicking.join_next().await {
        outcome.unwrap().unwrap_err();
    }
    assert_eq!(bus.call(Double { number: 1 }).await.unwrap(), 2);
}

async fn an_unreadable_request_is_refused(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    let error = bus.call(DoubleByName { name: "one".to_owned() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

async fn a_service_serves_after_unreadable_requests(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    for _ in 0..1000 {
        bus.call(DoubleByName { name: "one".to_owned() }).await.unwrap_err();
    }
    assert_eq!(bus.call(Double { number: 1 }).await.unwrap(), 2);
}

async fn an_unreadable_reply_is_an_internal_error(Line { bus, .. }: &Line) {
    bus.serve(|_: EchoOfNumbers| async { Ok(7) });
    bus.ready().await;
    let error = bus.call(Echo { text: String::new() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

async fn concurrent_calls_get_their_own_replies(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    let mut calling = JoinSet::new();
    for number in 0..500 {
        let bus = bus.clone();
        calling.spawn(async move { (number, bus.call(Double { number }).await.unwrap()) });
    }
    let mut answered = BTreeSet::new();
    while let Some(answer) = calling.join_next().await {
        let (number, reply) = answer.unwrap();
        assert_eq!(reply, number * 2);
        answered.insert(number);
    }
    assert_eq!(answered.len(), 500);
}

async fn calls_of_one_name_run_concurrently(Line { bus, .. }: &Line) {
    let (running, _) = watch::channel(0);
    // No handler returns before all of them run.
    bus.serve(move |request: Double| {
        running.send_modify(|calls| *calls += 1);
        let mut running = running.subscribe();
        async move {
            running.wait_for(|calls| *calls == 16).await.map_err(Error::internal)?;
            Ok(request.number * 2)
        }
    });
    bus.ready().await;
    let mut calling = JoinSet::new();
    for number in 0..16 {
        let bus = bus.clone();
        calling.spawn(async move { bus.call(Double { number }).await });
    }
    while let Some(answer) = calling.join_next().await {
        answer.unwrap().unwrap();
    }
}

async fn a_cancelled_caller_does_not_stop_the_handler(Line { bus, .. }: &Line) {
    let [started, proceed, done] = [(); 3].map(|()| Arc::new(Notify::new()));
    let signals = (Arc::clone(&started), Arc::clone(&proceed), Arc::clone(&done));
    bus.serve(move |_: Double| {
        let (started, proceed, done) = signals.clone();
        async move {
            started.notify_one();
            proceed.notified().await;
            done.notify_one();
            Ok(0)
        }
    });
    bus.ready().await;
    let caller = tokio::spawn({
        let bus = bus.clone();
        async move { bus.call(Double { number: 1 }).await }
    });
    started.notified().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    proceed.notify_one();
    done.notified().await;
}

async fn a_handler_may_call(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    let inner = bus.clone();
    bus.serve(move |request: Echo| {
        let bus = inner.clone();
        async move {
            let doubled = bus.call(Double { number: request.text.len() as u64 }).await?;
            Ok(doubled.to_string())
        }
    });
    bus.ready().await;
    assert_eq!(bus.call(Echo { text: "four".to_owned() }).await.unwrap(), "8");
}

async fn a_large_message_arrives_whole(Line { bus, .. }: &Line) {
    bus.serve(|request: Echo| async move { Ok(request.text) });
    bus.ready().await;
    let text = "0123456789".repeat(100_000);
    assert_eq!(bus.call(Echo { text: text.clone() }).await.unwrap(), text);
}

/// Its listeners would miss it, because nothing keeps it for them.
async fn an_event_that_is_not_registered_is_refused(Line { bus, .. }: &Line) {
    let message =
        EventMessage { id: EventId::new(), name: "maths.solved".to_owned(), request: None, body: b"{}".to_vec() };
    let refused = bus.publish(&message).await.unwrap_err();
    assert!(refused.kind() == ErrorKind::Internal && refused.to_string().contains("maths.solved"), "{refused}");
}

/// While the circuit breaker is open each call must fail at once.
async fn recover_within(time: Duration, bus: &Bus) -> u64 {
    let start = Instant::now();
    loop {
        let call = Instant::now();
        match bus.call(Double { number: 1 }).await {
            Ok(reply) => return reply,
            Err(error) => {
                assert!(start.elapsed() < time, "still {error}");
                assert!(call.elapsed() < AT_ONCE, "took {:?} to fail", call.elapsed());
                tokio::task::yield_now().await;
            }
        }
    }
}

fn serve_doubling(bus: &Bus) {
    bus.serve(|request: Double| async move {
        assert_ne!(request.number, PANIC, "the check asks for a panic");
        Ok(request.number * 2)
    });
}

const PANIC: u64 = 666;

#[derive(Serialize, Deserialize)]
struct Double {
    number: u64,
}

impl Request for Double {
    const NAME: &'static str = "sums.double";
    type Reply = u64;
}

/// `Double` with the fields of another version.
#[derive(Serialize, Deserialize)]
struct DoubleByName {
    name: String,
}

impl Request for DoubleByName {
    const NAME: &'static str = Double::NAME;
    type Reply = String;
}

#[derive(Serialize, Deserialize)]
struct Echo {
    text: String,
}

impl Request for Echo {
    const NAME: &'static str = "hall.echo";
    type Reply = String;
}

/// `Echo` with the reply type of another version.
#[derive(Serialize, Deserialize)]
struct EchoOfNumbers {
    text: String,
}

impl Request for EchoOfNumbers {
    const NAME: &'static str = Echo::NAME;
    type Reply = u64;
}
