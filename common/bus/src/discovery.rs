//! Service discovery by DNS SRV records (RFC 2782), as Kubernetes and Consul publish them:
//! `srv://user:password@_amqp._tcp.rabbitmq.souk.svc.cluster.local/%2f`. The service label (for
//! Consul, the tag: `_rabbitmq._amqp.service.consul`) selects the scheme of the plain URL; the
//! records supply its hosts and ports; everything else is as in the plain URL.
//!
//! Records are never cached. Each connection attempt asks the name servers of `/etc/resolv.conf`,
//! or the one in the URL's option `dns=127.0.0.1:8600`.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData};
use uuid::Uuid;

use crate::lock;

/// Timeout of a look-up with the addresses, below that of an operation of the store (1.5 s).
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout of one query; a packet may be lost.
const QUERY_TIMEOUT: Duration = Duration::from_millis(300);
/// Repetitions of a query.
const RETRIES: usize = 2;
const DNS_PORT: u16 = 53;
/// Longest name and longest label in bytes (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A URL that names an SRV record in place of a host.
pub struct SrvUrl {
    scheme: &'static str,
    /// `_amqp._tcp.rabbitmq.example`
    name: String,
    /// The name server to ask instead of the system's.
    server: Option<SocketAddr>,
    /// User and password, with the `@` behind them.
    credentials: String,
    /// Path and query, without `dns`.
    rest: String,
    last_error: Mutex<Option<String>>,
}

/// A server that a record names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Targets of a lower priority are tried first.
    pub priority: u16,
    /// Its host name. TLS verifies this name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its addresses from the URL's own name server. `None`: ask the system's resolver.
    pub addresses: Option<Vec<IpAddr>>,
}

impl SrvUrl {
    /// Parses a URL that begins with `srv://`; returns `None` for another one. `schemes` are the
    /// schemes that its labels may name. Errors do not quote the URL.
    #[must_use]
    pub fn parse(url: &str, schemes: &[&'static str]) -> Option<Result<Self, String>> {
        let rest = url.strip_prefix("srv://")?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (credentials, name) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let parsed = scheme(name, schemes).and_then(|scheme| Ok((scheme, split_server(rest)?)));
        Some(parsed.map(|(scheme, (server, rest))| Self {
            scheme,
            name: name.to_owned(),
            server,
            credentials: credentials.to_owned(),
            rest,
            last_error: Mutex::default(),
        }))
    }

    /// Returns the plain URL of these `hosts`, each `name:port`, separated by commas.
    pub fn plain_url(&self, hosts: &str) -> String {
        let Self { scheme, credentials, rest, .. } = self;
        format!("{scheme}://{credentials}{hosts}{rest}")
    }

    /// Looks the targets up, within 1 s. Returns at least one, in the order in which they should be
    /// tried. Errors contain no secrets.
    pub async fn resolve(&self) -> Result<Vec<Target>, String> {
        let targets = match tokio::time::timeout(LOOKUP_TIMEOUT, self.look_up()).await {
            Ok(targets) => targets,
            Err(_) => Err(self.error(format!("no name server answers within {LOOKUP_TIMEOUT:?}"))),
        };
        *lock(&self.last_error) = targets.as_ref().err().cloned();
        targets
    }

    /// Returns the error of the last look-up, if it failed.
    pub fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    async fn look_up(&self) -> Result<Vec<Target>, String> {
        let resolver = self.resolver().map_err(|error| self.error(error))?;
        let answer = resolver.srv_lookup(&self.name).await.map_err(|error| {
            let has_no_record = error.is_no_records_found();
            self.error(if has_no_record { "there is no such record".to_owned() } else { error.to_string() })
        })?;
        let records = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(record) => Some(record.clone()),
            _ => None,
        });
        let records = available(records.collect()).map_err(|reason| self.error(reason))?;
        let mut targets: Vec<Target> = order(records, random_up_to)
            .into_iter()
            .map(|SRV { priority, port, target, .. }| Target { priority, host: host(&target), port, addresses: None })
            .collect();
        if self.server.is_some() {
            let lookups = targets.iter().map(|target| resolver.lookup_ip(format!("{}.", target.host)));
            let addresses = join_all(lookups).await;
            for (target, addresses) in targets.iter_mut().zip(addresses) {
                target.addresses = Some(addresses.map(|found| found.iter().collect()).unwrap_or_default());
            }
            // The others can still be reached.
            targets.retain(|target| target.addresses.as_ref().is_none_or(|addresses| !addresses.is_empty()));
            if targets.is_empty() {
                return Err(self.error("none of its targets has an address"));
            }
        }
        Ok(targets)
    }

    /// A new resolver for each look-up reads the system's files again and caches nothing.
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match self.server {
            None => TokioResolver::builder_tokio()?,
            Some(server) => {
                let mut protocols = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
                for protocol in &mut protocols {
                    protocol.port = server.port();
                }
                let servers = vec![NameServerConfig::new(server.ip(), true, protocols)];
                let config = ResolverConfig::from_name_servers(servers);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (QUERY_TIMEOUT, RETRIES, 0);
        builder.build()
    }

    fn error(&self, reason: impl fmt::Display) -> String {
        format!("DNS look-up of {} failed: {reason}", self.name)
    }
}

