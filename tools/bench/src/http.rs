//! A cheap HTTP/1.1 client, so that the server is measured: keep-alive connections and prepared
//! requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocket::serde::json::{Json, Value};
use rocket::{State, get, routes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::table::text;

/// The body of an order that is sent to an address.
pub(crate) const ORDER: &str = r#"{"shipping_method":"standard","shipping_address":{"name":"Ana Silva",
"line1":"Unter den Linden 1","city":"Berlin","postal_code":"10117","country":"DE"}}"#;

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Bytes of the whole response.
    pub(crate) size: usize,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value, String> {
        rocket::serde::json::serde_json::from_slice(&self.body).map_err(text)
    }

    pub(crate) fn expect(self, status: u16) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        // The report of an import may have thousands of errors.
        Err(format!("{} instead of {status}: {:.1000}", self.status, String::from_utf8_lossy(&self.body)))
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: souk\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(to).await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Answer, String> {
        self.stream.write_all(request).await.map_err(text)?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if self.stream.read_buf(&mut self.buffer).await.map_err(text)? == 0 {
                return Err("the connection was closed".to_owned());
            }
        };
        let lines = std::str::from_utf8(&self.buffer[..head]).map_err(text)?;
        let status = lines.get(9..12).and_then(|code| code.parse().ok()).ok_or("no status")?;
        let length = lines
            .lines()
            .find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            })
            .unwrap_or(0);
        while self.buffer.len() < head + length {
            if self.stream.read_buf(&mut self.buffer).await.map_err(text)? == 0 {
                return Err("the answer ends too early".to_owned());
            }
        }
        Ok(Answer { status, body: self.buffer[head..head + length].to_vec(), size: head + length })
    }
}

#[derive(Default)]
pub(crate) struct Load {
    /// Response times of the successful requests.
    pub(crate) times: Vec<Duration>,
    pub(crate) took: Duration,
    /// Bytes of the successful responses.
    pub(crate) bytes: usize,
    /// Responses with another status than 200, and connections that failed.
    pub(crate) errors: usize,
    pub(crate) first_error: Option<String>,
}

impl Load {
    /// Responses per second.
    pub(crate) fn rate(&self) -> f64 {
        crate::table::number(self.times.len()) / self.took.as_secs_f64()
    }

    /// Bytes of an average response, with its headers.
    pub(crate) fn bytes_per_response(&self) -> f64 {
        crate::table::number(self.bytes) / crate::table::number(self.times.len().max(1))
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.took += other.took;
        self.add_concurrent(other);
    }

    /// Adds what another connection has measured in the same time.
    fn add_concurrent(&mut self, other: Self) {
        self.times.extend(other.times);
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    fn add_error(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

/// Repeats a request over several connections, from one thread. The other cores are for the server.
/// Fails at the first error.
pub(crate) async fn load(to: SocketAddr, request: Vec<u8>, connections: usize, time: Duration) -> Result<Load, String> {
    let load = load_of_many(to, [request].into(), connections, time).await?;
    match load.first_error {
        Some(error) => Err(error),
        None => Ok(load),
    }
}

/// Repeats several requests in turn over several connections, from one thread, and counts errors.
pub(crate) async fn load_of_many(
    to: SocketAddr,
    requests: Arc<[Vec<u8>]>,
    connections: usize,
    time: Duration,
) -> Result<Load, String> {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
        runtime.block_on(all_at_once(to, requests, connections, time))
    };
    tokio::task::spawn_blocking(work).await.map_err(text)?
}

async fn all_at_once(
    to: SocketAddr,
    requests: Arc<[Vec<u8>]>,
    connections: usize,
    time: Duration,
) -> Result<Load, String> {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for number in 0..connections {
        let requests = Arc::clone(&requests);
        running.spawn(async move {
            let mut load = Load::default();
            // Each connection begins with another request.
            let first = number * requests.len() / connections;
            let mut requests = requests.iter().cycle().skip(first);
            while started.elapsed() < time {
                if let Err(error) = over_one_connection(&mut load, to, &mut requests, started, time).await {
                    load.add_error(error);
                }
            }
            load
        });
    }
    let mut all = Load::default();
    while let Some(load) = running.join_next().await {
        all.add_concurrent(load.map_err(text)?);
    }
    all.took = started.elapsed();
    Ok(all)
}

/// Errors: the connection failed.
async fn over_one_connection(
    load: &mut Load,
    to: SocketAddr,
    requests: &mut impl Iterator<Item = &Vec<u8>>,
    started: Instant,
    time: Duration,
) -> Result<(), String> {
    let mut client = Client::connect(to).await?;
    while started.elapsed() < time {
        let Some(request) = requests.next() else { break };
        let sent = Instant::now();
        let answer = client.send(request).await?;
        let took = sent.elapsed();
        match answer.expect(200) {
            Ok(answer) => {
                load.times.push(took);
                load.bytes += answer.size;
            }
            Err(error) => load.add_error(error),
        }
    }
    Ok(())
}

/// The baseline: a Rocket with one route that returns the JSON in `BARE_JSON`.
pub(crate) async fn bare() -> Result<(), String> {
    let json = std::env::var("BARE_JSON").map_err(text)?;
    let value: Value = rocket::serde::json::serde_json::from_str(&json).map_err(text)?;
    let port = std::env::var("BARE_PORT").map_err(text)?.parse().map_err(text)?;
    let config = rocket::Config { port, log_level: rocket::config::LogLevel::Off, ..rocket::Config::release_default() };
    rocket::custom(config).manage(value).mount("/", routes![product]).launch().await.map(drop).map_err(text)
}

#[get("/products/<_id>")]
fn product(_id: &str, value: &State<Value>) -> Json<Value> {
    Json(value.inner().clone())
}
