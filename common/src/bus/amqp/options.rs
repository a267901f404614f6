//! Where the broker is, and what this process is called there.

use std::fmt;

use lapin::uri::{AMQPScheme, AMQPUri};

use crate::error::{Error, Result};

/// The broker notices a peer that is gone, and so do we, after twice this, in seconds.
const HEARTBEAT: u16 = 5;

/// How to reach the broker.
#[derive(Clone)]
pub struct AmqpOptions {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. The virtual host is percent-encoded; none is `/`.
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

/// Reads a broker's URL. Errors never quote it.
pub(super) fn parse(url: &str) -> Result<AMQPUri> {
    let refused = |why: &str| Error::internal(format!("the broker's URL cannot be used: {why}"));
    if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
        return Err(refused("it must begin with amqp:// or amqps://"));
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

/// Where it leads, without user and password: for the log.
pub(super) fn place(uri: &AMQPUri) -> String {
    let scheme = if uri.scheme == AMQPScheme::AMQPS { "amqps" } else { "amqp" };
    format!("{scheme}://{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost)
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
        ] {
            assert_eq!(place(&parse(url).unwrap()), expected, "{url}");
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
        ] {
            let error = parse(url).unwrap_err();
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
