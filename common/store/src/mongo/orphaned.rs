//! Transactions that a crashed process left open. The server keeps their write locks for 60 s by
//! default. A process that meets a write conflict looks for such transactions and aborts them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use tokio::time::Instant;

use super::connection::{Connection, Failure, SERVER_TIMEOUT};

/// Inactivity after which a transaction is orphaned. The steps of a bulk update follow within 2 s.
const ORPHANED_AFTER: Duration = Duration::from_secs(5);
/// Minimum interval between two checks of a process.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct LastCheck(Mutex<Option<Instant>>);

impl LastCheck {
    /// Whether a check is due; records it as done.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= CHECK_INTERVAL);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// Aborts the orphaned transactions of this service. Needs no rights beyond one's own sessions.
pub(super) async fn abort_orphaned(connection: &Connection) {
    let name = connection.app_name().to_owned();
    let aborted = connection.read(|database| async move {
        let admin = database.client().database("admin");
        let inactive = i64::try_from(ORPHANED_AFTER.as_micros()).unwrap_or(i64::MAX);
        let stages = [
            doc! {"$currentOp": {"idleSessions": true, "allUsers": false}},
            doc! {"$match": {"appName": name, "transaction.timeInactiveMicros": {"$gt": inactive}}},
            doc! {"$project": {"lsid": 1}},
        ];
        let found: Vec<Document> = admin.aggregate(stages).max_time(SERVER_TIMEOUT).await?.try_collect().await?;
        let session = |one: &Document| Some(Bson::from(doc! {"id": one.get_document("lsid").ok()?.get("id")?.clone()}));
        let sessions: Vec<Bson> = found.iter().filter_map(session).collect();
        let orphaned = sessions.len();
        if orphaned > 0 {
            admin.run_command(doc! {"killSessions": sessions}).await?;
        }
        Ok::<_, Failure>(orphaned)
    });
    match aborted.await {
        Ok(0) => {}
        Ok(transactions) => tracing::warn!(transactions, "orphaned transactions were aborted"),
        // The server aborts them too, but later.
        Err(error) if error.is_outage() => tracing::debug!(%error, "orphaned transactions cannot be listed"),
        Err(error) => tracing::warn!(%error, "orphaned transactions cannot be listed"),
    }
}
