//! Answers calls: what comes in through the queue of a service, by name, to the handlers. A message is acknowledged when its
//! calls have begun, not when they have ended: a slow one holds nothing up, and what an instance dies over is not handed to the
//! next one (but within the 10 ms that `acks` takes). Callers decide what may be repeated.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use lapin::Channel;
use lapin::message::Delivery;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::acks::{Acks, Taken};
use super::consumer::Work;
use super::link::{Link, PATIENCE};
use super::message::{caller, is_ours};
use super::names::declare_calls;
use super::publisher::Answer;
use super::replies::Reply;
use super::wire::{self, CALLS, MAX_BODY};
use crate::request_context;
use crate::{Bytes, Responder};
use souk_types::{Error, RequestId, Result, failpoint};

/// Calls of one service that run at the same time in this process; as many as the local transport runs of one name.
const RUNNING: usize = 256;
/// Messages that the broker hands over before their calls have begun: enough to keep [`RUNNING`] busy, few enough that
/// another instance gets its share.
const PREFETCH: u16 = 32;
/// The calls of one message begin one after the other for so long, and what is left gets tasks of its own, on whatever thread is free.
const IN_TURN: Duration = Duration::from_micros(500);
/// The clocks of two machines may differ by so much; see [`remaining`].
const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// The broker's addresses for replies begin so. Anything else would let a caller write into any queue.
const REPLY_ADDRESS: &str = "amq.rabbitmq.reply-to.";

pub(super) struct Service {
    shared: Arc<Shared>,
    name: &'static str,
    queue: String,
    responders: RwLock<HashMap<&'static str, Responder>>,
    running: Arc<Semaphore>,
}

/// One call, with a copy of its own of what it says.
struct Call {
    id: u64,
    name: String,
    request: Option<RequestId>,
    body: Bytes,
}

impl Service {
    pub(super) fn new(shared: Arc<Shared>, name: &'static str) -> Arc<Self> {
        let queue = shared.names.calls(name);
        let running = Arc::new(Semaphore::new(RUNNING));
        Arc::new(Self { shared, name, queue, responders: RwLock::default(), running })
    }

    pub(super) fn add(&self, name: &'static str, responder: Responder) {
        self.responders.write().unwrap_or_else(PoisonError::into_inner).insert(name, responder);
    }

    fn responder(&self, name: &str) -> Option<Responder> {
        self.responders.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Begins the calls of a message as soon as there is room, lets go of it, and waits until all are answered.
    async fn carry_out_all(self: Arc<Self>, delivery: Delivery, taken: Taken, to: Arc<str>) {
        let (arrival, clock) = (Instant::now(), wire::now());
        let (unanswered, mut answered) = mpsc::channel::<()>(1);
        let (mut ready, mut last) = (Vec::new(), None);
        let mut calls = wire::calls(&delivery.data).peekable();
        while let Some(call) = calls.next() {
            let call = match call {
                Ok(call) => call,
                Err(id) => {
                    ready.push(self.refusal(&delivery, id));
                    continue;
                }
            };
            let Some(left) = remaining(call.left, call.deadline, clock) else {
                self.expired(call.name);
                continue;
            };
            let deadline = arrival + left;
            let mut room = Arc::clone(&self.running).try_acquire_owned().ok();
            if room.is_none() {
                self.reply(&to, std::mem::take(&mut ready), deadline).await;
                room = self.room(deadline).await;
            }
            let Some(room) = room else {
                self.expired(call.name);
                continue;
            };
            let (id, name, request) = (call.id, call.name.to_owned(), call.request);
            let call = Call { id, name, request, body: call.body.to_vec() };
            let service = Arc::clone(&self);
            let mut work = Box::pin(async move { service.answer(call, room).await });
            // Most calls are short, or soon wait for the database: a task for each would cost more than it gains.
            if arrival.elapsed() < IN_TURN
                && let Some(reply) = (&mut work).now_or_never()
            {
                ready.push(reply);
                continue;
            }
            let (service, to) = (Arc::clone(&self), Arc::clone(&to));
            let unanswered = unanswered.clone();
            let work = async move {
                let _unanswered = unanswered;
                let reply = work.await;
                service.reply_later(&to, reply, deadline).await;
            };
            if calls.peek().is_some() {
                tokio::spawn(work);
            } else {
                last = Some(work);
            }
        }
        drop(unanswered);
        self.reply(&to, ready, arrival + PATIENCE).await;
        drop(taken);
        // The last one needs no task of its own, nor does one that came alone.
        if let Some(last) = last {
            last.await;
        }
        // Nothing is ever sent: it ends when all of them are gone.
        answered.recv().await;
    }

    async fn room(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let room = timeout_at(deadline, Arc::clone(&self.running).acquire_owned()).await;
        room.ok().and_then(Result::ok).filter(|_| Instant::now() < deadline)
    }

    async fn answer(&self, call: Call, room: OwnedSemaphorePermit) -> Reply {
        let Call { id, name, request, body } = call;
        let answer = self.carry_out(&name, request, body).await;
        drop(room);
        failpoint!("reply.{name}.before");
        Reply { id, name, answer }
    }

    /// Sends replies that are ready together.
    async fn reply(&self, to: &str, ready: Vec<Reply>, deadline: Instant) {
        if ready.is_empty() {
            return;
        }
        let Some(replies) = self.shared.replies(deadline).await else {
            return ready.iter().for_each(|_| self.shared.counting.lost_replies.add());
        };
        replies.send(to, &ready);
        for Reply { name, .. } in &ready {
            failpoint!("reply.{name}.after");
        }
    }

    /// Sends a reply that had to be waited for; while other calls run, others may be ready at the same moment.
    async fn reply_later(&self, to: &Arc<str>, reply: Reply, deadline: Instant) {
        if self.running.available_permits() == RUNNING {
            return self.reply(to, vec![reply], deadline).await;
        }
        let Some(replies) = self.shared.replies(deadline).await else {
            return self.shared.counting.lost_replies.add();
        };
        let name = reply.name.clone();
        replies.gather(to, reply);
        failpoint!("reply.{name}.after");
    }

    async fn carry_out(&self, name: &str, request: Option<RequestId>, body: Bytes) -> Answer {
        let Some(responder) = self.responder(name) else {
            self.shared.counting.refused.add();
            return Err(Error::unavailable(self.name).caused_by(format!("{name} is not known here")));
        };
        let work = AssertUnwindSafe(async move { responder(body).await });
        let answer = request_context::scope(request, work.catch_unwind()).await;
        let answer = answer.unwrap_or_else(|panic| Err(Error::internal(format!("{name}: {}", what(&*panic)))));
        answer.and_then(|body| if body.len() > MAX_BODY { Err(too_large(name)) } else { Ok(body) })
    }

    fn expired(&self, call: &str) {
        self.shared.counting.expired.add();
        tracing::debug!(call, "dropped, for it has expired");
    }

    fn refusal(&self, delivery: &Delivery, id: u64) -> Reply {
        self.shared.counting.refused.add();
        let (queue, caller) = (&self.queue, caller(delivery));
        tracing::warn!(queue, caller, call = id, "a call that cannot be read was refused");
        Reply { id, name: String::new(), answer: Err(Error::malformed("The message cannot be read.")) }
    }
}

impl Work for Service {
    async fn link(&self) -> Option<Arc<Link>> {
        let mut serving = self.shared.serving.subscribe();
        serving.wait_for(Option::is_some).await.ok()?.as_ref().map(|replies| Arc::clone(&replies.link))
    }

