//! The connections to the server, and how long anything may take.
//!
//! The driver has no time-out for an answer, and dropping one of its futures costs a connection. So every operation is a task of its
//! own; the caller waits for it no longer than its limit, and it holds a turn until it has really ended, so that a server that does
//! not answer cannot pile up tasks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mongodb::Database;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error as DriverError, ErrorKind, WriteFailure};
use mongodb::options::{Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::commit::Refusal;
use super::endpoint::Endpoint;
use souk_types::{Error, Result};

/// What one operation may take, as its caller sees it: less than a call over the bus (2 s), so that the caller over there still hears
/// of it.
pub(super) const OPERATION: Duration = Duration::from_millis(1_500);
/// The server gives up a read before we do, so that nothing is computed that nobody waits for.
pub(super) const ON_THE_SERVER: Duration = Duration::from_millis(1_200);
/// To find a primary, and to connect: both within one operation, with time left for the operation.
const SELECTION: Duration = Duration::from_secs(1);
const CONNECTING: Duration = Duration::from_secs(1);
/// How often the driver looks after the server by itself; a server that has stopped is noticed after this and `CONNECTING`, and
/// then what waits for it is let go.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// An operation that nobody waits for any more is dropped after this, and its connection with it.
const ABANDONED: Duration = Duration::from_secs(8);
/// Connections of one process. The server has a thread for each, and with more of them it spends more on each read; with fewer, writes
/// would wait for each other's way to the disk.
const CONNECTIONS: u32 = 16;
/// Operations under way; the next waits for its turn, within its time.
const TURNS: usize = 512;

/// `WriteConflict`: two transactions, or a transaction and a write, wanted one document.
const WRITE_CONFLICT: i32 = 112;
pub(super) const DUPLICATE_KEY: i32 = 11_000;
/// `MaxTimeMSExpired`, `LockTimeout`, `ExceededTimeLimit`, `TransactionExceededLifetimeLimitSeconds` and `NoSuchTransaction`: the
/// server had no time.
const OUT_OF_TIME: [i32; 5] = [50, 24, 262, 290, 251];
/// `PrimarySteppedDown`, `NotWritablePrimary`, `InterruptedDueToReplStateChange`, `InterruptedAtShutdown`, `ShutdownInProgress`,
/// `NotPrimaryNoSecondaryOk`, `NotPrimaryOrSecondary` and `ReadConcernMajorityNotAvailableYet`: the primary is changing.
const CHANGING: [i32; 8] = [189, 10_107, 11_602, 11_600, 91, 13_435, 13_436, 134];

/// A server that is away hears no goodbye; nobody waits for that.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    service: &'static str,
    endpoint: Arc<Endpoint>,
    password: Option<String>,
    /// What our connections are called on the server.
    app_name: String,
    database: String,
    turns: Arc<Semaphore>,
}

/// Why an operation failed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    Driver(DriverError),
    /// By the rules of the store.
    Refused(Refusal),
    /// There was no answer in time; what was asked for may be done all the same.
    Late,
}

impl Failure {
    /// Whether somebody else had a document, or may have had it.
    pub(super) fn is_taken(&self) -> bool {
        match self {
            Self::Driver(error) => is_conflict(error),
            Self::Late => true,
            Self::Refused(_) => false,
        }
    }

    /// Whether none was found that could have done it.
    fn is_without_server(&self) -> bool {
        matches!(self, Self::Driver(error) if matches!(&*error.kind, ErrorKind::ServerSelection { .. }))
    }
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        Self::Driver(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(Refusal::Failed(error))
    }
}

impl Connection {
    pub(super) fn new(service: &'static str, uri: &str, database: &str) -> Result<Self> {
        let (endpoint, address) = Endpoint::new(service, uri, move |options| configure(options, service))?;
        let password = address.credential.and_then(|credential| credential.password);
        Ok(Self {
            service,
            app_name: address.app_name.unwrap_or_else(|| service.to_owned()),
            endpoint: Arc::new(endpoint),
            password: password.filter(|password| !password.is_empty()),
            database: database.to_owned(),
            turns: Arc::new(Semaphore::new(TURNS)),
        })
    }

    pub(super) fn app_name(&self) -> &str {
        &self.app_name
    }

