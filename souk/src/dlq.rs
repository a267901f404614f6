//! `souk dlq`: the dead letters of a fleet, on the terminal. It needs the broker alone, so it works
//! while the services are down. `common/bus/src/amqp/dead_letters.rs` reads and moves the messages.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use souk_bus::{AmqpOptions, DeadLetter, DeadLetterFilter, DeadLetters};
use souk_types::Timestamp;

use crate::databases::operator_message;
use crate::shop_args::BrokerArgs;
use crate::terminal::{duration, print, printable, table};

#[derive(Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters
    List {
        #[command(flatten)]
        filter: QueueArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        broker: DlqBrokerArgs,
    },
    /// Show a dead letter with its headers and its body
    Show {
        /// Id of the event; it may be dead in several queues
        id: String,
        #[command(flatten)]
        filter: QueueArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        broker: DlqBrokerArgs,
    },
    /// Move dead letters back to the queues where they failed, with all attempts renewed
    Replay {
        /// Id of the event; it may be dead in several queues
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All dead letters that exist now
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: QueueArgs,
        #[command(flatten)]
        broker: DlqBrokerArgs,
    },
    /// Delete dead letters for good
    Drop {
        /// Id of the event; it may be dead in several queues
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All dead letters of the queue that exist now
        #[arg(long, requires = "queue")]
        all: bool,
        #[command(flatten)]
        filter: QueueArgs,
        #[command(flatten)]
        broker: DlqBrokerArgs,
    },
}

#[derive(Args)]
pub(crate) struct QueueArgs {
    /// Only dead letters of this queue: shopping.customer has the events that shopping consumes
    /// from customer
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
}

#[derive(Args)]
pub(crate) struct DlqBrokerArgs {
    #[command(flatten)]
    broker: BrokerArgs,
    /// A one-process shop, which has no dead letters; the error explains it
    #[arg(long, value_name = "DIR", hide = true, conflicts_with = "amqp_url")]
    data: Option<PathBuf>,
}

const NO_BROKER: &str = "\
name a fleet's broker with --amqp-url or AMQP_URL. A one-process shop has no broker and no dead letters: an event that a \
service cannot handle stays in the outbox of its publisher and is published again within a minute; the log has the error";

impl DlqBrokerArgs {
    fn resolve(self) -> Result<AmqpOptions, String> {
        match self.data {
            Some(_) => Err(NO_BROKER.to_owned()),
            None => self.broker.resolve()?.ok_or_else(|| NO_BROKER.to_owned()),
        }
    }
}

/// Characters of a reason in the list. `souk dlq show` prints all of it.
const MAX_LISTED_REASON: usize = 60;
const NO_DEAD_LETTERS: &str = "no dead letters\n";

pub(crate) async fn run(command: DlqCommand) -> Result<(), String> {
    let filter = |id, filter: QueueArgs| DeadLetterFilter { id, queue: filter.queue, limit: None };
    match command {
        DlqCommand::List { filter: queue, json, broker } => list(broker.resolve()?, filter(None, queue), json).await,
        DlqCommand::Show { id, filter: queue, json, broker } => {
            show(broker.resolve()?, filter(Some(id), queue), json).await
        }
        DlqCommand::Replay { id, filter: queue, broker, .. } => replay(broker.resolve()?, filter(id, queue)).await,
        DlqCommand::Drop { id, filter: queue, broker, .. } => discard(broker.resolve()?, filter(id, queue)).await,
    }
}

async fn open(broker: AmqpOptions) -> Result<DeadLetters, String> {
    DeadLetters::open(broker, souk_contract::EVENTS).await.map_err(operator_message)
}

async fn read(broker: AmqpOptions, filter: &DeadLetterFilter, with_bodies: bool) -> Result<Vec<DeadLetter>, String> {
    let letters = open(broker).await?;
    let mut found = Vec::new();
    let add = |mut letter: DeadLetter| {
        if !with_bodies {
            letter.body = Vec::new();
        }
        found.push(letter);
    };
    let outcome = letters.list(filter, add).await;
    letters.close().await;
    outcome.map_err(operator_message)?;
    Ok(found)
}

