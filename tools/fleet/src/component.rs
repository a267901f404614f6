//! One part of a fleet, of whatever kind: it has a name, an address that it keeps, a log, and can
//! be started, stopped, killed and paused as often as one likes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::process::{self, POLL_INTERVAL, Process, Program};
use crate::watchdog::{self, Guarded};

/// Far beyond what any part takes to answer after its start, on a machine that has other things to
/// do.
const START: Duration = Duration::from_mins(1);

/// After its `SIGTERM` a service takes 2 to 4 seconds at worst, RabbitMQ and MongoDB a few; then
/// `SIGKILL`.
const STOP: Duration = Duration::from_secs(20);

/// A part of the fleet. All methods may be called from any thread.
pub struct Component {
    name: String,
    address: SocketAddr,
    log: PathBuf,
    ready: Ready,
    body: Mutex<Body>,
}

/// Whether the part at this address can be used.
type Ready = Box<dyn Fn(SocketAddr) -> bool + Send + Sync>;

/// What it is made of.
enum Body {
    Program { program: Program, process: Option<Process> },
    Container(Container),
}

/// A Docker container, addressed by its id alone.
struct Container {
    id: String,
    guarded: Guarded,
    detached: bool,
}

/// How a part ended.
#[derive(Debug, Clone, Copy)]
pub struct Termination {
    /// Its exit status. A container's is not known and counts as 0.
    pub status: ExitStatus,
    /// From the signal to the end.
    pub took: Duration,
}

impl Component {
    pub(crate) fn program(
        name: impl Into<String>,
        address: SocketAddr,
        program: Program,
        ready: impl Fn(SocketAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        let log = program.log.clone();
        let body = Mutex::new(Body::Program { program, process: None });
        Self { name: name.into(), address, log, ready: Box::new(ready), body }
    }

    /// A container that was created and not started.
    pub(crate) fn container(
        name: impl Into<String>,
        address: SocketAddr,
        id: String,
        log: PathBuf,
        ready: impl Fn(SocketAddr) -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let container = Container { guarded: Guarded::Container(id.clone()), id, detached: false };
        watchdog::guard(&container.guarded)?;
        let body = Mutex::new(Body::Container(container));
        Ok(Self { name: name.into(), address, log, ready: Box::new(ready), body })
    }

    /// Such as `rabbitmq`, `products-2` or `nginx`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens, always.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file that its output goes to, one start after another.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its output.
    #[must_use]
    pub fn log_tail(&self) -> String {
        process::tail(&self.log)
    }

    /// Its process, while it runs. A container has none of ours.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match &mut *self.body() {
            Body::Program { process: Some(process), .. } => match process.exited() {
                Ok(None) => Some(process.id()),
                _ => None,
            },
            _ => None,
        }
    }

    /// How it ended, when it did so by itself.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        match &mut *self.body() {
            Body::Program { process: Some(process), .. } => process.exited().ok().flatten(),
            _ => None,
        }
    }

    /// Starts it and returns when it can be used: a broker takes connections, a database is
    /// primary, a service or nginx listens. Whether a service is ready is another question: it may
    /// wait for what is not there yet.
    pub fn start(&self) -> Result<()> {
        self.launch()?;
        self.wait_until_available()
    }

    /// As [`start`](Self::start), with more variables in its environment, for this once.
    pub fn start_with(&self, environment: &[(&str, &str)]) -> Result<()> {
        self.launch_with(environment)?;
        self.wait_until_available()
    }

    /// Starts it and waits for nothing.
    pub fn launch(&self) -> Result<()> {
        self.launch_with(&[])
    }

    fn launch_with(&self, besides: &[(&str, &str)]) -> Result<()> {
        match &mut *self.body() {
            Body::Program { program, process } => {
                if let Some(running) = process
                    && running.exited()?.is_none()
                {
                    return Err(Error::failed(format!("{} runs already", self.name)));
                }
                *process = Some(Process::start_with(program, besides)?);
            }
            Body::Container(_) if !besides.is_empty() => {
                return Err(Error::failed(format!("{} is a container; its environment is what it is", self.name)));
            }
            Body::Container(container) => container.docker("start")?,
        }
        Ok(())
    }

    /// The second half of [`start`](Self::start).
    pub fn wait_until_available(&self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Some(status) = self.exit_status() {
                return Err(Error::failed(format!("{} ended: {status}\n{}", self.name, self.log_tail())));
            }
            if (self.ready)(self.address) {
                return Ok(());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Err(Error::failed(format!("{} cannot be used after {START:?}\n{}", self.name, self.log_tail())))
    }

    /// `SIGTERM`; `SIGKILL` when it takes too long, which shows in the status.
    pub fn stop(&self) -> Result<Termination> {
        self.end(|process| process.stop(STOP), "stop")
    }

    /// `SIGKILL`.
    pub fn kill(&self) -> Result<Termination> {
        self.end(Process::kill, "kill")
    }

    /// `SIGSTOP`: it is there, keeps its connections, and does not answer.
    pub fn pause(&self) -> Result<()> {
        match &mut *self.body() {
            Body::Program { process, .. } => self.running(process)?.pause(),
            Body::Container(container) => container.docker("pause"),
        }
    }

    /// `SIGCONT`.
    pub fn resume(&self) -> Result<()> {
        match &mut *self.body() {
            Body::Program { process, .. } => self.running(process)?.resume(),
            Body::Container(container) => container.docker("unpause"),
        }
    }

    /// `SIGHUP`, by which many programs read their files again.
    pub(crate) fn reload(&self) -> Result<()> {
        match &mut *self.body() {
            Body::Program { process, .. } => self.running(process)?.reload(),
            Body::Container(_) => {
                Err(Error::failed(format!("{} is a container, and none of ours reads files", self.name)))
            }
        }
    }

    /// Lets it live on after this process; what to end it by.
    pub(crate) fn detach(&self) -> Result<Detached> {
        match &mut *self.body() {
            Body::Program { process, .. } => {
                let process = self.running(process)?;
                process.detach();
                Ok(Detached::Process(process.id()))
            }
            Body::Container(container) => {
                watchdog::release(&container.guarded);
                container.detached = true;
                Ok(Detached::Container(container.id.clone()))
            }
        }
    }

    fn end(&self, end: impl FnOnce(&mut Process) -> Result<ExitStatus>, verb: &str) -> Result<Termination> {
        let begun = Instant::now();
        let status = match &mut *self.body() {
            Body::Program { process, .. } => {
                let status = end(self.running(process)?)?;
                *process = None;
                status
            }
            Body::Container(container) => {
                container.docker(verb)?;
                ExitStatus::default()
            }
        };
        Ok(Termination { status, took: begun.elapsed() })
    }

    fn running<'p>(&self, process: &'p mut Option<Process>) -> Result<&'p mut Process> {
        process.as_mut().ok_or_else(|| Error::failed(format!("{} does not run", self.name)))
    }

    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was left running.
pub(crate) enum Detached {
    Process(u32),
    Container(String),
}

impl Container {
    fn docker(&self, verb: &str) -> Result<()> {
        let output = Command::new("docker").args([verb, &self.id]).stdin(Stdio::null()).output();
        let output = output.map_err(Error::context("docker"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::failed(format!("docker {verb}: {}", String::from_utf8_lossy(&output.stderr).trim())))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.detached {
            let removed = Command::new("docker").args(["rm", "--force", "--volumes", &self.id]).output();
            if removed.is_ok_and(|output| output.status.success()) {
                watchdog::release(&self.guarded);
            }
        }
    }
}
