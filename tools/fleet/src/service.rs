//! The programs of the services, and the environment of their instances.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::component::Component;
use crate::error::{Error, Result};
use crate::process::Program;
use crate::{http, port};

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Accounts and sessions.
    Customer,
    /// Catalogue and stock.
    Products,
    /// Carts and orders.
    Shopping,
    /// Mails to customers.
    Mail,
    /// Pages. It has no database.
    Web,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 5] = [Self::Customer, Self::Products, Self::Shopping, Self::Mail, Self::Web];

    /// All services that have a database.
    pub const WITH_DATABASE: [Self; 4] = [Self::Customer, Self::Products, Self::Shopping, Self::Mail];

    /// Returns the name of its program and its package.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Products => "products",
            Self::Shopping => "shopping",
            Self::Mail => "mail",
            Self::Web => "web",
        }
    }

    /// Returns the number of its instances in a fleet with `instances` of each service. No request
    /// of a client waits for `mail`, so one is enough.
    pub(crate) fn instances(self, instances: usize) -> usize {
        match self {
            Self::Mail => 1,
            Self::Customer | Self::Products | Self::Shopping | Self::Web => instances,
        }
    }

    /// Returns the name of its database.
    #[must_use]
    pub fn database(self) -> String {
        format!("souk_{self}")
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The build of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// `cargo build`
    #[default]
    Dev,
    /// `cargo build --release`
    Release,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Variables that a service reads (`.env.example`) and must not inherit from this process, with or
/// without the suffix `_FILE`.
const UNSET: &[&str] = &[
    "ADDRESS",
    "AMQP_PREFIX",
    "AMQP_URL",
    "CORS_ORIGINS",
    "DATABASE",
    "DEMO_CATALOGUE",
    "ENVIRONMENT",
    "GUEST_CARTS_PER_MINUTE_PER_NETWORK",
    "GUEST_ORDERS_PER_MINUTE_PER_NETWORK",
    "INSTANCE",
    "JWKS_URL",
    "LEGAL_PAGES",
    "LOG",
    "LOG_FORMAT",
    "MAIL_DIRECTORY",
    "MAIL_FROM",
    "MAIL_TEMPLATES",
    "MAX_IMPORT_BYTES",
    "MAX_IMPORT_ROWS",
    "MAX_PIECES_PER_ORDER",
    "MAX_UNPAID_ORDERS_PER_CUSTOMER",
    "MAX_UNVERIFIED_PIECES_PER_NETWORK",
    "MONGODB_URI",
    "ORDERS_PER_MINUTE_PER_CUSTOMER",
    "PASSWORD_ATTEMPTS_PER_MINUTE_PER_ACCOUNT",
    "PASSWORD_ATTEMPTS_PER_MINUTE_PER_NETWORK",
    "PAYMENT_METHODS",
    "PORT",
    "PUBLIC_URL",
    "RELEASE",
    "REQUESTS_PER_MINUTE_PER_NETWORK",
    "RESERVATION_SECONDS",
    "SCARCE_RESERVATION_SECONDS",
    "SENTRY_DSN",
    "SHOP_SETTINGS",
    "SIGNING_KEY",
    "SMTP_PASSWORD",
    "SMTP_URL",
    "SMTP_USERNAME",
    "SOUK_FAILPOINT",
    "STAFF_SECOND_FACTOR",
    "STRIPE_PUBLISHABLE_KEY",
    "STRIPE_RETURN_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_URL",
    "STRIPE_WEBHOOK_SECRET",
    "TRUSTED_PROXIES",
    "VAT_CHECKS_PER_MINUTE_PER_NETWORK",
    "VIES_URL",
];

/// Variables for rates that no test, benchmark or load generator reaches: all their clients have
/// one address, and their customers order often.
pub const UNLIMITED_RATES: [(&str, &str); 7] = [
    ("PASSWORD_ATTEMPTS_PER_MINUTE_PER_NETWORK", UNLIMITED),
    ("GUEST_CARTS_PER_MINUTE_PER_NETWORK", UNLIMITED),
    ("GUEST_ORDERS_PER_MINUTE_PER_NETWORK", UNLIMITED),
    ("MAX_UNVERIFIED_PIECES_PER_NETWORK", UNLIMITED),
    ("ORDERS_PER_MINUTE_PER_CUSTOMER", UNLIMITED),
    ("REQUESTS_PER_MINUTE_PER_NETWORK", UNLIMITED),
    ("VAT_CHECKS_PER_MINUTE_PER_NETWORK", UNLIMITED),
];

const UNLIMITED: &str = "4294967295";

/// Returns the programs that a fleet runs: the services, and `souk` for `souk admin create`.
#[must_use]
pub fn programs() -> [&'static str; 6] {
    ["customer", "products", "shopping", "mail", "web", "souk"]
}

/// Returns the root of the workspace.
#[must_use]
pub fn workspace_dir() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

/// Returns the target folder of cargo.
#[must_use]
pub fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace_dir().join("target"), |set| workspace_dir().join(set))
}

