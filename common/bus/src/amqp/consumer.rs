//! Keeps one queue consumed: declares it, consumes it, and begins again whenever that ends, for as long as the bus takes work.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::watch;

use super::acks::Acks;
use super::link::{Link, PATIENCE};
use super::supervisor::BackOff;
use super::{FINISH, Phase, Shared};
use souk_types::Result;

/// What is done with a queue.
pub(super) trait Work: Send + Sync + 'static {
    /// The connection that it is consumed on, as soon as it is there; none once the bus has gone.
    fn link(&self) -> impl Future<Output = Option<Arc<Link>>> + Send;
    /// Its name.
    fn queue(&self) -> &str;
    /// Messages that the broker hands over before the first of them is acknowledged.
    fn prefetch(&self) -> u16;
    /// Makes sure that it is there.
    fn declare(&self, link: &Link, channel: &Channel) -> impl Future<Output = Result<()>> + Send;
    /// Takes in hand a message, and has it acknowledged by `acks`; does not wait for the work on it.
    fn take(self: &Arc<Self>, delivery: Delivery, acks: &Arc<Acks>);
}

/// Consumes until the bus takes no more work; `consuming` says whether it does at the moment.
pub(super) async fn keep_consuming<W: Work>(shared: Arc<Shared>, work: Arc<W>, consuming: watch::Sender<bool>) {
    let mut phase = shared.phase.subscribe();
    let mut back_off = BackOff::default();
    loop {
        let link = tokio::select! {
            link = work.link() => match link {
                Some(link) => link,
                None => return,
            },
            _ = phase.wait_for(|phase| *phase != Phase::Open) => return,
        };
        let outcome = begin(&link, &*work).await;
        match outcome {
            Ok((channel, consumer)) => {
                back_off.reset();
                consuming.send_replace(true);
                let acks = Acks::new(Arc::clone(&shared), channel.clone());
                let why = consume(&link, &channel, consumer, (&work, &acks), &mut phase).await;
                consuming.send_replace(false);
                let Some(why) = why else {
                    // What is in hand is acknowledged on this channel, which ends when it is dropped; and what was not
                    // acknowledged by then would be handed to another instance in the middle of the work on it.
                    let mut in_hand = shared.in_hand.subscribe();
                    let _ = tokio::time::timeout(FINISH, in_hand.wait_for(|messages| *messages == 0)).await;
                    return;
                };
                tracing::warn!(queue = work.queue(), why, "a consumer ended");
            }
            Err(error) => tracing::warn!(queue = work.queue(), %error, "a queue cannot be consumed"),
        }
        tokio::time::sleep(back_off.next()).await;
    }
}

async fn begin<W: Work>(link: &Link, work: &W) -> Result<(Channel, Consumer)> {
    let channel = link.channel().await?;
    work.declare(link, &channel).await?;
    link.bounded(channel.basic_qos(work.prefetch(), BasicQosOptions::default())).await?;
    let consuming =
        channel.basic_consume(work.queue().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let consumer = link.bounded(consuming).await?;
    Ok((channel, consumer))
}

/// Takes messages in hand until the consumer ends (says why) or the bus takes no more work (`None`). What was taken is
/// acknowledged on the same channel, which therefore outlives this.
async fn consume<W: Work>(
    link: &Link,
    channel: &Channel,
    mut consumer: Consumer,
    (work, acks): (&Arc<W>, &Arc<Acks>),
    phase: &mut watch::Receiver<Phase>,
) -> Option<String> {
    let mut ended = std::pin::pin!(link.ended());
    let mut finishing = std::pin::pin!(phase.wait_for(|phase| *phase != Phase::Open));
    loop {
        tokio::select! {
            delivery = consumer.next() => match delivery {
                Some(Ok(delivery)) => work.take(delivery, acks),
                Some(Err(error)) => return Some(error.to_string()),
                None => return Some("the broker cancelled it".to_owned()),
            },
            why = &mut ended => return Some(why),
            _ = &mut finishing => break,
        }
    }
    let cancelling = channel.basic_cancel(consumer.tag(), lapin::options::BasicCancelOptions::default());
    if let Ok(Ok(())) = tokio::time::timeout(PATIENCE, cancelling).await {
        // What the broker had sent before it knew.
        while let Some(Ok(delivery)) = consumer.next().await {
            work.take(delivery, acks);
        }
    }
    None
}
