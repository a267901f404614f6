//! Signals that ask this process to stop.

use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{Error, Result};

/// Receives Ctrl-C, `SIGTERM` and `SIGHUP`, which no longer end this process.
pub struct StopSignal(Signals);

impl StopSignal {
    /// Starts to receive signals.
    pub fn listen() -> Result<Self> {
        Signals::new([SIGHUP, SIGINT, SIGTERM]).map(Self).map_err(Error::context("cannot listen to signals"))
    }

    /// Waits for a signal. Returns whether one arrived before the timeout.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        // `signal-hook` has no wait with a timeout.
        for _ in 0..=timeout.as_millis() / POLL_INTERVAL.as_millis() {
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
