//! What can be chosen, and by what: a flag, an environment variable, the file `souk.toml`, a default, the first of these that says
//! something. `souk --help` is made from here.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};
use serde::Deserialize;
use souk_http::telemetry::{Dsn, Format, Reporting};

mod books;

pub(crate) use self::books::{Audit, Backup, Books, Broker, Explain, Restore, Seed, Wanted};

const DEFAULT_FILE: &str = "souk.toml";
const DEFAULT_DATA: &str = "./data";

/// A whole shop in one process: customer, products and shopping, with embedded storage.
///
/// Each option can be given as a flag, as an environment variable or in a file; the flag is stronger than the variable,
/// the variable than the file.
#[derive(Parser)]
#[command(name = "souk", version, args_conflicts_with_subcommands = true, after_help = FILE_HELP)]
pub(crate) struct Souk {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: Up,
}

const FILE_HELP: &str = "The file souk.toml takes the same options:

  address = \"127.0.0.1\"
  port = 8000
  data = \"./data\"
  memory = false
  demo = true
  log = \"info\"
  log_format = \"text\"";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the shop (what `souk` alone does too)
    #[command(after_help = FILE_HELP)]
    Up(Up),
    /// Look after admins
    #[command(subcommand)]
    Admin(Admin),
    /// Check that the books balance, across all databases and the broker; exits with 1 when they do not
    Audit(Audit),
    /// Back up a shop as it is at one moment, while it runs, into a directory that is a one-process shop's
    Backup(Backup),
    /// Put a backup, or any one-process shop, into a shop that is empty: a directory, or a fleet that is stopped
    Restore(Restore),
    /// Show all that happened to one order, in every service, on one line of time
    Order(Explain),
    /// Put the sample catalogue on a new fleet's shelves, and make an admin; what is there stays
    Seed(Seed),
    /// Look after a fleet's dead letters: events that a service could not handle
    #[command(subcommand)]
    Dlq(Dlq),
}

#[derive(Args)]
pub(crate) struct Up {
    /// Port to listen on; 0 takes a free one [default: 8000]
    #[arg(long, env = "SOUK_PORT")]
    port: Option<u16>,
    /// Address to listen on; 0.0.0.0 lets other machines in [default: 127.0.0.1]
    #[arg(long, env = "SOUK_ADDRESS")]
    address: Option<IpAddr>,
    /// Directory of the shop's data, kept between runs [default: ./data]
    #[arg(long, env = "SOUK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep nothing: data is in a temporary directory that goes with the process, and --data is not touched
    #[arg(long, env = "SOUK_MEMORY", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "true|false")]
    memory: Option<bool>,
    /// Do not load the sample catalogue into an empty shop
    #[arg(long, env = "SOUK_NO_DEMO", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "true|false")]
    no_demo: Option<bool>,
    /// What to log: error, warn, info, debug, or a list of target=level [default: info]
    #[arg(long, env = "SOUK_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How to log: json or text [default: text on a terminal, else json]
    #[arg(long, env = "SOUK_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<Format>,
    /// Report unexpected errors to this Sentry project
    #[arg(long, env = "SENTRY_DSN", value_name = "DSN", hide_env_values = true)]
    sentry_dsn: Option<Dsn>,
    /// The environment that reports name
    #[arg(long, env = "ENVIRONMENT", value_name = "NAME", default_value = "local")]
    environment: String,
    /// File with options [default: souk.toml, where there is one]
    #[arg(long, env = "SOUK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Admin {
    /// Make an admin's account; works whether the shop is running or not
    Create {
        /// E-mail address of the account
        email: String,
        /// Read the password of a new account from this file (its first line) instead of asking
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Make the account that this address has already an admin's. Look first whose it is: addresses are not verified
        #[arg(long)]
        promote: bool,
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Subcommand)]
pub(crate) enum Dlq {
    /// List all dead letters, or those of one queue
    List {
        /// Only those of this queue, such as shopping.customer (what shopping hears of customer)
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        broker: Broker,
    },
    /// Show all that is known of one, its headers and its body
    Show {
        /// Id of the event; when several services could not handle it, all of these are shown
        id: String,
        /// Only that of this queue
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        broker: Broker,
    },
    /// Put them back to the queues that failed, under the same ids and with all attempts open again
    Replay {
        /// Id of the event
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All that are there now
        #[arg(long)]
        all: bool,
        /// Only those of this queue
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        #[command(flatten)]
        broker: Broker,
    },
    /// Throw them away, for good
    Drop {
        /// Id of the event
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All that are there now, of one queue
        #[arg(long, requires = "queue")]
        all: bool,
        /// Only those of this queue
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        #[command(flatten)]
        broker: Broker,
    },
}

/// Which shop is meant: the one-process shop on a directory, or a fleet by the database of its service `customer`.
#[derive(Args)]
pub(crate) struct Of {
    /// Directory of the shop's data [default: ./data]
    #[arg(long, env = "SOUK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// File with options [default: souk.toml, where there is one]
    #[arg(long, env = "SOUK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A fleet's shop: where its MongoDB is
    #[arg(long, env = "SOUK_MONGODB_URI", value_name = "URI", hide_env_values = true, requires = "database", conflicts_with_all = ["data", "config"])]
    mongodb_uri: Option<String>,
    /// A fleet's shop: the database of its service `customer`
    #[arg(long, env = "SOUK_DATABASE", value_name = "NAME", requires = "mongodb_uri")]
    database: Option<String>,
}

/// The customers of a shop.
pub(crate) enum Customers {
    /// In the shop on this directory.
    Directory(PathBuf),
    /// In a fleet.
    MongoDb { uri: String, database: String },
}

