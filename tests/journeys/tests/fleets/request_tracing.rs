//! The id of a request is in every log line that it causes, in each process.

use journeys::{PASSWORD, TestFleet, wait_for};
use serde_json::Value;

use crate::support::new_plentiful_product;

fn log_lines(fleet: &TestFleet, service: &str, request_id: &str) -> Vec<Value> {
    let text: String = fleet.instances(service).iter().map(|instance| fleet.log_of(instance)).collect();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    lines.filter(|line| line["request_id"] == request_id).collect()
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_request_is_traceable_through_the_fleet() {
    let fleet = TestFleet::start_with(|options| options.log = "debug".to_owned()).await;
    let tea = new_plentiful_product(&fleet).await;
    let ana = fleet.customer_with_cart(&tea, 1).await;

    let order = ana.place_order("key").header("X-Request-Id", "an-order").await.expect_status(201);
    assert_eq!(order.header("X-Request-Id"), "an-order");
    let lines = log_lines(&fleet, "shopping", "an-order");
    let request = lines.iter().find(|line| line["message"] == "request").expect("a line for the request");
    assert_eq!((&request["method"], &request["route"]), (&"POST".into(), &"/order".into()));
    assert_eq!(request["status"], 201);
    assert!(request["ms"].is_number() && request["instance"].is_string(), "{request}");
    let calls = log_lines(&fleet, "products", "an-order");
    for name in ["products.reserve", "products.confirm"] {
        assert!(calls.iter().any(|line| line["call"] == name), "{name}: {calls:#?}");
    }

    ana.delete_account().header("X-Request-Id", "a-deletion").await.expect_status(202);
    wait_for("both services to log the event", async || {
        let is_logged =
            |service| log_lines(&fleet, service, "a-deletion").iter().any(|line| line["event"] == "customer.deleted");
        if is_logged("products") && is_logged("shopping") { Ok(()) } else { Err("an event is not in the logs") }
    })
    .await;

    // nginx writes its log after the response is sent.
    wait_for("nginx to log both requests", async || {
        let log = fleet.log_of("nginx");
        if log.contains("an-order") && log.contains("a-deletion") { Ok(()) } else { Err(log) }
    })
    .await;
    for name in fleet.component_names() {
        let log = fleet.log_of(&name);
        assert!(!log.contains(&ana.email), "{name} logs an e-mail address");
        assert!(!log.contains(PASSWORD), "{name} logs a password");
    }
}
