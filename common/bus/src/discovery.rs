//! Servers by a name in DNS: SRV records (RFC 2782), as Kubernetes and Consul publish them, in place of a host and its port:
//! `srv://user:password@_amqp._tcp.rabbitmq.souk.svc.cluster.local/%2f`. All but the host is as in the plain URL, and the label of the
//! service (or, as Consul has it, of its tag: `_rabbitmq._amqp.service.consul`) says which plain URL that is.
//!
//! Nothing is kept of an answer, whatever its time to live: whoever connects asks first, the name servers of `/etc/resolv.conf` as it is
//! at that moment, or the one that the URL names as `dns=127.0.0.1:8600`. That one is in the URL, and not in a variable of its own, because it
//! belongs to the name, and so that services, `souk` and tests need to know of nothing else.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData};
use uuid::Uuid;

/// What an answer may take in all, with the addresses of the targets where they are asked for: less than one operation of the store (1.5 s).
const BOUND: Duration = Duration::from_secs(1);
/// What one name server may take before it is asked again, which is long for one nearby; a packet may be lost.
const ONE_TRY: Duration = Duration::from_millis(300);
/// So often it is asked again.
const AGAIN: usize = 2;
/// Where name servers listen when nothing else is said.
const DNS_PORT: u16 = 53;
/// The longest name that DNS has, and the longest part of it (RFC 1035, 2.3.4).
const LONGEST: (usize, usize) = (253, 63);

/// A URL that names an SRV record.
pub struct SrvUrl {
    /// The scheme of the plain URL.
    scheme: &'static str,
    /// `_amqp._tcp.rabbitmq.example`
    name: String,
    /// The name server to ask instead of the system's.
    server: Option<SocketAddr>,
    /// User and password, with the `@` behind them.
    credentials: String,
    /// From the slash on, without `dns`.
    rest: String,
    /// Why the last question had no answer.
    failure: Mutex<Option<String>>,
}

/// Where a server is, as a record says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Lower ones are wanted first.
    pub priority: u16,
    /// Its name, which is also what TLS checks.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its addresses, at least one, as the URL's own name server gave them. `None`: the system knows.
    pub addresses: Option<Vec<IpAddr>>,
}

/// Why a name leads nowhere now. It has no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveError(String);

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SrvUrl {
    /// Reads a URL that begins with `srv://`; `None` for another. `schemes` are those that its labels may stand for. Errors: what is wrong with it,
    /// without quoting it.
    #[must_use]
    pub fn parse(url: &str, schemes: &[&'static str]) -> Option<Result<Self, String>> {
        let rest = url.strip_prefix("srv://")?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (credentials, name) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let scheme = match scheme(name, schemes) {
            Ok(scheme) => scheme,
            Err(why) => return Some(Err(why)),
        };
        Some(without_server(rest).map(|(server, rest)| Self {
            scheme,
            name: name.to_owned(),
            server,
            credentials: credentials.to_owned(),
            rest,
            failure: Mutex::default(),
        }))
    }

    /// The plain URL that leads to these `hosts`, each `name:port`, separated by commas.
    pub fn plain_url(&self, hosts: &str) -> String {
        let Self { scheme, credentials, rest, .. } = self;
        format!("{scheme}://{credentials}{hosts}{rest}")
    }

    /// Asks where the servers are, 1 s at most. They are in the order in which they should be tried, and at least one.
    pub async fn resolve(&self) -> Result<Vec<Target>, ResolveError> {
        let answer = match tokio::time::timeout(BOUND, self.ask()).await {
            Ok(answer) => answer,
            Err(_) => Err(self.because(format!("no name server answers within {BOUND:?}"))),
        };
        let failure = answer.as_ref().err().map(ToString::to_string);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        answer
    }

    /// Why the last question had no answer, if it had none.
    pub fn last_error(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self) -> Result<Vec<Target>, ResolveError> {
        let resolver = self.resolver().map_err(|error| self.because(error))?;
        let answer = resolver.srv_lookup(&self.name).await.map_err(|error| {
            self.because(if error.is_no_records_found() {
                "there is no such record".to_owned()
            } else {
                error.to_string()
            })
        })?;
        let records = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(record) => Some(record.clone()),
            _ => None,
        });
        let mut targets: Vec<Target> = order(available(records.collect()).map_err(|why| self.because(why))?, chance)
            .into_iter()
            .map(|SRV { priority, port, target, .. }| Target { priority, host: host(&target), port, addresses: None })
            .collect();
        if self.server.is_some() {
            let asking = targets.iter().map(|target| resolver.lookup_ip(format!("{}.", target.host)));
            let found = join_all(asking).await;
            for (target, found) in targets.iter_mut().zip(found) {
                // One without an address cannot be reached; the others can.
                target.addresses = Some(found.map(|found| found.iter().collect()).unwrap_or_default());
            }
            targets.retain(|target| target.addresses.as_ref().is_none_or(|addresses| !addresses.is_empty()));
            if targets.is_empty() {
                return Err(self.because("none of its targets has an address"));
            }
        }
        Ok(targets)
    }

    /// A new one for each question: it has read the system's files just now, and remembers nothing.
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match self.server {
            None => TokioResolver::builder_tokio()?,
            Some(server) => {
                let mut ways = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
                for way in &mut ways {
                    way.port = server.port();
                }
                let servers = vec![NameServerConfig::new(server.ip(), true, ways)];
                TokioResolver::builder_with_config(
                    ResolverConfig::from_name_servers(servers),
                    TokioRuntimeProvider::default(),
                )
            }
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (ONE_TRY, AGAIN, 0);
        builder.build()
    }

    fn because(&self, why: impl fmt::Display) -> ResolveError {
        ResolveError(format!("DNS does not say where {} is: {why}", self.name))
    }
}

