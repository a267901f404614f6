//! A TCP proxy that injects faults between a client and a healthy server: stalls, delays,
//! disconnects and truncated frames. It does not parse the protocol.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Size of the read buffer, in bytes.
const CHUNK: usize = 64 * 1024;
/// Chunks in flight in one direction, after which the proxy blocks the sender.
const MAX_IN_FLIGHT: usize = 64;

/// The fault that the proxy injects into every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultMode {
    /// Forwards unchanged.
    PassThrough,
    /// Holds back both directions, like a server that is stopped.
    Stall,
    /// Holds back the server's bytes; the client's pass.
    StallResponses,
    /// Holds back the client's bytes; the server's pass.
    StallRequests,
    /// Delays each direction by this long.
    Delay(Duration),
    /// Closes connections at once, including new ones.
    Disconnect,
}

/// A proxy in front of one server. It runs until the Tokio runtime that created it ends.
pub struct FaultProxy {
    address: SocketAddr,
    upstream: Arc<OnceLock<String>>,
    state: watch::Sender<State>,
    drops: Arc<Mutex<ResponseDrops>>,
}

#[derive(Clone, Copy)]
struct State {
    mode: FaultMode,
    disconnects: u64,
    truncations: u64,
}

/// The byte pattern of requests whose responses are dropped, and how many are left to drop.
type ResponseDrops = Option<(&'static str, u32)>;

impl FaultProxy {
    /// Listens on a free local port; closes connections until [`Self::set_upstream`].
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = watch::Sender::new(State { mode: FaultMode::PassThrough, disconnects: 0, truncations: 0 });
        let proxy = Self { address, upstream: Arc::default(), state, drops: Arc::default() };
        let (upstream, state, drops) = (Arc::clone(&proxy.upstream), proxy.state.clone(), Arc::clone(&proxy.drops));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(upstream) = upstream.get().cloned() else { continue };
                tokio::spawn(forward(client, upstream, state.subscribe(), Arc::clone(&drops)));
            }
        });
        Ok(proxy)
    }

    /// Listens on a free local port and forwards to a server such as `localhost:5672`.
    pub async fn in_front_of(server: impl Into<String>) -> io::Result<Self> {
        let proxy = Self::bind().await?;
        proxy.set_upstream(server);
        Ok(proxy)
    }

    /// Sets the server to forward to. Only the first call has an effect.
    pub fn set_upstream(&self, server: impl Into<String>) {
        self.upstream.get_or_init(|| server.into());
    }

    /// Returns the address that clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the fault, for open and later connections.
    pub fn set_mode(&self, mode: FaultMode) {
        self.state.send_modify(|state| {
            state.mode = mode;
            state.disconnects += u64::from(mode == FaultMode::Disconnect);
        });
    }

    /// Closes the open connections; later ones pass through.
    pub fn disconnect_all(&self) {
        self.state.send_modify(|state| {
            state.mode = FaultMode::PassThrough;
            state.disconnects += 1;
        });
    }

    /// Makes each open connection forward half of its next chunk, either way, and close.
    pub fn truncate_next_chunk(&self) {
        self.state.send_modify(|state| state.truncations += 1);
    }

    /// Forwards the next `times` requests with `pattern`, and closes before the responses.
    pub fn drop_responses_to(&self, pattern: &'static str, times: u32) {
        *self.drops.lock().unwrap_or_else(PoisonError::into_inner) = Some((pattern, times));
    }
}

