//! Where the broker is, and what this process is called there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use lapin::uri::{AMQPScheme, AMQPUri};

use super::link::away;
use crate::discovery::{SrvUrl, Target};
use souk_types::{Error, Result};

/// The broker notices a peer that is gone, and so do we, after twice this, in seconds.
const HEARTBEAT: u16 = 5;

/// How to reach the broker.
#[derive(Clone)]
pub struct AmqpOptions {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. The virtual host is percent-encoded; none is `/`.
    /// With a name in DNS: `srv://user:password@_amqp._tcp.name/vhost` (or `_amqps`), and no port.
    pub url: String,
    /// The service and its instance, as the broker's operators see the connections: `products-4711`.
    pub name: String,
    /// Put in front of every name on the broker, so that several shops, or tests, can share one. Normally empty.
    pub prefix: String,
}

impl fmt::Debug for AmqpOptions {
    /// Without the URL: it has a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpOptions").field("name", &self.name).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Where the broker is: at one place, or wherever a name in DNS leads when it is asked.
pub(super) struct Broker {
    /// Its host and port are none where there is a name.
    uri: AMQPUri,
    srv: Option<SrvUrl>,
}

/// Where to connect to.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) uri: AMQPUri,
    /// The addresses of its host, where the system need not be asked.
    pub(super) addresses: Option<Vec<SocketAddr>>,
}

/// Reads a broker's URL. Errors never quote it.
pub(super) fn parse(url: &str) -> Result<Broker> {
    match SrvUrl::parse(url, &["amqp", "amqps"]) {
        None => Ok(Broker { uri: plain(url)?, srv: None }),
        Some(Ok(srv)) => Ok(Broker { uri: plain(&srv.plain_url("localhost"))?, srv: Some(srv) }),
        Some(Err(why)) => Err(refused(&why)),
    }
}

fn refused(why: &str) -> Error {
    Error::internal(format!("the broker's URL cannot be used: {why}"))
}

fn plain(url: &str) -> Result<AMQPUri> {
    if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
        return Err(refused("it must begin with amqp://, amqps:// or srv://"));
    }
    // The parser takes an IPv6 address for localhost.
    if url.contains('[') {
        return Err(refused("it must name its host, or have an IPv4 address"));
    }
    // What the parser says may quote all of it.
    let mut uri: AMQPUri = url.parse().map_err(|_| refused("it should read amqp://user:password@host:5672/vhost"))?;
    if uri.authority.host.is_empty() {
        return Err(refused("it has no host"));
    }
    // A slash at the end is meant as no virtual host, not as the one without a name.
    if uri.vhost.is_empty() {
        "/".clone_into(&mut uri.vhost);
    }
    uri.query.heartbeat = Some(HEARTBEAT);
    Ok(uri)
}

impl Broker {
    /// Does what begins with a connection, at the first place where it succeeds. A name is looked up anew each time, and its places are tried
    /// in the order that their priorities and weights ask for. Errors: the name leads nowhere, or what each place said.
    pub(super) async fn reach<T, F>(&self, attempt: impl Fn(Place) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut said = Vec::new();
        for place in self.places().await? {
            let name = place.to_string();
            match attempt(place).await {
                Err(error) if self.srv.is_some() => said.push(format!("{name}: {}", error.operator_message())),
                outcome => return outcome,
            }
        }
        Err(away(said.join("; ")))
    }

    /// Why nobody knows where it is, if that is so.
    pub(super) fn dns_error(&self) -> Option<String> {
        self.srv.as_ref().and_then(SrvUrl::last_error)
    }

    async fn places(&self) -> Result<Vec<Place>> {
        let Some(srv) = &self.srv else { return Ok(vec![Place { uri: self.uri.clone(), addresses: None }]) };
        let targets = srv.resolve().await.map_err(away)?;
        Ok(targets.into_iter().map(|target| self.place(target)).collect())
    }

    fn place(&self, target: Target) -> Place {
        let mut uri = self.uri.clone();
        (uri.authority.host, uri.authority.port) = (target.host, target.port);
        let at = |addresses: Vec<IpAddr>| addresses.into_iter().map(|ip| SocketAddr::new(ip, target.port)).collect();
        Place { uri, addresses: target.addresses.map(at) }
    }
}

/// Where it leads, without user and password: for the log.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.srv {
            Some(srv) => write!(f, "{srv}/{}", self.uri.vhost),
            None => write_place(f, &self.uri),
        }
    }
}

/// Without user and password: for the log.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.uri)
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, uri: &AMQPUri) -> fmt::Result {
    let scheme = if uri.scheme == AMQPScheme::AMQPS { "amqps" } else { "amqp" };
    write!(f, "{scheme}://{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_nothing_else_is_assumed() {
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
    fn a_url_that_cannot_be_used_is_not_quoted() {
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
    fn a_record_says_host_and_port_and_the_url_all_else() {
        let target = |addresses| Target { priority: 0, host: "mq-1.example".to_owned(), port: 5673, addresses };
        let broker = parse("srv://ana:p%40ss@_amqps._tcp.mq/shop").unwrap();
        let place = broker.place(target(None));
        assert_eq!((place.to_string(), place.addresses), ("amqps://mq-1.example:5673/shop".to_owned(), None));
        assert_eq!(place.uri.authority.userinfo.password, "p@ss");
        assert_eq!(place.uri.query.heartbeat, Some(HEARTBEAT));
        let place = broker.place(target(Some(vec!["::1".parse().unwrap()])));
        assert_eq!(place.addresses, Some(vec!["[::1]:5673".parse().unwrap()]));
    }
}
