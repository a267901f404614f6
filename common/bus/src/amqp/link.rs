//! One connection to the broker: made within a bound, given up on any error, and known to be up, blocked or down. lapin's own
//! recovery stays off; `supervisor` makes the next one.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::ConfirmSelectOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::AMQPScheme;
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind, Event};
use tokio::sync::watch;

use super::options::Place;
use souk_types::{Error, Result};

/// Whatever is asked of the broker is answered within this, or it is as good as away: what a call may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// So often a connection is looked at, should it have ended without a word.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    Up,
    /// The broker takes nothing now: it is short of memory or of disk.
    Blocked,
    /// For good, and why.
    Ended(String),
}

/// What a refusal of the broker (a queue that is not there) means, which ends the channel that it came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The connection is given up: what works by itself begins anew, on fresh channels.
    EndsConnection,
    /// Nothing more: whoever asked looks at the answer.
    EndsChannel,
}

pub(super) struct Link {
    connection: Connection,
    socket: Arc<Mutex<Option<TcpStream>>>,
    health: watch::Sender<Health>,
}

impl Link {
    /// Connects, signs in and watches the connection from then on. The host's addresses are looked up anew each time.
    pub(super) async fn open(place: Place, name: &str, refusal: Refusal) -> Result<Arc<Self>> {
        let socket = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&socket);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let runtime = lapin::runtime::default_runtime().map_err(away)?;
        let Place { uri, addresses } = place;
        let connecting = Connection::connector(
            uri,
            runtime,
            async move |uri, runtime| {
                let addresses = if let Some(addresses) = &addresses {
                    addresses.clone()
                } else {
                    let asking = tokio::net::lookup_host((uri.authority.host.as_str(), uri.authority.port));
                    tokio::time::timeout(PATIENCE, asking).await.map_err(io::Error::from)??.collect()
                };
                let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
                for address in addresses {
                    let connecting = AsyncTcpStream::connect(&runtime, address);
                    outcome = tokio::time::timeout(PATIENCE, connecting).await.map_err(io::Error::from).flatten();
                    if outcome.is_ok() {
                        break;
                    }
                }
                let stream = outcome?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    let handle = handle(plain.get_ref())?;
                    // An answer must not wait for the acknowledgement of what was sent before it.
                    handle.set_nodelay(true)?;
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
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
        let connection = match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(away(error)),
            Err(_) => {
                // A broker that accepts and says nothing would keep the thread of the connection for ever.
                cut(&socket);
                return Err(away(format!("no answer within {PATIENCE:?}")));
            }
        };
        let link = Arc::new(Self { connection, socket, health: watch::Sender::new(Health::Up) });
        let events = link.connection.events_listener();
        tokio::spawn(watch_over(events, link.health.clone(), Arc::downgrade(&link), refusal));
        Ok(link)
    }

    /// A channel of this connection.
    pub(super) async fn channel(&self) -> Result<Channel> {
        self.bounded(self.connection.create_channel()).await
    }

