//! A whole fleet: servers, services and nginx.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::component::Component;
use crate::error::{Error, Result};
use crate::folder::{TempFolder, write_secret};
use crate::http;
use crate::nginx::{Nginx, Settings, SignInRate};
use crate::port;
use crate::process::POLL_INTERVAL;
use crate::servers::{Broker, Database, broker, databases};
use crate::service::{self, AMQP_URL_FILE, Instance, MONGODB_URI_FILE, Profile, Service, UNLIMITED_RATES};

/// Directory with the URLs of the servers for each service.
const URLS: &str = "urls";

/// Configuration of a fleet.
#[derive(Debug, Clone)]
pub struct Options {
    /// Instances of each service; `mail` has one.
    pub instances: usize,
    /// Port of nginx; 0 takes any free one.
    pub port: u16,
    /// Build of the services.
    pub profile: Profile,
    /// Additional environment variables for the instances of a service.
    pub environment: Vec<(Service, String, String)>,
    /// One MongoDB server for each service instead of one for all.
    pub mongodb_per_service: bool,
    /// Limit of sign-ins and sign-ups for each client address.
    pub sign_in: SignInRate,
    /// Fills an empty catalogue with sample products.
    pub sample_catalogue: bool,
    /// Log filter of the services.
    pub log: String,
    /// Fault proxies between the services and the servers.
    pub proxies: Proxies,
}

impl Options {
    /// Returns the default options on a free port, without the limits of how often a client may do
    /// something.
    #[must_use]
    pub fn without_rate_limits() -> Self {
        let rates = UNLIMITED_RATES
            .map(|(name, value)| Service::ALL.map(|service| (service, name.to_owned(), value.to_owned())));
        Self { port: 0, sign_in: SignInRate::UNLIMITED, environment: rates.concat(), ..Self::default() }
    }
}

/// Addresses that services use instead of those of the servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Proxies {
    /// In front of RabbitMQ.
    pub rabbitmq: Option<SocketAddr>,
    /// In front of MongoDB. Needs one server for all services.
    pub mongodb: Option<SocketAddr>,
}

impl Proxies {
    fn amqp_url(self, own: &str) -> String {
        let (before, after) = own.split_once('@').unwrap_or(("amqp://", own));
        match (self.rabbitmq, after.split_once('/')) {
            (Some(proxy), Some((_, virtual_host))) => format!("{before}@{proxy}/{virtual_host}"),
            _ => own.to_owned(),
        }
    }

    fn mongodb_uri(self, own: &str) -> String {
        let Some(proxy) = self.mongodb else { return own.to_owned() };
        let authority = own.trim_start_matches("mongodb://").split('/').next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
        let source = if user.is_empty() { "" } else { "&authSource=admin" };
        // Without `directConnection`, the driver would switch to the address that the server
        // announces.
        format!("mongodb://{user}{proxy}/?directConnection=true{source}")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            instances: 2,
            port: 8000,
            profile: Profile::default(),
            environment: Vec::new(),
            mongodb_per_service: false,
            sign_in: SignInRate::default(),
            sample_catalogue: true,
            log: "info".to_owned(),
            proxies: Proxies::default(),
        }
    }
}

/// Components that start and stop in any order. Dropping it ends them; a panic keeps the logs.
pub struct Fleet {
    url: String,
    profile: Profile,
    // Dropped in this order: nginx first, so that no request meets a stopped service.
    nginx: Nginx,
    services: Vec<Component>,
    mongodb: Vec<(Service, Database)>,
    rabbitmq: Broker,
    signing_key: PathBuf,
    folder: TempFolder,
}

impl Fleet {
    /// Starts all components. Services may not be ready yet: see [`Self::wait_until_ready`].
    pub fn start(options: &Options) -> Result<Self> {
        let fleet = Self::prepare(options)?;
        fleet.start_components(|_| true).inspect_err(|_| fleet.copy_logs_of_failure())?;
        Ok(fleet)
    }