impl Of {
    /// The shop that is meant.
    pub(crate) fn customers(self) -> Result<Customers, String> {
        match (self.mongodb_uri, self.database) {
            (Some(uri), Some(database)) => Ok(Customers::MongoDb { uri, database }),
            _ => Ok(Customers::Directory(match self.data {
                Some(data) => data,
                None => File::find(self.config.as_deref())?.data.unwrap_or_else(|| DEFAULT_DATA.into()),
            })),
        }
    }
}

/// What `souk.toml` may say.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    port: Option<u16>,
    address: Option<IpAddr>,
    data: Option<PathBuf>,
    memory: Option<bool>,
    demo: Option<bool>,
    log: Option<String>,
    log_format: Option<String>,
}

/// What is settled.
pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) address: IpAddr,
    /// `None`: keep nothing.
    pub(crate) data: Option<PathBuf>,
    pub(crate) demo: bool,
    pub(crate) log: String,
    pub(crate) log_format: Option<Format>,
    pub(crate) reporting: Option<Reporting>,
}

impl Souk {
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Up(self.up))
    }
}

impl Up {
    /// Puts flags, environment, file and defaults together.
    pub(crate) fn settle(self) -> Result<Settings, String> {
        let file = File::find(self.config.as_deref())?;
        self.over(file)
    }

    fn over(self, file: File) -> Result<Settings, String> {
        // A directory that is named by hand is meant, whatever the file says of memory.
        let memory = self.memory.or(self.data.is_some().then_some(false)).or(file.memory).unwrap_or(false);
        let data = self.data.or(file.data).unwrap_or_else(|| DEFAULT_DATA.into());
        let format = |text: String| text.parse().map_err(|problem| format!("log_format {problem}"));
        let reporting = |dsn| Reporting {
            dsn,
            environment: self.environment,
            release: format!("souk@{}", env!("CARGO_PKG_VERSION")),
        };
        Ok(Settings {
            port: self.port.or(file.port).unwrap_or(8000),
            address: self.address.or(file.address).unwrap_or(IpAddr::from([127, 0, 0, 1])),
            data: (!memory).then_some(data),
            demo: self.no_demo.map(|no| !no).or(file.demo).unwrap_or(true),
            log: self.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: self.log_format.or(file.log_format.map(format).transpose()?),
            reporting: self.sentry_dsn.map(reporting),
        })
    }
}

impl File {
    fn find(config: Option<&Path>) -> Result<Self, String> {
        match config {
            Some(path) => read(path),
            None if Path::new(DEFAULT_FILE).exists() => read(Path::new(DEFAULT_FILE)),
            None => Ok(Self::default()),
        }
    }
}

fn read(path: &Path) -> Result<File, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("cannot read {}: {}", path.display(), error.to_string().trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(arguments: &[&str], file: &str) -> Settings {
        let souk = Souk::try_parse_from(["souk"].iter().chain(arguments)).unwrap();
        let Command::Up(up) = souk.command() else { panic!("not up") };
        up.over(toml::from_str(file).unwrap()).unwrap()
    }

    #[test]
    fn a_flag_is_stronger_than_the_file_and_the_file_than_the_default() {
        let file = "port = 9000\ndemo = false\nmemory = true\nlog = \"warn\"";
        let settled = settle(&[], file);
        assert_eq!((settled.port, settled.demo, settled.data, &*settled.log), (9000, false, None, "warn"));
        let settled = settle(&["up", "--port", "7", "--no-demo=false", "--memory=false"], file);
        assert_eq!((settled.port, settled.demo, settled.data), (7, true, Some("./data".into())));
        assert_eq!(settle(&[], "").port, 8000);
        assert_eq!(settle(&["--memory"], "").data, None);
        assert_eq!(settle(&["--data", "d"], file).data, Some("d".into()), "a flag is stronger than the file's memory");
        assert_eq!(settle(&["--data", "d", "--memory"], file).data, None);
    }

    #[test]
    fn a_file_with_unknown_options_is_refused() {
        assert!(toml::from_str::<File>("prot = 9000").is_err());
    }

    #[test]
    fn dead_letters_are_looked_for_where_the_services_would() {
        let of = |arguments: &[&str], variables: &[(&str, &str)]| {
            let souk = Souk::try_parse_from(["souk", "dlq", "list"].iter().chain(arguments)).unwrap();
            let Command::Dlq(Dlq::List { broker, .. }) = souk.command() else { panic!("not dlq list") };
            broker
                .over(souk_http::config::Environment::from_pairs(variables.iter().copied()))
                .map(|options| (options.url, options.prefix))
        };
        let environment = [("AMQP_URL", "amqp://a"), ("AMQP_PREFIX", "qa.")];
        assert_eq!(of(&[], &environment), Ok(("amqp://a".into(), "qa.".into())));
        assert_eq!(of(&["--amqp-url", "amqp://b"], &environment), Ok(("amqp://b".into(), "qa.".into())));
        for one_process in [of(&[], &[]), of(&["--data", "d"], &environment)] {
            assert!(one_process.unwrap_err().contains("outbox"));
        }
        assert!(of(&[], &[("AMQP_URL_FILE", "/nowhere")]).unwrap_err().contains("/nowhere"));
    }

    #[test]
    fn nobody_throws_away_all_of_all_queues() {
        let parses = |arguments: &[&str]| Souk::try_parse_from(["souk", "dlq"].iter().chain(arguments)).is_ok();
        for good in [&["drop", "7"][..], &["drop", "--all", "--queue", "a.b"], &["replay", "--all"], &["replay", "7"]] {
            assert!(parses(good), "{good:?}");
        }
        for bad in
            [&["drop"][..], &["drop", "--all"], &["drop", "7", "--all", "--queue", "a.b"], &["replay"], &["show"]]
        {
            assert!(!parses(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        <Souk as clap::CommandFactory>::command().debug_assert();
    }
}