/// Without user and password, for the log.
impl fmt::Display for SrvUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "srv://{}", self.name)
    }
}

impl fmt::Debug for SrvUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether two answers name the same targets, in any order.
#[must_use]
pub fn same_targets(one: &[Target], other: &[Target]) -> bool {
    let set = |targets| <BTreeSet<&Target>>::from_iter(targets);
    set(one) == set(other)
}

fn scheme(name: &str, schemes: &[&'static str]) -> Result<&'static str, String> {
    let expected = || {
        let forms: Vec<String> = schemes.iter().map(|scheme| format!("srv://_{scheme}._tcp.name")).collect();
        format!("it should read {}", forms.join(" or "))
    };
    if name.contains(':') {
        return Err("a URL of SRV records has no port: the records name it".to_owned());
    }
    let is_label = |label: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_allowed)
    };
    let absolute = name.strip_suffix('.').unwrap_or(name);
    let labels: Vec<&str> = absolute.split('.').collect();
    let [service, protocol, _, ..] = labels[..] else { return Err(expected()) };
    if absolute.len() > MAX_NAME || !labels.iter().all(|label| is_label(label)) {
        return Err(expected());
    }
    let (Some(service), Some(protocol)) = (service.strip_prefix('_'), protocol.strip_prefix('_')) else {
        return Err(expected());
    };
    let find = |label: &str| schemes.iter().copied().find(|scheme| scheme.eq_ignore_ascii_case(label));
    find(service).or_else(|| find(protocol)).ok_or_else(expected)
}

/// Splits the name server off from path and query, because the plain URL has no such option.
fn split_server(rest: &str) -> Result<(Option<SocketAddr>, String), String> {
    let Some((path, query)) = rest.split_once('?') else { return Ok((None, rest.to_owned())) };
    let (dns, others): (Vec<&str>, Vec<&str>) = query.split('&').partition(|option| option.starts_with("dns="));
    let server = match dns[..] {
        [] => None,
        [one] => {
            let address = socket_address(one.trim_start_matches("dns="));
            Some(address.ok_or("dns should be an address, such as 127.0.0.1:8600")?)
        }
        _ => return Err("it has more than one dns".to_owned()),
    };
    let others = others.join("&");
    Ok((server, if others.is_empty() { path.to_owned() } else { format!("{path}?{others}") }))
}

fn socket_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, DNS_PORT)))
}

fn host(target: &Name) -> String {
    target.to_ascii().trim_end_matches('.').to_owned()
}

/// A root as the target means that the service is not available (RFC 2782, "Target").
fn available(mut records: Vec<SRV>) -> Result<Vec<SRV>, &'static str> {
    if records.is_empty() {
        return Err("there is no such record");
    }
    records.retain(|record| !record.target.is_root());
    if records.is_empty() { Err("its record says that the service is decidedly not available") } else { Ok(records) }
}