/// As it may be logged: without user and password.
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

/// The scheme that the labels of a record's name stand for.
fn scheme(name: &str, schemes: &[&'static str]) -> Result<&'static str, String> {
    let like = || {
        let forms: Vec<String> = schemes.iter().map(|scheme| format!("srv://_{scheme}._tcp.name")).collect();
        format!("it should read {}", forms.join(" or "))
    };
    if name.contains(':') {
        return Err("a name of SRV records has no port: they say it".to_owned());
    }
    let is_label = |label: &str| {
        let bytes_of_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=LONGEST.1).contains(&label.len()) && label.bytes().all(bytes_of_names)
    };
    let absolute = name.strip_suffix('.').unwrap_or(name);
    let labels: Vec<&str> = absolute.split('.').collect();
    let [service, protocol, _, ..] = labels[..] else { return Err(like()) };
    if absolute.len() > LONGEST.0 || !labels.iter().all(|label| is_label(label)) {
        return Err(like());
    }
    let (Some(service), Some(protocol)) = (service.strip_prefix('_'), protocol.strip_prefix('_')) else {
        return Err(like());
    };
    let stands_for = |label: &str| schemes.iter().copied().find(|scheme| scheme.eq_ignore_ascii_case(label));
    stands_for(service).or_else(|| stands_for(protocol)).ok_or_else(like)
}

/// Takes the name server out of what follows the host, because the plain URL knows no such option.
fn without_server(rest: &str) -> Result<(Option<SocketAddr>, String), String> {
    let Some((path, query)) = rest.split_once('?') else { return Ok((None, rest.to_owned())) };
    let (ours, others): (Vec<&str>, Vec<&str>) = query.split('&').partition(|option| option.starts_with("dns="));
    let server = match ours[..] {
        [] => None,
        [one] => {
            Some(address(one.trim_start_matches("dns=")).ok_or("dns should be an address, such as 127.0.0.1:8600")?)
        }
        _ => return Err("it has more than one dns".to_owned()),
    };
    let others = others.join("&");
    Ok((server, if others.is_empty() { path.to_owned() } else { format!("{path}?{others}") }))
}

/// An address of a name server, with or without its port.
fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, DNS_PORT)))
}

/// A name without the dot at its end, as other programs write it.
fn host(target: &Name) -> String {
    target.to_ascii().trim_end_matches('.').to_owned()
}

/// The records that lead somewhere. One whose target is the root says that there is no such service, decidedly (RFC 2782, "Target").
fn available(mut records: Vec<SRV>) -> Result<Vec<SRV>, &'static str> {
    if records.is_empty() {
        return Err("there is no such record");
    }
    records.retain(|record| !record.target.is_root());
    if records.is_empty() { Err("its record says that the service is decidedly not available") } else { Ok(records) }
}

/// The order in which targets are tried (RFC 2782, "Usage rules"): all of a lower priority before those of a higher one; within one by
/// chance, in proportion to their weights, so that one of weight 0 is rarely first beside others. `random` draws from 0 to its argument, both
/// included. Where no record has a weight all have the same chance: the RFC leaves that open, and not every server shuffles its answers.
fn order(mut records: Vec<SRV>, mut random: impl FnMut(u32) -> u32) -> Vec<SRV> {
    records.sort_by_key(|record| (record.priority, record.weight > 0));
    let mut ordered = Vec::with_capacity(records.len());
    for equals in records.chunk_by(|one, other| one.priority == other.priority) {
        let mut left = equals.to_vec();
        while !left.is_empty() {
            let all: u32 = left.iter().map(|record| u32::from(record.weight)).sum();
            let chosen = if all == 0 {
                random(u32::try_from(left.len() - 1).unwrap_or_default()) as usize
            } else {
                let (drawn, mut sum) = (random(all), 0);
                let reached = |record: &SRV| {
                    sum += u32::from(record.weight);
                    sum >= drawn
                };
                left.iter().position(reached).unwrap_or_default()
            };
            ordered.push(left.remove(chosen));
        }
    }
    ordered
}

