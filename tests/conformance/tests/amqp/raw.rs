//! Messages that no Souk service would send: each kind is refused or dead-lettered.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ExchangeKind};
use souk_bus::{AmqpOptions, Bus};
use tokio::time::timeout;
use uuid::Uuid;

use crate::calls::Square;
use crate::events::{Press, TOPOLOGY, read, until};
use crate::line::{clear, options};

const SOON: Duration = Duration::from_mins(1);

pub(crate) struct Raw {
    _connection: Connection,
    channel: Channel,
    prefix: String,
}

impl Raw {
    pub(crate) async fn connect(options: &AmqpOptions) -> Self {
        let connection = Connection::connect(&options.url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        Self { _connection: connection, channel, prefix: options.prefix.clone() }
    }

    async fn consume(&self, queue: &str) -> Consumer {
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap()
    }

    pub(crate) async fn take(&self, queue: &str) -> Delivery {
        let mut consumer = self.consume(&format!("{}{queue}", self.prefix)).await;
        timeout(SOON, consumer.next()).await.expect("should arrive").unwrap().unwrap()
    }

    pub(crate) async fn delete(&self, queue: &str) {
        let queue = format!("{}{queue}", self.prefix);
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    pub(crate) async fn delete_exchange(&self, exchange: &str) {
        let exchange = format!("{}{exchange}", self.prefix);
        self.channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await.unwrap();
    }

    /// Declares a queue with a consumer, and fills it until it accepts no more.
    pub(crate) async fn fill(&self, queue: &str) -> Consumer {
        let queue = format!("{}{queue}", self.prefix);
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        let options = QueueDeclareOptions { auto_delete: true, durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.as_str().into(), options, arguments).await.unwrap();
        let service = queue.strip_suffix(".rpc").unwrap();
        for exchange in ["replies", "calls"] {
            self.declare_exchange(&format!("{service}.{exchange}")).await;
        }
        self.bind(&queue, &format!("{service}.calls")).await;
        self.channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let options = BasicConsumeOptions::default();
        let consumer = self.channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default());
        let consumer = consumer.await.unwrap();
        // One message is unacknowledged, one waits, and the next one is refused.
        self.channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        for is_accepted in [true, true, false] {
            let publishing = self.channel.basic_publish(
                "".into(),
                queue.as_str().into(),
                BasicPublishOptions::default(),
                b"",
                BasicProperties::default(),
            );
            let confirmation = publishing.await.unwrap().await.unwrap();
            assert_eq!(matches!(confirmation, Confirmation::Ack(_)), is_accepted, "{confirmation:?}");
        }
        consumer
    }

    async fn declare_exchange(&self, exchange: &str) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let kind = ExchangeKind::Direct;
        self.channel.exchange_declare(exchange.into(), kind, options, FieldTable::default()).await.unwrap();
    }

    /// Binds a queue under its own name.
    async fn bind(&self, queue: &str, exchange: &str) {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        self.channel.queue_bind(queue.into(), exchange.into(), queue.into(), options, arguments).await.unwrap();
    }

    /// Consumes a queue of its own behind an exchange, under the name of the queue.
    async fn consume_behind(&self, exchange: &str, queue: &str) -> Consumer {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
        self.bind(queue, exchange).await;
        self.consume(queue).await
    }

    pub(crate) async fn send(&self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
        let publishing =
            self.channel.basic_publish(exchange.into(), key.into(), BasicPublishOptions::default(), body, properties);
        publishing.await.unwrap();
    }
}

pub(crate) fn version(number: u32) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert("souk-version".into(), AMQPValue::LongUInt(number));
    headers
}