    /// Starts the components whose names are selected: the servers at the same time, then services
    /// and nginx at the same time. A service that starts before its servers retries with growing
    /// delays.
    pub fn start_components(&self, is_selected: impl Fn(&str) -> bool) -> Result<()> {
        let is_selected = |component: &&Component| is_selected(component.name());
        start_concurrently(&self.servers().filter(is_selected).collect::<Vec<_>>())?;
        start_concurrently(&self.services_and_nginx().filter(is_selected).collect::<Vec<_>>())
    }

    /// Prepares a fleet, with the servers at `AMQP_URL` and `MONGODB_URI` if those are set.
    pub fn prepare(options: &Options) -> Result<Self> {
        // Finds missing programs before it prepares servers.
        for program in service::programs() {
            service::built(program, options.profile)?;
        }
        let folder = TempFolder::new("souk-fleet-")?;
        let signing_key = folder.path().join("signing-key.pem");
        write_signing_key(&signing_key)?;
        let (rabbitmq, mongodb) = (broker()?, databases(options.mongodb_per_service)?);

        if options.mongodb_per_service && options.proxies.mongodb.is_some() {
            return Err(Error::failed("one fault proxy cannot serve several MongoDB servers"));
        }
        let port = if options.port == 0 { port::free()? } else { options.port };
        let public_url = format!("http://{}", port::local(port));
        let mails = folder.path().join("mail");
        let with_database = mongodb.iter().map(|(service, database)| (*service, Some(database.url_of(*service))));
        let mut services = Vec::new();
        let urls = folder.path().join(URLS);
        for (service, database) in with_database.chain([(Service::Web, None)]) {
            let own = urls.join(service.name());
            fs::create_dir_all(&own).map_err(Error::context(own.display()))?;
            write_secret(&own.join(AMQP_URL_FILE), &options.proxies.amqp_url(&rabbitmq.url_of(service)))?;
            if let Some(url) = database {
                write_secret(&own.join(MONGODB_URI_FILE), &options.proxies.mongodb_uri(&url))?;
            }
            for number in 1..=service.instances(options.instances) {
                let instance = Instance {
                    service,
                    number,
                    profile: options.profile,
                    urls: &urls,
                    signing_key: &signing_key,
                    sample_catalogue: options.sample_catalogue,
                    log: &options.log,
                    attempts_per_network: options.sign_in.per_minute,
                    mails: &mails,
                    public_url: &public_url,
                    environment: &options.environment,
                    logs: folder.path(),
                };
                services.push(instance.component()?);
            }
        }
        let addresses = |service: Service| {
            let name = format!("{service}-");
            services.iter().filter(|component| component.name().starts_with(&name)).map(Component::address).collect()
        };
        let nginx = Nginx::prepare(&Settings {
            port,
            customer: addresses(Service::Customer),
            products: addresses(Service::Products),
            shopping: addresses(Service::Shopping),
            web: addresses(Service::Web),
            sign_in: options.sign_in,
            trusted_proxies: Vec::new(),
        })?;
        Ok(Self { url: public_url, profile: options.profile, nginx, services, mongodb, rabbitmq, signing_key, folder })
    }

    /// Waits until every instance is ready.
    pub fn wait_until_ready(&self, timeout: Duration) -> Result<()> {
        let begun = Instant::now();
        for component in &self.services {
            while http::status(component.address(), "/health/ready") != Some(200) {
                if begun.elapsed() > timeout {
                    self.copy_logs_of_failure();
                    let (name, log) = (component.name(), component.log_tail());
                    return Err(Error::failed(format!("{name} is not ready after {timeout:?}\n{log}")));
                }
                thread::sleep(POLL_INTERVAL);
            }
        }
        Ok(())
    }

    /// Returns the base URL of the API: nginx.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the file with the key that `customer` signs access tokens with.
    #[must_use]
    pub fn signing_key(&self) -> &Path {
        &self.signing_key
    }

    /// Returns the directory with the URLs that the services read at their start: files
    /// `SERVICE/amqp-url` and `SERVICE/mongodb-uri`.
    #[must_use]
    pub fn urls(&self) -> PathBuf {
        self.folder.path().join(URLS)
    }