    fn queue(&self) -> &str {
        &self.queue
    }

    fn prefetch(&self) -> u16 {
        PREFETCH
    }

    async fn declare(&self, link: &Link, channel: &Channel) -> Result<()> {
        declare_calls(link, channel, &self.queue).await
    }

    fn take(self: &Arc<Self>, delivery: Delivery, acks: &Arc<Acks>) {
        let (service, in_hand, taken) = (Arc::clone(self), self.shared.in_hand(), acks.taken(&delivery));
        tokio::spawn(async move {
            // Let go of in this order: when nothing is in hand, all that is done is being acknowledged.
            let (_in_hand, taken) = (in_hand, taken);
            let Some(to) = reply_address(&delivery) else {
                service.shared.counting.refused.add();
                let (queue, caller) = (&service.queue, caller(&delivery));
                tracing::warn!(queue, caller, "a call without a reply address");
                return;
            };
            if is_ours(&delivery, CALLS) {
                return service.carry_out_all(delivery, taken, to).await;
            }
            let mut ids: Vec<u64> = wire::ids(&delivery.data).take(usize::from(PREFETCH)).collect();
            if ids.is_empty() {
                ids.push(wire::NO_ID);
            }
            let refusals = ids.into_iter().map(|id| service.refusal(&delivery, id)).collect();
            service.reply(&to, refusals, Instant::now() + PATIENCE).await;
            drop(taken);
        });
    }
}

/// What is left, on arrival, of the time of a call that had `left` when it was sent, and that expires at `deadline` by its
/// caller's clock; `None` when it has expired. Both in milliseconds since 1970: `deadline` and our `clock`.
///
/// Where the clocks agree the deadline is exact. Where it cannot be true (the call would have more time than it had when it was
/// sent, or none, although the broker drops what expires in its queue, by its own clock) the clocks differ, and it has what it
/// had. Only what expired long ago was stuck on the way, because its receiver was stopped.
fn remaining(left: Duration, deadline: u64, clock: u64) -> Option<Duration> {
    let skew = u64::try_from(CLOCK_SKEW.as_millis()).unwrap_or(u64::MAX);
    if deadline.saturating_add(skew) < clock {
        return None;
    }
    if deadline <= clock {
        return Some(left);
    }
    // Clocks are read in whole milliseconds: rather one less than one too many.
    Some(Duration::from_millis(deadline - clock - 1).min(left))
}

/// Where replies go: an address of the broker for direct replies, a tab, and the caller's token.
fn reply_address(delivery: &Delivery) -> Option<Arc<str>> {
    let address = delivery.properties.reply_to().as_ref().filter(|to| to.as_str().starts_with(REPLY_ADDRESS))?;
    Some(format!("{address}\t{}", caller(delivery)).into())
}

fn too_large(name: &str) -> Error {
    Error::internal(format!("the reply to {name} is larger than {MAX_BODY} bytes"))
}

/// What a panic said.
pub(super) fn what(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ() {
        let (left, sent) = (2_000, 1_763_728_187_000);
        for (what, clock, expected) in [
            ("clocks agree, no time on the way", sent, Some(1_999)),
            ("clocks agree, half a second on the way", sent + 500, Some(1_499)),
            ("our clock is behind", sent - 60_000, Some(2_000)),
            ("ours is ahead by less than the call had", sent + 1_998, Some(1)),
            ("ours is ahead by more, as far as we can know", sent + 4_000, Some(2_000)),
            ("as late as clocks may differ", sent + 7_000, Some(2_000)),
            ("it was stuck on the way", sent + 7_001, None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(remaining(Duration::from_millis(left), sent + left, clock), expected, "{what}");
        }
    }
}
