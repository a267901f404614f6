//! What calls and replies look like inside a message: one line for each, so that those that wait together can travel
//! together and a line that cannot be read harms no other. Columns are separated by tabs; the last is compact JSON, in which
//! neither a tab nor a line feed can occur.
//!
//! A call is `id, name, deadline, left, request id or -, body`; a reply is `id, ok or error, body`. In every version of the
//! protocol the first column is the id, so that what cannot be understood can still be refused.

use std::time::{Duration, SystemTime};

use souk_types::{Error, RequestId};

/// The version of the protocol. A message of another one is refused: it may mean what this program cannot know.
pub(super) const VERSION: u32 = 1;
/// The type of a message of calls: what it is, and the version. A header would say it, too, and cost the broker as much as the rest
/// of the message.
pub(super) const CALLS: &str = "calls/1";
/// The type of a message of replies.
pub(super) const REPLIES: &str = "replies/1";
/// A body, in bytes: far above what services send each other, far below what a broker takes (16 MiB by default).
pub(super) const MAX_BODY: usize = 4 * 1024 * 1024;
/// A message: one body and its columns, or many small ones.
pub(super) const MAX_MESSAGE: usize = MAX_BODY + 4096;
/// The id of a line whose id cannot be read.
pub(super) const NO_ID: u64 = 0;

/// One call as it is read.
#[derive(Debug, PartialEq)]
pub(super) struct Call<'m> {
    pub(super) id: u64,
    pub(super) name: &'m str,
    /// The deadline by the caller's clock, in milliseconds since 1970.
    pub(super) deadline: u64,
    /// What was left of it when the message was sent.
    pub(super) left: Duration,
    pub(super) request: Option<RequestId>,
    pub(super) body: &'m [u8],
}

impl Call<'_> {
    pub(super) fn write(&self, message: &mut Vec<u8>) {
        let request = self.request.as_ref().map_or("-", RequestId::as_str);
        let left = self.left.as_millis();
        message.extend_from_slice(
            format!("{}\t{}\t{}\t{left}\t{request}\t", self.id, self.name, self.deadline).as_bytes(),
        );
        message.extend_from_slice(self.body);
        message.push(b'\n');
    }
}

/// The calls of a message; a line that is none is `Err` with its id, where it has one.
pub(super) fn calls(message: &[u8]) -> impl Iterator<Item = Result<Call<'_>, u64>> {
    lines(message).map(|line| call(line).ok_or_else(|| id(line)))
}

/// The ids of a message that cannot be understood, as far as they can be read.
pub(super) fn ids(message: &[u8]) -> impl Iterator<Item = u64> + '_ {
    lines(message).map(id)
}

fn call(line: &[u8]) -> Option<Call<'_>> {
    let mut columns = line.splitn(6, |byte| *byte == b'\t');
    let id = number(columns.next()?)?;
    let name = str::from_utf8(columns.next()?).ok()?;
    let deadline = number(columns.next()?)?;
    let left = Duration::from_millis(number(columns.next()?)?);
    // A request id that is none is left out: it is there for the log.
    let request = str::from_utf8(columns.next()?).ok()?.parse().ok().filter(|id: &RequestId| id.as_str() != "-");
    Some(Call { id, name, deadline, left, request, body: columns.next()? })
}

/// Writes one reply.
pub(super) fn write_reply(id: u64, reply: &Result<Vec<u8>, Error>, message: &mut Vec<u8>) {
    let broken;
    let (status, body) = match reply {
        Ok(body) => ("ok", body),
        Err(error) => {
            // An `Error` is a struct of texts; should it fail all the same, the line has no body and is refused as unreadable.
            broken = serde_json::to_vec(error).unwrap_or_default();
            ("error", &broken)
        }
    };
    message.extend_from_slice(format!("{id}\t{status}\t").as_bytes());
    message.extend_from_slice(body);
    message.push(b'\n');
}

/// The replies of a message; a line that is none is `Err` with its id, where it has one.
pub(super) fn replies(message: &[u8]) -> impl Iterator<Item = Result<(u64, Result<&[u8], Error>), u64>> {
    lines(message).map(|line| reply(line).ok_or_else(|| id(line)))
}

fn reply(line: &[u8]) -> Option<(u64, Result<&[u8], Error>)> {
    let mut columns = line.splitn(3, |byte| *byte == b'\t');
    let (id, status, body) = (number(columns.next()?)?, columns.next()?, columns.next()?);
    match status {
        b"ok" => Some((id, Ok(body))),
        b"error" => Some((id, Err(serde_json::from_slice(body).ok()?))),
        _ => None,
    }
}

fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    message.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn id(line: &[u8]) -> u64 {
    line.split(|byte| *byte == b'\t').next().and_then(number).unwrap_or(NO_ID)
}

fn number(column: &[u8]) -> Option<u64> {
    str::from_utf8(column).ok()?.parse().ok()
}

/// Milliseconds since 1970, by this machine's clock.
pub(super) fn now() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_say_the_version() {
        assert_eq!((CALLS, REPLIES), (&*format!("calls/{VERSION}"), &*format!("replies/{VERSION}")));
    }

    fn get(id: u64, body: &[u8]) -> Call<'_> {
        let left = Duration::from_millis(1993);
        Call { id, name: "products.get", deadline: 1_763_728_187_000, left, request: "r-1".parse().ok(), body }
    }

    #[test]
    fn calls_come_out_as_they_went_in() {
        let sent = [get(7, br#"{"ids":[]}"#), Call { request: None, ..get(8, "\"ü\\t\"".as_bytes()) }];
        let mut message = Vec::new();
        for call in &sent {
            call.write(&mut message);
        }
        let received: Vec<_> = calls(&message).map(Result::unwrap).collect();
        assert_eq!(received, sent);
    }

    #[test]
    fn replies_come_out_as_they_went_in() {
        let mut message = Vec::new();
        write_reply(7, &Ok(b"42".to_vec()), &mut message);
        write_reply(8, &Err(Error::not_found("product").caused_by("secret")), &mut message);
        let received: Vec<_> = replies(&message).map(Result::unwrap).collect();
        assert_eq!((received[0].0, received[0].1.as_ref().unwrap()), (7, &&b"42"[..]));
        let error = received[1].1.as_ref().unwrap_err();
        assert_eq!((received[1].0, error.code(), error.cause()), (8, "not-found", None));
    }

    #[test]
    fn a_line_that_cannot_be_read_harms_no_other() {
        let mut message = Vec::new();
        get(1, b"{}").write(&mut message);
        message.extend_from_slice(b"2\tproducts.get\tnever\t5\t-\t{}\n\xff\xfe\n3\n\t\t\t\t\t\t\n");
        get(4, b"{}").write(&mut message);
        let read: Vec<_> = calls(&message).map(|call| call.map(|call| call.id)).collect();
        assert_eq!(read, [Ok(1), Err(2), Err(NO_ID), Err(3), Err(NO_ID), Ok(4)]);
        assert_eq!(ids(&message).collect::<Vec<_>>(), [1, 2, NO_ID, 3, NO_ID, 4]);
        let read: Vec<_> =
            replies(b"1\tok\t1\n2\tmaybe\t2\n3\terror\tno\n4\tok\t4").map(|reply| reply.map(|(id, _)| id)).collect();
        assert_eq!(read, [Ok(1), Err(2), Err(3), Ok(4)]);
    }
}
