//! Calls over RabbitMQ against the same echo written with bare lapin: one message for each call,
//! direct reply-to on one channel, acknowledgements, JSON of the same size. Both in one process, on
//! connections of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde::{Deserialize, Serialize};
use souk_bus::{AmqpOptions, Bus, Request};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::table::{Table, Target, number, p50, p99, text};

/// They take turns in slices of this length, lapin twice, so that whatever else the machine does
/// falls on all.
const SLICE: Duration = Duration::from_millis(250);
/// Of each.
const SLICES: usize = 40;
/// Of each, for one caller, whose p99 is a matter of luck: on a virtual machine lapin differs from
/// itself by a third, which is printed beside it.
const SLICES_OF_ONE: usize = 80;
/// So neighbouring slices are compared, each pair for itself. Of two that are equal either is the
/// worse one in half of the pairs; in more than this share one time in thirty with the fewer
/// slices, and hardly ever with the many.
const WORSE_BY_LUCK: f64 = 0.65;
/// As many requests in hand as lapin's own examples would take, and more than there are callers.
const PREFETCH: u16 = 512;

/// A few hundred bytes, as a look-up of some products has.
#[derive(Clone, Serialize, Deserialize)]
struct Echo {
    text: String,
}

impl Request for Echo {
    const NAME: &'static str = "bench.echo";
    type Reply = Self;
}

/// Compares both at several numbers of callers.
pub(crate) async fn measure(table: &mut Table) -> Result<(), String> {
    let Ok(url) = std::env::var("AMQP_URL") else {
        println!("{:<66}{:>10}", "calls over RabbitMQ: AMQP_URL is not set", "skipped");
        return Ok(());
    };
    let bare = Arc::new(Bare::start(&url).await?);
    let prefix = format!("bench-{}.", uuid::Uuid::now_v7());
    let options = |name: &str| AmqpOptions { url: url.clone(), name: name.to_owned(), prefix: prefix.clone() };
    let (asking, serving) = (Bus::amqp(options("asking")).map_err(text)?, Bus::amqp(options("serving")).map_err(text)?);
    serving.serve(|echo: Echo| async move { Ok(echo) });
    tokio::join!(asking.ready(), serving.ready());
    for callers in [1, 16, 64, 256] {
        let (mut raw, mut ours, mut again) = (Run::default(), Run::default(), Run::default());
        let slices = if callers == 1 { SLICES_OF_ONE } else { SLICES };
        for slice in 0..slices {
            // Each goes first, second and last in turn.
            for turn in 0..3 {
                let bare = Arc::clone(&bare);
                let call_bare = move |echo| {
                    let bare = Arc::clone(&bare);
                    async move { bare.call(&echo).await }
                };
                match (slice + turn) % 3 {
                    0 => raw.slice(callers, call_bare).await?,
                    1 => again.slice(callers, call_bare).await?,
                    _ => {
                        let bus = asking.clone();
                        let call = move |echo| {
                            let bus = bus.clone();
                            async move { bus.call(echo).await.map_err(text) }
                        };
                        ours.slice(callers, call).await?;
                    }
                }
            }
        }
        let rate = match callers {
            64 => Target::AtLeast(3.0),
            256 => Target::AtLeast(6.0),
            _ => Target::None,
        };
        let middle = if callers == 1 { Target::AtMost(1.15) } else { Target::None };
        let what = |figure: &str| format!("calls over RabbitMQ, {callers} at once: {figure}");
        table.add(&what("calls"), ours.rate(), "/s", Target::None);
        table.add(&what("calls, against lapin"), ours.rate() / raw.rate(), "times", rate);
        table.add(&what("p50, against lapin"), p50(ours.times.clone()) / p50(raw.times.clone()), "times", middle);
        table.add(&what("p99, against lapin"), p99(ours.times) / p99(raw.times.clone()), "times", Target::None);
        table.add(&what("p99, lapin against itself"), p99(again.times) / p99(raw.times), "times", Target::None);
        let worse = ours.slow.iter().zip(&raw.slow).filter(|(ours, raw)| ours > raw).count();
        let worse = number(worse) / number(slices);
        table.add(&what("p99 worse than lapin's"), worse, "of all", Target::AtMost(WORSE_BY_LUCK));
    }
    tokio::join!(asking.close(), serving.close());
    bare.close().await
}

/// What came of all slices.
#[derive(Default)]
struct Run {
    times: Vec<Duration>,
    took: Duration,
    /// The p99 of each slice, in milliseconds.
    slow: Vec<f64>,
}

