//! An operator lists, shows, replays and drops dead letters with `souk dlq`.

use journeys::{CommandOutput, TestFleet, wait_for};
use serde_json::Value;
use uuid::Uuid;

use crate::support::publish_deletion;

async fn dlq(fleet: &TestFleet, arguments: &[&str]) -> CommandOutput {
    fleet.run_souk(&[&["dlq"], arguments, &["--amqp-url", fleet.amqp_url()]].concat()).await
}

async fn wait_for_dead_letters(fleet: &TestFleet, count: usize) -> Vec<Value> {
    wait_for("the dead letters", async || {
        let list: Value = serde_json::from_str(&dlq(fleet, &["list", "--json"]).await.expect_success()).unwrap();
        let items = list["items"].as_array().unwrap().clone();
        if items.len() == count { Ok(items) } else { Err(list) }
    })
    .await
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_dead_letter_is_shown_replayed_and_dropped() {
    let fleet = TestFleet::start().await;
    // No queue exists before the first event.
    assert_eq!(dlq(&fleet, &["list"]).await.expect_success(), "no dead letters\n");
    let ana = fleet.new_customer().await;
    let zoe = fleet.new_customer().await;
    zoe.delete_account().await.expect_status(202);
    zoe.get_cart().until_status(401).await;
    assert_eq!(dlq(&fleet, &["list"]).await.expect_success(), "no dead letters\n");

    let poison = Uuid::now_v7().to_string();
    publish_deletion(&fleet, "customer.events", "", &poison, "{\"id\": \"broken\"").await;
    let letters = wait_for_dead_letters(&fleet, 3).await;
    for (letter, queue) in letters.iter().zip(["mail.customer", "products.customer", "shopping.customer"]) {
        assert_eq!((&letter["queue"], &letter["id"]), (&queue.into(), &poison.clone().into()), "{letter}");
        assert_eq!((&letter["attempts"], &letter["request_id"]), (&1.into(), &"a-deletion".into()), "{letter}");
        assert!(letter["reason"].as_str().unwrap().contains("cannot be read"), "{letter}");
    }
    let table = dlq(&fleet, &["list", "--queue", "shopping.customer"]).await.expect_success();
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains(&poison) && table.contains("s ago") && table.contains("a-deletion"), "{table}");
    let shown = dlq(&fleet, &["show", &poison, "--queue", "shopping.customer"]).await.expect_success();
    assert!(shown.contains("{\"id\": \"broken\"") && shown.contains("souk-first-failure"), "{shown}");

    // A replayed letter that still fails becomes a dead letter again.
    let replayed = dlq(&fleet, &["replay", "--all"]).await.expect_success();
    assert_eq!(replayed.lines().filter(|line| line.contains(&poison)).count(), 3, "{replayed}");
    for letter in wait_for_dead_letters(&fleet, 3).await {
        assert_eq!((&letter["id"], &letter["attempts"]), (&poison.clone().into(), &1.into()), "{letter}");
    }
    for queue in ["mail.customer", "products.customer"] {
        dlq(&fleet, &["drop", "--all", "--queue", queue]).await.expect_success();
    }
    assert_eq!(wait_for_dead_letters(&fleet, 1).await[0]["queue"], "shopping.customer");
    let dropped = dlq(&fleet, &["drop", &poison]).await.expect_success();
    assert!(dropped.contains(&poison) && dropped.contains("shopping.customer"), "{dropped}");
    let unknown = dlq(&fleet, &["show", &poison]).await;
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(1), ""), "{unknown:?}");
    assert!(unknown.stderr.contains(&poison), "{unknown:?}");

    // A replayed letter goes to the consumer that failed, not to the others.
    let deletion = Uuid::now_v7().to_string();
    publish_deletion(&fleet, "", "shopping.customer.dead", &deletion, &format!("{{\"id\": \"{}\"}}", ana.id)).await;
    wait_for_dead_letters(&fleet, 1).await;
    ana.get_cart().await.expect_status(200);
    dlq(&fleet, &["replay", &deletion]).await.expect_success();
    ana.get_cart().until_status(401).await;
    ana.get_profile().await.expect_status(200);
    assert_eq!(dlq(&fleet, &["list"]).await.expect_success(), "no dead letters\n");

    fleet.kill_component("rabbitmq").await;
    let unreachable = dlq(&fleet, &["list"]).await;
    assert_eq!(unreachable.code, Some(1), "{unreachable:?}");
    assert!(unreachable.stderr.contains("cannot be reached"), "{unreachable:?}");
    assert_eq!(unreachable.stderr.lines().count(), 1, "{unreachable:?}");
}
