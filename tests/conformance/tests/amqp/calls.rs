//! Calls while the broker goes away, comes back, or falls silent.

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

/// What a client waits for a service that is down.
const NOTICED: Duration = Duration::from_millis(2_500);
/// What it waits once that is known.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Everything works again within this after its return.
const BACK: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
pub(crate) struct Square(pub(crate) u64);

impl Request for Square {
    const NAME: &'static str = "maths.square";
    type Reply = u64;
}

/// A caller behind a proxy of its own, and a service that has none.
async fn pair() -> (FaultProxy, Bus, Bus) {
    let options = options();
    let mut relayed = options.clone();
    let proxy = FaultProxy::before(&mut relayed).await;
    let (caller, service) = (Bus::amqp(relayed).unwrap(), Bus::amqp(options).unwrap());
    service.serve(|Square(number)| async move { Ok(number * number) });
    tokio::join!(caller.ready(), service.ready());
    (proxy, caller, service)
}

async fn works_again(caller: &Bus) {
    let again = async {
        while caller.call(Square(3)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(BACK, again).await.expect("should work again");
}

async fn fails_within(time: Duration, caller: &Bus) -> Error {
    let begin = Instant::now();
    let error = caller.call(Square(3)).await.unwrap_err();
    assert!(begin.elapsed() < time, "{error} took {:?}", begin.elapsed());
    assert_eq!((error.kind(), &error.members()["service"]), (ErrorKind::Unavailable, &"maths".into()));
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_connection_that_is_cut_is_made_again() {
    let (proxy, caller, service) = pair().await;
    for _ in 0..3 {
        proxy.disconnect_all();
        works_again(&caller).await;
    }
    tokio::join!(caller.close(), service.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn without_a_broker_calls_fail_at_once_and_work_after_its_return() {
    let (proxy, caller, service) = pair().await;
    proxy.set_mode(FaultMode::Disconnect);
    fails_within(NOTICED, &caller).await;
    while caller.is_connected() {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        fails_within(AT_ONCE, &caller).await;
    }
    proxy.set_mode(FaultMode::PassThrough);
    works_again(&caller).await;
    tokio::join!(caller.close(), service.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_broker_that_falls_silent_is_given_up_and_found_again() {
    for mode in [FaultMode::Stall, FaultMode::StallResponses] {
        let (proxy, caller, service) = pair().await;
        proxy.set_mode(mode);
        for _ in 0..8 {
            fails_within(NOTICED, &caller).await;
        }
        fails_within(AT_ONCE, &caller).await;
        proxy.set_mode(FaultMode::PassThrough);
        works_again(&caller).await;
        tokio::join!(caller.close(), service.close());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_service_may_come_and_go_and_come_again() {
    let options = options();
    let caller = Bus::amqp(options.clone()).unwrap();
    caller.ready().await;
    for _ in 0..2 {
        fails_within(AT_ONCE * 5, &caller).await;
        let service = Bus::amqp(options.clone()).unwrap();
        service.serve(|Square(number)| async move { Ok(number * number) });
        works_again(&caller).await;
        service.close().await;
    }
    assert!(caller.counters().undelivered >= 2);
    caller.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn calls_for_which_there_is_no_place_fail() {
    let options = options();
    let caller = Bus::amqp(options.clone()).unwrap();
    caller.ready().await;
    let raw = Raw::connect(&options).await;
    let _served = raw.fill("maths.rpc").await;
    let errors = join_all((0..4).map(|_| fails_within(NOTICED, &caller))).await;
    for error in errors {
        assert!(error.operator_message().contains("too many calls wait for it"), "{error:?}");
    }
    assert_eq!(caller.counters().undelivered, 4);
    caller.close().await;
}

/// The only instance stops while it works on a call that is alone: its queue is gone by then, and the caller must wait all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_call_in_the_hands_of_the_last_instance_is_answered() {
    let options = options();
    let (caller, service) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options.clone()).unwrap());
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (beginning, finishing) = (Arc::clone(&begun), Arc::clone(&finish));
    service.serve(move |Square(number)| {
        let (begun, finish) = (Arc::clone(&beginning), Arc::clone(&finishing));
        async move {
            begun.notify_one();
            finish.notified().await;
            Ok(number * number)
        }
    });
    tokio::join!(caller.ready(), service.ready());
    let calling = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call(Square(3)).await }
    });
    begun.notified().await;
    let closing = tokio::spawn(async move { service.close().await });
    // Whoever calls now learns that nobody serves any more, and so the queue is gone.
    let other = Bus::amqp(options).unwrap();
    other.ready().await;
    let gone = async {
        while !other.call(Square(4)).await.unwrap_err().operator_message().contains("no instance serves it") {}
    };
    timeout(BACK, gone).await.expect("the queue should go");
    finish.notify_waiters();
    assert_eq!(calling.await.unwrap().unwrap(), 9);
    closing.await.unwrap();
    tokio::join!(caller.close(), other.close());
}

/// Asks for so many characters.
#[derive(Serialize, Deserialize)]
struct Fill(usize);

impl Request for Fill {
    const NAME: &'static str = "maths.fill";
    type Reply = String;
}

/// What a service that stops had in hand becomes ready all at once, in the last moment, and more than fits onto the line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn the_last_replies_of_a_service_arrive() {
    const CALLS: usize = 40;
    const SIZE: usize = 200_000;
    for _ in 0..3 {
        let options = options();
        let (caller, service) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options).unwrap());
        let (begun, finish) = (Arc::new(Barrier::new(CALLS + 1)), Arc::new(Notify::new()));
        let (beginning, finishing) = (Arc::clone(&begun), Arc::clone(&finish));
        service.serve(move |Fill(size)| {
            let (begun, finish) = (Arc::clone(&beginning), Arc::clone(&finishing));
            async move {
                let finished = finish.notified();
                begun.wait().await;
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
        begun.wait().await;
        let closing = tokio::spawn(async move { service.close().await });
        finish.notify_waiters();
        while let Some(answer) = calling.join_next().await {
            assert_eq!(answer.unwrap().expect("every call should be answered").len(), SIZE);
        }
        closing.await.unwrap();
        caller.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn a_service_that_does_not_answer_is_not_asked_for_a_while() {
    let options = options();
    let (caller, service) = (Bus::amqp(options.clone()).unwrap(), Bus::amqp(options).unwrap());
    let awake = Arc::new(Notify::new());
    let waking = Arc::clone(&awake);
    service.serve(move |Square(number)| {
        let awake = Arc::clone(&waking);
        async move {
            if number == 7 {
                awake.notified().await;
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
    works_again(&caller).await;
    // What was asked before answers late, and to nobody.
    awake.notify_waiters();
    timeout(BACK, async {
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
async fn a_slow_call_does_not_hold_up_those_beside_it() {
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
            let begin = Instant::now();
            (number % 20, caller.call(Square(number % 20)).await, begin.elapsed())
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

/// A service runs 256 calls at once, and a message has room for 128: the last quick calls here come in the same message as slow ones
/// that find all places taken. On one thread, so that calls begin in this order.
#[tokio::test]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn what_is_answered_leaves_before_the_rest_of_its_message_has_room() {
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
    let begin = Instant::now();
    let calls = numbers.into_iter().map(async |number| (number, caller.call(Square(number)).await, begin.elapsed()));
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
async fn closing_finishes_what_was_taken_in() {
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
    let begin = Instant::now();
    service.close().await;
    assert!(begin.elapsed() < Duration::from_secs(5));
    while let Some(outcome) = calling.join_next().await {
        outcome.expect("no call should be lost");
    }
    tokio::join!(caller.close(), other.close());
}
