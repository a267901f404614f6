//! One request, one story: its id is in every line that it caused, in whichever process.

use journeys::{OwnFleet, eventually};
use serde_json::Value;

use crate::support::plenty;

/// The lines that a service's instances wrote because of a request.
fn lines(fleet: &OwnFleet, service: &str, request: &str) -> Vec<Value> {
    let logs = fleet.instances(service).into_iter().map(|instance| fleet.log_of(&instance));
    let text: String = logs.collect();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    lines.filter(|line| line["request_id"] == request).collect()
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_request_can_be_followed_through_the_fleet() {
    let fleet = OwnFleet::open_with(|options| options.log = "debug".to_owned()).await;
    let tea = plenty(&fleet).await;
    let ana = fleet.new_customer("Ana").await;
    ana.adds(&tea, 1).await.expect_status(200);

    let answer = ana.orders("key").header("X-Request-Id", "an-order").await.expect_status(201);
    assert_eq!(answer.header("X-Request-Id"), "an-order");
    let request = lines(&fleet, "shopping", "an-order");
    let request = request.iter().find(|line| line["message"] == "request").expect("a request is a line");
    assert_eq!((&request["method"], &request["route"]), (&"POST".into(), &"/order".into()));
    assert_eq!(request["status"], 201);
    assert!(request["ms"].is_number() && request["instance"].is_string(), "{request}");
    let calls = lines(&fleet, "products", "an-order");
    for name in ["products.reserve", "products.confirm"] {
        assert!(calls.iter().any(|line| line["call"] == name), "{name}: {calls:#?}");
    }

    ana.erases_the_account().header("X-Request-Id", "a-farewell").await.expect_status(202);
    eventually("the listeners to have heard", async || {
        let heard =
            |service| lines(&fleet, service, "a-farewell").iter().any(|line| line["event"] == "customer.deleted");
        if heard("products") && heard("shopping") { Ok(()) } else { Err("nothing in their logs") }
    })
    .await;

    // nginx writes its line once the answer is sent, which may be after its client has read it.
    eventually("nginx to have written of both", async || {
        let proxy = fleet.log_of("nginx");
        if proxy.contains("an-order") && proxy.contains("a-farewell") { Ok(()) } else { Err(proxy) }
    })
    .await;
    for name in fleet.names() {
        let log = fleet.log_of(&name);
        assert!(!log.contains(&ana.email), "{name} logs an address");
        assert!(!log.contains(journeys::PASSWORD), "{name} logs a password");
    }
}
