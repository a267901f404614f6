//! What a service cannot handle waits for an operator, who sees it, puts it back or throws it away with `souk dlq`.

use journeys::{Finished, OwnFleet, eventually};
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::Value;
use uuid::Uuid;

/// Sends what no service would, as somebody with access to the broker can.
async fn sends(fleet: &OwnFleet, exchange: &str, queue: &str, id: &str, body: &str) {
    let connection = Connection::connect(fleet.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("souk-version".into(), AMQPValue::LongUInt(1));
    headers.insert("souk-request".into(), AMQPValue::LongString("a-farewell".into()));
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type("customer.deleted".into())
        .with_message_id(id.into())
        .with_delivery_mode(2)
        .with_headers(headers);
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), queue.into(), options, body.as_bytes(), properties).await.unwrap();
    // What was sent before it is there when the broker has said goodbye.
    connection.close(200, "".into()).await.unwrap();
}

async fn dlq(fleet: &OwnFleet, arguments: &[&str]) -> Finished {
    let arguments = [&["dlq"], arguments, &["--amqp-url", fleet.amqp_url()]].concat();
    journeys::souk(&arguments).await
}

#[track_caller]
fn done(finished: Finished) -> String {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout
}

/// What is listed, once there is so much of it.
async fn listed(fleet: &OwnFleet, letters: usize) -> Vec<Value> {
    eventually("the dead letters", async || {
        let list: Value = serde_json::from_str(&done(dlq(fleet, &["list", "--json"]).await)).unwrap();
        let items = list["items"].as_array().unwrap().clone();
        if items.len() == letters { Ok(items) } else { Err(list) }
    })
    .await
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_poison_event_is_seen_put_back_and_thrown_away() {
    let fleet = OwnFleet::open().await;
    // Before anything was announced, and after.
    assert_eq!(done(dlq(&fleet, &["list"]).await), "no dead letters\n");
    let ana = fleet.new_customer("Ana").await;
    let zoe = fleet.new_customer("Zoe").await;
    zoe.erases_the_account().await.expect_status(202);
    zoe.cart().until(401).await;
    assert_eq!(done(dlq(&fleet, &["list"]).await), "no dead letters\n");

    let poison = Uuid::now_v7().to_string();
    sends(&fleet, "customer.events", "", &poison, "{\"id\": \"somebody\"").await;
    let letters = listed(&fleet, 2).await;
    for (letter, queue) in letters.iter().zip(["products.customer", "shopping.customer"]) {
        assert_eq!((&letter["queue"], &letter["id"]), (&queue.into(), &poison.clone().into()), "{letter}");
        assert_eq!((&letter["attempts"], &letter["request_id"]), (&1.into(), &"a-farewell".into()), "{letter}");
        assert!(letter["reason"].as_str().unwrap().contains("cannot be read"), "{letter}");
    }
    let table = done(dlq(&fleet, &["list", "--queue", "shopping.customer"]).await);
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains(&poison) && table.contains("s ago") && table.contains("a-farewell"), "{table}");
    let page = done(dlq(&fleet, &["show", &poison, "--queue", "shopping.customer"]).await);
    assert!(page.contains("{\"id\": \"somebody\"") && page.contains("souk-first-failure"), "{page}");

    // Still poison.
    let told = done(dlq(&fleet, &["replay", "--all"]).await);
    assert_eq!(told.lines().filter(|line| line.contains(&poison)).count(), 2, "{told}");
    for letter in listed(&fleet, 2).await {
        assert_eq!((&letter["id"], &letter["attempts"]), (&poison.clone().into(), &1.into()), "{letter}");
    }
    done(dlq(&fleet, &["drop", "--all", "--queue", "products.customer"]).await);
    assert_eq!(listed(&fleet, 1).await[0]["queue"], "shopping.customer");
    let told = done(dlq(&fleet, &["drop", &poison]).await);
    assert!(told.contains(&poison) && told.contains("shopping.customer"), "{told}");
    let unknown = dlq(&fleet, &["show", &poison]).await;
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(1), ""), "{unknown:?}");
    assert!(unknown.stderr.contains(&poison), "{unknown:?}");

    // What can be handled by now is, and by the listener that failed alone.
    let farewell = Uuid::now_v7().to_string();
    sends(&fleet, "", "shopping.customer.dead", &farewell, &format!("{{\"id\": \"{}\"}}", ana.id)).await;
    listed(&fleet, 1).await;
    ana.cart().await.expect_status(200);
    done(dlq(&fleet, &["replay", &farewell]).await);
    ana.cart().until(401).await;
    ana.profile().await.expect_status(200);
    assert_eq!(done(dlq(&fleet, &["list"]).await), "no dead letters\n");

    // Nobody needs the services for that; but the broker.
    fleet.kills("rabbitmq").await;
    let alone = dlq(&fleet, &["list"]).await;
    assert_eq!(alone.code, Some(1), "{alone:?}");
    assert!(alone.stderr.contains("cannot be reached") && alone.stderr.lines().count() == 1, "{alone:?}");
}
