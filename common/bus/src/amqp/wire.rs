//! The wire format of calls and replies. A message has one line for each call or reply. An
//! unreadable line does not affect the others. Columns are separated by tabs; the last one is
//! compact JSON, which contains neither tab nor line feed.
//!
//! A call is `id, name, deadline, time left, request id or -, body`; a reply is `id, ok or error,
//! body`. The first column is the id in every version of the protocol, so that a service can refuse
//! a call that it cannot read.

use std::time::{Duration, SystemTime};

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::ShortString;
use souk_types::{RequestId, Result};

use crate::Bytes;

/// Version of the protocol. Messages of another version are refused.
pub(super) const VERSION: u32 = 1;
/// Message type of calls, with the version. A header table would double the broker's work.
pub(super) const CALLS: &str = "calls/1";
pub(super) const REPLIES: &str = "replies/1";
/// Largest body in bytes: a file of 8 MiB in Base64. Other messages are far smaller; the broker's
/// default limit is 16 MiB.
pub(super) const MAX_BODY: usize = 12 * 1024 * 1024;
/// Largest message in bytes: a batch, and one body that was added last.
const MAX_MESSAGE: usize = MAX_BODY + 256 * 1024;
/// Placeholder for an unreadable id.
pub(super) const UNKNOWN_ID: u64 = 0;

#[derive(Debug, PartialEq)]
pub(super) struct Call<'m> {
    pub(super) id: u64,
    pub(super) name: &'m str,
    /// By the caller's clock, in milliseconds since 1970.
    pub(super) deadline: u64,
    /// Time until the deadline when the call was written.
    pub(super) time_left: Duration,
    pub(super) request: Option<RequestId>,
    pub(super) body: &'m [u8],
}

impl Call<'_> {
    pub(super) fn to_line(&self) -> Vec<u8> {
        let request = self.request.as_ref().map_or("-", RequestId::as_str);
        let (id, name, deadline, time_left) = (self.id, self.name, self.deadline, self.time_left.as_millis());
        line(&format!("{id}\t{name}\t{deadline}\t{time_left}\t{request}\t"), self.body)
    }
}

pub(super) fn reply_line(id: u64, reply: &Result<Bytes>) -> Vec<u8> {
    match reply {
        Ok(body) => line(&format!("{id}\tok\t"), body),
        // Without a body, the caller reports an unreadable reply.
        Err(error) => line(&format!("{id}\terror\t"), &serde_json::to_vec(error).unwrap_or_default()),
    }
}

fn line(columns: &str, body: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(columns.len() + body.len() + 1);
    line.extend_from_slice(columns.as_bytes());
    line.extend_from_slice(body);
    line.push(b'\n');
    line
}

/// Reads the calls of a message. `Err` has the id of an unreadable line.
pub(super) fn calls(message: &[u8]) -> impl Iterator<Item = Result<Call<'_>, u64>> {
    lines(message).map(|line| call(line).ok_or_else(|| id(line)))
}

fn call(line: &[u8]) -> Option<Call<'_>> {
    let mut columns = line.splitn(6, |byte| *byte == b'\t');
    let id = number(columns.next()?)?;
    let name = str::from_utf8(columns.next()?).ok()?;
    let deadline = number(columns.next()?)?;
    let time_left = Duration::from_millis(number(columns.next()?)?);
    // An invalid request id is dropped: it only serves the log.
    let request = str::from_utf8(columns.next()?).ok()?.parse().ok().filter(|id: &RequestId| id.as_str() != "-");
    Some(Call { id, name, deadline, time_left, request, body: columns.next()? })
}

/// Reads the replies of a message. `Err` has the id of an unreadable line.
pub(super) fn replies(message: &[u8]) -> impl Iterator<Item = Result<(u64, Result<&[u8]>), u64>> {
    lines(message).map(|line| reply(line).ok_or_else(|| id(line)))
}

fn reply(line: &[u8]) -> Option<(u64, Result<&[u8]>)> {
    let mut columns = line.splitn(3, |byte| *byte == b'\t');
    let (id, status, body) = (number(columns.next()?)?, columns.next()?, columns.next()?);
    match status {
        b"ok" => Some((id, Ok(body))),
        b"error" => Some((id, Err(serde_json::from_slice(body).ok()?))),
        _ => None,
    }
}

/// Returns the ids of the lines of a message; [`UNKNOWN_ID`] for those without one.
pub(super) fn ids(message: &[u8]) -> impl Iterator<Item = u64> + '_ {
    lines(message).map(id)
}

fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    message.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn id(line: &[u8]) -> u64 {
    line.split(|byte| *byte == b'\t').next().and_then(number).unwrap_or(UNKNOWN_ID)
}

fn number(column: &[u8]) -> Option<u64> {
    str::from_utf8(column).ok()?.parse().ok()
}

/// Returns the properties of a message of calls or replies. `token` names the caller's connection.
pub(super) fn properties(kind: &str, token: &ShortString) -> BasicProperties {
    BasicProperties::default().with_type(kind.into()).with_correlation_id(token.clone())
}

pub(super) fn token(delivery: &Delivery) -> &str {
    delivery.properties.correlation_id().as_ref().map_or("", ShortString::as_str)
}

/// Whether a message has this type, which includes the version, and an acceptable size.
pub(super) fn is_readable(delivery: &Delivery, kind: &str) -> bool {
    let actual = delivery.properties.kind().as_ref().map(ShortString::as_str);
    actual == Some(kind) && delivery.data.len() <= MAX_MESSAGE
}

/// Milliseconds since 1970, by this machine's clock.
pub(super) fn now() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use souk_types::Error;

    use super::*;

    #[test]
    fn types_contain_the_version() {
        assert_eq!((CALLS, REPLIES), (&*format!("calls/{VERSION}"), &*format!("replies/{VERSION}")));
    }

    fn get(id: u64, body: &[u8]) -> Call<'_> {
        let (deadline, time_left) = (1_763_728_187_000, Duration::from_millis(1993));
        Call { id, name: "products.get", deadline, time_left, request: "r-1".parse().ok(), body }
    }

    #[test]
    fn calls_survive_the_wire() {
        let sent = [get(7, br#"{"ids":[]}"#), Call { request: None, ..get(8, "\"ü\\t\"".as_bytes()) }];
        let message = sent.each_ref().map(Call::to_line).concat();
        let received: Vec<_> = calls(&message).map(Result::unwrap).collect();
        assert_eq!(received, sent);
    }

    #[test]
    fn replies_survive_the_wire_without_causes() {
        let error = Error::not_found("product").caused_by("secret");
        let message = [reply_line(7, &Ok(b"42".to_vec())), reply_line(8, &Err(error))].concat();
        let received: Vec<_> = replies(&message).map(Result::unwrap).collect();
        assert_eq!((received[0].0, received[0].1.as_ref().unwrap()), (7, &&b"42"[..]));
        let error = received[1].1.as_ref().unwrap_err();
        assert_eq!((received[1].0, error.code(), error.cause()), (8, "not-found", None));
    }

    #[test]
    fn an_unreadable_line_affects_no_other() {
        let broken = b"2\tproducts.get\tnever\t5\t-\t{}\n\xff\xfe\n3\n\t\t\t\t\t\t\n";
        let message = [get(1, b"{}").to_line(), broken.to_vec(), get(4, b"{}").to_line()].concat();
        let read: Vec<_> = calls(&message).map(|call| call.map(|call| call.id)).collect();
        assert_eq!(read, [Ok(1), Err(2), Err(UNKNOWN_ID), Err(3), Err(UNKNOWN_ID), Ok(4)]);
        assert_eq!(ids(&message).collect::<Vec<_>>(), [1, 2, UNKNOWN_ID, 3, UNKNOWN_ID, 4]);
        let message = b"1\tok\t1\n2\tmaybe\t2\n3\terror\tno\n4\tok\t4";
        let read: Vec<_> = replies(message).map(|reply| reply.map(|(id, _)| id)).collect();
        assert_eq!(read, [Ok(1), Err(2), Err(3), Ok(4)]);
    }

    const SEEDS: [&[u8]; 3] = [
        b"7\tproducts.get\t1763728187000\t1993\tr-1\t{\"ids\":[]}\n8\tproducts.reserve\t1\t2\t-\t{}\n",
        b"7\tok\t42\n8\terror\t{\"kind\":\"NotFound\",\"code\":\"not-found\",\"detail\":\"none\"}\n",
        b"\t\t\t\t\t\t\n",
    ];

    proptest! {
        #![proptest_config(mutations::config())]

        #[test]
        fn any_bytes_are_calls_or_refused(message in mutations::bytes(&SEEDS)) {
            let lines = message.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
            prop_assert_eq!(ids(&message).count(), lines);
            prop_assert_eq!(replies(&message).count(), lines);
            for call in calls(&message).flatten() {
                let line = call.to_line();
                prop_assert_eq!(calls(&line).collect::<Vec<_>>(), [Ok(call)]);
            }
        }
    }
}