async fn list(broker: AmqpOptions, filter: DeadLetterFilter, json: bool) -> Result<(), String> {
    let found = read(broker, &filter, false).await?;
    if json {
        return print(&format!("{:#}\n", json!({"items": found.iter().map(summary).collect::<Value>()})));
    }
    if found.is_empty() {
        return print(NO_DEAD_LETTERS);
    }
    print(&list_text(&found, Timestamp::now()))
}

async fn show(broker: AmqpOptions, filter: DeadLetterFilter, json: bool) -> Result<(), String> {
    let found = read(broker, &filter, true).await?;
    if found.is_empty() {
        return Err(not_found(&filter));
    }
    if json {
        return print(&format!("{:#}\n", json!({"items": found.iter().map(details).collect::<Value>()})));
    }
    let now = Timestamp::now();
    print(&(found.iter().map(|letter| page(letter, now)).collect::<Vec<_>>().join("\n\n") + "\n"))
}

async fn replay(broker: AmqpOptions, filter: DeadLetterFilter) -> Result<(), String> {
    let letters = open(broker).await?;
    // Prints each letter at once, so that the operator knows the progress when the next one fails.
    let outcome = letters.replay(&filter, |letter| println!("replayed to {}: {}", letter.queue, line(&letter))).await;
    letters.close().await;
    report_count(&filter, outcome.map_err(operator_message)?)
}

async fn discard(broker: AmqpOptions, filter: DeadLetterFilter) -> Result<(), String> {
    let letters = open(broker).await?;
    let outcome = letters.discard(&filter, |letter| println!("dropped from {}: {}", letter.queue, line(&letter))).await;
    letters.close().await;
    report_count(&filter, outcome.map_err(operator_message)?)
}

/// Errors: the id was not found.
fn report_count(filter: &DeadLetterFilter, done: u32) -> Result<(), String> {
    match done {
        0 if filter.id.is_some() => Err(not_found(filter)),
        0 => print(NO_DEAD_LETTERS),
        _ => Ok(()),
    }
}

fn not_found(filter: &DeadLetterFilter) -> String {
    let queue = filter.queue.as_ref().map(|queue| format!(" of {queue}")).unwrap_or_default();
    let id = filter.id.as_deref().unwrap_or_default();
    format!("there is no dead letter {id}{queue}; `souk dlq list` lists all")
}

fn line(letter: &DeadLetter) -> String {
    format!("{} {}", printable(letter.event.as_deref().unwrap_or("an event without a name")), printable(&letter.id))
}

fn list_text(letters: &[DeadLetter], now: Timestamp) -> String {
    let head = ["QUEUE", "EVENT", "ID", "ATTEMPTS", "FAILED", "REQUEST", "REASON"].map(str::to_owned);
    let row = |letter: &DeadLetter| {
        let reason = printable(&letter.reason);
        let short = reason.chars().take(MAX_LISTED_REASON).collect::<String>();
        let short = if short.len() < reason.len() { format!("{short}...") } else { short };
        [
            printable(&letter.queue),
            printable(letter.event.as_deref().unwrap_or("-")),
            printable(&letter.id),
            letter.attempts.to_string(),
            letter.dead_lettered_at.map_or_else(|| "-".to_owned(), |at| age(now.since(at))),
            printable(letter.request.as_deref().unwrap_or("-")),
            short,
        ]
    };
    let rows: Vec<_> = [head].into_iter().chain(letters.iter().map(row)).collect();
    table(&rows)
}

