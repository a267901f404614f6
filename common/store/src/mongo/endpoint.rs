//! The server endpoints and the driver's client.
//!
//! The driver follows a replica set from one known member to the next. Behind an SRV name, all
//! members may be replaced, so DNS is resolved again when an operation finds no server. A new
//! answer creates a new client. The driver probes all servers of a list, so SRV weights matter only
//! for `directConnection`. When no server of an SRV priority is found, the next priority is tried.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::options::{ClientOptions, ConnectionString, ServerAddress, Tls};
use tokio::sync::Mutex;

use super::connection::Failure;
use souk_bus::discovery::{SrvUrl, Target, same_targets};
use souk_types::{Error, Result};

/// Minimum interval between two DNS queries.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(1);
/// Equal DNS answers, one a second, after which a new client tries the next priority.
const MAX_UNCHANGED_ANSWERS: u32 = 5;

pub(super) struct Endpoint {
    service: &'static str,
    /// URI with one host; `localhost` stands in for an SRV name.
    uri: String,
    srv: Option<SrvUrl>,
    /// TLS verifies host names, so addresses cannot be used.
    by_name: bool,
    configure: Box<dyn Fn(&mut ClientOptions) + Send + Sync>,
    state: RwLock<State>,
    search: Mutex<Search>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    closed: bool,
}

#[derive(Clone)]
pub(super) struct Current {
    pub(super) client: Client,
    number: u64,
    targets: Arc<[Target]>,
    /// Index of the priority in use.
    choice: usize,
}

#[derive(Default)]
struct Search {
    last_resolved: Option<Instant>,
    unchanged_answers: u32,
    failed: Option<(Instant, Failure)>,
}

impl Endpoint {
    /// `configure` sets options that the URI leaves open. Errors: the URI is invalid.
    pub(super) fn new(
        service: &'static str,
        uri: &str,
        configure: impl Fn(&mut ClientOptions) + Send + Sync + 'static,
    ) -> Result<(Self, ConnectionString)> {
        let unreadable = |why: &str| Error::internal(format!("the address of MongoDB cannot be read{why}"));
        let srv = SrvUrl::parse(uri, &["mongodb"]).transpose().map_err(|why| unreadable(&format!(": {why}")))?;
        let uri = srv.as_ref().map_or_else(|| uri.to_owned(), |srv| srv.plain_url("localhost"));
        // The message of the driver could reveal a part of the URI, including the password.
        let address = ConnectionString::parse(&uri).map_err(|_| unreadable(""))?;
        let endpoint = Self {
            service,
            uri,
            srv,
            by_name: matches!(address.tls, Some(Tls::Enabled(_))),
            configure: Box::new(configure),
            state: RwLock::default(),
            search: Mutex::default(),
        };
        Ok((endpoint, address))
    }

