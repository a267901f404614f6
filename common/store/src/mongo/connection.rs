//! Connections to the server, and time limits.
//!
//! The driver has no response timeout, and dropping one of its futures loses a connection. So every
//! operation is a task. The caller waits until its time limit; the task holds a permit of the
//! concurrency limiter until it ends, so that a hanging server cannot pile up tasks.

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
use super::super::format::WrittenFormat;
use super::endpoint::Endpoint;
use super::format;
use souk_types::{Error, Result};

/// Time limit of one operation, below that of a call over the bus (2 s): the caller gets the error.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Time limit on the server for a read, below `OPERATION_TIMEOUT`: the server stops first.
pub(super) const SERVER_TIMEOUT: Duration = Duration::from_millis(1_200);
/// Timeouts to find a primary and to connect. Both fit into one operation.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The driver notices a stopped server after this interval and `CONNECT_TIMEOUT`.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// Time after which a task without a caller is dropped, and its connection with it.
const UNATTENDED_TIMEOUT: Duration = Duration::from_secs(8);
/// Connections of one process. More cost the server CPU; fewer make writes wait for each other.
const MAX_CONNECTIONS: u32 = 16;
/// Concurrent operations. Further ones wait within their time limit.
const MAX_CONCURRENT_OPERATIONS: usize = 512;

/// `WriteConflict`: another writer holds the document.
const WRITE_CONFLICT: i32 = 112;
pub(super) const DUPLICATE_KEY: i32 = 11_000;
/// The index on `_id`, which every collection has.
pub(super) const ID_INDEX: &str = "_id_";
/// `MaxTimeMSExpired`, `LockTimeout`, `ExceededTimeLimit`,
/// `TransactionExceededLifetimeLimitSeconds`, `NoSuchTransaction`: the server ran out of time.
const OUT_OF_TIME: [i32; 5] = [50, 24, 262, 290, 251];
/// `PrimarySteppedDown`, `NotWritablePrimary`, `InterruptedDueToReplStateChange`,
/// `InterruptedAtShutdown`, `ShutdownInProgress`, `NotPrimaryNoSecondaryOk`,
/// `NotPrimaryOrSecondary` and `ReadConcernMajorityNotAvailableYet`: the primary is changing.
const FAILOVER: [i32; 8] = [189, 10_107, 11_602, 11_600, 91, 13_435, 13_436, 134];

/// Time limit for closing sessions. An unreachable server is not waited for.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    service: &'static str,
    endpoint: Arc<Endpoint>,
    password: Option<String>,
    /// Name of the connections on the server.
    app_name: String,
    database: String,
    permits: Arc<Semaphore>,
    /// Until it is known, each operation checks the format of the database, so that none waits for
    /// another.
    written_format: Arc<WrittenFormat>,
}

#[derive(Debug, Clone)]
pub(super) enum Failure {
    Driver(DriverError),
    Refused(Refusal),
    /// No response in time. The operation may still take effect.
    Timeout,
}