fn page(letter: &DeadLetter, now: Timestamp) -> String {
    let at = |moment: Option<Timestamp>| match moment {
        Some(moment) => format!("{moment} ({})", age(now.since(moment))),
        None => "-".to_owned(),
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut page = String::new();
    for (name, value) in [
        ("id", letter.id.clone()),
        ("event", or_none(&letter.event)),
        ("queue", letter.queue.clone()),
        ("request", or_none(&letter.request)),
        ("attempts", letter.attempts.to_string()),
        ("reason", letter.reason.clone()),
        ("published", at(letter.published_at)),
        ("failed first", at(letter.first_failed_at)),
        ("dead since", at(letter.dead_lettered_at)),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{name:<14}{}", printable(&value));
    }
    page.push_str("headers\n");
    for (name, value) in &letter.headers {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(page, "  {:<20}  {}", printable(name), printable(&value));
    }
    let _ = write!(page, "body ({} bytes)\n{}", letter.body.len(), body(&letter.body));
    page
}

fn body(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(json) => format!("{json:#}"),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    text.lines().map(|line| format!("  {}", printable(line))).collect::<Vec<_>>().join("\n")
}

fn summary(letter: &DeadLetter) -> Value {
    json!({
        "queue": letter.queue,
        "event": letter.event,
        "id": letter.id,
        "attempts": letter.attempts,
        "reason": letter.reason,
        "request_id": letter.request,
        "published_at": letter.published_at,
        "first_failed_at": letter.first_failed_at,
        "dead_lettered_at": letter.dead_lettered_at,
    })
}

fn details(letter: &DeadLetter) -> Value {
    let mut details = summary(letter);
    details["headers"] = letter.headers.clone().into();
    match str::from_utf8(&letter.body) {
        Ok(text) => details["body"] = text.into(),
        Err(_) => details["body_base64"] = BASE64_STANDARD.encode(&letter.body).into(),
    }
    details
}

fn age(since: Duration) -> String {
    format!("{} ago", duration(since))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Command, Souk};

    fn letter() -> DeadLetter {
        DeadLetter {
            queue: "shopping.customer".into(),
            event: Some("customer.deleted".into()),
            id: "7".into(),
            attempts: 5,
            reason: "conflict:\nIt is \u{1b}[31mbroken, and this long reason goes on until its very last word.".into(),
            request: Some("r-1".into()),
            published_at: None,
            first_failed_at: None,
            dead_lettered_at: serde_json::from_str("\"2026-11-21T10:14:29Z\"").unwrap(),
            headers: serde_json::Map::from_iter([("souk-version".to_owned(), 1.into())]),
            body: b"{\"id\":\"a\"}".to_vec(),
        }
    }

    #[test]
    fn a_letter_is_one_line_of_the_list() {
        let now = letter().dead_lettered_at.unwrap().after(Duration::from_secs(90));
        let expected = "\
QUEUE              EVENT             ID  ATTEMPTS  FAILED     REQUEST  REASON
shopping.customer  customer.deleted  7   5         1 min ago  r-1      conflict: It is  [31mbroken, and this long reason goes on un...
";
        assert_eq!(list_text(&[letter()], now), expected);
    }

    #[test]
    fn a_page_has_all_properties() {
        let now = letter().dead_lettered_at.unwrap().after(Duration::from_hours(3));
        let page = page(&letter(), now);
        for part in [
            "2026-11-21T10:14:29.000Z (3 h ago)",
            "goes on until its very last word.",
            "souk-version",
            "body (10 bytes)\n  {\n    \"id\": \"a\"\n  }",
        ] {
            assert!(page.contains(part), "{part} is missing in:\n{page}");
        }
        assert!(!page.contains('\u{1b}'));
    }

    #[test]
    fn a_binary_body_is_base64_in_json() {
        let binary = DeadLetter { body: vec![0xff, 0xfe], ..letter() };
        assert_eq!(details(&binary)["body_base64"], "//4=");
        assert_eq!(details(&letter())["body"], "{\"id\":\"a\"}");
    }

    #[test]
    fn no_command_drops_the_letters_of_all_queues() {
        let parses = |arguments: &[&str]| Souk::try_parse_from(["souk", "dlq"].iter().chain(arguments)).is_ok();
        for good in [&["drop", "7"][..], &["drop", "--all", "--queue", "a.b"], &["replay", "--all"], &["replay", "7"]] {
            assert!(parses(good), "{good:?}");
        }
        for bad in
            [&["drop"][..], &["drop", "--all"], &["drop", "7", "--all", "--queue", "a.b"], &["replay"], &["show"]]
        {
            assert!(!parses(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_one_process_shop_has_no_dead_letters() {
        let souk = Souk::try_parse_from(["souk", "dlq", "list", "--data", "d"]).unwrap();
        let Command::Dlq(DlqCommand::List { broker, .. }) = souk.command() else { panic!("not dlq list") };
        assert!(broker.resolve().unwrap_err().contains("outbox"));
    }
}
