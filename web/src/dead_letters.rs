//! Dead letters, on behalf of an admin. The broker keeps them, so no service answers for them:
//! `web` reads and moves them as `souk dlq` does, through a connection of its own.

use std::time::Duration;

use serde_json::Value;
use souk_bus::{Bus, CALL_TIMEOUT, DeadLetter, DeadLetterFilter};
use souk_types::{Error, ErrorKind, Result, mask_texts};

use crate::api::CHANGE_TIMEOUT;

/// Time to wait for another operator, as for a call to a service. It leaves the rest of
/// [`CHANGE_TIMEOUT`] for the work.
const LOCK_TIMEOUT: Duration = CALL_TIMEOUT;

/// What an admin does with dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeadLetterAction {
    /// Reads them.
    List,
    /// Moves them back to the queues where they failed.
    Replay,
    /// Deletes them for good.
    Drop,
}

/// Why there is no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// The shop runs in one process and has no dead letters.
    OneProcess,
    /// Another operator works on them.
    Locked,
    /// The work takes longer, and goes on.
    Unfinished,
    /// The broker does not answer.
    Broker,
    /// The queue does not exist.
    UnknownQueue,
}

/// Carries out an action on the selected dead letters and returns them.
pub(crate) async fn carry_out(
    bus: &Bus,
    action: DeadLetterAction,
    filter: DeadLetterFilter,
) -> std::result::Result<Vec<DeadLetter>, Unavailable> {
    if filter.queue.as_deref().is_some_and(|queue| !is_queue_name(queue)) {
        return Err(Unavailable::UnknownQueue);
    }
    // A task, so that the work goes on after the timeout, and the lock is released when the visitor
    // has gone.
    let task = tokio::spawn(run(bus.clone(), action, filter));
    match tokio::time::timeout(CHANGE_TIMEOUT, task).await {
        Ok(Ok(Ok(Some(letters)))) => Ok(letters),
        Ok(Ok(Ok(None))) => Err(Unavailable::OneProcess),
        Ok(Ok(Err(error))) => Err(reason(&error)),
        Ok(Err(error)) => {
            tracing::error!(%error, "the work on dead letters has ended early");
            Err(Unavailable::Broker)
        }
        Err(_) => Err(Unavailable::Unfinished),
    }
}

async fn run(bus: Bus, action: DeadLetterAction, filter: DeadLetterFilter) -> Result<Option<Vec<DeadLetter>>> {
    let Some(letters) = bus.dead_letters(souk_contract::EVENTS, LOCK_TIMEOUT).await? else { return Ok(None) };
    let mut found = Vec::new();
    let report = |letter: DeadLetter| found.push(letter);
    let outcome = match action {
        DeadLetterAction::List => letters.list(&filter, report).await,
        DeadLetterAction::Replay => letters.replay(&filter, report).await.map(drop),
        DeadLetterAction::Drop => letters.discard(&filter, report).await.map(drop),
    };
    letters.close().await;
    outcome.map(|()| Some(found))
}

fn reason(error: &Error) -> Unavailable {
    match error.kind() {
        ErrorKind::Busy => Unavailable::Locked,
        ErrorKind::NotFound => Unavailable::UnknownQueue,
        _ => {
            tracing::warn!(%error, "the dead letters cannot be reached");
            Unavailable::Broker
        }
    }
}

/// Whether a text can be the name of an event queue. The broker ends the connection for others.
fn is_queue_name(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// Returns the body of an event as JSON that shows ids, moments, numbers and truth values, and
/// masks all other texts, which may be personal. `None` for a body that is no JSON.
pub(crate) fn masked_body(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    serde_json::to_string_pretty(&mask_texts(value)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_masked_and_need_not_be_json() {
        assert!(!masked_body(b"{\"to\": \"ana@example.com\"}").unwrap().contains("ana"));
        assert_eq!(masked_body(b"{\"id\": \"ana"), None);
    }

    #[test]
    fn names_of_queues_are_short_and_plain() {
        assert!(is_queue_name("shopping.customer") && is_queue_name("test-1.mail_2.dead"));
        for bad in ["", "a b", "a/b", &"x".repeat(101), "ä"] {
            assert!(!is_queue_name(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn one_process_has_no_dead_letters() {
        let outcome = carry_out(&Bus::local(), DeadLetterAction::List, DeadLetterFilter::default()).await;
        assert_eq!(outcome.unwrap_err(), Unavailable::OneProcess);
    }
}
