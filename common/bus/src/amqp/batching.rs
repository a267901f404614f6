//! Adaptive batching: waiting entries for one destination are sent in one message. While [`WINDOW`]
//! messages are being sent, new entries queue up; no entry waits for a timer.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{Mutex, mpsc};

/// Concurrent sends. With fewer, the broker idles between two messages; with more, batches shrink.
const WINDOW: usize = 2;
/// Entries of one batch: half of the calls that a service runs at once, so that two callers fit.
const MAX_ENTRIES: usize = 128;
/// A batch of this many bytes takes no more entries. It fits into one frame of 128 KiB.
const MAX_BYTES: usize = 120 * 1024;

/// Entries that wait to be sent. Its workers end when it is dropped.
pub(super) struct BatchingQueue<T>(mpsc::UnboundedSender<(Arc<str>, Entry<T>)>);

/// One line of a message, and the sender's own data about it.
pub(super) struct Entry<T> {
    pub(super) line: Vec<u8>,
    pub(super) data: T,
}

impl<T: Send + 'static> BatchingQueue<T> {
    /// Starts the workers. `send` sends the entries for one destination as one message.
    pub(super) fn start<F>(send: impl Fn(Arc<str>, Vec<Entry<T>>) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..WINDOW {
            let (receiver, send) = (Arc::clone(&receiver), send.clone());
            tokio::spawn(async move {
                loop {
                    // Released before the sends, so that the next worker can wait for entries.
                    let Some(batches) = next_batches(&mut *receiver.lock().await).await else { return };
                    join_all(batches.into_iter().map(|(destination, entries)| send(destination, entries))).await;
                }
            });
        }
        Self(sender)
    }

    pub(super) fn push(&self, destination: &Arc<str>, line: Vec<u8>, data: T) {
        // The workers run for as long as this queue lives.
        let _ = self.0.send((Arc::clone(destination), Entry { line, data }));
    }
}

pub(super) fn message<T>(entries: &[Entry<T>]) -> Vec<u8> {
    entries.iter().map(|entry| entry.line.as_slice()).collect::<Vec<_>>().concat()
}

/// Waits for entries and groups them by destination. `None` when the queue was dropped.
async fn next_batches<T>(
    waiting: &mut mpsc::UnboundedReceiver<(Arc<str>, Entry<T>)>,
) -> Option<HashMap<Arc<str>, Vec<Entry<T>>>> {
    let mut next = Some(waiting.recv().await?);
    // Lets tasks that became ready at the same moment add their entries first.
    tokio::task::yield_now().await;
    let mut batches: HashMap<_, Vec<_>> = HashMap::new();
    let (mut entries, mut bytes) = (0, 0);
    while let Some((destination, entry)) = next {
        entries += 1;
        bytes += entry.line.len();
        batches.entry(destination).or_default().push(entry);
        next = if entries < MAX_ENTRIES && bytes < MAX_BYTES { waiting.try_recv().ok() } else { None };
    }
    Some(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn batches(lines: &[usize]) -> Vec<usize> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for length in lines {
            sender.send((Arc::from("products.rpc"), Entry { line: vec![b'x'; *length], data: () })).unwrap();
        }
        drop(sender);
        let mut sizes = Vec::new();
        while let Some(batches) = next_batches(&mut receiver).await {
            sizes.extend(batches.into_values().map(|entries| entries.len()));
        }
        sizes
    }

    #[tokio::test]
    async fn a_batch_is_bounded() {
        for (lines, expected) in [
            (vec![1], vec![1]),
            (vec![1; MAX_ENTRIES + 1], vec![MAX_ENTRIES, 1]),
            (vec![MAX_BYTES, 1], vec![1, 1]),
            (vec![MAX_BYTES - 1, 1, 1], vec![2, 1]),
            (vec![1, MAX_BYTES * 9, 1], vec![2, 1]),
        ] {
            assert_eq!(batches(&lines).await, expected);
        }
    }

    #[tokio::test]
    async fn entries_gather_while_the_window_is_full() {
        let (sent, mut sizes) = mpsc::unbounded_channel();
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let sending = Arc::clone(&gate);
        let queue = BatchingQueue::start(move |_, entries: Vec<Entry<()>>| {
            sent.send(entries.len()).unwrap();
            let gate = Arc::clone(&sending);
            async move { gate.acquire().await.unwrap().forget() }
        });
        let destination = Arc::from("products.rpc");
        for _ in 0..WINDOW {
            queue.push(&destination, Vec::new(), ());
            assert_eq!(sizes.recv().await, Some(1), "a lone entry should be sent at once");
        }
        for _ in 0..7 {
            queue.push(&destination, Vec::new(), ());
        }
        gate.add_permits(1);
        assert_eq!(sizes.recv().await, Some(7));
    }

    #[tokio::test]
    async fn each_destination_gets_a_message_of_its_own() {
        let (sent, mut messages) = mpsc::unbounded_channel();
        let queue = BatchingQueue::start(move |destination, entries: Vec<Entry<()>>| {
            sent.send((destination.to_string(), entries.len())).unwrap();
            std::future::ready(())
        });
        for destination in ["a", "b", "a"] {
            queue.push(&Arc::from(destination), Vec::new(), ());
        }
        let mut received = [messages.recv().await.unwrap(), messages.recv().await.unwrap()];
        received.sort();
        assert_eq!(received, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    }
}
