//! `souk dlq`: what an operator does with a fleet's dead letters. It talks to the broker alone, so it works whether the services
//! run or not. How letters are taken and given back is in `common/bus/src/amqp/dead_letters.rs`; here is how they look at a terminal.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use souk_bus::{AmqpOptions, DeadLetter, DeadLetterFilter, DeadLetters};
use souk_types::Timestamp;

use crate::options::Dlq;

/// Characters of a reason in the list; `show` has all of it.
const SHORT: usize = 60;
const NONE: &str = "no dead letters";

/// Carries out a command.
pub(crate) async fn run(command: Dlq) -> Result<(), String> {
    match command {
        Dlq::List { queue, json, broker } => list(broker.settle()?, DeadLetterFilter { id: None, queue }, json).await,
        Dlq::Show { id, queue, json, broker } => {
            show(broker.settle()?, DeadLetterFilter { id: Some(id), queue }, json).await
        }
        Dlq::Replay { id, queue, broker, .. } => replay(broker.settle()?, DeadLetterFilter { id, queue }).await,
        Dlq::Drop { id, queue, broker, .. } => throw_away(broker.settle()?, DeadLetterFilter { id, queue }).await,
    }
}

async fn open(broker: AmqpOptions) -> Result<DeadLetters, String> {
    DeadLetters::open(broker, souk_contract::EVENTS).await.map_err(text)
}

fn text(error: souk_types::Error) -> String {
    error.operator_message()
}

/// What is selected; bodies, which may be large, only when they are wanted.
async fn look(broker: AmqpOptions, which: &DeadLetterFilter, with_bodies: bool) -> Result<Vec<DeadLetter>, String> {
    let letters = open(broker).await?;
    let mut found = Vec::new();
    let seen = |mut letter: DeadLetter| {
        if !with_bodies {
            letter.body = Vec::new();
        }
        found.push(letter);
    };
    let outcome = letters.list(which, seen).await;
    letters.close().await;
    outcome.map_err(text)?;
    Ok(found)
}

async fn list(broker: AmqpOptions, which: DeadLetterFilter, json: bool) -> Result<(), String> {
    let found = look(broker, &which, false).await?;
    if json {
        return print(&format!("{:#}", json!({"items": found.iter().map(summary).collect::<Value>()})));
    }
    if found.is_empty() {
        return print(NONE);
    }
    print(&table(&found, Timestamp::now()))
}

async fn show(broker: AmqpOptions, which: DeadLetterFilter, json: bool) -> Result<(), String> {
    let found = look(broker, &which, true).await?;
    if found.is_empty() {
        return Err(unknown(&which));
    }
    if json {
        return print(&format!("{:#}", json!({"items": found.iter().map(whole).collect::<Value>()})));
    }
    let now = Timestamp::now();
    print(&found.iter().map(|letter| page(letter, now)).collect::<Vec<_>>().join("\n\n"))
}

async fn replay(broker: AmqpOptions, which: DeadLetterFilter) -> Result<(), String> {
    let letters = open(broker).await?;
    // Told one by one, so that it is known how far it came when the next one fails.
    let outcome = letters.replay(&which, |letter| println!("put back to {}: {}", letter.queue, line(&letter))).await;
    letters.close().await;
    conclude(&which, outcome.map_err(text)?)
}

async fn throw_away(broker: AmqpOptions, which: DeadLetterFilter) -> Result<(), String> {
    let letters = open(broker).await?;
    let outcome =
        letters.discard(&which, |letter| println!("thrown away, of {}: {}", letter.queue, line(&letter))).await;
    letters.close().await;
    conclude(&which, outcome.map_err(text)?)
}

/// What there is to say when all is done that was asked for.
fn conclude(which: &DeadLetterFilter, done: u32) -> Result<(), String> {
    match done {
        0 if which.id.is_some() => Err(unknown(which)),
        0 => print(NONE),
        _ => Ok(()),
    }
}

fn unknown(which: &DeadLetterFilter) -> String {
    let queue = which.queue.as_ref().map(|queue| format!(" of {queue}")).unwrap_or_default();
    let id = which.id.as_deref().unwrap_or_default();
    format!("there is no dead letter {id}{queue}; souk dlq list shows what is there")
}

/// To whoever reads on; one who has read enough is no error.
fn print(text: &str) -> Result<(), String> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("cannot print: {error}")),
        _ => Ok(()),
    }
}

