//! A program in a process group of its own, with its output in a file. A Ctrl-C in the terminal
//! reaches only the owner, who stops its children in order.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::error::{Error, Result};
use crate::watchdog::{self, Guarded};

/// Interval between two checks of a condition that has no wait with a timeout.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Time that a killed process group has to disappear. Without an init process that reaps orphans,
/// zombies keep it in existence.
const GROUP_END_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Variables that it must not inherit, neither with the suffix `_FILE`.
    pub(crate) unset: &'static [&'static str],
    pub(crate) log: PathBuf,
}

impl Program {
    pub(crate) fn new(path: PathBuf, log: PathBuf) -> Self {
        Self { path, arguments: Vec::new(), environment: Vec::new(), unset: &[], log }
    }

    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(crate) fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn command(&self, variables: &[(&str, &str)]) -> Result<Command> {
        let log = |error| Error::failed(format!("{}: {error}", self.log.display()));
        let output = File::options().create(true).append(true).open(&self.log).map_err(log)?;
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        for name in self.unset {
            command.env_remove(name).env_remove(format!("{name}_FILE"));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stderr(output.try_clone().map_err(log)?).stdout(output).process_group(0);
        Ok(command)
    }
}

/// A running program. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    guarded: Guarded,
    exited: Option<ExitStatus>,
    detached: bool,
}

impl Process {
    pub(crate) fn start(program: &Program) -> Result<Self> {
        Self::start_with(program, &[])
    }

    pub(crate) fn start_with(program: &Program, variables: &[(&str, &str)]) -> Result<Self> {
        let child = program
            .command(variables)?
            .spawn()
            .map_err(Error::context(format!("cannot start {}", program.path.display())))?;
        let guarded = Guarded::Group(child.id());
        let process = Self { child, guarded, exited: None, detached: false };
        watchdog::guard(&process.guarded)?;
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        if self.exited.is_none() {
            self.exited = self.child.try_wait().map_err(Error::context("cannot wait for a child"))?;
            if self.exited.is_some() {
                self.end_group();
            }
        }
        Ok(self.exited)
    }

    pub(crate) fn stop(&mut self, timeout: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        // A paused process would not receive the SIGTERM.
        self.signal(Signal::CONT)?;
        let begun = Instant::now();
        while begun.elapsed() < timeout {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            thread::sleep(POLL_INTERVAL);
        }
        self.kill()
    }

    /// Sends `SIGKILL` to it and its children.
    pub(crate) fn kill(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.exited()? {
            return Ok(status);
        }
        // The group may be empty; the wait below reports the end.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let status = self.child.wait().map_err(Error::context("cannot wait for a child"))?;
        self.exited = Some(status);
        self.end_group();
        Ok(status)
    }

    /// Kills its children: nginx's workers hold the port that the next start needs. The group id is
    /// not reused while the group has a member.
    fn end_group(&self) {
        let begun = Instant::now();
        while begun.elapsed() < GROUP_END_TIMEOUT && kill_process_group(self.pid(), Signal::KILL).is_ok() {
            thread::sleep(POLL_INTERVAL);
        }
        watchdog::release(&self.guarded);
    }

    pub(crate) fn pause(&mut self) -> Result<()> {
        self.signal_group(Signal::STOP)
    }

    pub(crate) fn resume(&mut self) -> Result<()> {
        self.signal_group(Signal::CONT)
    }

    /// Sends `SIGHUP` to it, not to its children.
    pub(crate) fn reload(&mut self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    pub(crate) fn detach(&mut self) {
        watchdog::release(&self.guarded);
        self.detached = true;
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        match self.exited()? {
            Some(_) => Ok(()),
            None => kill_process(self.pid(), signal).map_err(Error::context("cannot signal a child")),
        }
    }

    fn signal_group(&mut self, signal: Signal) -> Result<()> {
        match self.exited()? {
            Some(status) => Err(Error::failed(format!("it has ended already: {status}"))),
            None => kill_process_group(self.pid(), signal).map_err(Error::context("cannot signal a child")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.detached {
            // A destructor cannot report an error. The watchdog kills the process too.
            let _ = self.kill();
        }
    }
}

pub(crate) fn tail(log: &Path) -> String {
    let content = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
