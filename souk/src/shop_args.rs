//! The options that name a shop and its broker, shared by all maintenance commands. A fleet's
//! variables have the names that its services use.

use std::path::PathBuf;

use clap::Args;
use souk_bus::AmqpOptions;
use souk_http::config::Environment;

use crate::settings;

/// The shop that a command works on.
#[derive(Args)]
#[command(next_help_heading = "Shop")]
pub(crate) struct ShopArgs {
    /// One-process shop: its data directory [default: data in souk.toml, else ./data]
    #[arg(long, env = "SOUK_DATA", value_name = "DIR", conflicts_with = "mongodb_uri")]
    data: Option<PathBuf>,
    /// One-process shop: its file of options [default: souk.toml, if it exists]
    #[arg(long, env = "SOUK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(
        long,
        value_name = "URI",
        help = "Fleet: URI of its MongoDB [env: MONGODB_URI, or MONGODB_URI_FILE with a path]"
    )]
    mongodb_uri: Option<String>,
    /// Fleet: prefix of its databases' names; the service's name follows
    #[arg(long, value_name = "PREFIX", default_value = "souk_")]
    database_prefix: String,
}

pub(crate) enum ShopLocation {
    /// A one-process shop, in this directory.
    Directory(PathBuf),
    /// A fleet, in databases whose names begin with a prefix.
    MongoDb { uri: String, prefix: String },
}

impl ShopArgs {
    /// Returns the shop that the options name, or else the environment of this process.
    pub(crate) fn resolve(self) -> Result<ShopLocation, String> {
        self.resolve_in(&mut Environment::from_process())
    }

    fn resolve_in(self, environment: &mut Environment) -> Result<ShopLocation, String> {
        let is_directory_named = self.data.is_some();
        let uri = self.mongodb_uri.or_else(|| environment.optional("MONGODB_URI").filter(|_| !is_directory_named));
        first_problem(environment)?;
        Ok(match uri {
            Some(uri) => ShopLocation::MongoDb { uri, prefix: self.database_prefix },
            None => ShopLocation::Directory(match self.data {
                Some(data) => data,
                None => settings::data_directory(self.config.as_deref())?,
            }),
        })
    }
}

/// The broker of a fleet.
#[derive(Args)]
#[command(next_help_heading = "Broker")]
pub(crate) struct BrokerArgs {
    #[arg(long, value_name = "URL", help = "Fleet: URL of its RabbitMQ [env: AMQP_URL, or AMQP_URL_FILE with a path]")]
    amqp_url: Option<String>,
    #[arg(long, value_name = "PREFIX", help = "Fleet: prefix of its queues' and exchanges' names [env: AMQP_PREFIX]")]
    amqp_prefix: Option<String>,
}

impl BrokerArgs {
    /// Returns the broker that the options name, or else the environment of this process.
    pub(crate) fn resolve(self) -> Result<Option<AmqpOptions>, String> {
        self.resolve_in(&mut Environment::from_process())
    }

    fn resolve_in(self, environment: &mut Environment) -> Result<Option<AmqpOptions>, String> {
        let url = self.amqp_url.or_else(|| environment.optional("AMQP_URL"));
        let prefix = self.amqp_prefix.or_else(|| environment.optional("AMQP_PREFIX")).unwrap_or_default();
        first_problem(environment)?;
        let name = format!("souk-{}", std::process::id());
        Ok(url.map(|url| AmqpOptions { url, name, service: "souk".to_owned(), prefix }))
    }
}

/// Errors: a variable of the environment that is not usable.
pub(crate) fn first_problem(environment: &Environment) -> Result<(), String> {
    environment.problems().first().map_or(Ok(()), |problem| Err(problem.clone()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        shop: ShopArgs,
        #[command(flatten)]
        broker: BrokerArgs,
    }

    fn parse(arguments: &[&str]) -> Parsed {
        Parsed::try_parse_from(["souk"].iter().chain(arguments)).unwrap()
    }

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(variables.iter().copied())
    }

    #[test]
    fn options_override_the_environment() {
        let mongodb = [("MONGODB_URI", "mongodb://a")];
        for (arguments, variables, expected) in [
            (&["--data", "d"][..], &mongodb[..], Ok("d")),
            (&[], &mongodb, Err("mongodb://a souk_")),
            (&["--mongodb-uri", "mongodb://b", "--database-prefix", "qa_"], &mongodb, Err("mongodb://b qa_")),
            (&["--data", "d"], &[], Ok("d")),
        ] {
            let shop = parse(arguments).shop.resolve_in(&mut environment(variables)).unwrap();
            let shop = match &shop {
                ShopLocation::Directory(directory) => Ok(directory.display().to_string()),
                ShopLocation::MongoDb { uri, prefix } => Err(format!("{uri} {prefix}")),
            };
            assert_eq!(shop.as_deref().map_err(|uri| &**uri), expected, "{arguments:?}");
        }
    }

    #[test]
    fn the_broker_is_that_of_the_services() {
        let resolve = |arguments: &[&str], variables: &[(&str, &str)]| {
            let broker = parse(arguments).broker.resolve_in(&mut environment(variables))?;
            Ok::<_, String>(broker.map(|options| (options.url, options.prefix)))
        };
        let variables = [("AMQP_URL", "amqp://a"), ("AMQP_PREFIX", "qa.")];
        assert_eq!(resolve(&[], &variables), Ok(Some(("amqp://a".into(), "qa.".into()))));
        assert_eq!(resolve(&["--amqp-url", "amqp://b"], &variables), Ok(Some(("amqp://b".into(), "qa.".into()))));
        assert_eq!(resolve(&[], &[]), Ok(None));
        assert!(resolve(&[], &[("AMQP_URL_FILE", "/nowhere")]).unwrap_err().contains("/nowhere"));
    }
}
