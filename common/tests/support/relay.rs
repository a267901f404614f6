//! A TCP relay in front of the broker: through it a check makes the broker vanish, fall silent and come back.

use common::bus::AmqpOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the relay does with what comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It passes on.
    Open,
    /// It accepts and holds everything back, in both directions, as a stopped broker does.
    Silent,
    /// What the broker says is held back; what it is told passes.
    Deaf,
    /// It closes every connection at once.
    Cut,
}

/// What the relay does now, and how often it has cut all connections.
type State = (Way, u64);

pub(crate) struct Relay(watch::Sender<State>);

impl Relay {
    /// In front of the broker of `options`, which then lead to the relay.
    pub(crate) async fn before(options: &mut AmqpOptions) -> Self {
        let uri: lapin::uri::AMQPUri = options.url.parse().unwrap();
        let broker = (uri.authority.host.clone(), uri.authority.port);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = watch::Sender::new((Way::Open, 0));
        let states = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (broker, state) = (broker.clone(), states.subscribe());
                tokio::spawn(async move { pass_on(client, broker, state).await });
            }
        });
        let mut through = uri;
        "127.0.0.1".clone_into(&mut through.authority.host);
        through.authority.port = port;
        options.url = through.to_string();
        Self(state)
    }

    pub(crate) fn set(&self, way: Way) {
        self.0.send_modify(|state| *state = (way, state.1 + u64::from(way == Way::Cut)));
    }

    /// Ends the connections of now; the next ones pass.
    pub(crate) fn interrupt(&self) {
        self.0.send_modify(|state| *state = (Way::Open, state.1 + 1));
    }
}

async fn pass_on(client: TcpStream, broker: (String, u16), mut state: watch::Receiver<State>) {
    let (way, cuts) = *state.borrow();
    if way == Way::Cut {
        return;
    }
    let Ok(broker) = TcpStream::connect(broker).await else { return };
    let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), broker.into_split());
    let (out, back) = (state.clone(), state.clone());
    tokio::select! {
        _ = state.wait_for(|state| state.1 > cuts) => {}
        () = pump(from_client, to_broker, out, &[Way::Silent]) => {}
        () = pump(from_broker, to_client, back, &[Way::Silent, Way::Deaf]) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>, held_by: &[Way]) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let passes = state.wait_for(|state| !held_by.contains(&state.0)).await.is_ok();
        if !passes || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