/// From 0 to `most`.
fn chance(most: u32) -> u32 {
    let [.., a, b, c, d] = *Uuid::now_v7().as_bytes();
    let drawn = u64::from(u32::from_be_bytes([a, b, c, d]));
    u32::try_from((drawn * (u64::from(most) + 1)) >> 32).unwrap_or(most)
}

/// Whether two answers name the same targets, in any order.
#[must_use]
pub fn same_targets(one: &[Target], other: &[Target]) -> bool {
    let set = |targets| <BTreeSet<&Target>>::from_iter(targets);
    set(one) == set(other)
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
    fn all_but_the_host_is_as_in_the_plain_url() {
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
    fn a_url_that_cannot_be_used_is_refused_and_not_quoted() {
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
            let why = SrvUrl::parse(url, BROKER).unwrap().unwrap_err();
            assert!(!why.contains("secret"), "{url}: {why}");
        }
    }

    #[test]
    fn what_is_logged_has_no_secret() {
        let srv = SrvUrl::parse("srv://ana:secret@_amqp._tcp.mq/secret", BROKER).unwrap().unwrap();
        assert_eq!(format!("{srv} {srv:?} {}", srv.because("?")).matches("secret").count(), 0);
    }

    #[test]
    fn targets_are_tried_by_priority_and_by_weight() {
        let (weights, priorities) =
            ([(1, 0, "z"), (1, 1, "a"), (1, 3, "b")], [(2, 0, "far"), (1, 5, "near"), (0, 1, "here")]);
        let neither = [(0, 0, "a"), (0, 0, "b"), (0, 0, "c")];
        for (records, drawn, expected) in [
            // Weight 0 is first only when 0 is drawn.
            (weights, &[0, 0, 0][..], "z a b"),
            (weights, &[1, 1, 0], "a b z"),
            (weights, &[2, 0, 1], "b z a"),
            (weights, &[4, 1, 0], "b a z"),
            (weights, &[1, 0, 3], "a z b"),
            // Priorities come first, whatever the weights.
            (priorities, &[1, 5, 0], "here near far"),
            // Without weights each has the same chance.
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
        let orders: Vec<String> = (0..20_000).map(|_| names(&order(records.to_vec(), chance))).collect();
        // The standard deviation of each is below 70.
        for (name, share) in [("a", 2_000), ("b", 6_000), ("d", 12_000)] {
            assert!(first(name, &orders).abs_diff(share) < 600, "{name}: {}", first(name, &orders));
        }
        assert!((1..600).contains(&first("c", &orders)), "one in a hundred and one: {}", first("c", &orders));
        assert!(orders.iter().all(|order| order.ends_with(" e")));
    }

    #[test]
    fn chance_reaches_both_ends_and_nothing_else() {
        assert_eq!(chance(0), 0);
        assert_eq!((0..1_000).map(|_| chance(3)).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2, 3]));
        assert!((0..1_000).any(|_| chance(u32::MAX) > u32::MAX / 2));
    }

    #[test]
    fn a_service_can_be_decidedly_absent() {
        assert!(available(vec![record(0, 0, ".")]).unwrap_err().contains("decidedly"));
        assert!(available(Vec::new()).is_err());
        assert_eq!(names(&available(vec![record(0, 0, "."), record(1, 0, "a.")]).unwrap()), "a");
    }

    #[test]
    fn the_order_of_an_answer_is_no_news() {
        let target = |host: &str| Target { priority: 1, host: host.to_owned(), port: 1, addresses: None };
        let (one, other) = ([target("a"), target("b")], [target("b"), target("a")]);
        assert!(same_targets(&one, &other));
        assert!(!same_targets(&one, &other[..1]));
    }

    #[tokio::test]
    async fn a_name_server_that_is_not_there_is_an_answer_in_time() {
        // It takes what it is told, and says nothing.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let url = format!("srv://ana:secret@_amqp._tcp.mq.example/?dns={}", silent.local_addr().unwrap());
        let srv = SrvUrl::parse(&url, BROKER).unwrap().unwrap();
        let begun = std::time::Instant::now();
        let why = srv.resolve().await.unwrap_err();
        assert!(begun.elapsed() < BOUND * 2, "{:?}", begun.elapsed());
        assert_eq!(srv.last_error(), Some(why.to_string()));
        assert!(why.to_string().contains("_amqp._tcp.mq.example") && !why.to_string().contains("secret"), "{why}");
    }
}
