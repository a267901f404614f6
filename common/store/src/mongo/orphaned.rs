//! Transactions whose process died in the middle of them. For 60 s, unless it was set up otherwise, the server keeps for them what they
//! have written, and until then nobody else can write these documents. So whoever finds a document taken looks, now and then, whether
//! such a transaction is there, and ends it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use tokio::time::Instant;

use super::connection::{Connection, Failure, ON_THE_SERVER};

/// A transaction that has heard nothing from its process for so long is given up: an operation of ours may take 1.5 s, and the steps of a
/// bulk change follow each other within one or two.
const SILENT: Duration = Duration::from_secs(5);
/// While documents are taken, it is looked this often, whoever finds them so.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// When this process has looked last.
#[derive(Default)]
pub(super) struct Looked(Mutex<Option<Instant>>);

impl Looked {
    /// Whether it is time again; then it counts as done.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= LOOK_AGAIN);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// Ends the transactions of this service that were abandoned. It needs no rights but to see and end what is one's own.
pub(super) async fn end_orphaned(connection: &Connection) {
    let name = connection.app_name().to_owned();
    let ended = connection.read(|database| async move {
        let admin = database.client().database("admin");
        let silent = i64::try_from(SILENT.as_micros()).unwrap_or(i64::MAX);
        let stages = [
            doc! {"$currentOp": {"idleSessions": true, "allUsers": false}},
            doc! {"$match": {"appName": name, "transaction.timeInactiveMicros": {"$gt": silent}}},
            doc! {"$project": {"lsid": 1}},
        ];
        let found: Vec<Document> = admin.aggregate(stages).max_time(ON_THE_SERVER).await?.try_collect().await?;
        let session = |one: &Document| Some(Bson::from(doc! {"id": one.get_document("lsid").ok()?.get("id")?.clone()}));
        let sessions: Vec<Bson> = found.iter().filter_map(session).collect();
        let abandoned = sessions.len();
        if abandoned > 0 {
            admin.run_command(doc! {"killSessions": sessions}).await?;
        }
        Ok::<_, Failure>(abandoned)
    });
    match ended.await {
        Ok(0) => {}
        Ok(transactions) => tracing::warn!(transactions, "transactions whose process has died were ended"),
        // The server ends them too, only later.
        Err(error) if error.is_outage() => tracing::debug!(%error, "whether transactions were abandoned is not known"),
        Err(error) => tracing::warn!(%error, "whether transactions were abandoned could not be seen"),
    }
}