    /// Starts the management API of this fleet's broker, and returns its address.
    pub fn start_rabbitmq_management(&self) -> Result<SocketAddr> {
        match &self.rabbitmq {
            Broker::Own(rabbitmq) => rabbitmq.start_management(),
            Broker::External(_) => Err(not_controlled()),
        }
    }

    /// Returns the directory of mails, unless the options name an SMTP server.
    #[must_use]
    pub fn mails(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// Returns the URL of the broker, with the user of operators.
    #[must_use]
    pub fn amqp_url(&self) -> &str {
        self.rabbitmq.url()
    }

    /// Returns the URL of the broker, with the user of a service.
    #[must_use]
    pub fn amqp_url_of(&self, service: Service) -> String {
        self.rabbitmq.url_of(service)
    }

    /// Runs `rabbitmqctl` on the broker of this fleet.
    pub fn rabbitmqctl(&self, arguments: &[&str]) -> Result<()> {
        match &self.rabbitmq {
            Broker::Own(rabbitmq) => rabbitmq.control(arguments),
            Broker::External(_) => Err(not_controlled()),
        }
    }

    /// Returns the URL of the MongoDB server of a service, with the user of the service; `None` for
    /// a service without a database.
    #[must_use]
    pub fn mongodb_uri_of(&self, service: Service) -> Option<String> {
        self.mongodb.iter().find(|(of, _)| *of == service).map(|(_, database)| database.url_of(service))
    }

    /// Returns the URL of the MongoDB server of a service, with the user of operators.
    #[must_use]
    pub fn mongodb_uri(&self, service: Service) -> &str {
        self.mongodb.iter().find(|(of, _)| *of == service).map_or("", |(_, database)| database.url())
    }

    /// Returns the components in the order of their start, without servers of the environment.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &Component> {
        self.servers().chain(self.services_and_nginx())
    }

    fn servers(&self) -> impl DoubleEndedIterator<Item = &Component> {
        let mongodb = self.mongodb.iter().filter_map(|(_, database)| database.component());
        self.rabbitmq.component().into_iter().chain(mongodb)
    }

    fn services_and_nginx(&self) -> impl DoubleEndedIterator<Item = &Component> {
        self.services.iter().chain([self.nginx.component()])
    }

    /// Describes the components for scripts (`scripts/ec2/deploy.sh`): an object for each, such as
    /// `{"name": "products-2", "instance": 2, "pid": 4711, "address": "127.0.0.1:20001", "log":
    /// "/tmp/..."}`.
    #[must_use]
    pub fn describe(&self) -> Vec<Value> {
        let description = |component: &Component| {
            let instance = component.name().rsplit_once('-').and_then(|(_, number)| number.parse::<usize>().ok());
            json!({
                "name": component.name(),
                "instance": instance,
                "pid": component.pid(),
                "address": component.address().to_string(),
                "log": component.log(),
            })
        };
        self.components().map(description).collect()
    }

    /// Returns the component of this name: `rabbitmq`, `mongodb`, `products-1`, `nginx`.
    pub fn component(&self, name: &str) -> Result<&Component> {
        let names = || self.components().map(Component::name).collect::<Vec<_>>().join(", ");
        let component = self.components().find(|component| component.name() == name);
        component.ok_or_else(|| Error::failed(format!("the fleet has no {name}; it has {}", names())))
    }

    /// Returns the command `souk`, with the addresses of this fleet's servers in its environment.
    pub fn souk(&self) -> Result<Command> {
        let mut souk = Command::new(service::built("souk", self.profile)?);
        souk.env_remove("SOUK_DATA").env_remove("SOUK_CONFIG").env("AMQP_URL", self.amqp_url());
        souk.env("MONGODB_URI", self.mongodb_uri(Service::Customer)).stdin(Stdio::null());
        Ok(souk)
    }

