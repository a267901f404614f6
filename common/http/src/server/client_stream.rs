//! The TCP connection to a client, as hyper reads and writes it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use super::open_connections::Slot;

/// Time in which a client must read some of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for which a closed connection still takes what the client is sending. Closing it at once
/// could destroy the answer before the client reads it (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(5);

pub(super) struct ClientStream {
    stream: TcpStream,
    slot: Arc<Slot>,
    write_timeout: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    pub(super) fn new(stream: TcpStream, slot: Arc<Slot>) -> Self {
        Self { stream, slot, write_timeout: None }
    }

    /// Writes the last answer.
    pub(super) async fn write(&mut self, answer: &[u8]) -> io::Result<()> {
        timeout(WRITE_TIMEOUT, self.stream.write_all(answer)).await?
    }

    /// Closes the connection after the client has read its answer.
    pub(super) async fn close(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let mut discarded = [0; 4096];
        let until_end = async { while matches!(self.stream.read(&mut discarded).await, Ok(1..)) {} };
        // A client that still sends after this time loses the connection.
        let _ = timeout(LINGER, until_end).await;
    }
}

/// Returns the beginning of hyper's own answer in `buffer`. hyper answers a head that it cannot
/// parse by itself, without a body and as its last write; the server answers such requests instead.
fn own_answer(buffer: &[u8]) -> Option<usize> {
    if !buffer.ends_with(b"\r\n\r\n") {
        return None;
    }
    let start = buffer.windows(7).rposition(|window| window == b"HTTP/1.")?;
    let head = buffer[start..].to_ascii_lowercase();
    let is_error = [&b" 400 "[..], b" 414 ", b" 431 "].iter().any(|status| head.get(8..13) == Some(*status));
    let is_empty = head.windows(21).any(|window| window == b"\r\ncontent-length: 0\r\n");
    (is_error && is_empty).then_some(start)
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let buffer = match own_answer(buffer).filter(|_| !this.slot.is_busy()) {
            Some(0) => return Poll::Ready(Ok(buffer.len())),
            Some(start) => &buffer[..start],
            None => buffer,
        };
        let written = Pin::new(&mut this.stream).poll_write(context, buffer);
        if written.is_ready() {
            if this.write_timeout.take().is_some() {
                this.slot.end_stall();
            }
            return written;
        }
        this.slot.begin_stall();
        let timer = this.write_timeout.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hypers_own_answer_is_found_at_the_end_of_a_write() {
        let own = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        for (written, expected) in [
            (own.to_owned(), Some(0)),
            (format!("{answer}{own}"), Some(answer.len())),
            (answer.to_owned(), None),
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(), None),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 93\r\n\r\n".to_owned(), None),
            (format!("{own}{answer}"), None),
        ] {
            assert_eq!(own_answer(written.as_bytes()), expected, "{written}");
        }
    }
}