async fn forward(
    client: TcpStream,
    upstream: String,
    mut state: watch::Receiver<State>,
    drops: Arc<Mutex<ResponseDrops>>,
) {
    let State { mode, disconnects, .. } = *state.borrow();
    if mode == FaultMode::Disconnect {
        return;
    }
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    // Nagle's algorithm would delay small messages. Without the option it is only slower.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let drops_responses = Arc::new(AtomicBool::new(false));
    let on_request = {
        let drops_responses = Arc::clone(&drops_responses);
        move |bytes: &[u8]| {
            if take_drop(bytes, &drops) {
                drops_responses.store(true, Ordering::Relaxed);
            }
            true
        }
    };
    let on_response = move |_: &[u8]| !drops_responses.load(Ordering::Relaxed);
    let (requests, responses) = (state.clone(), state.clone());
    tokio::select! {
        _ = state.wait_for(|state| state.disconnects > disconnects) => {}
        () = pump(from_client, to_server, requests, &[FaultMode::Stall, FaultMode::StallRequests], on_request) => {}
        () = pump(from_server, to_client, responses, &[FaultMode::Stall, FaultMode::StallResponses], on_response) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: watch::Receiver<State>,
    stalled_by: &[FaultMode],
    may_pass: impl Fn(&[u8]) -> bool,
) {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(MAX_IN_FLIGHT);
    let (mut write_state, truncations) = (state.clone(), state.borrow().truncations);
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let delay = match state.borrow().mode {
                FaultMode::Delay(delay) => delay,
                _ => Duration::ZERO,
            };
            if sender.send((Instant::now() + delay, buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = chunks.recv().await {
            sleep_until(due).await;
            let state = write_state.wait_for(|state| !stalled_by.contains(&state.mode)).await.map(|state| *state);
            let Ok(state) = state else { return };
            let is_whole = state.truncations == truncations;
            let bytes = if is_whole { &bytes[..] } else { &bytes[..bytes.len() / 2] };
            if !may_pass(bytes) || to.write_all(bytes).await.is_err() || !is_whole {
                return;
            }
        }
    };
    // After the reader ends, the writer still delivers the chunks in flight. After the writer ends,
    // reading stops.
    tokio::pin!(read, write);
    tokio::select! {
        () = &mut write => {}
        () = &mut read => write.await,
    }
}

fn take_drop(bytes: &[u8], drops: &Mutex<ResponseDrops>) -> bool {
    let mut drops = drops.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((pattern, times)) = *drops else { return false };
    let found = bytes.windows(pattern.len()).any(|window| window == pattern.as_bytes());
    if found {
        *drops = (times > 1).then_some((pattern, times - 1));
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Far longer than a local round trip takes.
    const LOCAL_DELIVERY: Duration = Duration::from_millis(100);

    async fn echo() -> (FaultProxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::in_front_of(listener.local_addr().unwrap().to_string()).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = client.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        (proxy, client)
    }

    async fn receive(client: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; length];
        client.read_exact(&mut buffer).await.map(|_| buffer)
    }

    async fn assert_echoes(client: &mut TcpStream) {
        client.write_all(b"one").await.unwrap();
        assert_eq!(receive(client, 3).await.unwrap(), b"one");
    }

    #[tokio::test]
    async fn stalled_bytes_arrive_after_the_stall() {
        for mode in [FaultMode::Stall, FaultMode::StallResponses, FaultMode::StallRequests] {
            let (proxy, mut client) = echo().await;
            assert_echoes(&mut client).await;
            proxy.set_mode(mode);
            client.write_all(b"two").await.unwrap();
            assert!(tokio::time::timeout(LOCAL_DELIVERY, receive(&mut client, 3)).await.is_err(), "{mode:?}");
            proxy.set_mode(FaultMode::PassThrough);
            assert_eq!(receive(&mut client, 3).await.unwrap(), b"two");
        }
    }

    #[tokio::test]
    async fn delay_applies_to_both_directions() {
        let (proxy, mut client) = echo().await;
        proxy.set_mode(FaultMode::Delay(LOCAL_DELIVERY));
        let begun = Instant::now();
        assert_echoes(&mut client).await;
        assert!(begun.elapsed() >= 2 * LOCAL_DELIVERY);
    }

    #[tokio::test]
    async fn truncated_chunk_closes_its_connection_only() {
        let (proxy, mut client) = echo().await;
        assert_echoes(&mut client).await;
        proxy.truncate_next_chunk();
        client.write_all(b"four").await.unwrap();
        let mut rest = Vec::new();
        // The connection may end with a reset, which is an error here.
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.len() < 4, "{rest:?}");
        let mut next = TcpStream::connect(proxy.address()).await.unwrap();
        assert_echoes(&mut next).await;
    }

    #[tokio::test]
    async fn disconnect_all_spares_later_connections_and_disconnect_does_not() {
        let (proxy, mut client) = echo().await;
        // The round trip makes sure that the proxy has accepted the connection.
        assert_echoes(&mut client).await;
        proxy.disconnect_all();
        assert!(receive(&mut client, 1).await.is_err());
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_echoes(&mut client).await;
        proxy.set_mode(FaultMode::Disconnect);
        assert!(receive(&mut client, 1).await.is_err());
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(receive(&mut client, 1).await.is_err());
    }
}
