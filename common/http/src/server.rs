//! The HTTP server of a process. hyper reads requests from a bounded number of connections, and
//! Rocket routes them. Rocket's own server, on the same hyper, has no timeout for heads, reads the
//! beginning of each body before it routes, and answers some requests outside of the API's
//! contract.

mod bus_api;
mod client_stream;
mod connection;
mod dispatch;
mod head;
mod open_connections;
mod refusal;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rocket::local::asynchronous::Client;
use rocket::{Build, Config, Rocket};
use souk_bus::Bus;
use souk_types::RequestId;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::bus_api::BusApi;
use self::open_connections::OpenConnections;
use crate::body::BodyLimits;
use crate::client_address::TrustedProxies;
use crate::cors::CorsOrigins;
use crate::descriptors;
use crate::health::Health;
use crate::instance;
use crate::response_headers::own_headers;
use crate::signal::shutdown_signal;
use crate::stop::ShutdownFlag;

/// Time for which running requests may finish after the socket is closed.
const GRACE_PERIOD: Duration = Duration::from_secs(4);
/// Pause after a failed accept, which means that the process has no descriptor left.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// Why a server did not run.
#[derive(Debug)]
pub enum RunError {
    /// It cannot listen on its address.
    Listen(io::Error),
    /// Its routes, fairings or signals cannot be set up.
    Setup(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => write!(formatter, "cannot listen: {error}"),
            Self::Setup(reason) => write!(formatter, "the web server cannot start: {reason}"),
        }
    }
}

impl std::error::Error for RunError {}

/// State that all connections share.
struct Server {
    rocket: Arc<Client>,
    proxies: TrustedProxies,
    origins: CorsOrigins,
    tasks: TaskTracker,
    /// Connections close after their current response.
    stopping: CancellationToken,
    /// Connections close at once.
    aborting: CancellationToken,
}

impl Server {
    /// Returns the headers of a refusal.
    fn refusal_headers(&self, id: &RequestId, origin: Option<&str>) -> Vec<(&'static str, String)> {
        let mut headers = own_headers(&self.origins, origin);
        headers.push(("Content-Type", "application/problem+json".to_owned()));
        headers.push(("X-Request-Id", id.as_str().to_owned()));
        headers
    }
}

/// Connections that the kernel keeps until they are accepted.
const ACCEPT_QUEUE: u32 = 1_024;

/// Serves a Rocket until SIGTERM or SIGINT, then shuts it down gracefully: the bus delivers nothing
/// new, connections close after their response, after `drain` the socket closes, running requests
/// get 4 s to finish, and the bus is closed.
///
/// The port is reserved at once, and refuses connections until the broker and the databases have
/// answered, for 5 s at most: a proxy then sends a request to another instance, whatever its
/// method.
///
/// During `drain`, idempotent requests are refused with [`souk_types::Error::stopping`]: the proxy
/// then sends them to another instance.
pub async fn run(rocket: Rocket<Build>, bus: &Bus, drain: Duration) -> Result<(), RunError> {
    let setup = |error: &dyn fmt::Display| RunError::Setup(error.to_string());
    let config: Config = rocket.figment().extract().map_err(|error| setup(&error))?;
    let socket = bind(SocketAddr::new(config.address, config.port)).map_err(RunError::Listen)?;
    let port = socket.local_addr().map_err(RunError::Listen)?.port();
    // One process needs no server: it listens before it says where.
    let listening_port = if bus.is_connected() {
        Port::Open(socket.listen(ACCEPT_QUEUE).map_err(RunError::Listen)?)
    } else {
        Port::Reserved(socket)
    };
    let max_connections = descriptors::connections();
    let figment = rocket.figment().clone().merge(("port", port));
    let rocket = rocket.configure(figment).manage(BodyLimits::new(max_connections));
    let mut signal = shutdown_signal().map_err(|error| setup(&error))?;
    let rocket = Client::untracked(rocket).await.map_err(|error| setup(&error))?;
    let flag = rocket.rocket().state::<ShutdownFlag>().cloned().unwrap_or_default();
    let server = Arc::new(Server {
        proxies: rocket.rocket().state::<TrustedProxies>().cloned().unwrap_or_default(),
        origins: rocket.rocket().state::<CorsOrigins>().cloned().unwrap_or_default(),
        rocket: Arc::new(rocket),
        tasks: TaskTracker::new(),
        stopping: CancellationToken::new(),
        aborting: CancellationToken::new(),
    });
    let stop_request = instance::stop_request(server.rocket.rocket(), bus);
    let stop = async {
        tokio::select! {
            _ = signal.recv() => {}
            () = stop_request.notified() => {}
        }
        tracing::info!("stopping");
        bus.stop_consuming();
        flag.set();
        tokio::time::sleep(drain).await;
    };
    if let Some(api) = server.rocket.rocket().state::<BusApi>() {
        api.serve(bus, &server.rocket);
    }
    let connections = OpenConnections::new(max_connections);
    let serve = async {
        let listener = listening_port.open(server.rocket.rocket().state()).await?;
        accept(listener, &server, &connections).await;
        Ok(())
    };
    let broadcasting = tokio::spawn({
        let (rocket, bus) = (Arc::clone(&server.rocket), bus.clone());
        async move { instance::broadcast_state(rocket.rocket(), &bus).await }
    });
    let end = tokio::select! {
        outcome = serve => outcome.map_err(RunError::Listen),
        () = stop => Ok(()),
    };
    broadcasting.abort();
    end?;
    server.tasks.close();
    server.stopping.cancel();
    if tokio::time::timeout(GRACE_PERIOD, server.tasks.wait()).await.is_err() {
        tracing::warn!(open = server.tasks.len(), "closing connections with unfinished requests");
        server.aborting.cancel();
    }
    bus.close().await;
    Ok(())
}

/// The port of a server.
enum Port {
    Open(TcpListener),
    /// It refuses connections.
    Reserved(TcpSocket),
}

impl Port {
    /// Opens the port when the process can serve.
    async fn open(self, health: Option<&Health>) -> io::Result<TcpListener> {
        match self {
            Self::Open(listener) => Ok(listener),
            Self::Reserved(socket) => {
                if let Some(health) = health {
                    health.wait_for_start().await;
                }
                socket.listen(ACCEPT_QUEUE)
            }
        }
    }
}

/// Reserves a port, which still refuses connections.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Windows the option would let another process take the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, server: &Arc<Server>, connections: &Arc<OpenConnections>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let slot = connections.admit().await;
                server.tasks.spawn(connection::serve(without_delay(stream), peer, Arc::clone(server), slot));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_DELAY).await;
            }
        }
    }
}

/// Sends each response at once. A socket that refuses the option still works.
fn without_delay(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true);
    stream
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reserved_port_refuses_connections_until_it_is_open() {
        let socket = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let listener = Port::Reserved(socket).open(None).await.unwrap();
        let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        assert_eq!(connected.unwrap().local_addr().unwrap(), accepted.unwrap().1);
    }
}
