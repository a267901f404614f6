//! `souk ps` and `souk top`: the running instances of a fleet, on the terminal. They listen to the
//! broadcasts that every instance sends once a second, so they need the broker alone.

use std::time::Duration;

use clap::Args;
use rocket::tokio::time::{interval, sleep};
use serde_json::json;
use souk_bus::QueueState;
use souk_contract::instance::InstanceState;
use souk_types::Timestamp;

use crate::instances::{LISTEN_FOR, Listener};
use crate::shop_args::BrokerArgs;
use crate::terminal::{duration, print, printable, table};

/// Moves the cursor to the upper left corner and clears the screen (ECMA-48).
const CLEAR_SCREEN: &str = "\u{1b}[H\u{1b}[2J";

#[derive(Args)]
pub(crate) struct PsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArgs,
}

#[derive(Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    broker: BrokerArgs,
}

/// Prints the running instances once.
pub(crate) async fn ps(args: PsArgs) -> Result<(), String> {
    let listener = Listener::start(args.broker).await?;
    sleep(LISTEN_FOR).await;
    let (instances, queues) = (listener.running(), listener.queues().await);
    listener.close().await;
    let queues = queues?;
    if args.json {
        return print(&format!("{:#}\n", json!({"instances": instances, "queues": queues})));
    }
    print(&screen(&instances, &queues, Timestamp::now()))
}

/// Prints the running instances once a second, until Ctrl-C.
pub(crate) async fn top(args: TopArgs) -> Result<(), String> {
    let listener = Listener::start(args.broker).await?;
    let show = async {
        let mut due = interval(Duration::from_secs(1));
        loop {
            due.tick().await;
            let queues = listener.queues().await;
            let text = match &queues {
                Ok(queues) => screen(&listener.running(), queues, Timestamp::now()),
                Err(error) => format!("{error}\n"),
            };
            if let Err(error) = print(&format!("{CLEAR_SCREEN}{text}")) {
                return error;
            }
        }
    };
    let outcome = rocket::tokio::select! {
        error = show => Err(error),
        signal = rocket::tokio::signal::ctrl_c() => signal.map_err(|error| format!("cannot wait for Ctrl-C: {error}")),
    };
    listener.close().await;
    outcome
}

fn screen(instances: &[InstanceState], queues: &[QueueState], now: Timestamp) -> String {
    let mut text = if instances.is_empty() {
        "no instance is running\n".to_owned()
    } else {
        let head =
            ["SERVICE", "INSTANCE", "VERSION", "RUNNING", "STATUS", "REQ/S", "ERR/S", "P99 MS", "IN FLIGHT", "OUTBOX"];
        let rows = instances.iter().map(|instance| row(instance, now));
        table(&[head.map(str::to_owned)].into_iter().chain(rows).collect::<Vec<_>>())
    };
    let busy = |queue: &&QueueState| queue.waiting > 0 || queue.consumers == 0 || queue.dead_letters.unwrap_or(0) > 0;
    let rows = queues.iter().filter(busy).map(|queue| {
        let dead = queue.dead_letters.map_or_else(|| "-".to_owned(), |letters| letters.to_string());
        [queue.name.clone(), queue.waiting.to_string(), queue.consumers.to_string(), dead]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        text.push_str("\nevery queue is empty and has a consumer\n");
    } else {
        let head = ["QUEUE", "WAITING", "CONSUMERS", "DEAD LETTERS"].map(str::to_owned);
        text.push('\n');
        text.push_str(&table(&[head].into_iter().chain(rows).collect::<Vec<_>>()));
    }
    text
}

fn row(instance: &InstanceState, now: Timestamp) -> [String; 10] {
    let traffic = &instance.traffic;
    let is_answering = instance.databases.iter().all(|database| database.answer_ms.is_some());
    let status = match instance {
        _ if instance.is_stopping => "stopping".to_owned(),
        _ if !is_answering => "no database".to_owned(),
        _ if instance.unanswered_services.is_empty() => "running".to_owned(),
        _ => format!("no answer from {}", instance.unanswered_services.join(",")),
    };
    let pending: u32 = instance.databases.iter().filter_map(|database| database.pending_events).sum();
    [
        printable(&instance.service),
        printable(&instance.instance),
        printable(&instance.version),
        duration(now.since(instance.started_at)),
        printable(&status),
        format!("{:.1}", traffic.requests_per_second),
        format!("{:.1}", traffic.errors_per_second),
        traffic.p99_ms.map_or_else(|| "-".to_owned(), |time| format!("{time:.1}")),
        traffic.in_flight.to_string(),
        if instance.databases.is_empty() { "-".to_owned() } else { pending.to_string() },
    ]
}

#[cfg(test)]
mod tests {
    use souk_contract::instance::{DatabaseState, Traffic};
    use souk_types::format::Format;

    use super::*;

    fn instance() -> InstanceState {
        InstanceState {
            service: "shopping".into(),
            instance: "shopping-1".into(),
            version: "0.1.0".into(),
            newest_format: Format::CURRENT,
            written_format: Format::CURRENT,
            started_at: serde_json::from_str("\"2026-11-21T10:14:29Z\"").unwrap(),
            is_stopping: false,
            traffic: Traffic { requests_per_second: 12.34, errors_per_second: 0.0, p99_ms: Some(7.06), in_flight: 3 },
            databases: vec![DatabaseState { name: "shopping".into(), answer_ms: Some(1.0), pending_events: Some(2) }],
            unanswered_services: Vec::new(),
        }
    }

    #[test]
    fn an_instance_is_one_line_and_only_queues_that_need_attention_are_listed() {
        let instance = instance();
        let now = instance.started_at.after(Duration::from_secs(90));
        let queue = |name: &str, waiting, consumers| QueueState {
            name: name.to_owned(),
            waiting,
            consumers,
            dead_letters: None,
        };
        let queues = [queue("customer.rpc", 0, 2), queue("products.rpc", 0, 0)];
        let expected = "\
SERVICE   INSTANCE    VERSION  RUNNING  STATUS   REQ/S  ERR/S  P99 MS  IN FLIGHT  OUTBOX
shopping  shopping-1  0.1.0    1 min    running  12.3   0.0    7.1     3          2

QUEUE         WAITING  CONSUMERS  DEAD LETTERS
products.rpc  0        0          -
";
        assert_eq!(screen(&[instance], &queues, now), expected);
        assert!(screen(&[], &queues[..1], now).contains("no instance is running"));
    }

    #[test]
    fn a_status_says_what_is_missing() {
        let status = |instance: &InstanceState| row(instance, Timestamp::now())[4].clone();
        let down = DatabaseState { name: "shopping".into(), answer_ms: None, pending_events: None };
        assert_eq!(status(&InstanceState { databases: vec![down], ..instance() }), "no database");
        assert_eq!(status(&InstanceState { is_stopping: true, ..instance() }), "stopping");
        let impaired = InstanceState { unanswered_services: vec!["products".into()], ..instance() };
        assert_eq!(status(&impaired), "no answer from products");
    }
}
