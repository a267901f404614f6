//! A TCP relay in front of a server. Through it the server vanishes, falls silent, answers late or stops in the middle of a frame, and comes
//! back, while it is well itself. It knows nothing of what is said.

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

/// What is read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks under way in one direction of a late connection; then its sender waits, as on a long wire.
const UNDER_WAY: usize = 64;

/// What the relay does with what comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It passes on.
    Open,
    /// It holds everything back, in both directions, as a server does that stands still.
    Silent,
    /// What the server says is held back; what it is told passes.
    Deaf,
    /// What the server is told is held back; what it says passes.
    Mute,
    /// Everything arrives so much later, in both directions.
    Late(Duration),
    /// It closes every connection at once.
    Cut,
}

/// A relay. It ends with the runtime that it was made in.
pub struct FaultProxy {
    address: SocketAddr,
    server: Arc<OnceLock<String>>,
    state: watch::Sender<State>,
    lost: Arc<Mutex<Lost>>,
}

#[derive(Clone, Copy)]
struct State {
    way: Way,
    /// How often all connections of that moment were ended.
    cuts: u64,
    /// How often they were told to end in the middle of what comes next.
    halves: u64,
}

/// The word in a request whose answer is lost, and how often.
type Lost = Option<(&'static str, u32)>;

impl FaultProxy {
    /// One that leads nowhere yet.
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = watch::Sender::new(State { way: Way::Open, cuts: 0, halves: 0 });
        let (server, lost) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(None)));
        let (leads_to, states, losing) = (Arc::clone(&server), state.clone(), Arc::clone(&lost));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(server) = leads_to.get().cloned() else { continue };
                tokio::spawn(pass_on(client, server, states.subscribe(), Arc::clone(&losing)));
            }
        });
        Ok(Self { address, server, state, lost })
    }

    /// One in front of a server, such as `localhost:5672`.
    pub async fn to(server: impl Into<String>) -> io::Result<Self> {
        let relay = Self::bind().await?;
        relay.leads_to(server);
        Ok(relay)
    }

    /// From now on it leads there. It keeps the first that it was told.
    pub fn leads_to(&self, server: impl Into<String>) {
        self.server.get_or_init(|| server.into());
    }

    /// Where clients find it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does, to connections of now and later ones.
    pub fn set(&self, way: Way) {
        self.state.send_modify(|state| {
            state.way = way;
            state.cuts += u64::from(way == Way::Cut);
        });
    }

    /// Ends the connections of now; the next ones pass.
    pub fn interrupt(&self) {
        self.state.send_modify(|state| {
            state.way = Way::Open;
            state.cuts += 1;
        });
    }

    /// Each connection of now passes the first half of what comes next, from either side, and ends.
    pub fn break_a_frame(&self) {
        self.state.send_modify(|state| state.halves += 1);
    }

    /// The next so many requests with this word arrive, and their connections end before the answers.
    pub fn lose_answers_to(&self, word: &'static str, times: u32) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some((word, times));
    }
}

async fn pass_on(client: TcpStream, server: String, mut state: watch::Receiver<State>, lost: Arc<Mutex<Lost>>) {
    let State { way, cuts, .. } = *state.borrow();
    if way == Way::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    // Small messages are not to wait for one another, here least of all; where that cannot be had, they are only slower.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let severed = Arc::new(AtomicBool::new(false));
    let asked = {
        let severed = Arc::clone(&severed);
        move |bytes: &[u8]| {
            if is_asked_for(bytes, &lost) {
                severed.store(true, Ordering::Relaxed);
            }
            true
        }
    };
    let answered = move |_: &[u8]| !severed.load(Ordering::Relaxed);
    let (there, back) = (state.clone(), state.clone());
    tokio::select! {
        _ = state.wait_for(|state| state.cuts > cuts) => {}
        () = pump(from_client, to_server, there, &[Way::Silent, Way::Mute], asked) => {}
        () = pump(from_server, to_client, back, &[Way::Silent, Way::Deaf], answered) => {}
    }
}

