//! Calls over RabbitMQ against the same echo written with raw lapin: one message for each call,
//! direct reply-to on one channel, acknowledgements, JSON of the same size. Both run in one
//! process, on connections of their own.

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

/// Bus and raw lapin run in alternating slices of this length, so that other load on the machine
/// affects both.
const SLICE: Duration = Duration::from_millis(250);
const SLICES: usize = 40;
/// Unacknowledged requests of the raw service: more than there are callers.
const PREFETCH: u16 = 512;

/// A few hundred bytes, as in a look-up of some products.
#[derive(Clone, Serialize, Deserialize)]
struct Echo {
    text: String,
}

impl Request for Echo {
    const NAME: &'static str = "bench.echo";
    type Reply = Self;
}

pub(crate) async fn measure(table: &mut Table) -> Result<(), String> {
    let Ok(url) = std::env::var("AMQP_URL") else {
        println!("{:<66}{:>10}", "calls over RabbitMQ: AMQP_URL is not set", "skipped");
        return Ok(());
    };
    let lapin = Arc::new(RawLapin::start(&url).await?);
    let prefix = format!("bench-{}.", uuid::Uuid::now_v7());
    let options = |name: &str| AmqpOptions {
        url: url.clone(),
        name: name.to_owned(),
        service: name.to_owned(),
        prefix: prefix.clone(),
    };
    let (client, server) = (Bus::amqp(options("client")).map_err(text)?, Bus::amqp(options("server")).map_err(text)?);
    server.serve(|echo: Echo| async move { Ok(echo) });
    tokio::join!(client.ready(), server.ready());
    for callers in [1, 16, 64, 256] {
        let (mut raw, mut bus) = (Run::default(), Run::default());
        for slice in 0..SLICES {
            let lapin = Arc::clone(&lapin);
            let call_raw = move |echo| {
                let lapin = Arc::clone(&lapin);
                async move { lapin.call(&echo).await }
            };
            let client = client.clone();
            let call_bus = move |echo| {
                let client = client.clone();
                async move { client.call(echo).await.map_err(text) }
            };
            if slice % 2 == 0 {
                raw.slice(callers, call_raw).await?;
                bus.slice(callers, call_bus).await?;
            } else {
                bus.slice(callers, call_bus).await?;
                raw.slice(callers, call_raw).await?;
            }
        }
        let throughput = match callers {
            64 => Target::AtLeast(3.0),
            256 => Target::AtLeast(6.0),
            _ => Target::None,
        };
        // The bus waits for a publisher confirm even of a lone call; raw lapin does not.
        let latency = if callers == 1 { Target::AtMost(1.35) } else { Target::None };
        let name = |figure: &str| format!("calls over RabbitMQ, {callers} at once: {figure}");
        table.add(&name("calls"), bus.rate(), "/s", Target::None);
        table.add(&name("calls, against lapin"), bus.rate() / raw.rate(), "times", throughput);
        table.add(&name("p50, against lapin"), p50(bus.times.clone()) / p50(raw.times.clone()), "times", latency);
        table.add(&name("p99, against lapin"), p99(bus.times) / p99(raw.times), "times", Target::None);
    }
    tokio::join!(client.close(), server.close());
    lapin.close().await
}

#[derive(Default)]
struct Run {
    times: Vec<Duration>,
    duration: Duration,
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
        self.duration += started.elapsed();
        self.times.extend(times);
        Ok(())
    }

    /// Calls per second.
    fn rate(&self) -> f64 {
        number(self.times.len()) / self.duration.as_secs_f64()
    }
}

struct RawLapin {
    connections: [Connection; 2],
    channel: Channel,
    queue: String,
    pending: Arc<Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>>,
    last_id: AtomicU64,
}

impl RawLapin {
    async fn start(url: &str) -> Result<Self, String> {
        let client = Connection::connect(url, ConnectionProperties::default()).await.map_err(text)?;
        let server = Connection::connect(url, ConnectionProperties::default()).await.map_err(text)?;
        let queue = format!("bench-{}", uuid::Uuid::now_v7());
        serve(server.create_channel().await.map_err(text)?, queue.clone()).await?;
        let channel = client.create_channel().await.map_err(text)?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming =
            channel.basic_consume("amq.rabbitmq.reply-to".into(), "".into(), options, FieldTable::default());
        let mut replies = consuming.await.map_err(text)?;
        let pending: Arc<Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>> = Arc::default();
        let waiting = Arc::clone(&pending);
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = replies.next().await {
                let id = delivery.properties.correlation_id().as_ref().and_then(|id| id.as_str().parse().ok());
                let caller = id.and_then(|id: u64| waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
                if let Some(caller) = caller {
                    // An error means that the caller was cancelled.
                    let _ = caller.send(delivery.data);
                }
            }
        });
        Ok(Self { connections: [client, server], channel, queue, pending, last_id: AtomicU64::new(0) })
    }

    async fn call(&self, echo: &Echo) -> Result<Echo, String> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
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
        serde_json::from_slice(&reply.await.map_err(text)?).map_err(text)
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
                // A lost reply ends the run with an error of its caller.
                let _ = channel.basic_publish("".into(), to, BasicPublishOptions::default(), &body, properties).await;
                let _ = delivery.ack(BasicAckOptions::default()).await;
            });
        }
    });
    Ok(())
}