    /// Creates an admin. The account must not exist.
    pub fn create_admin(&self, email: &str, password: &str) -> Result<()> {
        let file = self.folder.path().join("password");
        write_secret(&file, &format!("{password}\n"))?;
        let output = self.souk()?.args(["admin", "create", email, "--password-file"]).arg(&file).output();
        fs::remove_file(&file).map_err(Error::context(file.display()))?;
        let output = output.map_err(Error::context("souk admin create"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::failed(format!("souk admin create: {}", String::from_utf8_lossy(&output.stderr).trim())))
    }

    /// Stops nginx, all services, then the servers. Errors: those that did not exit with 0.
    pub fn stop(self) -> Result<()> {
        let stop = |component: &Component| match component.pid().map(|_| component.stop()) {
            Some(Ok(stopped)) if !stopped.status.success() => {
                Some(format!("{}: {} after {:?}", component.name(), stopped.status, stopped.took))
            }
            Some(Err(error)) => Some(format!("{}: {error}", component.name())),
            _ => None,
        };
        let mut failed = Vec::from_iter(stop(self.nginx.component()));
        thread::scope(|scope| {
            let stopping: Vec<_> = self.services.iter().map(|component| scope.spawn(move || stop(component))).collect();
            failed.extend(stopping.into_iter().filter_map(|thread| thread.join().ok().flatten()));
        });
        // Components that are stopped already are skipped.
        failed.extend(self.components().filter_map(stop));
        if failed.is_empty() {
            return Ok(());
        }
        self.copy_logs_of_failure();
        Err(Error::failed(failed.join("; ")))
    }

    /// Copies the logs of all components into a folder; creates it if necessary.
    pub fn copy_logs(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(Error::context(folder.display()))?;
        for component in self.components().filter(|component| component.log().exists()) {
            let to = folder.join(format!("{}.log", component.name()));
            fs::copy(component.log(), &to).map_err(Error::context(to.display()))?;
        }
        Ok(())
    }

    /// Copies the logs into `target/fleet-logs/<process id>`.
    fn copy_logs_of_failure(&self) {
        let folder = service::target_dir().join("fleet-logs").join(std::process::id().to_string());
        match self.copy_logs(&folder) {
            Ok(()) => eprintln!("The logs of the fleet are in {}.", folder.display()),
            Err(error) => eprintln!("The logs of the fleet cannot be copied: {error}"),
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if thread::panicking() {
            self.copy_logs_of_failure();
        }
    }
}

fn not_controlled() -> Error {
    Error::failed("AMQP_URL names a broker that this fleet does not control")
}

/// Starts components at the same time and waits until all are available.
fn start_concurrently(components: &[&Component]) -> Result<()> {
    components.iter().try_for_each(|component| component.launch())?;
    components.iter().try_for_each(|component| component.wait_until_available())
}

/// Writes an Ed25519 key as PKCS#8 (RFC 8410): 32 random bytes behind a constant prefix.
fn write_signing_key(file: &Path) -> Result<()> {
    let mut der = [0; 48];
    let (prefix, secret) = der.split_at_mut(16);
    prefix.copy_from_slice(&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]);
    getrandom::fill(secret).map_err(Error::context("no random numbers"))?;
    let body = BASE64_STANDARD.encode(der);
    write_secret(file, &format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
}

#[cfg(test)]
mod tests {
    use super::Proxies;

    #[test]
    fn services_connect_through_proxies() {
        let proxy = Some(([127, 0, 0, 1], 99).into());
        let own = ("amqp://souk:secret@127.0.0.1:5672/%2f", "mongodb://127.0.0.1:27017/?replicaSet=souk");
        for (proxies, amqp, mongodb) in [
            (Proxies::default(), own.0, own.1),
            (Proxies { rabbitmq: proxy, mongodb: None }, "amqp://souk:secret@127.0.0.1:99/%2f", own.1),
            (Proxies { rabbitmq: None, mongodb: proxy }, own.0, "mongodb://127.0.0.1:99/?directConnection=true"),
        ] {
            assert_eq!((&*proxies.amqp_url(own.0), &*proxies.mongodb_uri(own.1)), (amqp, mongodb));
        }
        let proxies = Proxies { rabbitmq: None, mongodb: proxy };
        assert_eq!(
            proxies.mongodb_uri("mongodb://ana:secret@127.0.0.1:27017/?replicaSet=souk&authSource=admin"),
            "mongodb://ana:secret@127.0.0.1:99/?directConnection=true&authSource=admin"
        );
    }
}
