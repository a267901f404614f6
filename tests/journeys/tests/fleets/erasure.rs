//! Somebody leaves while a service is down. The receipt says so, and is complete when the service has come back.

use journeys::{Customer, OwnFleet, erased_everywhere, eventually, time_until};
use lapin::options::{BasicPublishOptions, QueuePurgeOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tokio::task::spawn_blocking;

use crate::support::{BACK_WITHIN, is_forgotten_everywhere, plenty};

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_service_that_was_down_erases_when_it_returns() {
    let fleet = OwnFleet::open().await;
    let tea = plenty(&fleet).await;
    let ana = fleet.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.orders("before").await.expect_status(201);
    ana.adds(&tea, 1).await.expect_status(200);
    ana.wishes_for(&tea).await.expect_status(200);

    fleet.stops_all("shopping").await;
    // An export that lacks the orders is none.
    let refused = ana.exports().await.expect_problem(503, "unavailable");
    assert_eq!(refused["service"], "shopping", "{refused}");
    let receipt = ana.erases_the_account().await.expect_status(202);
    assert!(receipt["services"]["customer"].is_string(), "{receipt}");
    assert!(receipt["services"]["products"].is_string(), "{receipt}");
    assert!(receipt["services"]["shopping"].is_null() && receipt["completed_at"].is_null(), "{receipt}");
    let now = fleet.visitor().looks_at_receipt(receipt.id()).await.expect_status(200);
    assert!(now["services"]["shopping"].is_null() && now["completed_at"].is_null(), "{now}");

    fleet.starts_all("shopping").await;
    let complete = async || fleet.visitor().looks_at_receipt(receipt.id()).await["completed_at"].is_string();
    let took = time_until("shopping to erase", complete).await;
    println!("shopping back: erased after {took:?}");
    assert!(took < BACK_WITHIN, "{took:?}");
    is_forgotten_everywhere(&ana).await;
    let nothing = traces(&fleet, &ana).await;
    assert_eq!(nothing.0, Some(0), "{}", nothing.1);

    // Somebody writes to her all the same, and nobody can handle it.
    let connection = Connection::connect(fleet.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (letter, how) = (format!("to {}", ana.email), (BasicPublishOptions::default(), BasicProperties::default()));
    channel.basic_publish("".into(), "shopping.customer".into(), how.0, letter.as_bytes(), how.1).await.unwrap();
    connection.close(200, "".into()).await.unwrap();
    let (code, said) = eventually("the letter to be parked", async || {
        let (code, said) = traces(&fleet, &ana).await;
        if said.contains("dead letter") { Ok((code, said)) } else { Err(said) }
    })
    .await;
    assert!(code == Some(1) && said.contains("of shopping.customer"), "{said}");
}

/// What `souk audit --erased` says of somebody, with all logs of the fleet.
async fn traces(fleet: &OwnFleet, ana: &Customer) -> (Option<i32>, String) {
    let mut souk = fleet.souk();
    souk.args(["audit", "--within", "10", "--erased", &ana.id, "--word", &ana.email]);
    let logs = tempfile::tempdir().unwrap();
    fleet.keep_logs(logs.path());
    souk.arg("--log").arg(logs.path());
    let output = spawn_blocking(move || souk.output().unwrap()).await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// The broker loses the deletion before `shopping` has heard of it. It is asked again.
#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn who_never_heard_of_it_is_asked_again() {
    let fleet = OwnFleet::open().await;
    let ana = fleet.new_customer("Ana").await;
    fleet.stops_all("shopping").await;
    let receipt = ana.erases_the_account().await.expect_status(202);
    assert!(receipt["services"]["shopping"].is_null(), "{receipt}");
    let connection = Connection::connect(fleet.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let lost = channel.queue_purge("shopping.customer".into(), QueuePurgeOptions::default()).await.unwrap();
    assert_eq!(lost, 1);
    fleet.starts_all("shopping").await;
    erased_everywhere(&fleet.visitor(), receipt.id()).await;
    is_forgotten_everywhere(&ana).await;
}
