//! The URL of the broker and its endpoints.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use lapin::uri::{AMQPScheme, AMQPUri};

use super::connection::disconnected;
use crate::discovery::{SrvUrl, Target};
use souk_types::{Error, Result};

/// Heartbeat in seconds. Each side gives the other up after twice this time.
const HEARTBEAT: u16 = 5;

/// How to reach the broker.
#[derive(Clone)]
pub struct AmqpOptions {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. The virtual host is
    /// percent-encoded; the default is `/`. With SRV records:
    /// `srv://user:password@_amqp._tcp.name/vhost` (or `_amqps`), without a port.
    pub url: String,
    /// The service and its instance, as the broker's operators see them: `products-4711`.
    pub name: String,
    /// The service, with which the names of its own queues begin: `products`.
    pub service: String,
    /// Prefix of every name on the broker, for several shops or tests on one. Normally empty.
    pub prefix: String,
}

impl fmt::Debug for AmqpOptions {
    /// Leaves out the URL, which contains a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpOptions").field("name", &self.name).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The broker as its URL names it: by host and port, or by SRV records.
pub(super) struct Broker {
    /// With SRV records, host and port are placeholders.
    uri: AMQPUri,
    srv: Option<SrvUrl>,
}

#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) uri: AMQPUri,
    /// The addresses of its host. `None`: ask the system's resolver.
    pub(super) addresses: Option<Vec<SocketAddr>>,
}

/// Parses a broker's URL. Errors never quote it.
pub(super) fn parse(url: &str) -> Result<Broker> {
    match SrvUrl::parse(url, &["amqp", "amqps"]) {
        None => Ok(Broker { uri: parse_plain(url)?, srv: None }),
        Some(Ok(srv)) => Ok(Broker { uri: parse_plain(&srv.plain_url("localhost"))?, srv: Some(srv) }),
        Some(Err(reason)) => Err(invalid(&reason)),
    }
}

fn invalid(reason: &str) -> Error {
    Error::internal(format!("the broker's URL is invalid: {reason}"))
}

fn parse_plain(url: &str) -> Result<AMQPUri> {
    if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
        return Err(invalid("it must begin with amqp://, amqps:// or srv://"));
    }
    // The parser would read an IPv6 address as localhost.
    if url.contains('[') {
        return Err(invalid("the host must be a name or an IPv4 address"));
    }
    // The parser's error may quote the URL.
    let mut uri: AMQPUri = url.parse().map_err(|_| invalid("it should read amqp://user:password@host:5672/vhost"))?;
    if uri.authority.host.is_empty() {
        return Err(invalid("it has no host"));
    }
    if uri.vhost.is_empty() {
        "/".clone_into(&mut uri.vhost);
    }
    uri.query.heartbeat = Some(HEARTBEAT);
    Ok(uri)
}

impl Broker {
    /// Runs `attempt` with one endpoint after another until it succeeds. SRV records are resolved
    /// each time; their targets are tried by priority and weight.
    pub(super) async fn try_endpoints<T, F>(&self, attempt: impl Fn(Endpoint) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let Some(srv) = &self.srv else {
            return attempt(Endpoint { uri: self.uri.clone(), addresses: None }).await;
        };
        let mut errors = Vec::new();
        for target in srv.resolve().await.map_err(disconnected)? {
            let endpoint = self.endpoint(target);
            let name = endpoint.to_string();
            match attempt(endpoint).await {
                Err(error) => errors.push(format!("{name}: {}", error.operator_message())),
                success => return success,
            }
        }
        Err(disconnected(errors.join("; ")))
    }

    /// Returns the user that this process connects as.
    pub(super) fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    pub(super) fn dns_error(&self) -> Option<String> {
        self.srv.as_ref().and_then(SrvUrl::last_error)
    }

    fn endpoint(&self, target: Target) -> Endpoint {
        let mut uri = self.uri.clone();
        (uri.authority.host, uri.authority.port) = (target.host, target.port);
        let with_port =
            |addresses: Vec<IpAddr>| addresses.into_iter().map(|ip| SocketAddr::new(ip, target.port)).collect();
        Endpoint { uri, addresses: target.addresses.map(with_port) }
    }
}

/// Without user and password, for the log.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.srv {
            Some(srv) => write!(f, "{srv}/{}", self.uri.vhost),
            None => write_uri(f, &self.uri),
        }
    }
}

/// Without user and password, for the log.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uri(f, &self.uri)
    }
}

fn write_uri(f: &mut fmt::Formatter<'_>, uri: &AMQPUri) -> fmt::Result {
    let scheme = if uri.scheme == AMQPScheme::AMQPS { "amqps" } else { "amqp" };
    write!(f, "{scheme}://{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_a_url() {
        for (url, expected) in [
            ("amqp://ana:secret@broker:5673/shop", "amqp://broker:5673/shop"),
            ("amqps://broker/%2f", "amqps://broker:5671//"),
            ("amqp://broker", "amqp://broker:5672//"),
            ("amqp://broker/", "amqp://broker:5672//"),
            ("amqp://10.0.0.7/a%2fb", "amqp://10.0.0.7:5672/a/b"),
            ("srv://ana:secret@_amqp._tcp.mq/%2f?dns=[::1]:53", "srv://_amqp._tcp.mq//"),
        ] {
            assert_eq!(parse(url).unwrap().to_string(), expected, "{url}");
        }
    }

    #[test]
    fn errors_do_not_quote_the_url() {
        for url in [
            "",
            "secret",
            "http://ana:secret@broker",
            "amqp://ana:secret@",
            "amqp://ana:secret@[::1]",
            "amqp:secret",
            "amqp://ana:secret@broker:port",
            "amqp://ana:secret@broker/%ff",
            "srv://ana:secret@broker",
            "srv://ana:secret@_mongodb._tcp.broker",
            "srv://ana:secret@_amqp._tcp.broker/%ff",
        ] {
            let error = parse(url).map(|broker| broker.to_string()).unwrap_err();
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn a_target_replaces_host_and_port_only() {
        let target = |addresses| Target { priority: 0, host: "mq-1.example".to_owned(), port: 5673, addresses };
        let broker = parse("srv://ana:p%40ss@_amqps._tcp.mq/shop").unwrap();
        let endpoint = broker.endpoint(target(None));
        assert_eq!((endpoint.to_string(), endpoint.addresses), ("amqps://mq-1.example:5673/shop".to_owned(), None));
        assert_eq!(endpoint.uri.authority.userinfo.password, "p@ss");
        assert_eq!(endpoint.uri.query.heartbeat, Some(HEARTBEAT));
        let endpoint = broker.endpoint(target(Some(vec!["::1".parse().unwrap()])));
        assert_eq!(endpoint.addresses, Some(vec!["[::1]:5673".parse().unwrap()]));
    }
}
