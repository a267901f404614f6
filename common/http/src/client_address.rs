//! The address of a client, also behind a proxy that the operator trusts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use rocket::request::{FromRequest, Outcome, Request};
use souk_types::Network;

/// The networks of a fleet in which only nginx reaches a service: this machine, private networks
/// (RFC 1918, RFC 4193) and shared address space (RFC 6598).
const PRIVATE: &str = "127.0.0.0/8, ::1, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7, 100.64.0.0/10";

/// The proxies that name the client's address in `X-Forwarded-For`. Any other peer could write any
/// address into the header. The default trusts none.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts this machine and private networks, for a service behind nginx.
    #[must_use]
    pub fn private() -> Self {
        PRIVATE.parse().unwrap_or_default()
    }

    /// Whether the client's request came by https. Only a trusted proxy, which ends TLS, says so.
    pub(crate) fn is_https<'h>(&self, peer: SocketAddr, forwarded_proto: impl Iterator<Item = &'h [u8]>) -> bool {
        let last = forwarded_proto.last().and_then(|line| line.rsplit(|byte| *byte == b',').next());
        self.trust(peer.ip()) && last.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
    }

    fn trust(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&peer.to_canonical()))
    }

    /// Returns the client's address. A trusted proxy appends it to `X-Forwarded-For`, so that only
    /// the last entry of the last line is true; the port is unknown. An entry that is no address
    /// is ignored: the client is the peer.
    pub(crate) fn client<'h>(&self, peer: SocketAddr, forwarded_for: impl Iterator<Item = &'h [u8]>) -> SocketAddr {
        if !self.trust(peer.ip()) {
            return peer;
        }
        let last = forwarded_for.last().and_then(|line| address(line.rsplit(|byte| *byte == b',').next()?));
        last.map_or(peer, |client| SocketAddr::new(client, 0))
    }
}

/// Reads an entry of `X-Forwarded-For`. Some proxies add the port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    entry.parse().or_else(|_| entry.parse::<SocketAddr>().map(|client| client.ip())).ok()
}

impl FromStr for TrustedProxies {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = |text: &str| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let networks = text.split(',').map(|network| read(network.trim()));
        networks.collect::<Result<_, _>>().map(Self).map_err(|_| "must be a list of addresses and networks: 10.0.0.0/8")
    }
}

/// Whether the client's request came by https, in the request's local cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IsHttps(pub bool);

impl IsHttps {
    /// Returns what the server has found; false for a request of a test.
    pub fn of(request: &Request<'_>) -> Self {
        *request.local_cache(Self::default)
    }
}

/// Request guard: the client's network.
pub struct ClientNetwork(pub Network);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for ClientNetwork {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        Outcome::Success(Self::of(request))
    }
}

impl ClientNetwork {
    /// Returns the network of the client.
    #[must_use]
    pub fn of(request: &Request<'_>) -> Self {
        // Only a request of a unit test has no address.
        let client = request.remote().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.ip());
        Self(client.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let listed: TrustedProxies = "203.0.113.1, 198.51.100.0/24".parse().unwrap();
        for (proxies, peer, lines, client) in [
            (TrustedProxies::default(), "127.0.0.1:7", &["203.0.113.9"][..], "127.0.0.1:7"),
            (TrustedProxies::private(), "192.0.2.1:7", &["203.0.113.9"], "192.0.2.1:7"),
            (TrustedProxies::private(), "127.0.0.1:7", &["203.0.113.9"], "203.0.113.9:0"),
            (TrustedProxies::private(), "[::ffff:10.1.2.3]:7", &["2001:db8::1"], "[2001:db8::1]:0"),
            (TrustedProxies::private(), "[fd00::1]:7", &["198.51.100.1, 203.0.113.9"], "203.0.113.9:0"),
            (TrustedProxies::private(), "172.18.0.5:7", &["198.51.100.1", "203.0.113.9"], "203.0.113.9:0"),
            (TrustedProxies::private(), "172.18.0.5:7", &["203.0.113.9, unknown"], "172.18.0.5:7"),
            (TrustedProxies::private(), "172.18.0.5:7", &["203.0.113.9:4444"], "203.0.113.9:0"),
            (TrustedProxies::private(), "172.18.0.5:7", &["198.51.100.1, [2001:db8::1]:443"], "[2001:db8::1]:0"),
            (TrustedProxies::private(), "172.18.0.5:7", &["203.0.113.9:port"], "172.18.0.5:7"),
            (TrustedProxies::private(), "172.18.0.5:7", &["203.0.113.9", ""], "172.18.0.5:7"),
            (TrustedProxies::private(), "172.18.0.5:7", &[], "172.18.0.5:7"),
            (listed.clone(), "203.0.113.1:7", &["192.0.2.4"], "192.0.2.4:0"),
            (listed.clone(), "198.51.100.9:7", &["192.0.2.4"], "192.0.2.4:0"),
            (listed, "127.0.0.1:7", &["192.0.2.4"], "127.0.0.1:7"),
        ] {
            let found = proxies.client(peer.parse().unwrap(), lines.iter().map(|line| line.as_bytes()));
            assert_eq!(found, client.parse().unwrap(), "{peer} {lines:?}");
        }
        let (proxies, peer) = (TrustedProxies::private(), "10.0.0.1:7".parse().unwrap());
        for (lines, client) in [
            ([&b"198.51.100.1"[..], b"\xff, 203.0.113.9"], "203.0.113.9:0"),
            ([b"198.51.100.1", b"203.0.113.9\xff"], "10.0.0.1:7"),
        ] {
            assert_eq!(proxies.client(peer, lines.into_iter()), client.parse().unwrap(), "{lines:?}");
        }
        let is_https = |peer: &str, line: &str| proxies.is_https(peer.parse().unwrap(), [line.as_bytes()].into_iter());
        for (peer, line, expected) in [
            ("10.0.0.1:7", "https", true),
            ("10.0.0.1:7", "http, HTTPS", true),
            ("10.0.0.1:7", "https, http", false),
            ("192.0.2.1:7", "https", false),
        ] {
            assert_eq!(is_https(peer, line), expected, "{peer} {line}");
        }
        for bad in ["", "nginx", "10.0.0.0/33", "10.0.0.1,"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
    }
}
