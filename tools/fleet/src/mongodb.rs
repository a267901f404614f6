//! A private MongoDB: a replica set of one node, because transactions need a replica set. That of a
//! fleet has a user for each service, with rights to the service's own database only.

mod binary;
mod scram;
mod wire;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Document, doc};

use self::binary::Source;
use self::wire::Wire;
use crate::component::{Component, Detached};
use crate::credentials::{Credentials, OPERATOR, random_hex};
use crate::error::{Error, Result};
use crate::folder::TempFolder;
use crate::folder::write_secret;
use crate::port;
use crate::process::Program;
use crate::service::Service;

const REPLICA_SET: &str = "souk";

/// Used where no `mongod` is installed.
const IMAGE: &str = "mongo:8";

/// Error code of `createUser` for a user that exists.
const USER_EXISTS: i32 = 51_003;

/// A MongoDB server.
pub struct MongoDb {
    url: String,
    access: Option<Access>,
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

    /// Starts a server without access control and waits until it is primary.
    pub fn start() -> Result<Self> {
        let mongodb = Self::prepare("mongodb", None)?;
        mongodb.component.start()?;
        Ok(mongodb)
    }

    /// Prepares a server with users, which it creates when it first starts.
    pub(crate) fn prepare_with_users(name: &str) -> Result<Self> {
        Self::prepare(name, Some(Access { credentials: Credentials::new()?, key: random_hex()? }))
    }

    fn prepare(name: &str, access: Option<Access>) -> Result<Self> {
        let source = binary::source()?;
        let folder = TempFolder::new("souk-mongodb-")?;
        let port = port::free()?;
        let server = match source {
            Source::Program(mongod) => program(name, mongod, port, &folder, access.as_ref())?,
            Source::Docker => container(name, port, &folder, access.as_ref())?,
        };
        let url = url(access.as_ref(), OPERATOR, server.address());
        Ok(Self { url, access, component: server, folder })
    }

    /// Returns the value for the `MONGODB_URI` of a service.
    #[must_use]
    pub fn url_of(&self, service: Service) -> String {
        url(self.access.as_ref(), service.name(), self.component.address())
    }

