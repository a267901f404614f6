//! One command to a MongoDB server and its answer, in its wire protocol (`OP_MSG`): all that is
//! needed before a driver can be used, and the whole driver would be a minute of compiling.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bson::Document;

const OP_MSG: u32 = 2013;
/// Length, request id, answered id, operation.
const HEADER: usize = 16;
/// Flags, and the kind of the one section.
const PREFIX: usize = 5;
/// No answer to our commands comes near this.
const MAX_ANSWER: usize = 1 << 20;
/// Generous: a set is made in about 100 ms.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(address: SocketAddr, command: &Document) -> io::Result<Document> {
    let body = command.to_vec().map_err(io::Error::other)?;
    let length = u32::try_from(HEADER + PREFIX + body.len()).map_err(io::Error::other)?;
    let mut message = Vec::new();
    for word in [length, 1, 0, OP_MSG, 0] {
        message.extend(word.to_le_bytes());
    }
    message.push(0);
    message.extend(body);

    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&message)?;
    let mut start = [0; 4];
    stream.read_exact(&mut start)?;
    let length = u32::from_le_bytes(start) as usize;
    if !(HEADER + PREFIX..MAX_ANSWER).contains(&length) {
        return Err(io::Error::other("this is no MongoDB"));
    }
    let mut rest = vec![0; length - start.len()];
    stream.read_exact(&mut rest)?;
    Document::from_reader(&rest[HEADER + PREFIX - start.len()..]).map_err(io::Error::other)
}
