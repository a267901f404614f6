//! Adaptive batching: what waits for one destination at the same moment travels together. An idle lane sends at once; while
//! [`WINDOW`] messages are on their way to the broker, what comes gathers and leaves together as soon as one is confirmed, so
//! that batches grow with the load and nobody waits for a clock. Pure book-keeping: who sends is `publisher`.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Messages of one lane that the broker has not confirmed yet. With fewer the broker idles between them, with more the batches
/// get smaller and it works more for the same calls.
const WINDOW: usize = 2;
/// Entries of one message: half of what a service runs at once, so that two callers' batches fit side by side.
const MAX_ENTRIES: usize = 128;
/// A message is closed when it has so many bytes, to fit into one frame; an entry that is larger travels alone.
const MAX_BYTES: usize = 120 * 1024;

/// The entries that wait, by destination. An entry is a line of the message.
pub(super) struct Lanes<E>(Mutex<HashMap<Arc<str>, Lane<E>>>);

struct Lane<E> {
    waiting: VecDeque<E>,
    /// Pumps that run: each has one message on its way.
    pumps: usize,
}

/// How large an entry is on the wire, in bytes.
pub(super) trait Weigh {
    fn weight(&self) -> usize;
}

impl<E> Default for Lanes<E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<E: Weigh> Lanes<E> {
    /// Adds an entry. `true`: the caller must start a pump, which sends what [`Lanes::next`] returns until that is `None`.
    pub(super) fn add(&self, to: &Arc<str>, entry: E) -> bool {
        let mut lanes = self.lock();
        let lane = lanes.entry(Arc::clone(to)).or_insert_with(|| Lane { waiting: VecDeque::new(), pumps: 0 });
        lane.waiting.push_back(entry);
        let start = lane.pumps < WINDOW;
        lane.pumps += usize::from(start);
        start
    }

    /// What leaves next; with `None` the pump that asked is counted out.
    pub(super) fn next(&self, to: &Arc<str>) -> Option<Vec<E>> {
        let mut lanes = self.lock();
        let lane = lanes.get_mut(to)?;
        let batch: Vec<E> = lane.waiting.drain(..fitting(&lane.waiting)).collect();
        if !batch.is_empty() {
            return Some(batch);
        }
        lane.pumps = lane.pumps.saturating_sub(1);
        if lane.pumps == 0 {
            lanes.remove(to);
        }
        None
    }

    /// Whether nothing waits and nothing is on its way.
    pub(super) fn are_idle(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Lane<E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many of these, from the first one, go into one message.
pub(super) fn fitting<'e, E: Weigh + 'e>(entries: impl IntoIterator<Item = &'e E>) -> usize {
    let mut bytes = 0;
    let fits = |(index, entry): &(usize, &E)| {
        bytes += entry.weight();
        *index == 0 || (*index < MAX_ENTRIES && bytes <= MAX_BYTES)
    };
    entries.into_iter().enumerate().take_while(fits).count()
}

/// Starts a pump. Those who become ready at the same moment have their turn first, and come along.
pub(super) fn spawn(pump: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        pump.await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for usize {
        fn weight(&self) -> usize {
            *self
        }
    }

    fn lane(entries: &[usize]) -> (Lanes<usize>, Arc<str>, usize) {
        let (lanes, to) = (Lanes::default(), Arc::from("products.rpc"));
        let pumps = entries.iter().filter(|entry| lanes.add(&to, **entry)).count();
        (lanes, to, pumps)
    }

    #[test]
    fn an_idle_lane_sends_at_once_and_a_busy_one_gathers() {
        let (lanes, to, pumps) = lane(&[1]);
        assert_eq!((pumps, lanes.next(&to)), (1, Some(vec![1])));
        for entry in 2..=WINDOW {
            assert!(lanes.add(&to, entry), "there is room in the window");
            assert_eq!(lanes.next(&to), Some(vec![entry]));
        }
        assert!(!lanes.add(&to, 7));
        assert!(!lanes.add(&to, 8));
        assert_eq!(lanes.next(&to), Some(vec![7, 8]), "the first pump that is free takes all");
    }

    #[test]
    fn a_message_is_bounded() {
        let cases: &[(&[usize], &[usize])] = &[
            (&[1; MAX_ENTRIES + 1], &[MAX_ENTRIES, 1]),
            (&[MAX_BYTES, 1], &[1, 1]),
            (&[MAX_BYTES - 1, 1, 1], &[2, 1]),
            (&[MAX_BYTES * 9, 1, 1], &[1, 2]),
            (&[1, MAX_BYTES * 9, 1], &[1, 1, 1]),
        ];
        for (entries, batches) in cases {
            let (lanes, to, _) = lane(entries);
            for batch in *batches {
                assert_eq!(lanes.next(&to).unwrap().len(), *batch, "{batches:?}");
            }
            assert_eq!(lanes.next(&to), None);
        }
    }

    #[test]
    fn a_lane_that_is_done_leaves_nothing_behind() {
        let (lanes, to, pumps) = lane(&[1, 1, 1]);
        assert!(lanes.next(&to).is_some());
        for _ in 0..pumps {
            assert!(!lanes.are_idle());
            assert_eq!(lanes.next(&to), None);
        }
        assert!(lanes.are_idle());
    }
}
