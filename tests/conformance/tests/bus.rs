//! What every transport of the bus must do with calls; events leave through an outbox, so `outbox.rs` checks them. Each
//! check is a function of a [`Line`] that nobody else uses; `checks!` makes a test of it for every transport, so another
//! transport is one more line there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_bus::{Bus, CALL_TIMEOUT, Request};
use souk_types::{Error, ErrorKind, FieldError};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

#[path = "support/line.rs"]
mod line;

use self::line::Line;

/// A check that takes longer hangs.
const HANGS: Duration = Duration::from_mins(1);
/// A call that fails without waiting for anybody takes less.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Every check, once for each transport.
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
            let outcome = tokio::time::timeout(crate::HANGS, super::$check(&line)).await;
            line.close(&[]).await;
            outcome.expect("should not hang");
        }
    };
}

checks! {
    a_call_gets_its_reply
    one_service_answers_several_requests
    an_error_keeps_what_a_client_may_read
    an_error_leaves_its_cause_behind
    nobody_serves_is_told_at_once_and_names_the_service
    a_late_reply_is_an_error_that_names_the_service
    a_service_that_was_late_still_serves
    a_call_that_expired_before_its_turn_is_not_carried_out
    a_handler_that_panics_answers_an_internal_error
    a_handler_that_panicked_still_serves
    a_request_that_cannot_be_read_is_refused
    a_service_that_got_what_it_cannot_read_still_serves
    a_reply_that_cannot_be_read_is_an_internal_error
    five_hundred_calls_at_once_get_their_own_replies
    calls_of_one_name_run_at_the_same_time
    a_caller_that_goes_away_does_not_stop_the_work
    a_handler_may_call_in_turn
    a_large_message_arrives_whole
}

async fn a_call_gets_its_reply(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    assert_eq!(bus.call(Double { number: 21 }).await.unwrap(), 42);
}

async fn one_service_answers_several_requests(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.serve(|request: Echo| async move { Ok(request.text) });
    bus.ready().await;
    assert_eq!(bus.call(Echo { text: "ü".to_owned() }).await.unwrap(), "ü");
    assert_eq!(bus.call(Double { number: 1 }).await.unwrap(), 2);
}

