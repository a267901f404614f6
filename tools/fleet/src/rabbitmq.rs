//! A private RabbitMQ: it shares nothing with the system's, not even `epmd`.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::component::{Component, Detached};
use crate::credentials::{Credentials, OPERATOR};
use crate::error::{Error, Result};
use crate::folder::TempFolder;
use crate::install;
use crate::port;
use crate::process::{Process, Program};
use crate::service::{Service, workspace_dir};

/// Debian's script in `/usr/sbin` switches to the user `rabbitmq`; these run as the current user.
const SCRIPTS: [&str; 2] = ["/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/sbin/rabbitmq-server"];

/// Directories of the scripts above.
const SCRIPT_FOLDERS: [&str; 2] = ["/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin"];

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The rights of the users, which `souk permissions` prints.
const PERMISSIONS: &str = "deploy/rabbitmq/permissions.json";

/// A RabbitMQ broker with a user for each service, one for operators, and an empty virtual host.
pub struct RabbitMq {
    url: String,
    credentials: Credentials,
    /// Variables that tell `rabbitmqctl` which node it controls.
    node: [(&'static str, String); 5],
    // Dropped in this order: broker, port mapper, files.
    component: Component,
    epmd: Process,
    folder: TempFolder,
}

impl RabbitMq {
    /// Installs RabbitMQ if necessary.
    pub fn ensure_installed() -> Result<()> {
        programs().map(drop)
    }

    /// Starts a broker and waits until it accepts connections.
    pub fn start() -> Result<Self> {
        let rabbitmq = Self::prepare()?;
        rabbitmq.component.start()?;
        Ok(rabbitmq)
    }

    pub(crate) fn prepare() -> Result<Self> {
        let (server, epmd) = programs()?;
        let folder = TempFolder::new("souk-rabbitmq-")?;
        let address = port::local(port::free()?);
        let (port, epmd_port, dist_port) = (address.port(), port::free()?, port::free()?);
        let credentials = Credentials::new()?;

        let in_folder = |name: &str| folder.path().join(name);
        write(&in_folder("definitions.json"), &definitions(&credentials)?.to_string())?;
        write(&in_folder("rabbitmq.config"), &config(port, &in_folder("definitions.json")))?;
        write(&in_folder("enabled_plugins"), "[].\n")?;

        let node_name = format!("souk-{port}@localhost");
        // Nodes look up each other's ports in `epmd`. A node without one starts the system's as a
        // daemon, which outlives the test; this one runs in the foreground.
        let mapper = Program::new(epmd, in_folder("epmd.log")).arguments([
            "-port",
            &epmd_port.to_string(),
            "-address",
            "127.0.0.1",
        ]);
        let node = Program::new(server, in_folder("rabbitmq.log"))
            .variable("HOME", folder.path())
            .variable("RABBITMQ_NODENAME", &node_name)
            .variable("RABBITMQ_DIST_PORT", dist_port.to_string())
            .variable("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .variable("ERL_EPMD_PORT", epmd_port.to_string())
            .variable("ERL_EPMD_ADDRESS", "127.0.0.1")
            .variable("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .variable("RABBITMQ_CONFIG_FILE", in_folder("rabbitmq.config"))
            .variable("RABBITMQ_ADVANCED_CONFIG_FILE", in_folder("advanced.config"))
            .variable("RABBITMQ_ENABLED_PLUGINS_FILE", in_folder("enabled_plugins"))
            .variable("RABBITMQ_MNESIA_BASE", in_folder("mnesia"))
            .variable("RABBITMQ_LOG_BASE", in_folder("log"))
            .variable("RABBITMQ_PID_FILE", in_folder("pid"))
            // Makes the script `exec` the broker instead of waiting for it, so that signals reach
            // the broker. It notifies systemd only when NOTIFY_SOCKET is set.
            .variable("RUNNING_UNDER_SYSTEMD", "true");

        let epmd = Process::start(&mapper)?;
        let variables = [
            ("HOME", folder.path().display().to_string()),
            ("RABBITMQ_NODENAME", node_name),
            ("ERL_EPMD_PORT", epmd_port.to_string()),
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", in_folder("enabled_plugins").display().to_string()),
        ];
        let node = Program { unset: &["NOTIFY_SOCKET"], ..node };
        let broker = Component::program("rabbitmq", address, node, accepts_connections);
        let url = url(&credentials, OPERATOR, address);
        Ok(Self { url, credentials, node: variables, component: broker, epmd, folder })
    }

    /// Returns the value for the `AMQP_URL` of a service.
    #[must_use]
    pub fn url_of(&self, service: Service) -> String {
        url(&self.credentials, service.name(), self.component.address())
    }

    /// Returns the value for the `AMQP_URL` of operators.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the component. Durable queues survive its restarts.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// Runs `rabbitmqctl` on this broker.
    pub fn control(&self, arguments: &[&str]) -> Result<()> {
        self.run_script("rabbitmqctl", arguments)
    }

    /// Starts the management API, and returns its address. The broker starts without it, because it
    /// takes a second.
    pub fn start_management(&self) -> Result<SocketAddr> {
        let address = port::local(port::free()?);
        let listener = format!("[{{ip, \"127.0.0.1\"}}, {{port, {}}}]", address.port());
        let set = format!("application:set_env(rabbitmq_management, tcp_config, {listener}).");
        self.control(&["eval", &set])?;
        self.run_script("rabbitmq-plugins", &["enable", "rabbitmq_management"])?;
        Ok(address)
    }

    fn run_script(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let scripts = SCRIPT_FOLDERS.iter().map(|folder| PathBuf::from(folder).join(name));
        let script = scripts.into_iter().find(|script| script.is_file());
        let script = script.unwrap_or_else(|| PathBuf::from(name));
        let mut command = Command::new(script);
        command.args(arguments).envs(self.node.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        let output = command.output().map_err(Error::context(name))?;
        if output.status.success() {
            return Ok(());
        }
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Err(Error::failed(format!("{name} {}: {out}{error}", arguments.join(" "))))
    }

    pub(crate) fn detach(mut self) -> Result<(Vec<Detached>, PathBuf)> {
        self.epmd.detach();
        let detached = vec![self.component.detach()?, Detached::Process(self.epmd.id())];
        Ok((detached, self.folder.detach()))
    }
}

fn programs() -> Result<(PathBuf, PathBuf)> {
    let server = install::find_or_install("RabbitMQ", &["rabbitmq-server"], || {
        let known = SCRIPTS.iter().map(PathBuf::from).find(|script| script.is_file());
        known.or_else(|| install::find_program("rabbitmq-server"))
    })?;
    let epmd = install::find_or_install("Erlang's epmd", &["erlang-base"], || install::find_program("epmd"))?;
    Ok((server, epmd))
}

/// Whether the broker answers the protocol header with `Connection.Start`, a frame of type 1.
fn accepts_connections(address: SocketAddr) -> bool {
    let greet = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, RESPONSE_TIMEOUT)?;
        stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first == [1])
    };
    greet().unwrap_or(false)
}

fn url(credentials: &Credentials, user: &str, address: SocketAddr) -> String {
    format!("amqp://{}@{address}/%2f", credentials.user_info(user))
}

/// Returns RabbitMQ's configuration as Erlang terms: those of `listeners.tcp.1`, `log.console`,
/// `log.file` and `load_definitions`. RabbitMQ needs almost a second of CPU time at each start to
/// translate a file in its newer format.
fn config(port: u16, definitions: &Path) -> String {
    let log = "[{console, [{enabled, true}, {level, info}]}, {file, [{file, false}]}]";
    let definitions = definitions.display();
    format!(
        "[{{rabbit, [{{tcp_listeners, [{{\"127.0.0.1\", {port}}}]}},\n\
         {{log, {log}}},\n\
         {{load_definitions, \"{definitions}\"}}]}}].\n"
    )
}

/// Returns RabbitMQ's definitions as `deploy/rabbitmq/definitions.sh` does: users with hashed
/// passwords, their rights, and the exchange that no service may declare.
fn definitions(credentials: &Credentials) -> Result<Value> {
    let file = workspace_dir().join(PERMISSIONS);
    let permissions = fs::read(&file).map_err(Error::context(file.display()))?;
    let permissions: Value = serde_json::from_slice(&permissions).map_err(Error::context(file.display()))?;
    let user = |(name, password): (&str, &str)| {
        Ok(json!({
            "name": name,
            "password_hash": password_hash(password)?,
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": if name == OPERATOR { "administrator" } else { "" },
        }))
    };
    let users: Vec<Value> = credentials.all().map(user).collect::<Result<_>>()?;
    let broadcasts = json!({"name": "souk.broadcasts", "vhost": "/", "type": "fanout", "durable": true,
        "auto_delete": false, "internal": false, "arguments": {}});
    Ok(json!({"users": users, "vhosts": [{"name": "/"}], "permissions": permissions, "exchanges": [broadcasts]}))
}

/// Returns salt and SHA-256 of salt and password, as RabbitMQ stores them.
fn password_hash(password: &str) -> Result<String> {
    let mut hash = [0; 4].to_vec();
    getrandom::fill(&mut hash).map_err(Error::context("no random numbers"))?;
    let digest = Sha256::new_with_prefix(&hash).chain_update(password).finalize();
    hash.extend_from_slice(&digest);
    Ok(BASE64_STANDARD.encode(hash))
}

fn write(file: &Path, content: &str) -> Result<()> {
    fs::write(file, content).map_err(Error::context(file.display()))
}
