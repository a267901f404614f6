//! A connection to a MongoDB server, in its wire protocol (`OP_MSG`). The driver would take a
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

pub(super) struct Wire(TcpStream);

impl Wire {
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(stream))
    }

    /// Returns the server's response, which may be an error.
    pub(super) fn ask(&mut self, command: &Document) -> io::Result<Document> {
        let body = command.to_vec().map_err(io::Error::other)?;
        let length = u32::try_from(HEADER + PREFIX + body.len()).map_err(io::Error::other)?;
        let mut message = Vec::new();
        for word in [length, 1, 0, OP_MSG, 0] {
            message.extend(word.to_le_bytes());
        }
        message.push(0);
        message.extend(body);

        self.0.write_all(&message)?;
        let mut start = [0; 4];
        self.0.read_exact(&mut start)?;
        let length = u32::from_le_bytes(start) as usize;
        if !(HEADER + PREFIX..MAX_RESPONSE).contains(&length) {
            return Err(io::Error::other("the server does not speak the MongoDB protocol"));
        }
        let mut rest = vec![0; length - start.len()];
        self.0.read_exact(&mut rest)?;
        Document::from_reader(&rest[HEADER + PREFIX - start.len()..]).map_err(io::Error::other)
    }

    /// Like [`Self::ask`]; an error of the server is an error.
    pub(super) fn run(&mut self, command: &Document) -> io::Result<Document> {
        succeeded(self.ask(command)?)
    }
}

pub(super) fn succeeded(response: Document) -> io::Result<Document> {
    match response.get_f64("ok") {
        Ok(ok) if ok > 0.0 => Ok(response),
        _ => Err(io::Error::other(response.get_str("errmsg").unwrap_or("the command failed").to_owned())),
    }
}
