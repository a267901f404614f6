//! A private MongoDB: a replica set of one node, because transactions need a replica set.

mod binary;
mod wire;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bson::{Document, doc};

use self::binary::Source;
use crate::component::{Component, Detached};
use crate::error::{Error, Result};
use crate::folder::TempFolder;
use crate::port;
use crate::process::Program;

const REPLICA_SET: &str = "souk";

/// Used where no `mongod` is installed.
const IMAGE: &str = "mongo:8";

/// A MongoDB server.
pub struct MongoDb {
    url: String,
    component: Component,
    folder: TempFolder,
}

impl MongoDb {
    /// Installs MongoDB if necessary.
    pub fn ensure_installed() -> Result<()> {
        binary::source().map(drop)
    }

    /// Returns the program `mongod`; `None` where MongoDB runs in a container.
    pub fn program() -> Result<Option<PathBuf>> {
        match binary::source()? {
            Source::Program(mongod) => Ok(Some(mongod)),
            Source::Docker => Ok(None),
        }
    }

    /// Starts a server and waits until it is primary.
    pub fn start() -> Result<Self> {
        let mongodb = Self::prepare("mongodb")?;
        mongodb.component.start()?;
        Ok(mongodb)
    }

    pub(crate) fn prepare(name: &str) -> Result<Self> {
        let source = binary::source()?;
        let folder = TempFolder::new("souk-mongodb-")?;
        let port = port::free()?;
        let server = match source {
            Source::Program(mongod) => program(name, mongod, port, &folder)?,
            Source::Docker => container(name, port, &folder)?,
        };
        Ok(Self { url: format!("mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}"), component: server, folder })
    }

    /// Returns the value for `MONGODB_URI`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the component. Its data survives restarts.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.component
    }

    pub(crate) fn detach(self) -> Result<(Vec<Detached>, PathBuf)> {
        let detached = vec![self.component.detach()?];
        Ok((detached, self.folder.detach()))
    }
}

fn program(name: &str, mongod: PathBuf, port: u16, folder: &TempFolder) -> Result<Component> {
    let data = folder.path().join("data");
    fs::create_dir(&data).map_err(Error::context(data.display()))?;
    let program = Program::new(mongod, folder.path().join(format!("{name}.log")))
        .arguments(["--replSet", REPLICA_SET, "--bind_ip", "127.0.0.1", "--port", &port.to_string(), "--nounixsocket"])
        // The default is half of the memory, for each server.
        .arguments(["--wiredTigerCacheSizeGB", "0.5"])
        // The diagnostic data of a short-lived server is of no use.
        .arguments(["--setParameter", "diagnosticDataCollectionEnabled=false"])
        .argument("--dbpath")
        .argument(data);
    Ok(Component::program(name, port::local(port), program, is_primary))
}

/// Creates a container that listens on the same port inside and outside, because a member must
/// reach itself under the address that clients use.
///
/// Not tested with Docker.
fn container(name: &str, port: u16, folder: &TempFolder) -> Result<Component> {
    let mut command = Command::new("docker");
    command.args(["create", "--publish", &format!("127.0.0.1:{port}:{port}"), IMAGE]);
    command.args(["mongod", "--replSet", REPLICA_SET, "--bind_ip_all", "--port", &port.to_string()]);
    command.args(["--wiredTigerCacheSizeGB", "0.5"]).stdin(Stdio::null());
    let output = command.output().map_err(Error::context("docker create"))?;
    if !output.status.success() {
        return Err(Error::failed(format!("docker create: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let log = folder.path().join(format!("{name}.log"));
    fs::write(&log, format!("docker logs {id}\n")).map_err(Error::context(log.display()))?;
    Component::container(name, port::local(port), id, log, is_primary)
}

/// Whether the server is primary. Initiates the replica set if it has none.
fn is_primary(address: SocketAddr) -> bool {
    let Ok(hello) = wire::run(address, &doc! { "hello": 1, "$db": "admin" }) else {
        return false;
    };
    let flag = |what| hello.get_bool(what).unwrap_or(false);
    if flag("isreplicaset") {
        // Fails while the server is starting; the next probe tries again.
        let _ = wire::run(address, &initiate(address));
    }
    flag("isWritablePrimary")
}

fn initiate(address: SocketAddr) -> Document {
    let members = vec![doc! { "_id": 0, "host": address.to_string() }];
    // A set of one node elects itself at once after a restart; the default is 10 s.
    let settings = doc! { "electionTimeoutMillis": 1000 };
    doc! { "replSetInitiate": { "_id": REPLICA_SET, "members": members, "settings": settings }, "$db": "admin" }
}
