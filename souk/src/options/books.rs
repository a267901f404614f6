//! The options of the commands that look after a shop: where its books are, and what is wanted of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use souk_bus::AmqpOptions;
use souk_contract::shopping::OrderId;
use souk_http::config::Environment;

use super::DEFAULT_DATA;
use crate::audit::Erased;

#[derive(Args)]
pub(crate) struct Audit {
    /// What clients were told: a line of JSON {customer, key, order, status} for each answer that an order got
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// Look instead for what is left of a deleted account with this id, in every database and dead letter
    #[arg(long, value_name = "ID", conflicts_with = "orders")]
    erased: Option<String>,
    /// With --erased: what else would lead to the person, such as their e-mail address; may be repeated
    #[arg(long, value_name = "WORD", requires = "erased", value_parser = NonEmptyStringValueParser::new())]
    word: Vec<String>,
    /// With --erased: a log to search, a folder of logs, or - for the standard input; may be repeated
    #[arg(long, value_name = "FILE", requires = "erased")]
    log: Vec<PathBuf>,
    /// Wait so many seconds at most for what is still under way
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    within: Duration,
    #[command(flatten)]
    of: Place,
    #[arg(long, value_name = "URL", help = "A fleet's RabbitMQ [env: AMQP_URL, or a file by AMQP_URL_FILE]")]
    amqp_url: Option<String>,
    #[arg(long, value_name = "PREFIX", help = "What the shop's names on the broker begin with [env: AMQP_PREFIX]")]
    amqp_prefix: Option<String>,
}

/// What an audit is to look at.
pub(crate) struct Wanted {
    pub(crate) books: Books,
    /// A fleet's.
    pub(crate) broker: Option<AmqpOptions>,
    /// A file of what clients were told.
    pub(crate) told: Option<PathBuf>,
    /// Whose traces are looked for, instead of whether the books balance.
    pub(crate) erased: Option<Erased>,
    /// How long to wait for what is under way.
    pub(crate) within: Duration,
}

/// Seconds, with or without their unit.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse();
    number.map(Duration::from_secs).map_err(|_| "must be a number of seconds".to_owned())
}

/// Where the books of a shop are.
pub(crate) enum Books {
    /// In the shop on this directory.
    Directory(PathBuf),
    /// In a fleet's databases, whose names begin with a prefix.
    MongoDb { uri: String, prefix: String },
}

/// Whose books: a one-process shop's directory, or a fleet's databases.
#[derive(Args)]
pub(crate) struct Place {
    /// Directory of a one-process shop's data [default: ./data]
    #[arg(long, env = "SOUK_DATA", value_name = "DIR", conflicts_with = "mongodb_uri")]
    data: Option<PathBuf>,
    #[arg(long, value_name = "URI", help = "A fleet's MongoDB [env: MONGODB_URI, or a file by MONGODB_URI_FILE]")]
    mongodb_uri: Option<String>,
    /// What the names of a fleet's databases begin with; the rest is the service's name
    #[arg(long, value_name = "PREFIX", default_value = "souk_")]
    database_prefix: String,
}

impl Place {
    /// By the options and the environment of this process.
    fn of_process(self) -> Result<Books, String> {
        let mut environment = Environment::from_process();
        let books = self.settle(&mut environment);
        match environment.problems().first() {
            Some(problem) => Err(problem.clone()),
            None => Ok(books),
        }
    }

    fn settle(self, environment: &mut Environment) -> Books {
        let named = self.data.is_some();
        match self.mongodb_uri.or_else(|| environment.optional("MONGODB_URI").filter(|_| !named)) {
            Some(uri) => Books::MongoDb { uri, prefix: self.database_prefix },
            None => Books::Directory(self.data.unwrap_or_else(|| DEFAULT_DATA.into())),
        }
    }
}

impl Audit {
    /// Puts options and environment together.
    pub(crate) fn settle(self) -> Result<Wanted, String> {
        let mut environment = Environment::from_process();
        let books = self.of.settle(&mut environment);
        if let Some(problem) = environment.problems().first() {
            return Err(problem.clone());
        }
        let broker = match books {
            Books::Directory(_) => None,
            Books::MongoDb { .. } => {
                let broker = Broker { amqp_url: self.amqp_url, amqp_prefix: self.amqp_prefix, data: None };
                Some(broker.over(environment)?)
            }
        };
        let directory = match &books {
            Books::Directory(directory) => Some(directory.clone()),
            Books::MongoDb { .. } => None,
        };
        let erased = match self.erased {
            Some(id) => {
                let customer = id.parse().map_err(|problem| format!("{id:?} {problem}"))?;
                Some(Erased { customer, words: self.word, logs: self.log, directory })
            }
            None => None,
        };
        Ok(Wanted { books, broker, told: self.orders, erased, within: self.within })
    }
}