/// Orders records as RFC 2782 ("Usage rules") asks: by priority, and within a priority at random in
/// proportion to the weights. `random` returns a number from 0 to its argument, inclusive. Records
/// without any weight are shuffled, which the RFC leaves open.
fn order(mut records: Vec<SRV>, mut random: impl FnMut(u32) -> u32) -> Vec<SRV> {
    records.sort_by_key(|record| (record.priority, record.weight > 0));
    let mut ordered = Vec::with_capacity(records.len());
    for equals in records.chunk_by(|one, other| one.priority == other.priority) {
        let mut left = equals.to_vec();
        while !left.is_empty() {
            let total: u32 = left.iter().map(|record| u32::from(record.weight)).sum();
            let chosen = if total == 0 {
                random(u32::try_from(left.len() - 1).unwrap_or_default()) as usize
            } else {
                let (drawn, mut sum) = (random(total), 0);
                let is_reached = |record: &SRV| {
                    sum += u32::from(record.weight);
                    sum >= drawn
                };
                left.iter().position(is_reached).unwrap_or_default()
            };
            ordered.push(left.remove(chosen));
        }
    }
    ordered
}

/// Returns a random number from 0 to `max`, inclusive.
pub(crate) fn random_up_to(max: u32) -> u32 {
    let [.., a, b, c, d] = *Uuid::now_v7().as_bytes();
    let drawn = u64::from(u32::from_be_bytes([a, b, c, d]));
    u32::try_from((drawn * (u64::from(max) + 1)) >> 32).unwrap_or(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKER: &[&str] = &["amqp", "amqps"];

    fn record(priority: u16, weight: u16, target: &str) -> SRV {
        SRV::new(priority, weight, 1, target.parse().unwrap())
    }

    fn names(records: &[SRV]) -> String {
        records.iter().map(|record| host(&record.target)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_plain_url_differs_in_its_hosts_only() {
        for (url, plain, server) in [
            ("srv://_amqp._tcp.mq.example", "amqp://h:1", None),
            (
                "srv://ana:p%40ss@_amqps._tcp.mq.example./%2f?heartbeat=5",
                "amqps://ana:p%40ss@h:1/%2f?heartbeat=5",
                None,
            ),
            ("srv://_AMQP._TCP.mq", "amqp://h:1", None),
            ("srv://_rabbitmq._amqp.service.consul/shop", "amqp://h:1/shop", None),
            ("srv://_amqps._amqp.service.consul", "amqps://h:1", None),
            ("srv://_amqp._tcp.mq/?dns=127.0.0.1:8600", "amqp://h:1/", Some("127.0.0.1:8600")),
            ("srv://_amqp._tcp.mq/%2f?a=1&dns=10.0.0.2&b=2", "amqp://h:1/%2f?a=1&b=2", Some("10.0.0.2:53")),
            ("srv://_amqp._tcp.mq?dns=[::1]:8600", "amqp://h:1", Some("[::1]:8600")),
        ] {
            let srv = SrvUrl::parse(url, BROKER).unwrap().unwrap();
            assert_eq!(
                (&*srv.plain_url("h:1"), srv.server),
                (plain, server.map(|server| server.parse().unwrap())),
                "{url}"
            );
        }
        assert!(SrvUrl::parse("amqp://mq", BROKER).is_none());
    }

    #[test]
    fn an_invalid_url_is_refused_and_not_quoted() {
        let long = format!("srv://_amqp._tcp.{}", "secret.".repeat(40));
        for url in [
            "srv://",
            "srv://ana:secret@",
            "srv://ana:secret@mq.example",
            "srv://ana:secret@_amqp._tcp",
            "srv://ana:secret@_amqp._tcp.",
            "srv://ana:secret@_amqp.tcp.mq",
            "srv://ana:secret@amqp._tcp.mq",
            "srv://ana:secret@_mongodb._tcp.mq",
            "srv://ana:secret@_amqp._tcp.mq:5672",
            "srv://ana:secret@_amqp._tcp.mq..example",
            "srv://ana:secret@_amqp._tcp.mq,_amqp._tcp.secret",
            "srv://ana:secret@_amqp._tcp.mq/?dns=secret:53",
            "srv://ana:secret@_amqp._tcp.mq/?dns=127.0.0.1&dns=127.0.0.2",
            &long,
        ] {
            let reason = SrvUrl::parse(url, BROKER).unwrap().unwrap_err();
            assert!(!reason.contains("secret"), "{url}: {reason}");
        }
    }

    #[test]
    fn the_log_contains_no_secret() {
        let srv = SrvUrl::parse("srv://ana:secret@_amqp._tcp.mq/secret", BROKER).unwrap().unwrap();
        assert_eq!(format!("{srv} {srv:?} {}", srv.error("?")).matches("secret").count(), 0);
    }

    #[test]
    fn targets_are_tried_by_priority_and_by_weight() {
        let (weights, priorities) =
            ([(1, 0, "z"), (1, 1, "a"), (1, 3, "b")], [(2, 0, "far"), (1, 5, "near"), (0, 1, "here")]);
        let neither = [(0, 0, "a"), (0, 0, "b"), (0, 0, "c")];
        for (records, drawn, expected) in [
            // Weight 0 comes first only when 0 is drawn.
            (weights, &[0, 0, 0][..], "z a b"),
            (weights, &[1, 1, 0], "a b z"),
            (weights, &[2, 0, 1], "b z a"),
            (weights, &[4, 1, 0], "b a z"),
            (weights, &[1, 0, 3], "a z b"),
            // Priorities come before weights.
            (priorities, &[1, 5, 0], "here near far"),
            // Without weights each target is as likely as the others.
            (neither, &[0, 0, 0], "a b c"),
            (neither, &[2, 1, 0], "c b a"),
        ] {
            let mut drawn = drawn.iter().copied();
            let records = records.map(|(priority, weight, target)| record(priority, weight, target)).to_vec();
            let ordered = order(records, |most| drawn.next().filter(|drawn| *drawn <= most).unwrap());
            assert_eq!(names(&ordered), expected);
        }
    }

    #[test]
    fn weights_are_shares() {
        let records =
            [record(1, 10, "a"), record(1, 30, "b"), record(1, 0, "c"), record(1, 60, "d"), record(2, 9, "e")];
        let first = |name: &str, of: &[String]| of.iter().filter(|order| order.starts_with(name)).count();
        let orders: Vec<String> = (0..20_000).map(|_| names(&order(records.to_vec(), random_up_to))).collect();
        // The standard deviation of each is below 70.
        for (name, share) in [("a", 2_000), ("b", 6_000), ("d", 12_000)] {
            assert!(first(name, &orders).abs_diff(share) < 600, "{name}: {}", first(name, &orders));
        }
        assert!((1..600).contains(&first("c", &orders)), "one in a hundred and one: {}", first("c", &orders));
        assert!(orders.iter().all(|order| order.ends_with(" e")));
    }

    #[test]
    fn random_numbers_reach_both_ends() {
        assert_eq!(random_up_to(0), 0);
        assert_eq!((0..1_000).map(|_| random_up_to(3)).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2, 3]));
        assert!((0..1_000).any(|_| random_up_to(u32::MAX) > u32::MAX / 2));
    }

    #[test]
    fn a_root_target_means_not_available() {
        assert!(available(vec![record(0, 0, ".")]).unwrap_err().contains("decidedly"));
        assert!(available(Vec::new()).is_err());
        assert_eq!(names(&available(vec![record(0, 0, "."), record(1, 0, "a.")]).unwrap()), "a");
    }

    #[test]
    fn the_order_of_an_answer_does_not_matter() {
        let target = |host: &str| Target { priority: 1, host: host.to_owned(), port: 1, addresses: None };
        let (one, other) = ([target("a"), target("b")], [target("b"), target("a")]);
        assert!(same_targets(&one, &other));
        assert!(!same_targets(&one, &other[..1]));
    }

    #[tokio::test]
    async fn a_silent_name_server_is_an_error_in_time() {
        // It receives queries and answers none.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let url = format!("srv://ana:secret@_amqp._tcp.mq.example/?dns={}", silent.local_addr().unwrap());
        let srv = SrvUrl::parse(&url, BROKER).unwrap().unwrap();
        let start = std::time::Instant::now();
        let reason = srv.resolve().await.unwrap_err();
        assert!(start.elapsed() < LOOKUP_TIMEOUT * 2, "{:?}", start.elapsed());
        assert_eq!(srv.last_error().as_ref(), Some(&reason));
        assert!(reason.contains("_amqp._tcp.mq.example") && !reason.contains("secret"), "{reason}");
    }
}