    /// Does `work` within `limit`. It is carried on when the caller goes away.
    pub(super) async fn within<R, F>(
        &self,
        limit: Duration,
        work: impl FnOnce(Database) -> F + Send + 'static,
    ) -> Result<R, Failure>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let deadline = Instant::now() + limit;
        let late = |_| Failure::Late;
        let turn = timeout_at(deadline, Arc::clone(&self.turns).acquire_owned()).await.map_err(late)?;
        let turn = turn.map_err(Error::internal)?;
        let current = timeout_at(deadline, self.endpoint.client()).await.map_err(late)??;
        let (database, endpoint) = (current.client.database(&self.database), Arc::clone(&self.endpoint));
        let working = tokio::spawn(async move {
            let _turn = turn;
            let outcome = timeout(limit + ABANDONED, work(database)).await.unwrap_or(Err(Failure::Late));
            if outcome.as_ref().is_err_and(Failure::is_without_server) {
                // Whoever waits for the outcome does not wait for this.
                tokio::spawn(async move { endpoint.lost(&current).await });
            }
            outcome
        });
        timeout_at(deadline, working).await.map_err(late)?.map_err(Error::internal)?
    }

    /// As [`Connection::within`], for the usual limit and with the error of the store.
    pub(super) async fn read<R, F>(&self, work: impl FnOnce(Database) -> F + Send + 'static) -> Result<R>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        self.within(OPERATION, work).await.map_err(|failure| self.explain(failure).into_error())
    }

    /// Whether there is a primary of a replica set.
    pub(super) async fn greet(&self) -> Result<()> {
        let hello = self.read(|database| async move { Ok(database.run_command(doc! {"hello": 1}).await?) }).await?;
        self.check(&hello)
    }

    fn check(&self, hello: &Document) -> Result<()> {
        // A router of a sharded cluster says `isdbgrid`, a member of a replica set says which.
        if !hello.contains_key("setName") && hello.get_str("msg").ok() != Some("isdbgrid") {
            return Err(self.unavailable(
                "this MongoDB is a standalone server, and there are no transactions without a replica set; one node will do: \
                 start it with --replSet and run rs.initiate()",
            ));
        }
        if !hello.get_bool("isWritablePrimary").unwrap_or(false) {
            return Err(self.unavailable("this member of the replica set is not the primary"));
        }
        Ok(())
    }

    /// Whoever still works with it gets errors.
    pub(super) async fn close(&self) {
        if timeout(GOODBYE, self.endpoint.close()).await.is_err() {
            tracing::debug!("MongoDB did not hear the goodbye in time");
        }
    }

    /// Why nobody knows where the server is, if that is so.
    pub(super) fn dns_error(&self) -> Option<String> {
        self.endpoint.dns_error()
    }

    /// The error for whoever called; the driver's own words go to the log only.
    pub(super) fn explain(&self, failure: Failure) -> Refusal {
        let error = match failure {
            Failure::Refused(refusal) => return refusal,
            Failure::Late => return Refusal::Failed(self.unavailable("no answer from MongoDB in time")),
            Failure::Driver(error) => error,
        };
        if is_conflict(&error) {
            return Refusal::Stale;
        }
        if let Some(index) = broken_index(&error) {
            // An id that is there already: it was not when we looked.
            return if index == "_id_" { Refusal::Stale } else { Refusal::Failed(Error::duplicate(index)) };
        }
        Refusal::Failed(if is_passing(&error) {
            self.unavailable(&error.to_string())
        } else {
            Error::internal(self.harmless(&format!("MongoDB: {error}")))
        })
    }

    pub(super) fn unavailable(&self, cause: &str) -> Error {
        Error::unavailable(self.service).caused_by(self.harmless(cause))
    }

    fn harmless(&self, text: &str) -> String {
        self.password.as_ref().map_or_else(|| text.to_owned(), |password| text.replace(password.as_str(), "..."))
    }
}

/// What the address leaves open, or must not say.
fn configure(options: &mut ClientOptions, service: &str) {
    options.app_name.get_or_insert_with(|| service.to_owned());
    options.server_selection_timeout = Some(SELECTION);
    options.connect_timeout = Some(CONNECTING);
    options.heartbeat_freq = Some(HEARTBEAT);
    options.max_pool_size.get_or_insert(CONNECTIONS);
    options.retry_writes = Some(true);
    options.retry_reads = Some(true);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.write_concern = Some(durable());
}

/// On the disk of most members before it is answered: no write is taken back by a change of the primary.
pub(super) fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

/// Whether another writer was at the same document at the same time.
pub(super) fn is_conflict(error: &DriverError) -> bool {
    code(error) == Some(WRITE_CONFLICT)
}

/// Whether the connection was lost, or no server found, so that nobody can say what became of it.
pub(super) fn is_uncertain(error: &DriverError) -> bool {
    match &*error.kind {
        ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::Write(WriteFailure::WriteConcernError(_)) => true,
        _ => error.contains_label(mongodb::error::RETRYABLE_WRITE_ERROR),
    }
}

/// Whether it may be otherwise in a moment.
fn is_passing(error: &DriverError) -> bool {
    is_uncertain(error)
        || error.contains_label(mongodb::error::TRANSIENT_TRANSACTION_ERROR)
        || matches!(&*error.kind, ErrorKind::DnsResolve { .. } | ErrorKind::Authentication { .. })
        || code(error).is_some_and(|code| OUT_OF_TIME.contains(&code) || CHANGING.contains(&code))
}

pub(super) fn is_duplicate(error: &DriverError) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

pub(super) fn code(error: &DriverError) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        _ => None,
    }
}

/// The unique index that refused a write.
fn broken_index(error: &DriverError) -> Option<&str> {
    match &*error.kind {
        ErrorKind::Command(error) if error.code == DUPLICATE_KEY => index_in(&error.message),
        ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY => index_in(&error.message),
        _ => None,
    }
}

/// `E11000 duplicate key error collection: shop.accounts index: by_email dup key: { ... }`
pub(super) fn index_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(" index: ")?;
    rest.split_once(" dup key").map(|(name, _)| name)
}
