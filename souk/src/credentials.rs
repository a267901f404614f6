//! `souk credentials`: replaces the password of a service on RabbitMQ and MongoDB without downtime.
//!
//! A service has two users, `customer` and `customer.2`, of which one exists at a time. While the
//! password is replaced both do, so instances with either password connect.

mod management;
mod url;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use rocket::tokio::time::{Instant, sleep};
use souk_http::config::Environment;
use souk_store::MongoUsers;
use tempfile::NamedTempFile;

use self::management::RabbitUsers;
use self::url::CredentialUrl;
use crate::databases::operator_message;
use crate::shop_args::first_problem;
use crate::terminal::{print, table};

/// Pause between two looks at the open connections of a user.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Consecutive looks without an open connection after which a user counts as unused.
const UNUSED_LOOKS: u32 = 5;
/// Bytes of a password, which has twice as many hexadecimal digits.
const PASSWORD_BYTES: usize = 24;

#[derive(Subcommand)]
pub(crate) enum CredentialsCommand {
    /// Show the users of a service and their open connections
    List(CredentialsArgs),
    /// Create the second user of a service, and write its URLs. Then restart its instances
    Add(CredentialsArgs),
    /// Delete the former user of a service, when no instance uses it any more
    Retire {
        #[command(flatten)]
        args: CredentialsArgs,
        /// Seconds to wait for the connections of the former user to end
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        within: u64,
    },
}

/// The owners of users.
#[derive(Clone, Copy, ValueEnum)]
enum Owner {
    Customer,
    Products,
    Shopping,
    Mail,
    Web,
    /// What makes backups. It has no user on RabbitMQ
    Backup,
}

#[derive(Args)]
pub(crate) struct CredentialsArgs {
    /// The service
    owner: Owner,
    #[arg(
        long,
        env = "CREDENTIALS",
        value_name = "DIR",
        help = "Directory with OWNER/amqp-url and OWNER/mongodb-uri, which AMQP_URL_FILE and MONGODB_URI_FILE of the service \
                name. A missing file stands for no user on that server"
    )]
    urls: PathBuf,
    #[arg(
        long,
        value_name = "URL",
        help = "RabbitMQ, with the user of an administrator [env: AMQP_URL, or AMQP_URL_FILE with a path]"
    )]
    amqp_url: Option<String>,
    #[arg(
        long,
        env = "RABBITMQ_MANAGEMENT_URL",
        value_name = "URL",
        help = "RabbitMQ's management API [default: port 15672 of the host of AMQP_URL]"
    )]
    management_url: Option<String>,
    #[arg(
        long,
        value_name = "URI",
        help = "MongoDB, with a user that may create others [env: MONGODB_URI, or MONGODB_URI_FILE with a path]"
    )]
    mongodb_uri: Option<String>,
}

pub(crate) async fn run(command: CredentialsCommand) -> Result<(), String> {
    let (args, action) = match command {
        CredentialsCommand::List(args) => (args, Action::List),
        CredentialsCommand::Add(args) => (args, Action::Add),
        CredentialsCommand::Retire { args, within } => (args, Action::Retire(Duration::from_secs(within))),
    };
    let credentials = args.open()?;
    let outcome = async {
        match action {
            Action::List => list(&credentials).await,
            Action::Add => add(&credentials).await,
            Action::Retire(within) => retire(&credentials, within).await,
        }
    };
    let outcome = outcome.await;
    for credential in &credentials {
        credential.server.close().await;
    }
    outcome
}

enum Action {
    List,
    Add,
    Retire(Duration),
}

/// A server and its users.
enum Server {
    RabbitMq(RabbitUsers),
    MongoDb(MongoUsers),
}

impl Server {
    fn name(&self) -> &'static str {
        match self {
            Self::RabbitMq(_) => "RabbitMQ",
            Self::MongoDb(_) => "MongoDB",
        }
    }

    async fn exists(&self, user: &str) -> Result<bool, String> {
        match self {
            Self::RabbitMq(users) => users.exists(user).await,
            Self::MongoDb(users) => users.exists(user).await.map_err(operator_message),
        }
    }

    async fn copy(&self, user: &str, copy: &str, password: &str) -> Result<(), String> {
        match self {
            Self::RabbitMq(users) => users.copy(user, copy, password).await,
            Self::MongoDb(users) => users.copy(user, copy, password).await.map_err(operator_message),
        }
    }

    async fn connections(&self, user: &str) -> Result<usize, String> {
        match self {
            Self::RabbitMq(users) => users.connections(user).await,
            Self::MongoDb(users) => users.connections(user).await.map_err(operator_message),
        }
    }

    async fn delete(&self, user: &str) -> Result<(), String> {
        match self {
            Self::RabbitMq(users) => users.delete(user).await,
            Self::MongoDb(users) => users.delete(user).await.map_err(operator_message),
        }
    }

    async fn close(&self) {
        if let Self::MongoDb(users) = self {
            users.close().await;
        }
    }
}

/// The user of a service on one server.
struct Credential {
    server: Server,
    file: PathBuf,
    /// What the file says.
    url: CredentialUrl,
}

