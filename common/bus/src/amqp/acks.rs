//! Acknowledges messages on the channel that they came on: one at a time, or together with others that are done within the same few
//! milliseconds, which spares the broker most of the work. `listener` does the one and `server` the other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use tokio::time::Instant;

use super::message::message_id;
use super::{InHand, Shared};
use souk_types::failpoint;

/// So many that are done are acknowledged at once: a quarter of what a service is handed beforehand, so that the broker rarely
/// holds anything back because of those that wait here.
const MANY: usize = 8;
/// Fewer are acknowledged after this, or with the next one that is done when half of it has passed: that travels with a reply.
/// Nobody waits for it, but who dies meanwhile has them carried out again by somebody else.
const AT_LATEST: Duration = Duration::from_millis(10);

/// The acknowledgements of one channel. Whoever uses it has all of its messages either [`taken`](Acks::taken) or
/// [acknowledged](Acks::acknowledge) one by one: the first do not know of the others, and what is acknowledged twice ends the channel.
pub(super) struct Acks {
    shared: Arc<Shared>,
    channel: Channel,
    tags: Mutex<Tags>,
}

impl Acks {
    pub(super) fn new(shared: Arc<Shared>, channel: Channel) -> Arc<Self> {
        Arc::new(Self { shared, channel, tags: Mutex::default() })
    }

    /// Takes a message off its queue; ends when that is written. When it fails the connection is gone, and the broker hands the
    /// message to somebody else.
    pub(super) async fn acknowledge(&self, delivery: &Delivery) {
        // Not `delivery.ack`, which has a task of lapin's own do the same.
        if let Err(error) = self.channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await {
            tracing::debug!(message = message_id(delivery), %error, "could not be acknowledged and will come again");
        }
    }

    /// A message that is to be acknowledged soon after the result is dropped.
    pub(super) fn taken(self: &Arc<Self>, delivery: &Delivery) -> Taken {
        self.tags().open.insert(delivery.delivery_tag);
        Taken { acks: Arc::clone(self), tag: delivery.delivery_tag }
    }

    fn done(self: &Arc<Self>, tag: u64) {
        let mut tags = self.tags();
        tags.open.remove(&tag);
        tags.done.insert(tag);
        let since = *tags.since.get_or_insert_with(Instant::now);
        if tags.done.len() >= MANY || since.elapsed() >= AT_LATEST / 2 {
            self.acknowledge_all(&mut tags);
        } else if !std::mem::replace(&mut tags.is_watched, true) {
            tokio::spawn(Arc::clone(self).watch(self.shared.in_hand()));
        }
    }

    /// Acknowledges what has waited for long enough, until nothing waits. The bus is not closed before that.
    async fn watch(self: Arc<Self>, _in_hand: InHand) {
        loop {
            let until = {
                let mut tags = self.tags();
                let Some(since) = tags.since else {
                    tags.is_watched = false;
                    return;
                };
                since + AT_LATEST
            };
            tokio::time::sleep_until(until).await;
            let mut tags = self.tags();
            if tags.since.is_some_and(|since| since.elapsed() >= AT_LATEST) {
                self.acknowledge_all(&mut tags);
            }
        }
    }

    /// In the order in which they are taken out: the broker ends a channel on which a number comes that is acknowledged already.
    fn acknowledge_all(&self, tags: &mut Tags) {
        let (together, singly) = tags.take();
        for (tag, multiple) in
            together.map(|tag| (tag, true)).into_iter().chain(singly.into_iter().map(|tag| (tag, false)))
        {
            failpoint!("ack.call.before");
            // lapin has it when this returns; nothing here depends on when it is written.
            if let Some(Err(error)) = self.channel.basic_ack(tag, BasicAckOptions { multiple }).now_or_never() {
                tracing::debug!(tag, %error, "could not be acknowledged and will come again");
            }
            failpoint!("ack.call.after");
        }
    }

    fn tags(&self) -> MutexGuard<'_, Tags> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that is not acknowledged as long as this lives.
pub(super) struct Taken {
    acks: Arc<Acks>,
    tag: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.acks.done(self.tag);
    }
}

/// The broker numbers what it hands over on a channel, and everything up to a number can be acknowledged in one word.
#[derive(Default)]
struct Tags {
    open: BTreeSet<u64>,
    /// Done, and not acknowledged yet.
    done: BTreeSet<u64>,
    /// When the first of these was done.
    since: Option<Instant>,
    /// Somebody looks whether they wait for too long.
    is_watched: bool,
}

impl Tags {
    /// What is to be acknowledged now: everything up to a number, and these others.
    fn take(&mut self) -> (Option<u64>, BTreeSet<u64>) {
        self.since = None;
        let mut up_to = std::mem::take(&mut self.done);
        let singly = self.open.first().map_or_else(BTreeSet::new, |open| up_to.split_off(open));
        (up_to.last().copied(), singly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_never_acknowledged_with_others() {
        for (open, done, together, singly) in [
            (vec![], vec![], None, vec![]),
            (vec![], vec![1, 2, 3], Some(3), vec![]),
            (vec![4, 5], vec![1, 2, 3], Some(3), vec![]),
            (vec![2, 5], vec![1, 3, 4, 6], Some(1), vec![3, 4, 6]),
            (vec![1], vec![2, 3], None, vec![2, 3]),
        ] {
            let set = |tags: Vec<u64>| tags.into_iter().collect::<BTreeSet<u64>>();
            let mut tags = Tags { open: set(open), done: set(done), ..Tags::default() };
            assert_eq!(tags.take(), (together, set(singly)), "{:?}", tags.open);
            assert_eq!(tags.take(), (None, BTreeSet::new()), "once");
        }
    }
}
