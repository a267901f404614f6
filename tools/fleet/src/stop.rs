//! Being asked to stop.

use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{Error, Result};

/// Ctrl-C and `SIGTERM` no longer end this process but wait here to be seen.
pub struct StopSignal(Signals);

impl StopSignal {
    /// From now on.
    pub fn listen() -> Result<Self> {
        Signals::new([SIGHUP, SIGINT, SIGTERM]).map(Self).map_err(Error::context("cannot listen to signals"))
    }

    /// Whether one has come; waits for it up to `patience`.
    pub fn wait(&mut self, patience: Duration) -> bool {
        // `signal-hook` has no wait with a bound.
        for _ in 0..=patience.as_millis() / POLL_INTERVAL.as_millis() {
            if self.0.pending().next().is_some() {
                return true;
            }
            thread::sleep(POLL_INTERVAL);
        }
        false
    }
}

/// Short enough for Ctrl-C to feel immediate.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
