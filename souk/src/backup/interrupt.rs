//! SIGTERM and Ctrl-C during a backup or a restore.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rocket::tokio::sync::mpsc::Receiver;
use rocket::tokio::task::spawn_blocking;
use souk_http::signal::shutdown_signal;

/// SIGTERM or Ctrl-C. Ends a command with an error, so that the command removes its temporary
/// files.
pub(super) struct Interrupt {
    signals: Receiver<()>,
    has_arrived: bool,
}

impl Interrupt {
    pub(super) fn listen() -> Result<Self, String> {
        let signals = shutdown_signal().map_err(|error| format!("cannot handle signals: {error}"))?;
        Ok(Self { signals, has_arrived: false })
    }

    /// Returns when a signal arrives.
    pub(super) async fn signalled(&mut self) {
        self.signals.recv().await;
        self.has_arrived = true;
    }

    /// Whether a signal has arrived while this waited for one.
    pub(super) fn has_arrived(&self) -> bool {
        self.has_arrived
    }

    /// Runs `work` to its end. Errors: those of `work`, or a signal interrupts it.
    pub(super) async fn or_done<T>(&mut self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        rocket::tokio::select! {
            () = self.signalled() => Err(interrupted()),
            outcome = work => outcome,
        }
    }

    /// Runs blocking `work` to its end. After a signal, the files that it has wrapped in
    /// [`Stoppable`] fail, and this returns when the work has ended. Errors: as above.
    pub(super) async fn or_done_blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(Stop) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let stop = Stop::default();
        let mut working = spawn_blocking({
            let stop = stop.clone();
            move || work(stop)
        });
        let outcome = rocket::tokio::select! {
            () = self.signalled() => {
                stop.0.store(true, Ordering::Relaxed);
                working.await.map(|_| Err(interrupted()))
            }
            outcome = &mut working => outcome,
        };
        outcome.map_err(|error| error.to_string())?
    }
}

fn interrupted() -> String {
    "interrupted".to_owned()
}

/// Tells blocking work to end.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

/// A file that fails as soon as its work must end.
pub(super) struct Stoppable<F> {
    pub(super) file: F,
    pub(super) stop: Stop,
}

impl<F> Stoppable<F> {
    fn check(&self) -> io::Result<()> {
        // The kind must not be `Interrupted`, after which callers try again.
        if self.stop.0.load(Ordering::Relaxed) { Err(io::Error::other(interrupted())) } else { Ok(()) }
    }
}

impl<F: Read> Read for Stoppable<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.file.read(buffer)
    }
}

impl<F: Write> Write for Stoppable<F> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.file.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