fn call() -> BasicProperties {
    BasicProperties::default()
        .with_type("calls/1".into())
        .with_correlation_id("me".into())
        .with_reply_to("my-replies".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn an_unreadable_call_is_refused_and_the_next_gets_its_reply() {
    let options = options();
    let bus = Bus::amqp(options.clone()).unwrap();
    bus.serve(|Square(number)| async move { Ok(number * number) });
    bus.ready().await;
    let raw = Raw::connect(&options).await;
    let mut replies = raw.consume_behind(&format!("{}maths.replies", options.prefix), "my-replies").await;
    let queue = format!("{}maths.rpc", options.prefix);
    let oversized = vec![b'x'; 5 * 1024 * 1024];
    let good = b"7\tmaths.square\t99999999999999\t2000\t-\t3\n".as_slice();
    for (case, properties, body, expected) in [
        ("good", call(), good, "7\tok\t9"),
        ("later version", call().with_type("calls/2".into()), good, "7\terror\t"),
        ("without a version", call().with_type("calls".into()), good, "7\terror\t"),
        ("of another kind", call().with_type("replies/1".into()), good, "7\terror\t"),
        ("not lines", call(), b"\xff\xfe\x00", "0\terror\t"),
        ("without columns", call(), b"7\tmaths.square", "7\terror\t"),
        ("unknown operation", call(), b"8\tmaths.cube\t99999999999999\t2000\t-\t3\n", "8\terror\t"),
        ("unreadable body", call(), b"9\tmaths.square\t99999999999999\t2000\t-\tthree\n", "9\terror\t"),
        ("oversized", call(), &oversized, "0\terror\t"),
    ] {
        raw.send("", &queue, body, properties).await;
        let reply = timeout(SOON, replies.next()).await.expect(case).unwrap().unwrap();
        let text = String::from_utf8(reply.data).unwrap();
        assert!(text.starts_with(expected), "{case}: {text}");
    }
    // Without a reply address.
    raw.send("", &queue, good, BasicProperties::default()).await;
    // Already expired: it is not executed.
    raw.send("", &queue, b"5\tmaths.square\t1\t2000\t-\t3\n", call()).await;
    assert_eq!(bus.call(Square(4)).await.unwrap(), 16);
    let counters = bus.counters();
    assert_eq!((counters.refused, counters.expired), (8, 1));
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs AMQP_URL: cargo xtask test"]
async fn an_unreadable_event_is_dead_lettered_and_the_next_is_handled() {
    let options = options();
    let bus = Bus::amqp(options.clone()).unwrap();
    let handled = read(&bus);
    let press = Press::open(&bus);
    bus.ready().await;
    let raw = Raw::connect(&options).await;
    let event = || {
        BasicProperties::default()
            .with_content_type("application/json".into())
            .with_type("press.printed".into())
            .with_message_id(Uuid::now_v7().to_string().into())
            .with_headers(version(1))
    };
    let exchange = format!("{}press.events", options.prefix);
    let oversized = vec![b'1'; 5 * 1024 * 1024];
    let bad: [(&str, BasicProperties, &[u8]); 7] = [
        ("later version", event().with_headers(version(2)), b"1"),
        ("without a version", event().with_headers(FieldTable::default()), b"1"),
        ("without properties", BasicProperties::default(), b"1"),
        ("of another content type", event().with_content_type("text/plain".into()), b"1"),
        ("without an event id", event().with_message_id("me".into()), b"1"),
        ("unreadable body", event(), b"{"),
        ("oversized", event(), &oversized),
    ];
    for (_, properties, body) in bad.clone() {
        raw.send(&exchange, "", body, properties).await;
    }
    // An event that does not name this listener is ignored.
    raw.send(&exchange, "", b"1", event().with_type("press.closed".into())).await;
    press.print(7).await;
    assert_eq!(until(&handled, |numbers| !numbers.is_empty()).await, [7]);
    let mut dead_letters = raw.consume(&format!("{}reader.press.dead", options.prefix)).await;
    for (case, ..) in bad {
        timeout(SOON, dead_letters.next()).await.expect(case).unwrap().unwrap();
    }
    // The event is visible in its queue before the broker confirms it, and is counted afterwards.
    let counted = async {
        while bus.counters().dead_lettered_events != 7 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, counted).await.expect("should be counted");
    let counters = bus.counters();
    assert_eq!((counters.ignored_events, counters.retried_events), (1, 0));
    bus.close().await;
    clear(&options, TOPOLOGY).await;
}