/// One letter in one line.
fn line(letter: &DeadLetter) -> String {
    format!("{} {}", harmless(letter.event.as_deref().unwrap_or("an event without a name")), harmless(&letter.id))
}

fn table(letters: &[DeadLetter], now: Timestamp) -> String {
    let head = ["QUEUE", "EVENT", "ID", "ATTEMPTS", "FAILED", "REQUEST", "REASON"].map(str::to_owned);
    let row = |letter: &DeadLetter| {
        let reason = harmless(&letter.reason);
        let short = reason.chars().take(SHORT).collect::<String>();
        let short = if short.len() < reason.len() { format!("{short}...") } else { short };
        [
            harmless(&letter.queue),
            harmless(letter.event.as_deref().unwrap_or("-")),
            harmless(&letter.id),
            letter.attempts.to_string(),
            letter.dead_lettered_at.map_or_else(|| "-".to_owned(), |at| age(now.since(at))),
            harmless(letter.request.as_deref().unwrap_or("-")),
            short,
        ]
    };
    let rows: Vec<_> = [head].into_iter().chain(letters.iter().map(row)).collect();
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        lines.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_owned());
    }
    lines.join("\n")
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
        // A `String` takes whatever is written.
        let _ = writeln!(page, "{name:<14}{}", harmless(&value));
    }
    page.push_str("headers\n");
    for (name, value) in &letter.headers {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(page, "  {:<20}  {}", harmless(name), harmless(&value));
    }
    let _ = write!(page, "body ({} bytes)\n{}", letter.body.len(), body(&letter.body));
    page
}

/// What a body says, for a person: indented where it is JSON.
fn body(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(json) => format!("{json:#}"),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    text.lines().map(|line| format!("  {}", harmless(line))).collect::<Vec<_>>().join("\n")
}

/// Nothing that comes from elsewhere may move the cursor or break the table.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
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

fn whole(letter: &DeadLetter) -> Value {
    let mut whole = summary(letter);
    whole["headers"] = letter.headers.clone().into();
    match str::from_utf8(&letter.body) {
        Ok(text) => whole["body"] = text.into(),
        Err(_) => whole["body_base64"] = BASE64_STANDARD.encode(&letter.body).into(),
    }
    whole
}

/// How long ago, in the largest unit that fits.
fn age(since: Duration) -> String {
    let seconds = since.as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> DeadLetter {
        DeadLetter {
            queue: "shopping.customer".into(),
            event: Some("customer.deleted".into()),
            id: "7".into(),
            attempts: 5,
            reason: "conflict:\nIt is \u{1b}[31mtorn, and this goes on and on, as reasons do, until it is over.".into(),
            request: Some("r-1".into()),
            published_at: None,
            first_failed_at: None,
            dead_lettered_at: serde_json::from_str("\"2026-11-21T10:14:29Z\"").unwrap(),
            headers: serde_json::Map::from_iter([("souk-version".to_owned(), 1.into())]),
            body: b"{\"id\":\"a\"}".to_vec(),
        }
    }

    #[test]
    fn a_letter_is_one_line_of_the_table() {
        let now = letter().dead_lettered_at.unwrap().after(Duration::from_secs(90));
        let expected = "\
QUEUE              EVENT             ID  ATTEMPTS  FAILED     REQUEST  REASON
shopping.customer  customer.deleted  7   5         1 min ago  r-1      conflict: It is  [31mtorn, and this goes on and on, as reaso...";
        assert_eq!(table(&[letter()], now), expected);
    }

    #[test]
    fn a_page_says_everything() {
        let now = letter().dead_lettered_at.unwrap().after(Duration::from_hours(3));
        let page = page(&letter(), now);
        for part in [
            "2026-11-21T10:14:29.000Z (3 h ago)",
            "and on, as reasons do, until it is over.",
            "souk-version",
            "body (10 bytes)\n  {\n    \"id\": \"a\"\n  }",
        ] {
            assert!(page.contains(part), "{part} is missing in:\n{page}");
        }
        assert!(!page.contains('\u{1b}'));
    }

    #[test]
    fn a_body_that_is_no_text_survives_as_json() {
        let torn = DeadLetter { body: vec![0xff, 0xfe], ..letter() };
        assert_eq!(whole(&torn)["body_base64"], "//4=");
        assert_eq!(whole(&letter())["body"], "{\"id\":\"a\"}");
    }
}
