//! One connection to the broker: opened within a timeout, given up on any error, and known to be
//! up, blocked or ended. lapin's own recovery stays off; `supervisor` opens the next connection.

use std::collections::HashSet;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::types::FieldTable;
use lapin::uri::AMQPScheme;
use lapin::{BasicProperties, Channel, Confirmation, ConnectionProperties, ErrorKind, Event, ExchangeKind};
use tokio::sync::watch;

use super::options::Endpoint;
use crate::lock;
use souk_types::{Error, Result};

/// Timeout of every answer of the broker, as long as a call. Then the connection is given up.
pub(super) const BROKER_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval at which a connection is checked, in case it ended without an event.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Up,
    /// The broker is short of memory or disk and accepts no messages.
    Blocked,
    /// Closed, with the reason.
    Ended(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnChannelError {
    /// The connection is given up; the supervisor starts again with fresh channels.
    CloseConnection,
    /// The connection stays open: the caller handles the refusal.
    KeepConnection,
}

pub(super) struct Connection {
    lapin: lapin::Connection,
    socket: SharedSocket,
    state: watch::Sender<State>,
    /// Exchanges that were looked for: that one is missing does not end the connection.
    looked_for: Mutex<HashSet<String>>,
}

/// A second handle of the socket. It can shut the connection down when the broker does not respond.
type SharedSocket = Arc<Mutex<Option<TcpStream>>>;

impl Connection {
    /// Connects, authenticates and watches the connection. The host is resolved each time.
    pub(super) async fn open(endpoint: Endpoint, name: &str, on_channel_error: OnChannelError) -> Result<Arc<Self>> {
        let socket = SharedSocket::default();
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let runtime = lapin::runtime::default_runtime().map_err(disconnected)?;
        let Endpoint { uri, addresses } = endpoint;
        let shared_socket = Arc::clone(&socket);
        let connecting = lapin::Connection::connector(
            uri,
            runtime,
            async move |uri, runtime| {
                let addresses = if let Some(addresses) = &addresses {
                    addresses.clone()
                } else {
                    let lookup = tokio::net::lookup_host((uri.authority.host.as_str(), uri.authority.port));
                    tokio::time::timeout(BROKER_TIMEOUT, lookup).await.map_err(io::Error::from)??.collect()
                };
                let mut stream = Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
                for address in addresses {
                    let connect = AsyncTcpStream::connect(&runtime, address);
                    stream = tokio::time::timeout(BROKER_TIMEOUT, connect).await.map_err(io::Error::from).flatten();
                    if stream.is_ok() {
                        break;
                    }
                }
                let stream = stream?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    let handle = second_handle(plain.get_ref())?;
                    handle.set_nodelay(true)?;
                    *lock(&shared_socket) = Some(handle);
                }
                Ok(match uri.scheme {
                    AMQPScheme::AMQP => stream,
                    AMQPScheme::AMQPS => {
                        stream.into_tls(&uri.authority.host, OwnedTLSConfig::default().as_ref()).await?
                    }
                })
            },
            properties,
        );
        let Ok(lapin) = tokio::time::timeout(BROKER_TIMEOUT, connecting).await else {
            // lapin would wait forever for a broker that accepts the connection and stays silent.
            cut(&socket);
            return Err(disconnected(format!("no answer within {BROKER_TIMEOUT:?}")));
        };
        let lapin = lapin.map_err(disconnected)?;
        let state = watch::Sender::new(State::Up);
        let connection = Arc::new(Self { lapin, socket, state, looked_for: Mutex::default() });
        let events = connection.lapin.events_listener();
        tokio::spawn(watch_events(events, Arc::downgrade(&connection), on_channel_error));
        Ok(connection)
    }

    pub(super) async fn channel(&self) -> Result<Channel> {
        self.bounded(self.lapin.create_channel()).await
    }

    pub(super) async fn confirming_channel(&self) -> Result<Channel> {
        let channel = self.channel().await?;
        self.bounded(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// Whether an exchange exists. Needs no rights to it.
    pub(super) async fn has_exchange(&self, exchange: &str) -> Result<bool> {
        lock(&self.looked_for).insert(exchange.to_owned());
        // A channel of its own, because the answer that there is none closes it.
        let channel = self.channel().await?;
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let looking = channel.exchange_declare(exchange.into(), ExchangeKind::Direct, options, FieldTable::default());
        let exists = self.bounded_unless(AMQPSoftError::NOTFOUND, looking).await?.is_some();
        if exists {
            self.bounded(channel.close(200, "OK".into())).await?;
        }
        Ok(exists)
    }

    /// Waits [`BROKER_TIMEOUT`] at most for an answer; without one the connection is given up.
    pub(super) async fn bounded<T>(&self, work: impl Future<Output = lapin::Result<T>>) -> Result<T> {
        self.answer(work).await?.map_err(disconnected)
    }

    /// Returns `None` for the error `expected` of the broker, which closes the channel.
    pub(super) async fn bounded_unless<T>(
        &self,
        expected: AMQPSoftError,
        work: impl Future<Output = lapin::Result<T>>,
    ) -> Result<Option<T>> {
        match self.answer(work).await? {
            Err(error) if is_soft_error(&error, &expected) => Ok(None),
            outcome => outcome.map(Some).map_err(disconnected),
        }
    }

    async fn answer<T>(&self, work: impl Future<Output = lapin::Result<T>>) -> Result<lapin::Result<T>> {
        let Ok(answer) = tokio::time::timeout(BROKER_TIMEOUT, work).await else {
            self.fail("the broker does not answer");
            return Err(disconnected(format!("no answer within {BROKER_TIMEOUT:?}")));
        };
        Ok(answer)
    }

    pub(super) fn fail(&self, reason: &str) {
        self.state.send_if_modified(|state| {
            let is_first = !matches!(state, State::Ended(_));
            if is_first {
                *state = State::Ended(reason.to_owned());
            }
            is_first
        });
        cut(&self.socket);
    }

    /// A blocked broker is expected not to respond.
    pub(super) fn fail_unless_blocked(&self, reason: &str) {
        if *self.state.borrow() != State::Blocked {
            self.fail(reason);
        }
    }

    pub(super) fn is_up(&self) -> bool {
        *self.state.borrow() == State::Up
    }

    /// Waits while the connection is blocked. Returns whether it is up afterwards.
    pub(super) async fn unblocked(&self) -> bool {
        let mut state = self.state.subscribe();
        state.wait_for(|state| *state != State::Blocked).await.is_ok_and(|state| *state == State::Up)
    }

    pub(super) async fn ended(&self) -> String {
        let mut state = self.state.subscribe();
        match state.wait_for(|state| matches!(state, State::Ended(_))).await.as_deref() {
            Ok(State::Ended(reason)) => reason.clone(),
            _ => "it was dropped".to_owned(),
        }
    }

    pub(super) async fn close(&self) {
        if let Err(error) = self.bounded(self.lapin.close(200, "OK".into())).await {
            tracing::debug!(%error, "the broker did not confirm the end of a connection");
        }
        self.fail("closed");
    }

    fn is_about_missing_exchange(&self, error: &lapin::Error) -> bool {
        let ErrorKind::ProtocolError(error) = error.kind() else { return false };
        let is_not_found = matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND));
        let names = |exchange: &String| error.get_message().as_str().contains(&format!("'{exchange}'"));
        is_not_found && lock(&self.looked_for).iter().any(names)
    }

    fn set_state(&self, from: &State, to: State) {
        self.state.send_if_modified(|state| {
            let is_from = state == from;
            if is_from {
                *state = to;
            }
            is_from
        });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        cut(&self.socket);
    }
}

