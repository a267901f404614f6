//! Servers that keep running after the process that started them (`cargo xtask servers`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};

use crate::component::Detached;
use crate::error::{Error, Result};
use crate::mongodb::MongoDb;
use crate::process::POLL_INTERVAL;
use crate::rabbitmq::RabbitMq;

const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A RabbitMQ and a MongoDB that outlive this process, with all that is needed to stop them later.
pub struct DetachedServers {
    processes: Vec<ProcessIdentity>,
    containers: Vec<String>,
    folders: Vec<PathBuf>,
    /// The value for `AMQP_URL`.
    pub amqp_url: String,
    /// The value for `MONGODB_URI`.
    pub mongodb_uri: String,
}

/// A process, identified by its id and its start time, because the kernel reuses ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProcessIdentity {
    pid: u32,
    /// Start time in clock ticks since boot.
    start_time: u64,
}

impl DetachedServers {
    /// Detaches running servers from this process.
    pub fn detach(rabbitmq: RabbitMq, mongodb: MongoDb) -> Result<Self> {
        // Checked before detaching: without /proc the servers could not be identified again.
        ProcessIdentity::of(std::process::id()).ok_or_else(|| Error::failed("detached servers need /proc"))?;
        let (amqp_url, mongodb_uri) = (rabbitmq.url().to_owned(), mongodb.url().to_owned());
        let mut servers =
            Self { processes: Vec::new(), containers: Vec::new(), folders: Vec::new(), amqp_url, mongodb_uri };
        for (detached, folder) in [rabbitmq.detach()?, mongodb.detach()?] {
            servers.folders.push(folder);
            for detached in detached {
                match detached {
                    Detached::Process(pid) => servers.processes.extend(ProcessIdentity::of(pid)),
                    Detached::Container(id) => servers.containers.push(id),
                }
            }
        }
        Ok(servers)
    }

    /// Writes the description that [`read`](Self::read) reads.
    pub fn write(&self, file: &Path) -> Result<()> {
        let processes: Vec<Value> = self
            .processes
            .iter()
            .map(|process| json!({"pid": process.pid, "start_time": process.start_time}))
            .collect();
        let value = json!({
            "AMQP_URL": self.amqp_url,
            "MONGODB_URI": self.mongodb_uri,
            "processes": processes,
            "containers": self.containers,
            "folders": self.folders,
        });
        fs::write(file, format!("{value:#}\n")).map_err(Error::context(file.display()))
    }

    /// Reads a description; `None` when the file does not exist.
    pub fn read(file: &Path) -> Result<Option<Self>> {
        let content = match fs::read(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            content => content.map_err(Error::context(file.display()))?,
        };
        let value: Value = serde_json::from_slice(&content).map_err(Error::context(file.display()))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
        let process = |value: &Value| {
            let pid = value["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())?;
            Some(ProcessIdentity { pid, start_time: value["start_time"].as_u64()? })
        };
        Ok(Some(Self {
            processes: list("processes").iter().filter_map(process).collect(),
            containers: list("containers").iter().map(text).collect(),
            folders: list("folders").iter().map(text).map(PathBuf::from).collect(),
            amqp_url: text(&value["AMQP_URL"]),
            mongodb_uri: text(&value["MONGODB_URI"]),
        }))
    }

    /// Whether all servers are running.
    #[must_use]
    pub fn all_running(&self) -> bool {
        let inspect = |id: &String| {
            let mut command = Command::new("docker");
            command.args(["inspect", "--format", "{{.State.Running}}", id]).stdin(Stdio::null());
            command.output().is_ok_and(|output| output.stdout.starts_with(b"true"))
        };
        self.processes.iter().all(|process| process.is_running()) && self.containers.iter().all(inspect)
    }

    /// Stops the servers that are still running and removes their files.
    pub fn stop(self) -> Result<()> {
        for process in &self.processes {
            process.stop()?;
        }
        for id in &self.containers {
            Command::new("docker")
                .args(["rm", "--force", "--volumes", id])
                .output()
                .map_err(Error::context("docker rm"))?;
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

impl ProcessIdentity {
    fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start_time: start_time(pid)? })
    }

    fn is_running(self) -> bool {
        start_time(self.pid) == Some(self.start_time)
    }

    /// Sends `SIGTERM`, then `SIGKILL` to its group. Does nothing when the id was reused.
    fn stop(self) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).filter(|_| self.is_running());
        let Some(pid) = pid else { return Ok(()) };
        // The process may have ended since the check.
        let _ = kill_process(pid, Signal::TERM);
        let begun = Instant::now();
        while self.is_running() {
            if begun.elapsed() > STOP_TIMEOUT {
                return kill_process_group(pid, Signal::KILL).map_err(Error::context("cannot kill a server"));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

/// Returns the start time of a live process (`proc(5)`, field 22 of `stat`). Fields are counted
/// from the closing bracket of the second field, because the program name in it may contain spaces.
fn start_time(pid: u32) -> Option<u64> {
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
    fn reused_process_id_is_not_the_same_process() {
        let own = ProcessIdentity::of(std::process::id()).unwrap();
        assert!(own.is_running());
        let before = ProcessIdentity { start_time: own.start_time - 1, ..own };
        assert!(!before.is_running());
        // The id belongs to this process now. `stop` must not kill it.
        before.stop().unwrap();

        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = ProcessIdentity::of(child.id()).unwrap();
        child.kill().unwrap();
        // A zombie until `wait`.
        while process.is_running() {
            thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(ProcessIdentity::of(child.id()), None);
    }

    #[test]
    fn description_survives_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("servers.json");
        assert!(DetachedServers::read(&file).unwrap().is_none());
        let servers = DetachedServers {
            processes: vec![ProcessIdentity { pid: 7, start_time: 8 }],
            containers: vec!["c".to_owned()],
            folders: vec![folder.path().join("data")],
            amqp_url: "amqp://a".to_owned(),
            mongodb_uri: "mongodb://b".to_owned(),
        };
        servers.write(&file).unwrap();
        let read = DetachedServers::read(&file).unwrap().unwrap();
        assert_eq!(
            (&read.processes, &read.containers, &read.folders),
            (&servers.processes, &servers.containers, &servers.folders)
        );
        assert_eq!((read.amqp_url, read.mongodb_uri), (servers.amqp_url, servers.mongodb_uri));
        fs::write(&file, "{").unwrap();
        assert!(DetachedServers::read(&file).is_err());
    }
}
