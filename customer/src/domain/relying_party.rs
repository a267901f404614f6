//! The shop as the relying party of passkeys: the domain that a passkey is for, and the origin of
//! the pages that may ask for it (Web Authentication Level 3, sections 4 and 13.4.9).

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};
use webauthn_rp::request::{AsciiDomain, DomainOrigin, Port, RpId, Scheme};

/// The domain and the origin of a shop.
#[derive(Debug, Clone)]
pub(crate) struct RelyingParty {
    id: RpId,
    is_https: bool,
    port: Port,
}

impl RelyingParty {
    /// Returns the relying party of the shop at an address; `None` for an IP address, because
    /// browsers make no passkeys for one. A loopback address counts as `localhost` at any port: a
    /// shop on the machine of its developer may choose its port when it starts.
    pub(crate) fn at(public_url: &str) -> Option<Self> {
        let url = Url::parse(public_url).ok()?;
        let own_port = url.port().map_or(Port::None, Port::Val);
        let (domain, port) = match url.host()? {
            Host::Domain(domain) => (domain, own_port),
            Host::Ipv4(Ipv4Addr::LOCALHOST) | Host::Ipv6(Ipv6Addr::LOCALHOST) => ("localhost", Port::Any),
            Host::Ipv4(_) | Host::Ipv6(_) => return None,
        };
        let id = AsciiDomain::try_from(domain.to_owned()).ok()?;
        Some(Self { id: RpId::Domain(id), is_https: url.scheme() == "https", port })
    }

    pub(crate) fn id(&self) -> &RpId {
        &self.id
    }

    pub(crate) fn origin(&self) -> DomainOrigin<'_, '_> {
        let scheme = if self.is_https { Scheme::Https } else { Scheme::Other("http") };
        DomainOrigin { scheme, host: self.id.as_ref(), port: self.port }
    }
}

#[cfg(test)]
mod tests {
    use webauthn_rp::response::Origin;

    use super::*;

    #[test]
    fn domain_and_origin_are_those_of_the_public_url() {
        let is_own = |shop: &RelyingParty, origin: &str| shop.origin() == Origin(origin.into());
        for (public_url, domain, own, others) in [
            ("https://shop.example", "shop.example", "https://shop.example", &["http://shop.example"][..]),
            ("https://shop.example:443/", "shop.example", "https://shop.example", &["https://shop.example:444"]),
            ("https://Bücher.example:8443", "xn--bcher-kva.example", "https://xn--bcher-kva.example:8443", &[]),
            ("https://shop.example", "shop.example", "https://shop.example", &["https://a.shop.example", "null", ""]),
            (
                "http://localhost:8000",
                "localhost",
                "http://localhost:8000",
                &["http://localhost", "http://localhost:1"],
            ),
            ("http://127.0.0.1:8000", "localhost", "http://localhost:8001", &["http://127.0.0.1:8000"]),
            ("http://[::1]:0", "localhost", "http://localhost:8000", &["https://localhost:8000"]),
        ] {
            let shop = RelyingParty::at(public_url).unwrap();
            assert_eq!(shop.id().as_ref(), domain, "{public_url}");
            assert!(is_own(&shop, own), "{public_url} {own}");
            for other in others {
                assert!(!is_own(&shop, other), "{public_url} {other}");
            }
        }
        for without in ["https://192.0.2.7", "https://[2001:db8::7]", "shop.example", ""] {
            assert!(RelyingParty::at(without).is_none(), "{without}");
        }
    }
}