async fn watch_events(
    events: impl futures_util::Stream<Item = Event>,
    connection: Weak<Connection>,
    on_channel_error: OnChannelError,
) {
    let mut events = std::pin::pin!(events);
    loop {
        let event = tokio::time::timeout(CHECK_INTERVAL, events.next()).await;
        let Some(connection) = connection.upgrade() else { return };
        match event {
            Ok(Some(Event::ConnectionBlocked(reason))) => {
                tracing::warn!(reason, "the broker blocks publishing");
                connection.set_state(&State::Up, State::Blocked);
            }
            Ok(Some(Event::ConnectionUnblocked)) => {
                tracing::info!("the broker accepts messages again");
                connection.set_state(&State::Blocked, State::Up);
            }
            Ok(Some(Event::Error(error)))
                if error.is_amqp_soft_error() && on_channel_error == OnChannelError::KeepConnection => {}
            Ok(Some(Event::Error(error))) if connection.is_about_missing_exchange(&error) => {}
            Ok(Some(Event::Error(error))) => return connection.fail(&error.to_string()),
            Ok(None) => return connection.fail("the connection ended"),
            Ok(Some(_)) | Err(_) if connection.lapin.status().connected() => {}
            Ok(Some(_)) | Err(_) => return connection.fail("the connection was lost"),
        }
    }
}

/// Waits for the confirm; without confirms, until the message is written to the socket.
pub(super) async fn publish(
    channel: &Channel,
    (exchange, routing_key): (&str, &str),
    mandatory: bool,
    message: &[u8],
    properties: BasicProperties,
    timeout: Duration,
) -> Result<Confirmation> {
    let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
    let confirmed =
        async { channel.basic_publish(exchange.into(), routing_key.into(), options, message, properties).await?.await };
    let confirmed = tokio::time::timeout(timeout, confirmed).await;
    confirmed.map_err(|_| disconnected("the broker does not confirm"))?.map_err(disconnected)
}

pub(super) fn disconnected(cause: impl std::fmt::Display) -> Error {
    Error::unavailable("messaging").caused_by(cause)
}

fn cut(socket: &SharedSocket) {
    if let Some(socket) = lock(socket).take() {
        // An error means that the socket is closed already.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

#[cfg(unix)]
fn second_handle(stream: &impl std::os::fd::AsFd) -> io::Result<TcpStream> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn second_handle(stream: &impl std::os::windows::io::AsSocket) -> io::Result<TcpStream> {
    Ok(stream.as_socket().try_clone_to_owned()?.into())
}

fn is_soft_error(error: &lapin::Error, expected: &AMQPSoftError) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error)
        if matches!(error.kind(), AMQPErrorKind::Soft(kind) if kind == expected))
}
