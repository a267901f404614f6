//! A component of a fleet: RabbitMQ, MongoDB, an instance of a service, nginx. It keeps its name,
//! address and log over any number of starts, stops, kills and pauses.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::process::{self, POLL_INTERVAL, Process, Program};
use crate::watchdog::{self, Guarded};

/// Start timeout. Generous, because the machine may run other tests.
const START_TIMEOUT: Duration = Duration::from_mins(3);

/// Time between `SIGTERM` and `SIGKILL`. Services need up to 4 s, RabbitMQ and MongoDB a few.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A component of a fleet. All methods may be called from any thread.
pub struct Component {
    name: String,
    address: SocketAddr,
    log: PathBuf,
    probe: Probe,
    state: Mutex<Backend>,
}

type Probe = Box<dyn Fn(SocketAddr) -> bool + Send + Sync>;

enum Backend {
    Program { program: Program, process: Option<Process> },
    Container(Container),
}

struct Container {
    id: String,
    guarded: Guarded,
    detached: bool,
}

/// How a component ended.
#[derive(Debug, Clone, Copy)]
pub struct Termination {
    /// Exit status; always 0 for a container.
    pub status: ExitStatus,
    /// Time from the signal to the end.
    pub took: Duration,
}

impl Component {
    pub(crate) fn program(
        name: impl Into<String>,
        address: SocketAddr,
        program: Program,
        probe: impl Fn(SocketAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        let log = program.log.clone();
        let backend = Mutex::new(Backend::Program { program, process: None });
        Self { name: name.into(), address, log, probe: Box::new(probe), state: backend }
    }

    pub(crate) fn container(
        name: impl Into<String>,
        address: SocketAddr,
        id: String,
        log: PathBuf,
        probe: impl Fn(SocketAddr) -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let container = Container { guarded: Guarded::Container(id.clone()), id, detached: false };
        watchdog::guard(&container.guarded)?;
        let backend = Mutex::new(Backend::Container(container));
        Ok(Self { name: name.into(), address, log, probe: Box::new(probe), state: backend })
    }

    /// Its name, such as `rabbitmq`, `products-2` or `nginx`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address that it listens on, the same after each start.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the file with the output of all its starts.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns the last lines of its output.
    #[must_use]
    pub fn log_tail(&self) -> String {
        process::tail(&self.log)
    }

    /// Returns its process id while it runs; `None` for a container.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match &mut *self.backend() {
            Backend::Program { process: Some(process), .. } => match process.exited() {
                Ok(None) => Some(process.id()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns its exit status, if it has ended by itself.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        match &mut *self.backend() {
            Backend::Program { process: Some(process), .. } => process.exited().ok().flatten(),
            _ => None,
        }
    }

    /// From its next start on, runs the program of the same name in another folder.
    pub fn use_programs_of(&self, folder: &Path) -> Result<()> {
        match &mut *self.backend() {
            Backend::Program { program, .. } => {
                let path = folder.join(program.path.file_name().unwrap_or_default());
                if !path.is_file() {
                    return Err(Error::failed(format!("there is no {}", path.display())));
                }
                program.path = path;
                Ok(())
            }
            Backend::Container(_) => Err(Error::failed(format!("{} is a container", self.name))),
        }
    }

    /// Starts it and waits until it is available; a service may not be ready yet.
    pub fn start(&self) -> Result<()> {
        self.launch()?;
        self.wait_until_available()
    }

    /// Like [`start`](Self::start), with additional environment variables for this start.
    pub fn start_with(&self, environment: &[(&str, &str)]) -> Result<()> {
        self.launch_with(environment)?;
        self.wait_until_available()
    }

    /// Starts it and does not wait.
    pub fn launch(&self) -> Result<()> {
        self.launch_with(&[])
    }

    fn launch_with(&self, variables: &[(&str, &str)]) -> Result<()> {
        match &mut *self.backend() {
            Backend::Program { program, process } => {
                if let Some(running) = process
                    && running.exited()?.is_none()
                {
                    return Err(Error::failed(format!("{} runs already", self.name)));
                }
                *process = Some(Process::start_with(program, variables)?);
            }
            Backend::Container(_) if !variables.is_empty() => {
                return Err(Error::failed(format!(
                    "{} is a container; its environment is fixed when it is created",
                    self.name
                )));
            }
            Backend::Container(container) => container.docker("start")?,
        }
        Ok(())
    }

    /// Waits until it is available after [`launch`](Self::launch).
    pub fn wait_until_available(&self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_TIMEOUT {
            if let Some(status) = self.exit_status() {
                return Err(Error::failed(format!("{} ended: {status}\n{}", self.name, self.log_tail())));
            }
            if (self.probe)(self.address) {
                return Ok(());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Err(Error::failed(format!("{} is not available after {START_TIMEOUT:?}\n{}", self.name, self.log_tail())))
    }

    /// Sends `SIGTERM`, and `SIGKILL` after a timeout. The status shows which signal ended it.
    pub fn stop(&self) -> Result<Termination> {
        self.end(|process| process.stop(STOP_TIMEOUT), "stop")
    }

    /// Sends `SIGKILL`.
    pub fn kill(&self) -> Result<Termination> {
        self.end(Process::kill, "kill")
    }

    /// Sends `SIGSTOP`: its connections stay open and it does not respond.
    pub fn pause(&self) -> Result<()> {
        match &mut *self.backend() {
            Backend::Program { process, .. } => self.running(process)?.pause(),
            Backend::Container(container) => container.docker("pause"),
        }
    }

    /// Sends `SIGCONT`.
    pub fn resume(&self) -> Result<()> {
        match &mut *self.backend() {
            Backend::Program { process, .. } => self.running(process)?.resume(),
            Backend::Container(container) => container.docker("unpause"),
        }
    }

    pub(crate) fn reload(&self) -> Result<()> {
        match &mut *self.backend() {
            Backend::Program { process, .. } => self.running(process)?.reload(),
            Backend::Container(_) => Err(Error::failed(format!("{} is a container and cannot reload", self.name))),
        }
    }

    /// Keeps it running after this process; returns the data that is needed to stop it.
    pub(crate) fn detach(&self) -> Result<Detached> {
        match &mut *self.backend() {
            Backend::Program { process, .. } => {
                let process = self.running(process)?;
                process.detach();
                Ok(Detached::Process(process.id()))
            }
            Backend::Container(container) => {
                watchdog::release(&container.guarded);
                container.detached = true;
                Ok(Detached::Container(container.id.clone()))
            }
        }
    }

    fn end(&self, end: impl FnOnce(&mut Process) -> Result<ExitStatus>, verb: &str) -> Result<Termination> {
        let begun = Instant::now();
        let status = match &mut *self.backend() {
            Backend::Program { process, .. } => {
                let status = end(self.running(process)?)?;
                *process = None;
                status
            }
            Backend::Container(container) => {
                container.docker(verb)?;
                ExitStatus::default()
            }
        };
        Ok(Termination { status, took: begun.elapsed() })
    }

    fn running<'p>(&self, process: &'p mut Option<Process>) -> Result<&'p mut Process> {
        process.as_mut().ok_or_else(|| Error::failed(format!("{} does not run", self.name)))
    }

    fn backend(&self) -> MutexGuard<'_, Backend> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