/// The file with a service's URL of RabbitMQ.
pub(crate) const AMQP_URL_FILE: &str = "amqp-url";
/// The file with a service's URL of MongoDB.
pub(crate) const MONGODB_URI_FILE: &str = "mongodb-uri";

pub(crate) fn built(name: &str, profile: Profile) -> Result<PathBuf> {
    let program = target_dir().join(profile.folder()).join(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::Missing {
        what: "a program of the fleet",
        help: format!("there is no {}; cargo build --package {name}", program.display()),
    })
}

pub(crate) struct Instance<'i> {
    pub(crate) service: Service,
    pub(crate) number: usize,
    pub(crate) profile: Profile,
    /// Directory with the files `SERVICE/amqp-url` and, if the service has a database,
    /// `SERVICE/mongodb-uri`.
    pub(crate) urls: &'i Path,
    pub(crate) signing_key: &'i Path,
    pub(crate) sample_catalogue: bool,
    pub(crate) log: &'i str,
    pub(crate) attempts_per_network: u32,
    /// Where mails are files, unless `environment` names an SMTP server.
    pub(crate) mails: &'i Path,
    pub(crate) public_url: &'i str,
    pub(crate) environment: &'i [(Service, String, String)],
    pub(crate) logs: &'i Path,
}

impl Instance<'_> {
    pub(crate) fn component(&self) -> Result<Component> {
        let name = format!("{}-{}", self.service, self.number);
        let port = port::free()?;
        let program = built(self.service.name(), self.profile)?;
        let mut program = Program::new(program, self.logs.join(format!("{name}.log")))
            .variable("ADDRESS", "127.0.0.1")
            .variable("PORT", port.to_string())
            .variable("AMQP_URL_FILE", self.urls.join(self.service.name()).join(AMQP_URL_FILE))
            .variable("INSTANCE", &name)
            .variable("ENVIRONMENT", "fleet")
            .variable("LOG", self.log)
            .variable("LOG_FORMAT", "json");
        if Service::WITH_DATABASE.contains(&self.service) {
            let file = self.urls.join(self.service.name()).join(MONGODB_URI_FILE);
            program = program.variable("MONGODB_URI_FILE", file).variable("DATABASE", self.service.database());
        }
        match self.service {
            Service::Customer => {
                program = program.variable("SIGNING_KEY_FILE", self.signing_key);
                program =
                    program.variable("PASSWORD_ATTEMPTS_PER_MINUTE_PER_NETWORK", self.attempts_per_network.to_string());
                program = program.variable("PUBLIC_URL", self.public_url);
            }
            Service::Products => program = program.variable("DEMO_CATALOGUE", self.sample_catalogue.to_string()),
            Service::Shopping => program = program.variable("PAYMENT_METHODS", "demo"),
            Service::Web => program = program.variable("PUBLIC_URL", self.public_url),
            Service::Mail => {
                program = program.variable("PUBLIC_URL", self.public_url);
                let names_server = |(service, variable, _): &(Service, String, String)| {
                    *service == Service::Mail && variable == "SMTP_URL"
                };
                if !self.environment.iter().any(names_server) {
                    program = program.variable("MAIL_DIRECTORY", self.mails);
                }
            }
        }
        for (service, variable, value) in self.environment {
            if *service == self.service {
                program = program.variable(variable, value);
            }
        }
        program.unset = UNSET;
        // The instance listens before it is connected; `/health/ready` reports when it is.
        Ok(Component::program(name, port::local(port), program, |address| {
            http::status(address, "/health/live") == Some(200)
        }))
    }
}