    /// Returns the value for the `MONGODB_URI` of operators.
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

/// The users of a server.
#[derive(Clone)]
struct Access {
    credentials: Credentials,
    /// By which the members of a replica set authenticate. It switches access control on.
    key: String,
}

fn url(access: Option<&Access>, user: &str, address: SocketAddr) -> String {
    match access {
        Some(Access { credentials, .. }) => {
            let user = credentials.user_info(user);
            format!("mongodb://{user}@{address}/?replicaSet={REPLICA_SET}&authSource=admin")
        }
        None => format!("mongodb://{address}/?replicaSet={REPLICA_SET}"),
    }
}

/// MongoDB writes operations that take 100 ms into its log, with the documents that they write. No
/// operation of a service may take this many milliseconds.
const LOG_NO_DOCUMENTS: [&str; 2] = ["--slowms", "600000"];

fn program(name: &str, mongod: PathBuf, port: u16, folder: &TempFolder, access: Option<&Access>) -> Result<Component> {
    let data = folder.path().join("data");
    fs::create_dir(&data).map_err(Error::context(data.display()))?;
    let mut program = Program::new(mongod, folder.path().join(format!("{name}.log")))
        .arguments(["--replSet", REPLICA_SET, "--bind_ip", "127.0.0.1", "--port", &port.to_string(), "--nounixsocket"])
        // The default is half of the memory, for each server.
        .arguments(["--wiredTigerCacheSizeGB", "0.5"])
        .arguments(LOG_NO_DOCUMENTS)
        // The diagnostic data of a short-lived server is of no use.
        .arguments(["--setParameter", "diagnosticDataCollectionEnabled=false"])
        .argument("--dbpath")
        .argument(data);
    if let Some(Access { key, .. }) = access {
        let file = folder.path().join("key");
        write_secret(&file, key)?;
        // Fewer iterations, so that unoptimized programs connect quickly. Passwords are random.
        program = program.arguments(["--setParameter", "scramSHA256IterationCount=5000"]).argument("--keyFile");
        program = program.argument(file);
    }
    Ok(Component::program(name, port::local(port), program, probe(access.cloned())))
}

/// Creates a container that listens on the same port inside and outside, because a member must
/// reach itself under the address that clients use.
///
/// Not tested with Docker.
fn container(name: &str, port: u16, folder: &TempFolder, access: Option<&Access>) -> Result<Component> {
    let mut command = Command::new("docker");
    command.args(["create", "--publish", &format!("127.0.0.1:{port}:{port}")]);
    if let Some(Access { credentials, key }) = access {
        // The image creates the first user, because a connection through the published port does
        // not come from its own machine.
        let password = credentials.password(OPERATOR);
        command.args(["--env", &format!("MONGO_INITDB_ROOT_USERNAME={OPERATOR}")]);
        command.args(["--env", &format!("MONGO_INITDB_ROOT_PASSWORD={password}"), "--env", &format!("KEY={key}")]);
        command.args([IMAGE, "bash", "-c", WITH_KEY, "bash", "--keyFile", "/tmp/key"]);
    } else {
        command.args([IMAGE, "mongod"]);
    }
    command.args(["--replSet", REPLICA_SET, "--bind_ip_all", "--port", &port.to_string()]);
    command.args(LOG_NO_DOCUMENTS);
    command.args(["--wiredTigerCacheSizeGB", "0.5"]).stdin(Stdio::null());
    let output = command.output().map_err(Error::context("docker create"))?;
    if !output.status.success() {
        return Err(Error::failed(format!("docker create: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let log = folder.path().join(format!("{name}.log"));
    fs::write(&log, format!("docker logs {id}\n")).map_err(Error::context(log.display()))?;
    Component::container(name, port::local(port), id, log, probe(access.cloned()))
}

/// Starts `mongod` in a container with a key file, which only its user may be able to read.
const WITH_KEY: &str = "printf %s \"$KEY\" >/tmp/key && chmod 400 /tmp/key && chown mongodb /tmp/key && \
                        exec docker-entrypoint.sh mongod \"$@\"";

/// Returns whether the server is primary and its users exist.
fn probe(access: Option<Access>) -> impl Fn(SocketAddr) -> bool + Send + Sync + 'static {
    let has_users = AtomicBool::new(access.is_none());
    move |address| {
        if !is_primary(address, access.as_ref()) {
            return false;
        }
        if let Some(access) = &access
            && !has_users.load(Ordering::Relaxed)
        {
            // Fails while the server is starting; the next probe tries again.
            has_users.store(create_users(address, &access.credentials).is_ok(), Ordering::Relaxed);
        }
        has_users.load(Ordering::Relaxed)
    }
}

/// Whether the server is primary. Initiates the replica set if it has none.
fn is_primary(address: SocketAddr, access: Option<&Access>) -> bool {
    let hello = Wire::connect(address).and_then(|mut wire| wire.run(&doc! { "hello": 1, "$db": "admin" }));
    let Ok(hello) = hello else { return false };
    let flag = |what| hello.get_bool(what).unwrap_or(false);
    if flag("isreplicaset") {
        // Fails while the server is starting; the next probe tries again.
        let _ = connect(address, access).and_then(|mut wire| wire.run(&initiate(address)));
    }
    flag("isWritablePrimary")
}

fn initiate(address: SocketAddr) -> Document {
    let members = vec![doc! { "_id": 0, "host": address.to_string() }];
    // A set of one node elects itself at once after a restart; the default is 10 s.
    let settings = doc! { "electionTimeoutMillis": 1000 };
    doc! { "replSetInitiate": { "_id": REPLICA_SET, "members": members, "settings": settings }, "$db": "admin" }
}

/// Connects as the operator. Before that user exists, the server accepts connections from its own
/// machine without one.
fn connect(address: SocketAddr, access: Option<&Access>) -> io::Result<Wire> {
    let mut wire = Wire::connect(address)?;
    if let Some(access) = access
        && authenticate(&mut wire, &access.credentials).is_err()
    {
        return Wire::connect(address);
    }
    Ok(wire)
}

fn authenticate(wire: &mut Wire, credentials: &Credentials) -> io::Result<()> {
    let nonce = random_hex().map_err(io::Error::other)?;
    scram::authenticate(wire, OPERATOR, credentials.password(OPERATOR), &nonce)
}

fn create_users(address: SocketAddr, credentials: &Credentials) -> io::Result<()> {
    let mut wire = Wire::connect(address)?;
    if authenticate(&mut wire, credentials).is_err() {
        wire = Wire::connect(address)?;
        let role = doc! { "role": "root", "db": "admin" };
        create_user(&mut wire, OPERATOR, credentials.password(OPERATOR), &role)?;
        authenticate(&mut wire, credentials)?;
    }
    for service in Service::WITH_DATABASE {
        // Enough for collections, indexes and transactions of its own.
        let role = doc! { "role": "readWrite", "db": service.database() };
        create_user(&mut wire, service.name(), credentials.password(service.name()), &role)?;
    }
    Ok(())
}

fn create_user(wire: &mut Wire, user: &str, password: &str, role: &Document) -> io::Result<()> {
    let mechanisms = vec!["SCRAM-SHA-256"];
    let mut command = doc! { "createUser": user, "pwd": password, "roles": vec![role.clone()] };
    command.extend(doc! { "mechanisms": mechanisms, "$db": "admin" });
    let response = wire.ask(&command)?;
    if matches!(response.get_i32("code"), Ok(USER_EXISTS)) {
        return Ok(());
    }
    wire::succeeded(response).map(drop)
}
