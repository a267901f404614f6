//! A cheap HTTP/1.1 client, so that the server is measured: keep-alive connections and prepared
//! requests.

use std::net::SocketAddr;
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
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value, String> {
        rocket::serde::json::serde_json::from_slice(&self.body).map_err(text)
    }

    pub(crate) fn expect(self, status: u16) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("{} instead of {status}: {}", self.status, String::from_utf8_lossy(&self.body)))
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
        Ok(Answer { status, body: self.buffer[head..head + length].to_vec() })
    }
}

#[derive(Default)]
pub(crate) struct Load {
    pub(crate) times: Vec<Duration>,
    pub(crate) took: Duration,
}

impl Load {
    /// Responses per second.
    pub(crate) fn rate(&self) -> f64 {
        crate::table::number(self.times.len()) / self.took.as_secs_f64()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.took += other.took;
    }
}

/// Repeats a request over several connections, from one thread. The other cores are for the server.
pub(crate) async fn load(to: SocketAddr, request: Vec<u8>, connections: usize, time: Duration) -> Result<Load, String> {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
        runtime.block_on(all_at_once(to, request, connections, time))
    };
    tokio::task::spawn_blocking(work).await.map_err(text)?
}

async fn all_at_once(to: SocketAddr, request: Vec<u8>, connections: usize, time: Duration) -> Result<Load, String> {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..connections {
        let request = request.clone();
        running.spawn(async move {
            let mut client = Client::connect(to).await?;
            let mut times = Vec::new();
            while started.elapsed() < time {
                let sent = Instant::now();
                client.send(&request).await?.expect(200)?;
                times.push(sent.elapsed());
            }
            Ok::<_, String>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(client) = running.join_next().await {
        times.extend(client.map_err(text)??);
    }
    Ok(Load { times, took: started.elapsed() })
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
