//! The states that this process has just written or read, so that the next update of a document
//! needs no read. A state may be stale: the guard of the next write shows it, and the document is
//! read.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::commit::Stored;

/// Time for which a state replaces a read. The steps of an order follow each other faster.
const LIFETIME: Duration = Duration::from_secs(1);
/// How long the cache skips a document that another process has written.
const CONTENTION_PERIOD: Duration = Duration::from_secs(10);
/// States kept of one collection.
const MAX_STATES: usize = 1_024;

pub(super) struct Recent {
    states: HashMap<String, State>,
    next_cleaning: Instant,
}

struct State {
    /// `None` when it was used, and while another process also writes the document.
    stored: Option<Stored>,
    until: Instant,
}

impl Default for Recent {
    fn default() -> Self {
        Self { states: HashMap::new(), next_cleaning: Instant::now() }
    }
}

impl Recent {
    /// Removes and returns the state of a document.
    pub(super) fn take(&mut self, id: &str, now: Instant) -> Option<Stored> {
        self.states.get_mut(id).filter(|state| state.until > now).and_then(|state| state.stored.take())
    }

    pub(super) fn put(&mut self, id: &str, stored: Stored, now: Instant) {
        self.clean(now);
        // Another process also writes the document, or this one has written it since it was read.
        let is_useless = |state: &State| {
            let is_newer = |known: &Stored| known.version > stored.version;
            state.until > now + LIFETIME || state.stored.as_ref().is_some_and(is_newer)
        };
        if self.states.len() < MAX_STATES && !self.states.get(id).is_some_and(is_useless) {
            self.states.insert(id.to_owned(), State { stored: Some(stored), until: now + LIFETIME });
        }
    }

    /// Another process has written the document.
    pub(super) fn set_contended(&mut self, id: &str, now: Instant) {
        self.clean(now);
        if self.states.len() < MAX_STATES {
            self.states.insert(id.to_owned(), State { stored: None, until: now + CONTENTION_PERIOD });
        }
    }

    fn clean(&mut self, now: Instant) {
        if self.next_cleaning <= now {
            self.states.retain(|_, state| state.until > now);
            self.next_cleaning = now + LIFETIME;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(version: i64) -> Stored {
        Stored { version, text: String::new() }
    }

    #[test]
    fn a_state_is_used_once_and_for_a_short_time() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        recent.put("a", stored(1), now);
        assert_eq!(recent.take("a", now).map(|stored| stored.version), Some(1));
        assert!(recent.take("a", now).is_none());
        recent.put("a", stored(2), now);
        assert!(recent.take("a", now + LIFETIME).is_none());
    }

    #[test]
    fn a_state_that_was_read_before_a_write_does_not_replace_it() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        recent.put("a", stored(2), now);
        recent.put("a", stored(1), now);
        assert_eq!(recent.take("a", now).map(|stored| stored.version), Some(2));
    }

    #[test]
    fn a_contended_document_is_read_for_a_while() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        recent.set_contended("a", now);
        recent.put("a", stored(1), now);
        assert!(recent.take("a", now).is_none());
        recent.put("a", stored(2), now + CONTENTION_PERIOD);
        assert!(recent.take("a", now + CONTENTION_PERIOD).is_some());
    }

    #[test]
    fn the_number_of_states_is_bounded() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        for id in 0..2 * MAX_STATES {
            recent.put(&id.to_string(), stored(1), now);
        }
        assert_eq!(recent.states.len(), MAX_STATES);
        recent.put("later", stored(1), now + LIFETIME + LIFETIME);
        assert_eq!(recent.states.len(), 1);
    }
}