#[derive(Args)]
pub(crate) struct Backup {
    /// Directory to make; one that is there must be empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    of: Place,
}

impl Backup {
    /// Which shop, and where to.
    pub(crate) fn settle(self) -> Result<(Books, PathBuf), String> {
        Ok((self.of.of_process()?, self.to))
    }
}

#[derive(Args)]
pub(crate) struct Restore {
    /// Directory of the backup, or of a one-process shop
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Empty the fleet's databases first; what is in them is lost
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    of: Place,
}

impl Restore {
    /// Where from, which shop, and whether it is emptied.
    pub(crate) fn settle(self) -> Result<(PathBuf, Books, bool), String> {
        let to = self.of.of_process()?;
        if let (Books::Directory(directory), true) = (&to, self.force) {
            return Err(format!("--force is for fleets: move {} away instead", directory.display()));
        }
        Ok((self.from, to, self.force))
    }
}

#[derive(Args)]
pub(crate) struct Seed {
    /// Make an admin with this e-mail address, too
    #[arg(long, value_name = "EMAIL", requires = "password_file")]
    admin: Option<String>,
    /// File whose first line is the admin's password
    #[arg(long, value_name = "FILE", requires = "admin")]
    password_file: Option<PathBuf>,
    #[arg(long, value_name = "URI", help = "The fleet's MongoDB [env: MONGODB_URI, or a file by MONGODB_URI_FILE]")]
    mongodb_uri: Option<String>,
    /// What the names of the fleet's databases begin with; the rest is the service's name
    #[arg(long, value_name = "PREFIX", default_value = "souk_")]
    database_prefix: String,
}

/// What is to be put where.
pub(crate) struct Sown {
    pub(crate) uri: String,
    /// What the names of the databases begin with.
    pub(crate) prefix: String,
    /// An e-mail address, and the file with the password.
    pub(crate) admin: Option<(String, PathBuf)>,
}

impl Seed {
    /// Puts options and environment together.
    pub(crate) fn settle(self) -> Result<Sown, String> {
        let mut environment = Environment::from_process();
        let uri = self.mongodb_uri.or_else(|| environment.required("MONGODB_URI"));
        let uri = uri.ok_or_else(|| {
            format!("{}; the one-process shop has its samples by itself", environment.problems().join("; "))
        })?;
        Ok(Sown { uri, prefix: self.database_prefix, admin: self.admin.zip(self.password_file) })
    }
}

#[derive(Args)]
pub(crate) struct Explain {
    /// Id of the order
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    of: Place,
}

impl Explain {
    /// Whose books, which order, and whether as JSON.
    pub(crate) fn settle(self) -> Result<(Books, OrderId, bool), String> {
        let books = self.of.of_process()?;
        let order = self.id.parse().map_err(|problem| format!("{:?} {problem}", self.id))?;
        Ok((books, order, self.json))
    }
}

/// Which broker is meant, in the words of the services' environment.
#[derive(Args)]
pub(crate) struct Broker {
    #[arg(long, value_name = "URL", help = "A fleet's RabbitMQ [env: AMQP_URL, or a file by AMQP_URL_FILE]")]
    amqp_url: Option<String>,
    #[arg(long, value_name = "PREFIX", help = "What the shop's names on the broker begin with [env: AMQP_PREFIX]")]
    amqp_prefix: Option<String>,
    /// A one-process shop: it has no dead letters, and is told so
    #[arg(long, value_name = "DIR", hide = true, conflicts_with = "amqp_url")]
    data: Option<PathBuf>,
}

const NO_BROKER: &str = "\
there is no broker to look at: name a fleet's with --amqp-url or AMQP_URL. The one-process shop has none and parks nothing: an \
event that a service cannot handle stays in the outbox of the one that announced it, is tried again at most a minute later, and \
says so in the log";

impl Broker {
    /// The broker that is meant. Errors: none is named, as for a one-process shop.
    pub(crate) fn settle(self) -> Result<AmqpOptions, String> {
        self.over(Environment::from_process())
    }

    pub(super) fn over(self, mut environment: Environment) -> Result<AmqpOptions, String> {
        if self.data.is_some() {
            return Err(NO_BROKER.to_owned());
        }
        let url = self.amqp_url.or_else(|| environment.optional("AMQP_URL"));
        let prefix = self.amqp_prefix.or_else(|| environment.optional("AMQP_PREFIX")).unwrap_or_default();
        if let Some(problem) = environment.problems().first() {
            return Err(problem.clone());
        }
        let url = url.ok_or(NO_BROKER)?;
        Ok(AmqpOptions { url, name: format!("souk-{}", std::process::id()), prefix })
    }
}
