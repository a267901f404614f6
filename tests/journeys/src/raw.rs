//! A connection on which a test writes bytes of its own, to send what no HTTP library sends.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::shop::Shop;

/// A TCP connection to the shop.
pub struct RawConnection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A response as its bytes say.
#[derive(Debug)]
pub struct RawResponse {
    /// The status code.
    pub status: u16,
    /// Names in lower case and values, in the order in which they arrived.
    headers: Vec<(String, String)>,
    /// The body: JSON, or null when it is something else.
    pub body: Value,
}

impl Shop {
    /// Opens a connection.
    pub async fn connect(&self) -> RawConnection {
        let url = self.url();
        let address = url.strip_prefix("http://").expect("an http URL");
        RawConnection { stream: TcpStream::connect(address).await.unwrap(), received: Vec::new() }
    }

    /// Sends these bytes on a new connection and returns the response, if there is one.
    pub async fn send_raw(&self, request: &[u8]) -> Option<RawResponse> {
        let mut connection = self.connect().await;
        connection.send(request).await;
        connection.response().await
    }

    /// Sends these bytes, closes the client's side of the connection, and returns the response.
    pub async fn send_raw_and_half_close(&self, request: &[u8]) -> Option<RawResponse> {
        let mut connection = self.connect().await;
        connection.send(request).await;
        connection.half_close().await;
        connection.response().await
    }
}

impl Client {
    /// Returns the head of a request with this client's token, up to and without the empty line.
    pub fn raw_head(&self, method: &str, path: &str, headers: &str) -> String {
        let token = self.token();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\n{headers}"
        )
    }
}

impl RawConnection {
    /// Sends bytes. The shop may have closed the connection before.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Closes the client's side; the shop can still respond.
    pub async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads the next response; `None` when the connection ends without one.
    pub async fn response(&mut self) -> Option<RawResponse> {
        let head = loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(self.received.drain(..end + 4).collect()).unwrap();
            }
            if self.read().await.unwrap_or(0) == 0 {
                assert!(self.received.is_empty(), "a broken response: {:?}", self.received);
                return None;
            }
        };
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        if status == 100 {
            return Box::pin(self.response()).await;
        }
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, length)| length.parse().unwrap());
        while self.received.len() < length && self.read().await.unwrap() > 0 {}
        let body: Vec<u8> = self.received.drain(..length).collect();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Some(RawResponse { status, headers, body })
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.received).await
    }
}

impl RawResponse {
    /// Returns the first line of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers(name).next().unwrap_or_default()
    }

    /// Returns all lines of a header.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Expects problem+json whose request id is that of the response. Returns the id.
    #[track_caller]
    pub fn expect_problem(&self, request: &str) -> &str {
        assert_eq!(self.header("Content-Type"), "application/problem+json", "{request}: {self:?}");
        let id = self.header("X-Request-Id");
        assert!(!id.is_empty() && self.body["request_id"] == *id, "{request}: {self:?}");
        assert_eq!(self.body["status"], self.status, "{request}: {self:?}");
        id
    }
}
