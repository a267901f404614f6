//! One GET and the status of its answer: enough to ask somebody how they are.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Health is answered from memory; whoever takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(2);

/// The status that `GET path` gets there; `None` when there is no answer.
pub(crate) fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut first_line = String::new();
        // Not all of it: not everybody closes when asked to.
        BufReader::new(stream.take(1 << 10)).read_line(&mut first_line)?;
        Ok(first_line)
    };
    ask().ok()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