/// One direction, until either side ends it, or `passes` does.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: watch::Receiver<State>,
    held_by: &[Way],
    passes: impl Fn(&[u8]) -> bool,
) {
    let (arriving, mut arrived) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let (mut seen, halves) = (state.clone(), state.borrow().halves);
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let late = match state.borrow().way {
                Way::Late(late) => late,
                _ => Duration::ZERO,
            };
            if arriving.send((Instant::now() + late, buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = arrived.recv().await {
            sleep_until(due).await;
            let Ok(state) = seen.wait_for(|state| !held_by.contains(&state.way)).await.map(|state| *state) else {
                return;
            };
            let whole = state.halves == halves;
            let bytes = if whole { &bytes[..] } else { &bytes[..bytes.len() / 2] };
            if !passes(bytes) || to.write_all(bytes).await.is_err() || !whole {
                return;
            }
        }
    };
    // When the reader ends, what it has read is still delivered; when the writer ends, nothing more is read.
    tokio::pin!(read, write);
    tokio::select! {
        () = &mut write => {}
        () = &mut read => write.await,
    }
}

/// Whether these bytes hold the word whose answer is to be lost.
fn is_asked_for(bytes: &[u8], lost: &Mutex<Lost>) -> bool {
    let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((word, times)) = *lost else { return false };
    let there = bytes.windows(word.len()).any(|some| some == word.as_bytes());
    if there {
        *lost = (times > 1).then_some((word, times - 1));
    }
    there
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// A server that says everything again, and a connection to it.
    async fn echo() -> (FaultProxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = FaultProxy::to(listener.local_addr().unwrap().to_string()).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = client.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let client = TcpStream::connect(relay.address()).await.unwrap();
        (relay, client)
    }

    async fn heard(client: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; length];
        client.read_exact(&mut buffer).await.map(|_| buffer)
    }

    /// Long enough for a word to come through the kernel, if it does.
    const MOMENT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn what_is_held_back_arrives_when_the_way_is_open_again() {
        for way in [Way::Silent, Way::Deaf, Way::Mute] {
            let (relay, mut client) = echo().await;
            client.write_all(b"one").await.unwrap();
            assert_eq!(heard(&mut client, 3).await.unwrap(), b"one");
            relay.set(way);
            client.write_all(b"two").await.unwrap();
            assert!(tokio::time::timeout(MOMENT, heard(&mut client, 3)).await.is_err(), "{way:?}");
            relay.set(Way::Open);
            assert_eq!(heard(&mut client, 3).await.unwrap(), b"two");
        }
    }

    #[tokio::test]
    async fn late_is_late_both_ways() {
        let (relay, mut client) = echo().await;
        relay.set(Way::Late(MOMENT));
        let begun = Instant::now();
        client.write_all(b"one").await.unwrap();
        heard(&mut client, 3).await.unwrap();
        assert!(begun.elapsed() >= 2 * MOMENT);
    }

    #[tokio::test]
    async fn a_frame_is_broken_in_half() {
        let (relay, mut client) = echo().await;
        client.write_all(b"one").await.unwrap();
        heard(&mut client, 3).await.unwrap();
        relay.break_a_frame();
        client.write_all(b"four").await.unwrap();
        let mut rest = Vec::new();
        // The end may come as a reset.
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.len() < 4, "{rest:?}");
        let mut next = TcpStream::connect(relay.address()).await.unwrap();
        next.write_all(b"one").await.unwrap();
        assert_eq!(heard(&mut next, 3).await.unwrap(), b"one");
    }

    #[tokio::test]
    async fn connections_are_cut_now_or_until_further_notice() {
        let (relay, mut client) = echo().await;
        // A connection is one of now when the relay has taken it.
        client.write_all(b"one").await.unwrap();
        heard(&mut client, 3).await.unwrap();
        relay.interrupt();
        assert!(heard(&mut client, 1).await.is_err());
        let mut client = TcpStream::connect(relay.address()).await.unwrap();
        client.write_all(b"one").await.unwrap();
        assert_eq!(heard(&mut client, 3).await.unwrap(), b"one");
        relay.set(Way::Cut);
        assert!(heard(&mut client, 1).await.is_err());
        let mut client = TcpStream::connect(relay.address()).await.unwrap();
        assert!(heard(&mut client, 1).await.is_err());
    }
}
