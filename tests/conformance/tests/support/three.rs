//! A replica set of three servers. A check can stop two of them: then the primary still writes, but
//! nothing is majority-committed.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use tempfile::TempDir;

/// Stops are shorter than this, so that no election starts.
const ELECTION_MS: i32 = 30_000;
const STARTED: Duration = Duration::from_mins(1);

pub(crate) struct Three {
    pub(crate) uri: String,
    /// The first one is the primary.
    servers: Vec<Child>,
    _folder: TempDir,
}

impl Three {
    pub(crate) async fn start(mongod: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(listeners);
        let start = |port: &u16| {
            let data = folder.path().join(port.to_string());
            std::fs::create_dir(&data).unwrap();
            let mut command = Command::new(&mongod);
            command.args(["--replSet", "three", "--bind_ip", "127.0.0.1", "--nounixsocket", "--port"]);
            command.arg(port.to_string()).args(["--wiredTigerCacheSizeGB", "0.25", "--dbpath"]).arg(data);
            command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
        };
        let servers = ports.iter().map(start).collect();
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let uri = format!("mongodb://{}/?replicaSet=three", hosts.join(","));
        let three = Self { uri, servers, _folder: folder };
        let first = Client::with_uri_str(format!("mongodb://{}/?directConnection=true", hosts[0])).await.unwrap();
        let members: Vec<Document> = (0..)
            .zip(&hosts)
            .map(|(id, host)| doc! {"_id": id, "host": host, "priority": i32::from(id == 0)})
            .collect();
        let settings = doc! {"electionTimeoutMillis": ELECTION_MS};
        let initiate = doc! {"replSetInitiate": {"_id": "three", "members": members, "settings": settings}};
        let begin = Instant::now();
        loop {
            let admin = first.database("admin");
            // Fails when it is done already or not yet possible.
            let _ = admin.run_command(initiate.clone()).await;
            let _ = admin.run_command(doc! {"replSetStepUp": 1}).await;
            let hello = admin.run_command(doc! {"hello": 1}).await;
            if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
                return three;
            }
            assert!(begin.elapsed() < STARTED, "three servers should have a primary");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(crate) fn stop_most(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        for server in &self.servers[1..] {
            assert!(Command::new("kill").args([signal, &server.id().to_string()]).status().unwrap().success());
        }
    }
}

impl Drop for Three {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