impl Run {
    async fn slice<F>(
        &mut self,
        callers: usize,
        call: impl Fn(Echo) -> F + Clone + Send + 'static,
    ) -> Result<(), String>
    where
        F: Future<Output = Result<Echo, String>> + Send,
    {
        let started = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..callers {
            let call = call.clone();
            running.spawn(async move {
                let (echo, mut times) = (Echo { text: "x".repeat(200) }, Vec::new());
                while started.elapsed() < SLICE {
                    let begin = Instant::now();
                    call(echo.clone()).await?;
                    times.push(begin.elapsed());
                }
                Ok::<_, String>(times)
            });
        }
        let mut times = Vec::new();
        while let Some(outcome) = running.join_next().await {
            times.extend(outcome.map_err(text)??);
        }
        self.took += started.elapsed();
        self.slow.push(p99(times.clone()));
        self.times.extend(times);
        Ok(())
    }

    /// Calls in a second.
    fn rate(&self) -> f64 {
        number(self.times.len()) / self.took.as_secs_f64()
    }
}

/// The echo with lapin alone.
struct Bare {
    connections: [Connection; 2],
    channel: Channel,
    queue: String,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>>,
    last: AtomicU64,
}

impl Bare {
    async fn start(url: &str) -> Result<Self, String> {
        let asking = Connection::connect(url, ConnectionProperties::default()).await.map_err(text)?;
        let serving = Connection::connect(url, ConnectionProperties::default()).await.map_err(text)?;
        let queue = format!("bench-{}", uuid::Uuid::now_v7());
        serve(serving.create_channel().await.map_err(text)?, queue.clone()).await?;
        let channel = asking.create_channel().await.map_err(text)?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming =
            channel.basic_consume("amq.rabbitmq.reply-to".into(), "".into(), options, FieldTable::default());
        let mut replies = consuming.await.map_err(text)?;
        let waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>> = Arc::default();
        let answered = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = replies.next().await {
                let id = delivery.properties.correlation_id().as_ref().and_then(|id| id.as_str().parse().ok());
                let caller = id.and_then(|id: u64| answered.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
                if let Some(caller) = caller {
                    // A caller that has gone is none of this loop's business.
                    let _ = caller.send(delivery.data);
                }
            }
        });
        Ok(Self { connections: [asking, serving], channel, queue, waiting, last: AtomicU64::new(0) })
    }

    async fn call(&self, echo: &Echo) -> Result<Echo, String> {
        let id = self.last.fetch_add(1, Ordering::Relaxed);
        let (answered, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, answered);
        let properties = BasicProperties::default()
            .with_reply_to("amq.rabbitmq.reply-to".into())
            .with_correlation_id(id.to_string().into())
            .with_expiration("2000".into());
        let body = serde_json::to_vec(echo).map_err(text)?;
        let queue = self.queue.as_str().into();
        self.channel
            .basic_publish("".into(), queue, BasicPublishOptions::default(), &body, properties)
            .await
            .map_err(text)?;
        serde_json::from_slice(&answer.await.map_err(text)?).map_err(text)
    }

    async fn close(&self) -> Result<(), String> {
        for connection in &self.connections {
            connection.close(200, "".into()).await.map_err(text)?;
        }
        Ok(())
    }
}

async fn serve(channel: Channel, queue: String) -> Result<(), String> {
    let options = QueueDeclareOptions { auto_delete: true, durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.map_err(text)?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.map_err(text)?;
    let consuming =
        channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut requests = consuming.await.map_err(text)?;
    tokio::spawn(async move {
        while let Some(Ok(delivery)) = requests.next().await {
            let channel = channel.clone();
            tokio::spawn(async move {
                let Ok(echo) = serde_json::from_slice::<Echo>(&delivery.data) else { return };
                let Ok(body) = serde_json::to_vec(&echo) else { return };
                let Some(to) = delivery.properties.reply_to().clone() else { return };
                let id = delivery.properties.correlation_id().clone().unwrap_or_default();
                let properties = BasicProperties::default().with_correlation_id(id);
                // The run ends with an error of its caller when a reply does not come.
                let _ = channel.basic_publish("".into(), to, BasicPublishOptions::default(), &body, properties).await;
                let _ = delivery.ack(BasicAckOptions::default()).await;
            });
        }
    });
    Ok(())
}
