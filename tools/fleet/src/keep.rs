//! Files and processes that stay when we go: temporary folders, and servers that are left running on purpose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::mongodb::MongoDb;
use crate::part::Left;
use crate::process::GLANCE;
use crate::rabbitmq::RabbitMq;
use crate::watchdog::{self, Guarded};

/// RabbitMQ and MongoDB take a few seconds to close in good order.
const STOP: Duration = Duration::from_secs(20);

/// A temporary folder that goes with us, whatever happens.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(prefix: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir();
        let folder = folder.map_err(Error::because("cannot make a temporary folder"))?;
        watchdog::guard(&Guarded::folder(folder.path()))?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn leave_alone(mut self) -> PathBuf {
        watchdog::release(&Guarded::folder(self.path()));
        self.0.disable_cleanup(true);
        self.path().to_owned()
    }
}

/// Servers that go on without us, and how to find them again.
pub struct Kept {
    processes: Vec<KeptProcess>,
    containers: Vec<String>,
    folders: Vec<PathBuf>,
    /// What `AMQP_URL` should be.
    pub amqp_url: String,
    /// What `MONGODB_URI` should be.
    pub mongodb_uri: String,
}

/// A process that is known again by the moment of its start, since its number may be given to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeptProcess {
    pid: u32,
    /// In clock ticks since the machine's start.
    started: u64,
}

impl Kept {
    /// Lets these servers live on after us.
    pub fn servers(rabbitmq: RabbitMq, mongodb: MongoDb) -> Result<Self> {
        // Before anything is left to itself that could not be found again.
        KeptProcess::running(std::process::id()).ok_or_else(|| Error::failed("this needs /proc"))?;
        let (amqp_url, mongodb_uri) = (rabbitmq.url().to_owned(), mongodb.url().to_owned());
        let mut kept =
            Self { processes: Vec::new(), containers: Vec::new(), folders: Vec::new(), amqp_url, mongodb_uri };
        for (left, folder) in [rabbitmq.leave_alone()?, mongodb.leave_alone()?] {
            kept.folders.push(folder);
            for left in left {
                match left {
                    Left::Process(pid) => kept.processes.extend(KeptProcess::running(pid)),
                    Left::Container(id) => kept.containers.push(id),
                }
            }
        }
        Ok(kept)
    }

    /// As [`read`](Self::read) wants it.
    pub fn write(&self, file: &Path) -> Result<()> {
        let processes: Vec<Value> =
            self.processes.iter().map(|kept| json!({"pid": kept.pid, "started": kept.started})).collect();
        let value = json!({
            "AMQP_URL": self.amqp_url,
            "MONGODB_URI": self.mongodb_uri,
            "processes": processes,
            "containers": self.containers,
            "folders": self.folders,
        });
        fs::write(file, format!("{value:#}\n")).map_err(Error::because(file.display()))
    }

    /// What was written into `file`; `None` when there is none.
    pub fn read(file: &Path) -> Result<Option<Self>> {
        let content = match fs::read(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            content => content.map_err(Error::because(file.display()))?,
        };
        let value: Value = serde_json::from_slice(&content).map_err(Error::because(file.display()))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
        let process = |value: &Value| {
            let pid = value["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())?;
            Some(KeptProcess { pid, started: value["started"].as_u64()? })
        };
        Ok(Some(Self {
            processes: list("processes").iter().filter_map(process).collect(),
            containers: list("containers").iter().map(text).collect(),
            folders: list("folders").iter().map(text).map(PathBuf::from).collect(),
            amqp_url: text(&value["AMQP_URL"]),
            mongodb_uri: text(&value["MONGODB_URI"]),
        }))
    }

    /// Whether all of them run.
    #[must_use]
    pub fn all_run(&self) -> bool {
        let inspect = |id: &String| {
            let mut command = Command::new("docker");
            command.args(["inspect", "--format", "{{.State.Running}}", id]).stdin(Stdio::null());
            command.output().is_ok_and(|output| output.stdout.starts_with(b"true"))
        };
        self.processes.iter().all(|kept| kept.runs()) && self.containers.iter().all(inspect)
    }

    /// Stops what still runs of them, in order, and removes their files.
    pub fn stop(self) -> Result<()> {
        for process in &self.processes {
            process.stop()?;
        }
        for id in &self.containers {
            Command::new("docker")
                .args(["rm", "--force", "--volumes", id])
                .output()
                .map_err(Error::because("docker rm"))?;
        }
        for folder in self.folders {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::failed(format!("{}: {error}", folder.display())));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl KeptProcess {
    /// The process that has this number now.
    fn running(pid: u32) -> Option<Self> {
        Some(Self { pid, started: started(pid)? })
    }

    /// Whether it is still there.
    fn runs(self) -> bool {
        started(self.pid) == Some(self.started)
    }

    /// `SIGTERM`, then `SIGKILL` to its group; nothing when its number is another's by now.
    fn stop(self) -> Result<()> {
        let signal = i32::try_from(self.pid).ok().and_then(Pid::from_raw).filter(|_| self.runs());
        let Some(pid) = signal else { return Ok(()) };
        // Gone in this moment is as good.
        let _ = kill_process(pid, Signal::TERM);
        let begun = Instant::now();
        while self.runs() {
            if begun.elapsed() > STOP {
                return kill_process_group(pid, Signal::KILL).map_err(Error::because("cannot kill a server"));
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }
}

/// When a process that has not ended was started (`proc(5)`, field 22 of `stat`). The second field, a name in brackets,
/// may hold anything.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = KeptProcess::running(std::process::id()).unwrap();
        assert!(own.runs());
        let before = KeptProcess { started: own.started - 1, ..own };
        assert!(!before.runs());
        // Another one has the number now: it must not be touched, least of all when that is us.
        before.stop().unwrap();

        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let kept = KeptProcess::running(child.id()).unwrap();
        child.kill().unwrap();
        // Dead, and not collected yet.
        while kept.runs() {
            thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(KeptProcess::running(child.id()), None);
    }

    #[test]
    fn what_is_kept_can_be_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("servers.json");
        assert!(Kept::read(&file).unwrap().is_none());
        let kept = Kept {
            processes: vec![KeptProcess { pid: 7, started: 8 }],
            containers: vec!["c".to_owned()],
            folders: vec![folder.path().join("data")],
            amqp_url: "amqp://a".to_owned(),
            mongodb_uri: "mongodb://b".to_owned(),
        };
        kept.write(&file).unwrap();
        let read = Kept::read(&file).unwrap().unwrap();
        assert_eq!(
            (&read.processes, &read.containers, &read.folders),
            (&kept.processes, &kept.containers, &kept.folders)
        );
        assert_eq!((read.amqp_url, read.mongodb_uri), (kept.amqp_url, kept.mongodb_uri));
        fs::write(&file, "{").unwrap();
        assert!(Kept::read(&file).is_err());
    }
}
