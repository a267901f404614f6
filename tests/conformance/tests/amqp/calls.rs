//! Calls while the broker disconnects, returns or stalls, and while services start and stop.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use souk_bus::{Bus, Request};
use souk_types::{Error, ErrorKind};
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::fault_proxy::{FaultMode, FaultProxy};
use crate::line::options;
use crate::raw::Raw;

/// Limit for a call while an outage is not detected yet.
const DETECTED: Duration = Duration::from_millis(2_500);
const AT_ONCE: Duration = Duration::from_millis(100);
const RECOVERED: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
pub(crate) struct Square(pub(crate) u64);

impl Request for Square {
    const NAME: &'static str = "maths.square";
    type Reply = u64;
}

async fn pair() -> (FaultProxy, Bus, Bus) {
    let options = options();
    let mut relayed = options.clone();
    let proxy = FaultProxy::before(&mut relayed).await;
    let (caller, service) = (Bus::amqp(relayed).unwrap(), Bus::amqp(options).unwrap());
    service.serve(|Square(number)| async move { Ok(number * number) });
    tokio::join!(caller.ready(), service.ready());
    (proxy, caller, service)
}

async fn recovers(caller: &Bus) {
    let recovery = async {
        while caller.call(Square(3)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(RECOVERED, recovery).await.expect("calls should succeed again");
}

async fn fails_within(time: Duration, caller: &Bus) -> Error {
    let start = Instant::now();
    let error = caller.call(Square(3)).await.unwrap_err();
    assert!(start.elapsed() < time, "{error} took {:?}", start.elapsed());
    assert_eq!((error.kind(), &error.members()["service"]), (ErrorKind::Unavailable, &"maths".into()));
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_lost_connection_is_replaced() {
    let (proxy, caller, service) = pair().await;
    for _ in 0..3 {
        proxy.disconnect_all();
        recovers(&caller).await;
    }
    tokio::join!(caller.close(), service.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn calls_fail_at_once_during_an_outage_and_recover_after_it() {
    let (proxy, caller, service) = pair().await;
    proxy.set_mode(FaultMode::Disconnect);
    fails_within(DETECTED, &caller).await;
    while caller.is_connected() {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        fails_within(AT_ONCE, &caller).await;
    }
    proxy.set_mode(FaultMode::PassThrough);
    recovers(&caller).await;
    tokio::join!(caller.close(), service.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_stalled_broker_is_given_up_and_found_again() {
    for mode in [FaultMode::Stall, FaultMode::StallResponses] {
        let (proxy, caller, service) = pair().await;
        proxy.set_mode(mode);
        for _ in 0..8 {
            fails_within(DETECTED, &caller).await;
        }
        fails_within(AT_ONCE, &caller).await;
        proxy.set_mode(FaultMode::PassThrough);
        recovers(&caller).await;
        tokio::join!(caller.close(), service.close());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_call_to_a_stopped_service_fails_at_once_by_the_returned_message() {
    let options = options();
    let caller = Bus::amqp(options.clone()).unwrap();
    caller.ready().await;
    for _ in 0..2 {
        fails_within(AT_ONCE * 5, &caller).await;
        let service = Bus::amqp(options.clone()).unwrap();
        service.serve(|Square(number)| async move { Ok(number * number) });
        recovers(&caller).await;
        service.close().await;
    }
    assert!(caller.counters().undelivered >= 2);
    caller.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn calls_to_a_full_queue_fail_at_once() {
    let options = options();
    let caller = Bus::amqp(options.clone()).unwrap();
    caller.ready().await;
    let raw = Raw::connect(&options).await;
    let _consumer = raw.fill("maths.rpc").await;
    let errors = join_all((0..4).map(|_| fails_within(AT_ONCE * 5, &caller))).await;
    for error in errors {
        assert!(error.operator_message().contains("too many calls wait for it"), "{error:?}");
    }
    assert_eq!(caller.counters().undelivered, 4);
    caller.close().await;
}

/// The queue of a stopping instance disappears, and the caller still gets the reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_stopping_service_replies_to_the_call_in_flight() {
    let options = options();
    let (caller, service) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options.clone()).unwrap());
    let (started, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (starting, finishing) = (Arc::clone(&started), Arc::clone(&finish));
    service.serve(move |Square(number)| {
        let (started, finish) = (Arc::clone(&starting), Arc::clone(&finishing));
        async move {
            started.notify_one();
            finish.notified().await;
            Ok(number * number)
        }
    });
    tokio::join!(caller.ready(), service.ready());
    let calling = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call(Square(3)).await }
    });
    started.notified().await;
    let closing = tokio::spawn(async move { service.close().await });
    // A returned call proves that the queue was deleted.
    let other = Bus::amqp(options).unwrap();
    other.ready().await;
    let deleted = async {
        while !other.call(Square(4)).await.unwrap_err().operator_message().contains("no instance serves it") {}
    };
    timeout(RECOVERED, deleted).await.expect("the queue should disappear");
    finish.notify_waiters();
    assert_eq!(calling.await.unwrap().unwrap(), 9);
    closing.await.unwrap();
    tokio::join!(caller.close(), other.close());
}

#[derive(Serialize, Deserialize)]
struct Fill(usize);

impl Request for Fill {
    const NAME: &'static str = "maths.fill";
    type Reply = String;
}

/// All replies become ready at once, and are more than the socket buffers hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn the_last_replies_of_a_stopping_service_arrive() {
    const CALLS: usize = 40;
    const SIZE: usize = 200_000;
    for _ in 0..3 {
        let options = options();
        let (caller, service) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options).unwrap());
        let (started, finish) = (Arc::new(Barrier::new(CALLS + 1)), Arc::new(Notify::new()));
        let (starting, finishing) = (Arc::clone(&started), Arc::clone(&finish));
        service.serve(move |Fill(size)| {
            let (started, finish) = (Arc::clone(&starting), Arc::clone(&finishing));
            async move {
                let finished = finish.notified();
                started.wait().await;
                finished.await;
                Ok("x".repeat(size))
            }
        });
        tokio::join!(caller.ready(), service.ready());
        let mut calling = JoinSet::new();
        for _ in 0..CALLS {
            let caller = caller.clone();
            calling.spawn(async move { caller.call(Fill(SIZE)).await });
        }
        started.wait().await;
        let closing = tokio::spawn(async move { service.close().await });
        finish.notify_waiters();
        while let Some(answer) = calling.join_next().await {
            assert_eq!(answer.unwrap().expect("every call should get a reply").len(), SIZE);
        }
        closing.await.unwrap();
        caller.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn timeouts_open_the_circuit_breaker() {
    let options = options();
    let (caller, service) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options).unwrap());
    let resume = Arc::new(Notify::new());
    let resuming = Arc::clone(&resume);
    service.serve(move |Square(number)| {
        let resume = Arc::clone(&resuming);
        async move {
            if number == 7 {
                resume.notified().await;
            }
            Ok(number * number)
        }
    });
    tokio::join!(caller.ready(), service.ready());
    let mut calling = JoinSet::new();
    for _ in 0..16 {
        let caller = caller.clone();
        calling.spawn(async move { caller.call(Square(7)).await });
    }
    while let Some(outcome) = calling.join_next().await {
        outcome.unwrap().unwrap_err();
    }
    fails_within(AT_ONCE, &caller).await;
    recovers(&caller).await;
    // The handlers of the calls that timed out reply late.
    resume.notify_waiters();
    timeout(RECOVERED, async {
        while caller.counters().stray_replies < 16 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("late replies should be counted");
    tokio::join!(caller.close(), service.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_slow_call_does_not_delay_the_others_of_its_batch() {
    let options = options();
    let (caller, service) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options).unwrap());
    service.serve(|Square(number)| async move {
        if number == 0 {
            std::future::pending::<()>().await;
        }
        Ok(number * number)
    });
    tokio::join!(caller.ready(), service.ready());
    let mut calling = JoinSet::new();
    for number in 0..200 {
        let caller = caller.clone();
        calling.spawn(async move {
            let start = Instant::now();
            (number % 20, caller.call(Square(number % 20)).await, start.elapsed())
        });
    }
    while let Some(outcome) = calling.join_next().await {
        let (number, answer, time) = outcome.unwrap();
        if number > 0 {
            assert_eq!(answer.unwrap(), number * number);
            assert!(time < Duration::from_secs(1), "took {time:?}");
        }
    }
    tokio::join!(caller.close(), service.close());
}

/// A service runs 256 calls at once, and a message carries up to 128: the last quick calls are in
/// the same message as slow ones that wait for permits. On one thread, so that calls start in this
/// order.
#[tokio::test]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn replies_do_not_wait_for_calls_of_the_same_message_without_a_permit() {
    let options = options();
    let (caller, service) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options).unwrap());
    service.serve(|Square(number)| async move {
        if number == 0 {
            tokio::time::sleep(Duration::from_millis(1500)).await;
        }
        Ok(number * number)
    });
    tokio::join!(caller.ready(), service.ready());
    let numbers = [[1; 8].as_slice(), &[0; 250], &[2; 8], &[0; 40]].concat();
    let start = Instant::now();
    let calls = numbers.into_iter().map(async |number| (number, caller.call(Square(number)).await, start.elapsed()));
    for (number, answer, time) in join_all(calls).await {
        if number > 0 {
            assert_eq!(answer.unwrap(), number * number);
            assert!(time < Duration::from_secs(1), "{number} took {time:?}");
        }
    }
    tokio::join!(caller.close(), service.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn close_finishes_calls_in_flight() {
    let options = options();
    let (caller, service) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options.clone()).unwrap());
    let other = Bus::amqp(options).unwrap();
    let square = |Square(number): Square| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(number * number)
    };
    service.serve(square);
    other.serve(square);
    tokio::join!(caller.ready(), service.ready(), other.ready());
    let mut calling = JoinSet::new();
    for number in 0..64 {
        let caller = caller.clone();
        calling.spawn(async move {
            for _ in 0..50 {
                assert_eq!(caller.call(Square(number)).await.unwrap(), number * number);
            }
        });
    }
    let start = Instant::now();
    service.close().await;
    assert!(start.elapsed() < Duration::from_secs(5));
    while let Some(outcome) = calling.join_next().await {
        outcome.expect("no call should be lost");
    }
    tokio::join!(caller.close(), other.close());
}
