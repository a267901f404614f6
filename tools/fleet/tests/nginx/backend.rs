//! Back ends that echo requests, and a client that sees every byte.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than any timeout of nginx that a test waits for.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy)]
pub(crate) enum Behaviour {
    Echo,
    /// Like an instance that is shutting down: 502 to idempotent requests, 200 to others.
    Draining,
    Disconnect,
    /// With a problem of its own, and headers that nginx sets too.
    Problem,
}

pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Backend {
    pub(crate) fn start(name: &'static str, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || serve(name, behaviour, stream, &counter));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(name: &str, behaviour: Behaviour, stream: TcpStream, requests: &AtomicUsize) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(message) = Message::read(&mut reader) {
        requests.fetch_add(1, Ordering::SeqCst);
        let repeatable = !message.start.starts_with("POST");
        let (status, headers) = match behaviour {
            Behaviour::Disconnect => return,
            Behaviour::Draining if repeatable => ("502 Bad Gateway", ""),
            Behaviour::Draining => ("200 OK", "Connection: close\r\n"),
            Behaviour::Echo => ("200 OK", ""),
            Behaviour::Problem => (
                "422 Unprocessable Content",
                "X-Request-Id: theirs\r\nX-Frame-Options: SAMEORIGIN\r\nX-Content-Type-Options: nosniff\r\n\
                 Permissions-Policy: x\r\nServer: Rocket\r\nX-Own: kept\r\n\
                 Content-Security-Policy: default-src 'self'\r\nReferrer-Policy: same-origin\r\n",
            ),
        };
        let body = format!("{name}\n{}\n{}{}", message.start, message.head, message.body.len());
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        if writer.write_all(answer.as_bytes()).is_err() || matches!(behaviour, Behaviour::Draining) {
            return;
        }
    }
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            Some(line.trim_end().to_owned())
        };
        let start = line()?;
        let mut head = String::new();
        loop {
            let header = line()?;
            if header.is_empty() {
                break;
            }
            head.push_str(&header);
            head.push('\n');
        }
        let mut message = Self { start, head, body: Vec::new() };
        let length = message.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        message.body.resize(length, 0);
        reader.read_exact(&mut message.body).ok()?;
        Some(message)
    }

    pub(crate) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        headers(&self.head, name)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers(name);
        assert!(values.len() < 2, "{name} is there {} times", values.len());
        values.first().copied()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// In an echo: the name of the back end.
    pub(crate) fn backend(&self) -> &str {
        self.text().lines().next().unwrap()
    }

    /// In an echo: the target that arrived.
    pub(crate) fn target(&self) -> &str {
        self.text().lines().nth(1).unwrap().split(' ').nth(1).unwrap()
    }

    /// In an echo: the values of a header that arrived.
    pub(crate) fn arrived(&self, name: &str) -> Vec<&str> {
        headers(self.text(), name)
    }
}

fn headers<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

pub(crate) fn raw(address: SocketAddr, request: &[u8]) -> Message {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    // The server may respond and close before it has read everything.
    let _ = stream.write_all(request);
    Message::read(&mut BufReader::new(stream)).expect("an answer")
}

pub(crate) fn request(address: SocketAddr, method: &str, target: &str, headers: &[&str], body: &[u8]) -> Message {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    if method != "GET" || !body.is_empty() {
        request.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    request.push_str("\r\n");
    raw(address, &[request.as_bytes(), body].concat())
}
