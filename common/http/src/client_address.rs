//! The address of a client, also behind a proxy that the operator trusts.

use std::net::{IpAddr, SocketAddr};

/// The proxies of a one-process shop, in Rocket's managed state.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpAddr>);

impl TrustedProxies {
    /// Returns the client's address. A trusted proxy appends it to `X-Forwarded-For`, so that only
    /// the last entry of the last line is true; the port is unknown then.
    pub(crate) fn client<'h>(&self, peer: SocketAddr, forwarded_for: impl Iterator<Item = &'h str>) -> SocketAddr {
        if !self.0.contains(&peer.ip().to_canonical()) {
            return peer;
        }
        let last = forwarded_for.last().and_then(|line| line.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
        last.map_or(peer, |client| SocketAddr::new(client, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let proxies = TrustedProxies(vec!["127.0.0.1".parse().unwrap()]);
        for (peer, lines, client) in [
            ("127.0.0.1:7", &["203.0.113.9"][..], "203.0.113.9:0"),
            ("[::ffff:127.0.0.1]:7", &["203.0.113.9"], "203.0.113.9:0"),
            ("127.0.0.1:7", &["198.51.100.1, 203.0.113.9"], "203.0.113.9:0"),
            ("127.0.0.1:7", &["198.51.100.1", "2001:db8::1"], "[2001:db8::1]:0"),
            ("127.0.0.1:7", &["203.0.113.9, unknown"], "127.0.0.1:7"),
            ("127.0.0.1:7", &[], "127.0.0.1:7"),
            ("192.0.2.1:7", &["203.0.113.9"], "192.0.2.1:7"),
        ] {
            let found = proxies.client(peer.parse().unwrap(), lines.iter().copied());
            assert_eq!(found, client.parse().unwrap(), "{peer} {lines:?}");
        }
    }
}
