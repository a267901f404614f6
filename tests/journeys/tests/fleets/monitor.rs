//! An admin looks at the instances of a fleet, and stops one; an operator does so on the terminal.

use std::fs::{self, File};

use journeys::{Response, TestFleet, Visitor, euros, wait_for};
use serde_json::Value;
use tempfile::TempDir;

async fn listed(fleet: &TestFleet) -> Value {
    let text = fleet.run_souk(&["ps", "--json", "--amqp-url", fleet.amqp_url()]).await.expect_success();
    serde_json::from_str(&text).unwrap()
}

fn names(listed: &Value) -> Vec<&str> {
    listed["instances"].as_array().unwrap().iter().map(|instance| instance["instance"].as_str().unwrap()).collect()
}

fn databases(instance: &Value) -> &[Value] {
    instance["databases"].as_array().unwrap()
}

/// Sends the form that stops an instance, if the page has one.
async fn stop(visitor: &Visitor, page: &Response, service: &str, instance: &str) -> Response {
    let fields = [("service", service), ("instance", instance)];
    visitor.submit(page, "/en/admin/system/stop", &fields).await
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_admin_sees_every_instance_and_stops_one() {
    let fleet = TestFleet::start().await;
    let instances = ["customer-1", "customer-2", "mail-1", "products-1", "products-2", "shopping-1", "shopping-2"];
    let instances = [&instances[..], &["web-1", "web-2"]].concat();
    let product = fleet.new_product("tea", &euros(500), 10).await;
    fleet.new_customer().await.set_quantity(&product, 1).await.expect_status(200);
    let list = wait_for("figures of all instances", async || {
        let list = listed(&fleet).await;
        // An instance that has just started has not asked its database yet.
        let has_asked = |instance: &Value| databases(instance).iter().all(|database| database["answer_ms"].is_number());
        let is_complete = names(&list) == instances && list["instances"].as_array().unwrap().iter().all(has_asked);
        if is_complete { Ok(list) } else { Err(list) }
    })
    .await;
    let queues = list["queues"].as_array().unwrap();
    let calls = queues.iter().find(|queue| queue["name"] == "products.rpc").unwrap();
    assert_eq!((&calls["consumers"], &calls["waiting"]), (&2.into(), &0.into()), "{calls}");
    for instance in list["instances"].as_array().unwrap() {
        assert_eq!(instance["is_stopping"], false, "{instance}");
        assert_eq!(databases(instance).len(), usize::from(instance["service"] != "web"), "{instance}");
    }

    let visitor = fleet.admin_visitor().await;
    let page = wait_for("all instances on the page", async || {
        let page = visitor.open("/en/admin/system").await.expect_status(200);
        let is_complete = instances.iter().all(|instance| page.has_text(instance));
        if is_complete { Ok(page) } else { Err(page) }
    })
    .await;
    let page = page.expect_text("products.rpc").expect_text("shopping.customer");
    stop(&visitor, &page, "mail", "mail-1").await.expect_status(200).expect_text("the only running instance");
    stop(&visitor, &page, "mail", "mail-9").await.expect_status(200).expect_text("not running any more");
    stop(&visitor, &page, "products", "products-1").await.expect_status(200).expect_text("is asked to stop");
    fleet.wait_until_ended("products-1").await;
    let page = wait_for("one instance of products on the page", async || {
        let page = visitor.open("/en/admin/system").await.expect_status(200);
        if page.has_text("Silent") { Ok(page) } else { Err(page) }
    })
    .await;
    stop(&visitor, &page, "products", "products-2").await.expect_status(200).expect_text("the only running instance");
    fleet.client().get_product(&product).await.expect_status(200);
    assert!(!names(&listed(&fleet).await).contains(&"products-1"));
    fleet.start_component("products-1").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_operator_watches_the_instances_on_the_terminal() {
    let fleet = TestFleet::start().await;
    let folder = TempDir::with_prefix("souk-top-").unwrap();
    let screen = folder.path().join("screen");
    let mut command = fleet.souk();
    command.args(["top", "--amqp-url", fleet.amqp_url()]).stdout(File::create(&screen).unwrap());
    let mut top = command.spawn().unwrap();
    wait_for("all instances on the screen", async || {
        let text = fs::read_to_string(&screen).unwrap();
        let is_running = |line: &str| line.starts_with("web ") && line.contains("web-2") && line.contains("running");
        if text.lines().any(is_running) { Ok(()) } else { Err(text) }
    })
    .await;
    top.kill().unwrap();
    top.wait().unwrap();
}
