//! A GET request that reads only the status: enough for health checks.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Health checks are answered from memory, so this is generous.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the status of `GET path`; `None` without a response.
pub(crate) fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut first_line = String::new();
        // Reads the first line only, because some servers keep the connection open.
        BufReader::new(stream.take(1 << 10)).read_line(&mut first_line)?;
        Ok(first_line)
    };
    ask().ok()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