    pub(super) async fn client(&self) -> Result<Current, Failure> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut search = self.search.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        // Concurrent callers share one failure.
        if let Some((at, failure)) = &search.failed
            && at.elapsed() < RESOLVE_INTERVAL
        {
            return Err(failure.clone());
        }
        let installed = async { self.install(self.resolve().await?, 0).await };
        let installed = installed.await;
        search.failed = installed.as_ref().err().map(|failure| (Instant::now(), failure.clone()));
        installed
    }

    /// Reports that this client has found no server.
    pub(super) async fn report_lost(&self, lost: &Current) {
        let Some(srv) = &self.srv else { return };
        // Another task is resolving DNS already.
        let Ok(mut search) = self.search.try_lock() else { return };
        let is_current = self.current().is_some_and(|current| current.number == lost.number);
        if !is_current || search.last_resolved.is_some_and(|again| again.elapsed() < RESOLVE_INTERVAL) {
            return;
        }
        search.last_resolved = Some(Instant::now());
        let targets = match srv.resolve().await {
            Ok(targets) => targets,
            Err(why) => {
                return tracing::warn!(service = self.service, %why, "MongoDB is unreachable and its name cannot be resolved");
            }
        };
        let changed = !same_targets(&targets, &lost.targets);
        search.unchanged_answers += 1;
        if !changed && search.unchanged_answers < MAX_UNCHANGED_ANSWERS {
            return;
        }
        search.unchanged_answers = 0;
        let choice = if changed { 0 } else { lost.choice + 1 };
        // The message of the driver could reveal a part of the URI.
        if let Ok(new) = self.install(targets, choice).await {
            tracing::warn!(service = self.service, servers = %new, "MongoDB is unreachable; a new client tries the resolved servers");
        } else {
            tracing::warn!(service = self.service, endpoint = %srv, "MongoDB is unreachable and no new client can be created");
        }
    }

    pub(super) fn dns_error(&self) -> Option<String> {
        self.srv.as_ref().and_then(SrvUrl::last_error)
    }

    pub(super) async fn close(&self) {
        let current = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.closed = true;
            state.current.clone()
        };
        if let Some(current) = current {
            current.client.shutdown().immediate(true).await;
        }
    }

    fn current(&self) -> Option<Current> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    async fn resolve(&self) -> Result<Vec<Target>, Failure> {
        let Some(srv) = &self.srv else { return Ok(Vec::new()) };
        srv.resolve().await.map_err(|why| Error::unavailable(self.service).caused_by(why).into())
    }

    /// Replaces the current client by one for the priority `choice`, modulo their number.
    async fn install(&self, targets: Vec<Target>, choice: usize) -> Result<Current, Failure> {
        let mut options = ClientOptions::parse(&self.uri).await?;
        let chosen = of_priority(&targets, choice);
        if !chosen.is_empty() {
            options.hosts = chosen.iter().flat_map(|target| self.hosts(target)).collect();
        }
        // A direct connection takes the first server, which the SRV weights choose.
        if options.direct_connection == Some(true) {
            options.hosts.truncate(1);
        }
        (self.configure)(&mut options);
        let client = Client::with_options(options)?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(Error::unavailable(self.service).caused_by("the database is closed").into());
        }
        let number = state.current.as_ref().map_or(0, |current| current.number + 1);
        let current = Current { client, number, targets: targets.into(), choice };
        state.current = Some(current.clone());
        Ok(current)
    }

    fn hosts(&self, target: &Target) -> Vec<ServerAddress> {
        let at = |host: String| ServerAddress::Tcp { host, port: Some(target.port) };
        match &target.addresses {
            Some(addresses) if !self.by_name => addresses.iter().map(|address| at(address.to_string())).collect(),
            _ => vec![at(target.host.clone())],
        }
    }
}

impl fmt::Display for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = of_priority(&self.targets, self.choice)
            .iter()
            .map(|target| format!("{}:{}", target.host, target.port))
            .collect();
        f.write_str(&servers.join(" "))
    }
}

fn of_priority(targets: &[Target], choice: usize) -> &[Target] {
    let lists: Vec<&[Target]> = targets.chunk_by(|one, other| one.priority == other.priority).collect();
    lists.get(choice.checked_rem(lists.len()).unwrap_or_default()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(uri: &str) -> Result<Endpoint> {
        Endpoint::new("library", uri, |_| {}).map(|(endpoint, _)| endpoint)
    }

    #[test]
    fn an_srv_name_replaces_the_hosts_only() {
        let uri = "srv://ana:p%40ss@_mongodb._tcp.db.example/?replicaSet=rs0&dns=127.0.0.1:53&authSource=admin";
        assert_eq!(endpoint(uri).unwrap().uri, "mongodb://ana:p%40ss@localhost/?replicaSet=rs0&authSource=admin");
        for bad in ["srv://ana:secret@_amqp._tcp.db/", "srv://ana:secret@db/", "srv://_mongodb._tcp.db/?tls=secret"] {
            let why = endpoint(bad).map(drop).unwrap_err().operator_message();
            assert!(why.contains("cannot be read") && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn each_priority_is_a_list() {
        let target = |priority, host: &str| Target { priority, host: host.to_owned(), port: 1, addresses: None };
        let targets = [target(1, "a"), target(1, "b"), target(7, "c")];
        for (choice, expected) in [(0, &targets[..2]), (1, &targets[2..]), (2, &targets[..2])] {
            assert_eq!(of_priority(&targets, choice), expected);
        }
        assert!(of_priority(&[], 3).is_empty());
    }

    #[test]
    fn only_tls_connects_by_host_name() {
        let addresses = Some(vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]);
        let mut target = Target { priority: 0, host: "db".to_owned(), port: 7, addresses };
        let hosts = |uri: &str, target: &Target| {
            let hosts = endpoint(uri).unwrap().hosts(target);
            hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let (plain, tls) = ("srv://_mongodb._tcp.db/", "srv://_mongodb._tcp.db/?tls=true");
        assert_eq!(hosts(plain, &target), "127.0.0.1:7 ::1:7");
        assert_eq!(hosts(tls, &target), "db:7");
        target.addresses = None;
        assert_eq!(hosts(plain, &target), "db:7");
    }
}