    /// A channel on which the broker confirms what it has taken.
    pub(super) async fn confirming_channel(&self) -> Result<Channel> {
        let channel = self.channel().await?;
        self.bounded(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// Waits for the broker's answer, [`PATIENCE`] at most; without one the connection is given up.
    pub(super) async fn bounded<T>(&self, work: impl Future<Output = lapin::Result<T>>) -> Result<T> {
        self.answer(work).await?.map_err(away)
    }

    /// As [`Link::bounded`], for what the broker may refuse for this one reason: then `None`, and the channel is gone.
    pub(super) async fn unless<T>(
        &self,
        refused: AMQPSoftError,
        work: impl Future<Output = lapin::Result<T>>,
    ) -> Result<Option<T>> {
        match self.answer(work).await? {
            Err(error) if is(&error, &refused) => Ok(None),
            outcome => outcome.map(Some).map_err(away),
        }
    }

    async fn answer<T>(&self, work: impl Future<Output = lapin::Result<T>>) -> Result<lapin::Result<T>> {
        let Ok(answer) = tokio::time::timeout(PATIENCE, work).await else {
            self.fail("the broker does not answer");
            return Err(away(format!("no answer within {PATIENCE:?}")));
        };
        Ok(answer)
    }

    /// Gives the connection up.
    pub(super) fn fail(&self, why: &str) {
        self.health.send_if_modified(|health| {
            let first = !matches!(health, Health::Ended(_));
            if first {
                *health = Health::Ended(why.to_owned());
            }
            first
        });
        cut(&self.socket);
    }

    /// As [`Link::fail`], unless the broker has said that it takes nothing now: then its silence is no sign. Returns whether the
    /// connection has ended.
    pub(super) fn fail_unless_blocked(&self, why: &str) -> bool {
        let blocked = *self.health.borrow() == Health::Blocked;
        if !blocked {
            self.fail(why);
        }
        !blocked
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Waits until the connection has ended; says why.
    pub(super) async fn ended(&self) -> String {
        let mut health = self.health.subscribe();
        match health.wait_for(|health| matches!(health, Health::Ended(_))).await.as_deref() {
            Ok(Health::Ended(why)) => why.clone(),
            _ => "it is not watched any more".to_owned(),
        }
    }

    /// Says goodbye to the broker.
    pub(super) async fn close(&self) {
        // It is over either way: what was to be confirmed has been waited for.
        if let Err(error) = self.bounded(self.connection.close(200, "OK".into())).await {
            tracing::debug!(%error, "the broker did not say goodbye");
        }
        self.fail("closed");
    }

    fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        cut(&self.socket);
    }
}

async fn watch_over(
    events: impl futures_util::Stream<Item = Event>,
    health: watch::Sender<Health>,
    link: std::sync::Weak<Link>,
    refusal: Refusal,
) {
    let mut events = std::pin::pin!(events);
    loop {
        let event = tokio::time::timeout(LOOK_AGAIN, events.next()).await;
        let Some(link) = link.upgrade() else { return };
        match event {
            Ok(Some(Event::ConnectionBlocked(reason))) => {
                tracing::warn!(reason, "the broker takes no messages");
                health.send_if_modified(|health| replace(health, &Health::Up, Health::Blocked));
            }
            Ok(Some(Event::ConnectionUnblocked)) => {
                tracing::info!("the broker takes messages again");
                health.send_if_modified(|health| replace(health, &Health::Blocked, Health::Up));
            }
            Ok(Some(Event::Error(error))) if error.is_amqp_soft_error() && refusal == Refusal::EndsChannel => {}
            Ok(Some(Event::Error(error))) => return link.fail(&error.to_string()),
            Ok(None) => return link.fail("the connection ended"),
            Ok(Some(_)) | Err(_) if link.is_connected() => {}
            Ok(Some(_)) | Err(_) => return link.fail("the connection was lost"),
        }
    }
}

fn replace(health: &mut Health, from: &Health, to: Health) -> bool {
    let found = health == from;
    if found {
        *health = to;
    }
    found
}

/// Ends a connection whatever its peer does: reading and writing fail from now on.
fn cut(socket: &Mutex<Option<TcpStream>>) {
    if let Some(socket) = socket.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // An error says that it is closed already.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

/// A second handle of a connected socket.
#[cfg(unix)]
fn handle(stream: &impl std::os::fd::AsFd) -> io::Result<TcpStream> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

/// A second handle of a connected socket.
#[cfg(windows)]
fn handle(stream: &impl std::os::windows::io::AsSocket) -> io::Result<TcpStream> {
    Ok(stream.as_socket().try_clone_to_owned()?.into())
}

/// Whether the broker refused for this reason.
fn is(error: &lapin::Error, reason: &AMQPSoftError) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if matches!(error.kind(), AMQPErrorKind::Soft(said) if said == reason))
}

/// The broker is not there, or does not do as it should.
pub(super) fn away(cause: impl std::fmt::Display) -> Error {
    Error::unavailable("messaging").caused_by(cause)
}
