//! Sends one command to a MongoDB server, in its wire protocol (`OP_MSG`). The driver would take a
//! minute to compile, and cannot connect before the replica set is initiated.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bson::Document;

const OP_MSG: u32 = 2013;
/// Bytes of length, request id, response-to id and opcode.
const HEADER: usize = 16;
/// Bytes of the flags and of the kind of the only section.
const PREFIX: usize = 5;
/// Largest accepted response, in bytes.
const MAX_RESPONSE: usize = 1 << 20;
/// Timeout of a command. Initiating the set takes about 100 ms.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn run(address: SocketAddr, command: &Document) -> io::Result<Document> {
    let body = command.to_vec().map_err(io::Error::other)?;
    let length = u32::try_from(HEADER + PREFIX + body.len()).map_err(io::Error::other)?;
    let mut message = Vec::new();
    for word in [length, 1, 0, OP_MSG, 0] {
        message.extend(word.to_le_bytes());
    }
    message.push(0);
    message.extend(body);

    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&message)?;
    let mut start = [0; 4];
    stream.read_exact(&mut start)?;
    let length = u32::from_le_bytes(start) as usize;
    if !(HEADER + PREFIX..MAX_RESPONSE).contains(&length) {
        return Err(io::Error::other("the server does not speak the MongoDB protocol"));
    }
    let mut rest = vec![0; length - start.len()];
    stream.read_exact(&mut rest)?;
    Document::from_reader(&rest[HEADER + PREFIX - start.len()..]).map_err(io::Error::other)
}
