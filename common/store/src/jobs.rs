//! Periodic background jobs. A document that cannot be handled is logged, stays due and does not
//! hold up the others.

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::{FutureExt, StreamExt, stream};

use super::{Document, Due};
use souk_types::{Error, ErrorKind, Result, Timestamp};

/// Longest pause between runs while the database is unavailable, unless `Job::every` is longer.
const LONGEST_OUTAGE_PAUSE: Duration = Duration::from_secs(5);

/// How a background job runs.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The name in the log.
    pub name: &'static str,
    /// Pause between two runs.
    pub every: Duration,
    /// Documents that are handled at the same time.
    pub concurrency: usize,
}

/// Runs a job until the database is closed. `handle` gets `context` and one due document.
pub fn run<C, T, F>(job: Job, due: Due<T>, context: C, handle: impl Fn(C, T) -> F + Send + Sync + 'static)
where
    C: Clone + Send + Sync + 'static,
    T: Document,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let outage_pauses = ExponentialBuilder::new()
        .with_min_delay(job.every)
        .with_max_delay(job.every.max(LONGEST_OUTAGE_PAUSE))
        .without_max_times();
    let database = due.collection.database.clone();
    database.clone().spawn_background(async move {
        let mut pauses = outage_pauses.build();
        loop {
            let pause = match run_once(job, &due, Timestamp::now(), &context, &handle).await {
                Ok(()) => {
                    pauses = outage_pauses.build();
                    job.every
                }
                Err(error) => {
                    log_failure(job, None::<&str>, &error);
                    pauses.next().unwrap_or(LONGEST_OUTAGE_PAUSE)
                }
            };
            tokio::select! {
                () = database.closing() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

/// Runs a job once, on the documents that are due at `now`.
pub async fn run_once<C, T, F>(
    job: Job,
    due: &Due<T>,
    now: Timestamp,
    context: &C,
    handle: impl Fn(C, T) -> F,
) -> Result<()>
where
    C: Clone,
    T: Document,
    F: Future<Output = Result<()>>,
{
    let database = &due.collection.database;
    let mut after = None;
    loop {
        let page = due.page(now, after).await?;
        // A stopped run finishes the documents in flight.
        let items = stream::iter(page.items).take_until(database.closing());
        items
            .for_each_concurrent(job.concurrency, |(id, document)| {
                let handled = AssertUnwindSafe(handle(context.clone(), document)).catch_unwind();
                async move {
                    if let Err(error) = handled.await.unwrap_or_else(|_| Err(Error::internal("the job panicked"))) {
                        log_failure(job, Some(&id), &error);
                    }
                }
            })
            .await;
        after = page.next;
        if after.is_none() || database.is_closing() {
            return Ok(());
        }
    }
}

fn log_failure(job: Job, item: Option<impl Display>, error: &Error) {
    let (job, item) = (job.name, item.map(tracing::field::display));
    if error.is_outage() || error.kind() == ErrorKind::Stopping {
        tracing::warn!(job, item, %error, "a background job failed and is tried again");
    } else {
        tracing::error!(job, item, %error, "a background job failed and is tried again");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde::{Deserialize, Serialize};
    use souk_types::Id;
    use tempfile::TempDir;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{Collection, Database, Durability, Index};

    #[derive(Clone, Serialize, Deserialize)]
    struct Task {
        number: usize,
        due: Option<Timestamp>,
    }

    static BY_DUE: Index = Index::sorted("by_due", &[], "due");

    impl Document for Task {
        type Id = Id<Self>;
        const COLLECTION: &'static str = "tasks";
        const INDEXES: &'static [Index] = &[BY_DUE];
    }

    const JOB: Job = Job { name: "tasks", every: Duration::from_millis(1), concurrency: 3 };

    async fn with_tasks(count: usize) -> (TempDir, Database, Collection<Task>) {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::sqlite("test", &directory.path().join("test.db"), Durability::Process).unwrap();
        let tasks = database.collection::<Task>().unwrap();
        for number in 0..count {
            tasks.insert(Id::new(), Task { number, due: Some(Timestamp::now()) }).await.unwrap();
        }
        (directory, database, tasks)
    }

    #[tokio::test]
    async fn a_task_that_fails_is_handled_again() {
        let (_directory, _database, tasks) = with_tasks(1).await;
        let (handled, mut handling) = mpsc::unbounded_channel();
        run(JOB, tasks.due(&BY_DUE), handled, |handled, task| async move {
            let _ = handled.send(task.number);
            Err(Error::unavailable("test"))
        });
        for _ in 0..3 {
            handling.recv().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_failing_task_does_not_hold_up_the_others() {
        let (_directory, _database, tasks) = with_tasks(250).await;
        let handled = Arc::new(AtomicUsize::new(0));
        let handle = |handled: Arc<AtomicUsize>, task: Task| async move {
            assert_ne!(task.number, 1, "the handler panics");
            handled.fetch_add(1, Ordering::Relaxed);
            if task.number == 0 { Err(Error::internal("the handler fails")) } else { Ok(()) }
        };
        run_once(JOB, &tasks.due(&BY_DUE), Timestamp::now(), &handled, handle).await.unwrap();
        assert_eq!(handled.load(Ordering::Relaxed), 249);
    }

    #[tokio::test]
    async fn no_more_tasks_than_the_limit_are_handled_at_once() {
        let (_directory, _database, tasks) = with_tasks(10).await;
        let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let handle = |counts: Arc<(AtomicUsize, AtomicUsize)>, _: Task| async move {
            let (running, most) = &*counts;
            most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        };
        run_once(JOB, &tasks.due(&BY_DUE), Timestamp::now(), &counts, handle).await.unwrap();
        assert_eq!(counts.1.load(Ordering::Relaxed), JOB.concurrency);
    }

    #[tokio::test]
    async fn closing_the_database_finishes_work_in_flight_and_ends_the_job() {
        let (_directory, database, tasks) = with_tasks(1).await;
        let (begun, mut beginning) = mpsc::unbounded_channel();
        let finished = Arc::new(AtomicUsize::new(0));
        run(JOB, tasks.due(&BY_DUE), (begun, Arc::clone(&finished)), |(begun, finished), _| async move {
            let _ = begun.send(());
            tokio::task::yield_now().await;
            finished.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        beginning.recv().await.unwrap();
        database.close().await;
        let mut count = 1;
        while beginning.recv().await.is_some() {
            count += 1;
        }
        assert_eq!(finished.load(Ordering::Relaxed), count);
    }
}
