//! Fixtures of the journeys in fleets.

use std::process::{Command, Stdio};
use std::time::Duration;

use journeys::{CommandOutput, Customer, Outcome, PASSWORD, Product, TestFleet, euros, new_email, unique, wait_for};
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tokio::task::spawn_blocking;

/// The services behind nginx.
pub(crate) const SERVICES: [&str; 3] = ["customer", "products", "shopping"];
/// All services.
pub(crate) const ALL_SERVICES: [&str; 5] = ["customer", "products", "shopping", "mail", "web"];

/// Time until the fleet serves after a component has returned. The target is 5 s; a test machine is
/// busy with other tests, so journeys allow three times that and print the time.
pub(crate) const RECOVERY_TIMEOUT: Duration = Duration::from_secs(15);

/// Time that an orchestrator gives a process between SIGTERM and SIGKILL.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time of a response while a component is down, on a busy test machine.
const LONGEST_RESPONSE: Duration = Duration::from_secs(12);

pub(crate) async fn new_plentiful_product(fleet: &TestFleet) -> Product {
    fleet.new_product("tea", &euros(499), 100_000).await
}

/// Every service, the broker and the database take part.
pub(crate) async fn buy_with_retries(fleet: &TestFleet, product: &Product) {
    let customer = wait_for("a sign-up to succeed", async || {
        let (client, email) = (fleet.client(), new_email("customer"));
        let response = client.sign_up(&email, PASSWORD).try_send().await.map_err(|error| error.to_string())?;
        if response.status == 201 {
            Ok(Customer::from_sign_in(&client, &email, PASSWORD, &response))
        } else {
            Err(response.to_string())
        }
    })
    .await;
    customer.add_to_cart(product, 1).until_status(200).await;
    customer.place_order(&unique("key")).until_status(201).await;
}

pub(crate) fn expect_documented(outcomes: &[Outcome]) {
    assert!(!outcomes.is_empty(), "there was no load");
    for outcome in outcomes {
        let documented = matches!(outcome.status(), Some(200 | 201 | 204 | 409 | 502 | 503 | 504));
        assert!(documented, "{outcome:?}");
        assert!(outcome.elapsed < LONGEST_RESPONSE, "{outcome:?}");
    }
}

pub(crate) fn expect_no_failure(outcomes: &[Outcome]) {
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_failure()).collect();
    println!("{} requests, {} failed", outcomes.len(), failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Signs up the customers of a load. Each sends every twelfth request, so their number must be
/// coprime to twelve for each of them to send every kind.
pub(crate) async fn new_load_customers(fleet: &TestFleet) -> Vec<Customer> {
    fleet.new_customers(5).await
}

pub(crate) async fn with_channel<T>(fleet: &TestFleet, action: impl AsyncFnOnce(&lapin::Channel) -> T) -> T {
    let connection = Connection::connect(fleet.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let result = action(&channel).await;
    // The broker handles the published messages before it confirms the close.
    connection.close(200, "".into()).await.unwrap();
    result
}

pub(crate) async fn publish(
    fleet: &TestFleet,
    exchange: &str,
    routing_key: &str,
    properties: BasicProperties,
    body: &str,
) {
    // Services accept messages of operators, who sign them.
    let properties = properties.with_user_id("souk".into());
    with_channel(fleet, async |channel| {
        let options = BasicPublishOptions::default();
        channel.basic_publish(exchange.into(), routing_key.into(), options, body.as_bytes(), properties).await.unwrap();
    })
    .await;
}

pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new(fleet::workspace_dir().join("scripts/ec2").join(name));
    command.stdin(Stdio::null());
    command
}

pub(crate) async fn run(mut command: Command) -> CommandOutput {
    let output: CommandOutput = spawn_blocking(move || command.output().unwrap()).await.unwrap().into();
    print!("{}", output.text());
    output
}

/// Publishes `customer.deleted` with any body, as the cause of a request `a-deletion`.
pub(crate) async fn publish_deletion(fleet: &TestFleet, exchange: &str, queue: &str, id: &str, body: &str) {
    let mut headers = FieldTable::default();
    headers.insert("souk-version".into(), AMQPValue::LongUInt(1));
    headers.insert("souk-request".into(), AMQPValue::LongString("a-deletion".into()));
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type("customer.deleted".into())
        .with_message_id(id.into())
        .with_delivery_mode(2)
        .with_headers(headers);
    publish(fleet, exchange, queue, properties, body).await;
}