impl Failure {
    /// Whether another writer held the document, or may have held it.
    pub(super) fn may_be_locked(&self) -> bool {
        match self {
            Self::Driver(error) => is_conflict(error),
            Self::Timeout => true,
            Self::Refused(_) => false,
        }
    }

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
            permits: Arc::new(Semaphore::new(MAX_CONCURRENT_OPERATIONS)),
            written_format: Arc::default(),
        })
    }

    pub(super) fn service(&self) -> &'static str {
        self.service
    }

    pub(super) fn written_format(&self) -> &WrittenFormat {
        &self.written_format
    }

    pub(super) fn app_name(&self) -> &str {
        &self.app_name
    }

    /// Runs `work` within `limit`, on a database of the right format. It continues when the caller
    /// is cancelled.
    pub(super) async fn within<R, F>(
        &self,
        limit: Duration,
        work: impl FnOnce(Database) -> F + Send + 'static,
    ) -> Result<R, Failure>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let (service, written_format) = (self.service, Arc::clone(&self.written_format));
        self.within_any_format(limit, move |database| async move {
            if written_format.get().is_none() {
                written_format.set_first(format::check(service, &database).await?.format);
            }
            work(database).await
        })
        .await
    }

    pub(super) async fn within_any_format<R, F>(
        &self,
        limit: Duration,
        work: impl FnOnce(Database) -> F + Send + 'static,
    ) -> Result<R, Failure>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let deadline = Instant::now() + limit;
        let timed_out = |_| Failure::Timeout;
        let permit = timeout_at(deadline, Arc::clone(&self.permits).acquire_owned()).await.map_err(timed_out)?;
        let permit = permit.map_err(Error::internal)?;
        let current = timeout_at(deadline, self.endpoint.client()).await.map_err(timed_out)??;
        let (database, endpoint) = (current.client.database(&self.database), Arc::clone(&self.endpoint));
        let working = tokio::spawn(async move {
            let _permit = permit;
            let outcome = timeout(limit + UNATTENDED_TIMEOUT, work(database)).await.unwrap_or(Err(Failure::Timeout));
            if outcome.as_ref().is_err_and(Failure::is_without_server) {
                // Resolving DNS again must not delay the outcome.
                tokio::spawn(async move { endpoint.report_lost(&current).await });
            }
            outcome
        });
        timeout_at(deadline, working).await.map_err(timed_out)?.map_err(Error::internal)?
    }

    pub(super) async fn read<R, F>(&self, work: impl FnOnce(Database) -> F + Send + 'static) -> Result<R>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        self.within(OPERATION_TIMEOUT, work).await.map_err(|failure| self.explain(failure).into_error())
    }

    pub(super) async fn check_primary(&self) -> Result<()> {
        let hello = self.read(|database| async move { Ok(database.run_command(doc! {"hello": 1}).await?) }).await?;
        self.check(&hello)
    }

    /// Checks a reply to `hello`. Errors: a standalone server; a member that is not the primary.
    pub(super) fn check(&self, hello: &Document) -> Result<()> {
        // A router of a sharded cluster sends `isdbgrid`, a member of a replica set `setName`.
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

    pub(super) async fn close(&self) {
        if timeout(CLOSE_TIMEOUT, self.endpoint.close()).await.is_err() {
            tracing::debug!("MongoDB sessions were not closed in time");
        }
    }

    pub(super) fn dns_error(&self) -> Option<String> {
        self.endpoint.dns_error()
    }

    /// Translates a failure for the caller. The text of the driver is only for the log.
    pub(super) fn explain(&self, failure: Failure) -> Refusal {
        let error = match failure {
            Failure::Refused(refusal) => return refusal,
            Failure::Timeout => return Refusal::Failed(self.unavailable("no answer from MongoDB in time")),
            Failure::Driver(error) => error,
        };
        if is_conflict(&error) {
            return Refusal::Stale;
        }
        if let Some(index) = violated_index(&error) {
            // Another writer has inserted this id.
            return if index == ID_INDEX { Refusal::Stale } else { Refusal::Failed(Error::duplicate(index)) };
        }
        Refusal::Failed(if is_transient(&error) {
            self.unavailable(&error.to_string())
        } else {
            Error::internal(self.redacted(&format!("MongoDB: {error}")))
        })
    }

    pub(super) fn unavailable(&self, cause: &str) -> Error {
        Error::unavailable(self.service).caused_by(self.redacted(cause))
    }

    fn redacted(&self, text: &str) -> String {
        self.password.as_ref().map_or_else(|| text.to_owned(), |password| text.replace(password.as_str(), "..."))
    }
}

/// Sets options that the URI leaves open, and overrides options that must not differ.
fn configure(options: &mut ClientOptions, service: &str) {
    options.app_name.get_or_insert_with(|| service.to_owned());
    options.server_selection_timeout = Some(SELECTION_TIMEOUT);
    options.connect_timeout = Some(CONNECT_TIMEOUT);
    options.heartbeat_freq = Some(HEARTBEAT_INTERVAL);
    options.max_pool_size.get_or_insert(MAX_CONNECTIONS);
    options.retry_writes = Some(true);
    options.retry_reads = Some(true);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.write_concern = Some(durable());
}

/// Returns the write concern "majority and journal": a failover rolls no acknowledged write back.
pub(super) fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

pub(super) fn is_conflict(error: &DriverError) -> bool {
    code(error) == Some(WRITE_CONFLICT)
}

/// Whether the outcome is unknown: the connection was lost, or no server was found.
pub(super) fn is_uncertain(error: &DriverError) -> bool {
    match &*error.kind {
        ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::Write(WriteFailure::WriteConcernError(_)) => true,
        _ => error.contains_label(mongodb::error::RETRYABLE_WRITE_ERROR),
    }
}

fn is_transient(error: &DriverError) -> bool {
    is_uncertain(error)
        || error.contains_label(mongodb::error::TRANSIENT_TRANSACTION_ERROR)
        || matches!(&*error.kind, ErrorKind::DnsResolve { .. } | ErrorKind::Authentication { .. })
        || code(error).is_some_and(|code| OUT_OF_TIME.contains(&code) || FAILOVER.contains(&code))
}

pub(super) fn is_duplicate(error: &DriverError) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

pub(super) fn code(error: &DriverError) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::InsertMany(error) => error.write_errors.as_ref()?.first().map(|error| error.code),
        _ => None,
    }
}

pub(super) fn violated_index(error: &DriverError) -> Option<&str> {
    match &*error.kind {
        ErrorKind::Command(error) if error.code == DUPLICATE_KEY => index_in(&error.message),
        ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY => index_in(&error.message),
        _ => None,
    }
}

/// Returns the index in a message such as `E11000 duplicate key error collection: shop.accounts
/// index: by_email dup key: { ... }`.
pub(super) fn index_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(" index: ")?;
    rest.split_once(" dup key").map(|(name, _)| name)
}
