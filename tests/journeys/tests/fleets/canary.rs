//! The secrets and the personal data of a canary are in no log of a fleet, in no event on its
//! broker and in no error.

use futures_util::StreamExt as _;
use journeys::{Canary, TestFleet};
use lapin::options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};

use crate::support::publish;

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn secrets_stay_where_they_belong() {
    let fleet = TestFleet::start_with(|options| options.log = "debug".to_owned()).await;
    // A queue that gets a copy of every event.
    let connection = Connection::connect(fleet.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let tap = connection.create_channel().await.unwrap();
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    tap.queue_declare("tap".into(), exclusive, FieldTable::default()).await.unwrap();
    for service in ["customer", "mail", "products", "shopping"] {
        let exchange = format!("{service}.events");
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let arguments = FieldTable::default();
        tap.exchange_declare(exchange.as_str().into(), ExchangeKind::Fanout, durable, arguments).await.unwrap();
        let (binding, arguments) = (QueueBindOptions::default(), FieldTable::default());
        tap.queue_bind("tap".into(), exchange.as_str().into(), "".into(), binding, arguments).await.unwrap();
    }
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut events = tap.basic_consume("tap".into(), "tap".into(), options, FieldTable::default()).await.unwrap();

    let canary = Canary::fly(&fleet).await;
    canary.expect_clean_errors();
    // What was published before arrives before.
    publish(&fleet, "", "tap", BasicProperties::default(), "the end").await;
    let mut count = 0;
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        if event.data == b"the end" {
            break;
        }
        canary
            .expect_nothing_in("an event", &format!("{:?} {}", event.properties, String::from_utf8_lossy(&event.data)));
        count += 1;
    }
    assert!(count > 5, "{count} events");
    for name in fleet.component_names() {
        canary.expect_nothing_in(&format!("the log of {name}"), &fleet.log_of(&name));
    }
    let letters = fleet.run_souk(&["dlq", "list"]).await.expect_success();
    assert_eq!(letters, "no dead letters\n");
}