impl CredentialsArgs {
    fn open(self) -> Result<Vec<Credential>, String> {
        let mut environment = Environment::from_process();
        let amqp_url = self.amqp_url.or_else(|| environment.optional("AMQP_URL"));
        let mongodb_uri = self.mongodb_uri.or_else(|| environment.optional("MONGODB_URI"));
        first_problem(&environment)?;
        let owner = self.owner.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let folder = self.urls.join(owner);
        let mut credentials = Vec::new();
        if let Some((file, url)) = read(folder.join("amqp-url"))? {
            let operator_url = amqp_url.ok_or("name RabbitMQ and an administrator with --amqp-url or AMQP_URL")?;
            let users = RabbitUsers::new(&operator_url, self.management_url)?;
            credentials.push(Credential { server: Server::RabbitMq(users), file, url });
        }
        if let Some((file, url)) = read(folder.join("mongodb-uri"))? {
            let operator_uri = mongodb_uri
                .ok_or("name MongoDB and a user that may create others with --mongodb-uri or MONGODB_URI")?;
            let users = MongoUsers::new(&operator_uri, &url.text()).map_err(operator_message)?;
            credentials.push(Credential { server: Server::MongoDb(users), file, url });
        }
        if credentials.is_empty() {
            return Err(format!("{} has neither amqp-url nor mongodb-uri", folder.display()));
        }
        Ok(credentials)
    }
}

/// Reads a URL; `None` for a missing file.
fn read(file: PathBuf) -> Result<Option<(PathBuf, CredentialUrl)>, String> {
    if !file.try_exists().map_err(|error| format!("{}: {error}", file.display()))? {
        return Ok(None);
    }
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let url = CredentialUrl::parse(&text).map_err(|why| format!("{}: {why}", file.display()))?;
    Ok(Some((file, url)))
}

async fn list(credentials: &[Credential]) -> Result<(), String> {
    let mut rows = vec![["SERVER", "USER", "IN THE FILE", "CONNECTIONS"].map(str::to_owned)];
    for Credential { server, url, .. } in credentials {
        for (user, is_named) in [(url.user().to_owned(), "yes"), (url.other_user(), "no")] {
            if server.exists(&user).await? {
                let connections = server.connections(&user).await?;
                rows.push([server.name().to_owned(), user, is_named.to_owned(), connections.to_string()]);
            }
        }
    }
    print(&table(&rows))
}

async fn add(credentials: &[Credential]) -> Result<(), String> {
    require_users_in_files(credentials).await?;
    for Credential { server, url, .. } in credentials {
        let other = url.other_user();
        if server.exists(&other).await? {
            return Err(format!("{} has {} and {other}: retire the former one first", server.name(), url.user()));
        }
    }
    for Credential { server, file, url } in credentials {
        let (other, password) = (url.other_user(), new_password()?);
        // Prepared first, so that a user whose password is nowhere is not created.
        let prepared = prepare(file, &url.with(&other, &password).text());
        let prepared = prepared.map_err(|error| format!("{} cannot be replaced: {error}", file.display()))?;
        server.copy(url.user(), &other, &password).await?;
        prepared.persist(file).map_err(|error| {
            format!("{} was not replaced: {}; delete {other} with retire", file.display(), error.error)
        })?;
        println!("{}: {other} is new; {} still connects", server.name(), url.user());
    }
    println!("restart the instances one by one, then retire the former users");
    Ok(())
}

/// Writes the next content of a file beside it, with its owner and its mode.
fn prepare(file: &Path, content: &str) -> std::io::Result<NamedTempFile> {
    let (folder, former) = (file.parent().unwrap_or(Path::new(".")), fs::metadata(file)?);
    let mut prepared = NamedTempFile::new_in(folder)?;
    prepared.write_all(content.as_bytes())?;
    prepared.as_file().sync_all()?;
    // Only the owner may change the mode, so the owner is changed last.
    fs::set_permissions(prepared.path(), former.permissions())?;
    let own = prepared.as_file().metadata()?;
    if (own.uid(), own.gid()) != (former.uid(), former.gid()) {
        chown(prepared.path(), Some(former.uid()), Some(former.gid()))?;
    }
    Ok(prepared)
}

fn new_password() -> Result<String, String> {
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn retire(credentials: &[Credential], within: Duration) -> Result<(), String> {
    require_users_in_files(credentials).await?;
    let mut former = Vec::new();
    for credential in credentials {
        let user = credential.url.other_user();
        if credential.server.exists(&user).await? {
            former.push((credential, user));
        } else {
            println!("{}: {} is the only user of its service", credential.server.name(), credential.url.user());
        }
    }
    wait_until_unused(&former, within).await?;
    for (Credential { server, url, .. }, user) in former {
        server.delete(&user).await?;
        println!("{}: {user} is deleted; {} connects", server.name(), url.user());
    }
    Ok(())
}

/// Waits until the former users have no open connections, in several looks, because an instance may
/// be about to connect again. Errors: one has an open connection after this time.
async fn wait_until_unused(former: &[(&Credential, String)], within: Duration) -> Result<(), String> {
    let (deadline, mut unused) = (Instant::now() + within, 0);
    while unused < UNUSED_LOOKS && !former.is_empty() {
        unused += 1;
        for (Credential { server, file, .. }, user) in former {
            let connections = server.connections(user).await?;
            if connections == 0 {
                continue;
            }
            unused = 0;
            if Instant::now() >= deadline {
                let (server, file) = (server.name(), file.display());
                return Err(format!(
                    "{server}: {user} has {connections} open connections, and no user was deleted: restart the instances \
                     that do not use {file} yet"
                ));
            }
        }
        // No event tells that a connection has ended.
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Errors: a server does not know the user that the file names, or it is another server.
async fn require_users_in_files(credentials: &[Credential]) -> Result<(), String> {
    for Credential { server, file, url } in credentials {
        if !server.exists(url.user()).await? {
            let (server, user, file) = (server.name(), url.user(), file.display());
            return Err(format!("{server} has no user {user}, which {file} names; nothing was changed"));
        }
    }
    Ok(())
}