async fn an_error_keeps_what_a_client_may_read(Line { bus, .. }: &Line) {
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

async fn an_error_leaves_its_cause_behind(Line { bus, .. }: &Line) {
    bus.serve(|_: Double| async { Err(Error::conflict("taken", "Taken.").caused_by("a secret")) });
    bus.ready().await;
    assert_eq!(bus.call(Double { number: 1 }).await.unwrap_err().cause(), None);
}

async fn nobody_serves_is_told_at_once_and_names_the_service(Line { bus, .. }: &Line) {
    bus.ready().await;
    let begin = Instant::now();
    let error = bus.call(Double { number: 1 }).await.unwrap_err();
    assert!(begin.elapsed() < CALL_TIMEOUT / 2, "took {:?}", begin.elapsed());
    assert_eq!((error.kind(), &error.members()["service"]), (ErrorKind::Unavailable, &"sums".into()));
}

async fn a_late_reply_is_an_error_that_names_the_service(Line { bus, .. }: &Line) {
    bus.serve(|_: Double| std::future::pending());
    bus.ready().await;
    let begin = Instant::now();
    let error = bus.call(Double { number: 1 }).await.unwrap_err();
    assert!(begin.elapsed() < CALL_TIMEOUT * 3, "took {:?}", begin.elapsed());
    assert_eq!((error.kind(), &error.members()["service"]), (ErrorKind::Unavailable, &"sums".into()));
}

async fn a_service_that_was_late_still_serves(Line { bus, .. }: &Line) {
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

async fn a_call_that_expired_before_its_turn_is_not_carried_out(Line { bus, recovers_within, .. }: &Line) {
    let begun = Arc::new(AtomicU32::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let (counting, waiting) = (Arc::clone(&begun), Arc::clone(&gate));
    bus.serve(move |request: Double| {
        counting.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&waiting);
        async move {
            let _ = gate.acquire().await;
            Ok(request.number * 2)
        }
    });
    bus.ready().await;
    // More than any transport lets run at the same time; none is answered.
    let mut calling = JoinSet::new();
    for number in 0..1000 {
        let bus = bus.clone();
        calling.spawn(async move { bus.call(Double { number }).await });
    }
    while let Some(outcome) = calling.join_next().await {
        outcome.unwrap().unwrap_err();
    }
    let begun_in_time = begun.load(Ordering::SeqCst);
    gate.close();
    assert_eq!(answer_within(*recovers_within, bus).await, 2);
    assert_eq!(begun.load(Ordering::SeqCst), begun_in_time + 1);
}

async fn a_handler_that_panics_answers_an_internal_error(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    assert_eq!(bus.call(Double { number: PANIC }).await.unwrap_err().kind(), ErrorKind::Internal);
}

async fn a_handler_that_panicked_still_serves(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    let mut panicking = JoinSet::new();
    // More than any transport lets run at the same time: each gives its place back.
    for _ in 0..1000 {
        let bus = bus.clone();
        panicking.spawn(async move { bus.call(Double { number: PANIC }).await });
    }
    while let Some(outcome) = panicking.join_next().await {
        outcome.unwrap().unwrap_err();
    }
    assert_eq!(bus.call(Double { number: 1 }).await.unwrap(), 2);
}

async fn a_request_that_cannot_be_read_is_refused(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    let error = bus.call(DoubleByName { name: "one".to_owned() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

async fn a_service_that_got_what_it_cannot_read_still_serves(Line { bus, .. }: &Line) {
    serve_doubling(bus);
    bus.ready().await;
    for _ in 0..1000 {
        bus.call(DoubleByName { name: "one".to_owned() }).await.unwrap_err();
    }
    assert_eq!(bus.call(Double { number: 1 }).await.unwrap(), 2);
}

async fn a_reply_that_cannot_be_read_is_an_internal_error(Line { bus, .. }: &Line) {
    bus.serve(|_: EchoOfNumbers| async { Ok(7) });
    bus.ready().await;
    let error = bus.call(Echo { text: String::new() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

async fn five_hundred_calls_at_once_get_their_own_replies(Line { bus, .. }: &Line) {
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

async fn calls_of_one_name_run_at_the_same_time(Line { bus, .. }: &Line) {
    let (here, _) = watch::channel(0);
    // Nobody leaves before all are there.
    bus.serve(move |request: Double| {
        here.send_modify(|present| *present += 1);
        let mut here = here.subscribe();
        async move {
            here.wait_for(|present| *present == 16).await.map_err(Error::internal)?;
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

async fn a_caller_that_goes_away_does_not_stop_the_work(Line { bus, .. }: &Line) {
    let [begun, go_on, done] = [(); 3].map(|()| Arc::new(Notify::new()));
    let signals = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&done));
    bus.serve(move |_: Double| {
        let (begun, go_on, done) = signals.clone();
        async move {
            begun.notify_one();
            go_on.notified().await;
            done.notify_one();
            Ok(0)
        }
    });
    bus.ready().await;
    let caller = tokio::spawn({
        let bus = bus.clone();
        async move { bus.call(Double { number: 1 }).await }
    });
    begun.notified().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go_on.notify_one();
    done.notified().await;
}

async fn a_handler_may_call_in_turn(Line { bus, .. }: &Line) {
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

/// Doubles 1 with a service that is fine again. Where calls fail for a while after time-outs, each of them fails at once.
async fn answer_within(time: Duration, bus: &Bus) -> u64 {
    let begin = Instant::now();
    loop {
        let asked = Instant::now();
        match bus.call(Double { number: 1 }).await {
            Ok(answer) => return answer,
            Err(error) => {
                assert!(begin.elapsed() < time, "still {error}");
                assert!(asked.elapsed() < AT_ONCE, "took {:?} to fail", asked.elapsed());
                tokio::task::yield_now().await;
            }
        }
    }
}

fn serve_doubling(bus: &Bus) {
    bus.serve(|request: Double| async move {
        assert_ne!(request.number, PANIC, "as this check wants");
        Ok(request.number * 2)
    });
}

/// Doubling this panics.
const PANIC: u64 = 666;

#[derive(Serialize, Deserialize)]
struct Double {
    number: u64,
}

impl Request for Double {
    const NAME: &'static str = "sums.double";
    type Reply = u64;
}

/// `Double` as another version would send it.
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

/// `Echo` as another version would answer it.
#[derive(Serialize, Deserialize)]
struct EchoOfNumbers {
    text: String,
}

impl Request for EchoOfNumbers {
    const NAME: &'static str = Echo::NAME;
    type Reply = u64;
}
