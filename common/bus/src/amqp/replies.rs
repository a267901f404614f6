//! Sends replies, on the connection that the calls came in on: it is awake, and a broker that is short of memory may stop it
//! without stopping events. Replies to one caller that are ready at the same moment travel together: those to the calls of one
//! message in one message, if they can be given at once, and those that come later with whatever else is ready by then.

use std::sync::Arc;
use std::time::Duration;

use lapin::{BasicProperties, Channel};
use tokio::sync::Notify;

use super::counters::Counting;
use super::lanes::{Lanes, Weigh, fitting, spawn};
use super::link::{Link, PATIENCE};
use super::message::{hand_over, properties, publish};
use super::publisher::Answer;
use super::wire::{self, REPLIES};
use souk_types::Result;

/// Replies that are ready when the bus is closed are given so long to leave.
const FLUSH: Duration = Duration::from_millis(500);

pub(super) struct Replies {
    pub(super) link: Arc<Link>,
    channel: Channel,
    counting: Arc<Counting>,
    lanes: Lanes<Reply>,
    /// A lane is done.
    sent: Notify,
}

/// A reply on its way back to whoever called.
pub(super) struct Reply {
    pub(super) id: u64,
    /// What was called.
    pub(super) name: String,
    pub(super) answer: Answer,
}

impl Weigh for Reply {
    fn weight(&self) -> usize {
        self.answer.as_ref().map_or(500, Vec::len) + 30
    }
}

impl Replies {
    pub(super) async fn start(link: Arc<Link>, counting: Arc<Counting>) -> Result<Arc<Self>> {
        // Nothing is confirmed here: the broker keeps no reply, it passes it on or drops it.
        let channel = link.channel().await?;
        Ok(Arc::new(Self { link, channel, counting, lanes: Lanes::default(), sent: Notify::new() }))
    }

    /// Sends replies now. They are on their way when this returns: that they are written is nobody's business, because whoever has
    /// lost a reply learns it by its own clock. `to` is the caller's address, a tab, and its token.
    pub(super) fn send(&self, to: &str, replies: &[Reply]) {
        let mut rest = replies;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(fitting(rest));
            let (address, message, properties) = written(to, batch);
            self.look_at(hand_over(&self.channel, address, false, &message, properties), batch.len());
            rest = later;
        }
    }

    /// Sends a reply together with others to the same caller that are ready when its turn comes.
    pub(super) fn gather(self: &Arc<Self>, to: &Arc<str>, reply: Reply) {
        if self.lanes.add(to, reply) {
            spawn(Arc::clone(self).pump(Arc::clone(to)));
        }
    }

    /// Waits until the broker has passed on all replies, and says goodbye to it.
    pub(super) async fn close(&self) {
        let sent = async {
            while !self.lanes.are_idle() {
                self.sent.notified().await;
            }
        };
        if tokio::time::timeout(FLUSH, sent).await.is_err() {
            tracing::warn!("replies were still on their way when the bus was closed");
        }
        // lapin writes messages in turn, but other words before them: once one to nowhere is written, all replies are.
        let last = publish(&self.channel, ("", ""), false, &[], BasicProperties::default(), FLUSH).await;
        if let Err(error) = last {
            tracing::debug!(%error, "the last replies were not written");
        }
        // The broker says so when it has passed on what came before.
        if let Err(error) = self.link.bounded(self.channel.close(200, "OK".into())).await {
            tracing::debug!(%error, "the broker did not say that it has all replies");
        }
        self.link.close().await;
    }

    async fn pump(self: Arc<Self>, to: Arc<str>) {
        while let Some(batch) = self.lanes.next(&to) {
            let (address, message, properties) = written(&to, &batch);
            let published = publish(&self.channel, ("", address), false, &message, properties, PATIENCE).await;
            self.look_at(published, batch.len());
        }
        self.sent.notify_one();
    }

    fn look_at<T>(&self, outcome: Result<T>, replies: usize) {
        if let Err(error) = outcome {
            (0..replies).for_each(|_| self.counting.lost_replies.add());
            self.link.fail_unless_blocked(&error.to_string());
        }
    }
}

/// The address, the message and its properties.
fn written<'t>(to: &'t str, replies: &[Reply]) -> (&'t str, Vec<u8>, BasicProperties) {
    let (address, token) = to.split_once('\t').unwrap_or((to, ""));
    let mut message = Vec::with_capacity(replies.iter().map(Weigh::weight).sum());
    for reply in replies {
        wire::write_reply(reply.id, &reply.answer, &mut message);
    }
    (address, message, properties(REPLIES, &token.into()))
}
