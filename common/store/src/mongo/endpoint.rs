//! Where the servers are, and the driver's client for them.
//!
//! The driver follows a replica set by itself, from one known member to the next. Behind a name in DNS (`discovery`) all that it knows may
//! go and others come: when an operation finds no server, DNS is asked again, and when it says something else, a new client takes the
//! endpoint of the old one, which ends with the last operation that has it.
//!
//! The driver asks all servers of a list at once and finds out which of them is the primary, so weights mean nothing here (but for
//! `directConnection`, which is to one server); those of the next priority are a list of their own, for when nobody of the one before can
//! be found.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::options::{ClientOptions, ConnectionString, ServerAddress, Tls};
use tokio::sync::Mutex;

use super::connection::Failure;
use souk_bus::discovery::{SrvUrl, Target, same_targets};
use souk_types::{Error, Result};

/// DNS is asked no more often than this, however many operations find no server.
const PAUSE: Duration = Duration::from_secs(1);
/// After so many equal answers while no server was found, which takes as many seconds, a new client tries the next priority; where there is
/// only one, it begins again with what DNS says, because the driver may know others by now. Nothing is lost by it in an election that
/// takes longer.
const IN_VAIN: u32 = 5;

pub(super) struct Endpoint {
    service: &'static str,
    /// With one host, which is none where there is a name.
    uri: String,
    srv: Option<SrvUrl>,
    /// TLS checks names, so that addresses will not do.
    by_name: bool,
    configure: Box<dyn Fn(&mut ClientOptions) + Send + Sync>,
    state: RwLock<State>,
    looked: Mutex<Looked>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    closed: bool,
}

/// A client, for as long as it is the one.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) client: Client,
    /// Which one it is.
    number: u64,
    targets: Arc<[Target]>,
    /// Which of their priorities it has.
    choice: usize,
}

/// What came of looking for the servers.
#[derive(Default)]
struct Looked {
    /// When DNS was asked last because no server was found.
    again: Option<Instant>,
    /// How often it had no news.
    in_vain: u32,
    /// When there was no client to be had last, and why.
    failed: Option<(Instant, Failure)>,
}

impl Endpoint {
    /// `configure` sets what the address leaves open, or must not say. Errors: an address that cannot be read.
    pub(super) fn new(
        service: &'static str,
        uri: &str,
        configure: impl Fn(&mut ClientOptions) + Send + Sync + 'static,
    ) -> Result<(Self, ConnectionString)> {
        let unreadable = |why: &str| Error::internal(format!("the address of MongoDB cannot be read{why}"));
        let srv = SrvUrl::parse(uri, &["mongodb"]).transpose().map_err(|why| unreadable(&format!(": {why}")))?;
        let uri = srv.as_ref().map_or_else(|| uri.to_owned(), |srv| srv.plain_url("localhost"));
        // The driver's message could show a part of the address, and so of the password.
        let address = ConnectionString::parse(&uri).map_err(|_| unreadable(""))?;
        let endpoint = Self {
            service,
            uri,
            srv,
            by_name: matches!(address.tls, Some(Tls::Enabled(_))),
            configure: Box::new(configure),
            state: RwLock::default(),
            looked: Mutex::default(),
        };
        Ok((endpoint, address))
    }

    /// The client of the moment, made when there is none.
    pub(super) async fn client(&self) -> Result<Current, Failure> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut looked = self.looked.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        // Those that waited for the same answer have it.
        if let Some((at, failure)) = &looked.failed
            && at.elapsed() < PAUSE
        {
            return Err(failure.clone());
        }
        let made = async { self.install(self.look().await?, 0).await };
        let made = made.await;
        looked.failed = made.as_ref().err().map(|failure| (Instant::now(), failure.clone()));
        made
    }

    /// This client has found no server.
    pub(super) async fn lost(&self, lost: &Current) {
        let Some(srv) = &self.srv else { return };
        // Whoever looks already does it for all.
        let Ok(mut looked) = self.looked.try_lock() else { return };
        let is_current = self.current().is_some_and(|current| current.number == lost.number);
        if !is_current || looked.again.is_some_and(|again| again.elapsed() < PAUSE) {
            return;
        }
        looked.again = Some(Instant::now());
        let targets = match srv.resolve().await {
            Ok(targets) => targets,
            Err(why) => {
                return tracing::warn!(service = self.service, %why, "MongoDB was lost and cannot be found again");
            }
        };
        let news = !same_targets(&targets, &lost.targets);
        looked.in_vain += 1;
        if !news && looked.in_vain < IN_VAIN {
            return;
        }
        looked.in_vain = 0;
        let choice = if news { 0 } else { lost.choice + 1 };
        // The driver's own words could show a part of the address.
        if let Ok(new) = self.install(targets, choice).await {
            tracing::warn!(service = self.service, servers = %new, "MongoDB was lost and is looked for anew");
        } else {
            tracing::warn!(service = self.service, endpoint = %srv, "MongoDB was lost and cannot be looked for anew");
        }
    }

    /// Why nobody knows where it is, if that is so.
    pub(super) fn dns_error(&self) -> Option<String> {
        self.srv.as_ref().and_then(SrvUrl::last_error)
    }

    /// Ends the client of the moment; there will be no other.
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

    /// Asks DNS, where the address is a name.
    async fn look(&self) -> Result<Vec<Target>, Failure> {
        let Some(srv) = &self.srv else { return Ok(Vec::new()) };
        srv.resolve().await.map_err(|why| Error::unavailable(self.service).caused_by(why).into())
    }

    /// Makes the client for one priority of `targets`, counted around, and lets it take the endpoint of the one before.
    async fn install(&self, targets: Vec<Target>, choice: usize) -> Result<Current, Failure> {
        let mut options = ClientOptions::parse(&self.uri).await?;
        let chosen = of_priority(&targets, choice);
        if !chosen.is_empty() {
            options.hosts = chosen.iter().flat_map(|target| self.hosts(target)).collect();
        }
        // It is for one server; which one, weights say.
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

/// The servers that it was made for.
impl fmt::Display for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = of_priority(&self.targets, self.choice)
            .iter()
            .map(|target| format!("{}:{}", target.host, target.port))
            .collect();
        f.write_str(&servers.join(" "))
    }
}

/// Those of one priority, of which there are as many as there are different ones.
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
    fn a_name_stands_for_the_hosts_alone() {
        let uri = "srv://ana:p%40ss@_mongodb._tcp.db.example/?replicaSet=rs0&dns=127.0.0.1:53&authSource=admin";
        assert_eq!(endpoint(uri).unwrap().uri, "mongodb://ana:p%40ss@localhost/?replicaSet=rs0&authSource=admin");
        for bad in ["srv://ana:secret@_amqp._tcp.db/", "srv://ana:secret@db/", "srv://_mongodb._tcp.db/?tls=secret"] {
            let why = endpoint(bad).map(drop).unwrap_err().operator_message();
            assert!(why.contains("cannot be read") && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn priorities_are_lists_of_their_own() {
        let target = |priority, host: &str| Target { priority, host: host.to_owned(), port: 1, addresses: None };
        let targets = [target(1, "a"), target(1, "b"), target(7, "c")];
        for (choice, expected) in [(0, &targets[..2]), (1, &targets[2..]), (2, &targets[..2])] {
            assert_eq!(of_priority(&targets, choice), expected);
        }
        assert!(of_priority(&[], 3).is_empty());
    }

    #[test]
    fn tls_checks_names_and_nothing_else_needs_them() {
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
