//! A fleet that belongs to one test: RabbitMQ, MongoDB, two instances of each service, nginx. The
//! test starts, stops, kills and pauses its components.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ::fleet::{Component, Fleet, Options, Service, Termination};
use jsonwebtoken::EncodingKey;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::customer::Customer;
use crate::failpoints::{FAILPOINT, assert_died_at};
use crate::fixtures::{PASSWORD, new_email};
use crate::forgery::signed_for;
use crate::process::CommandOutput;
use crate::shop::Shop;
use crate::wait::wait_for;

const MUTANT: &str = "SOUK_MUTANT";
/// Time until all instances of a fleet are ready on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_mins(2);

/// A shop of many processes.
pub struct TestFleet {
    shop: Shop,
    fleet: Arc<Fleet>,
}

impl TestFleet {
    /// Starts a fleet and waits until every instance is ready.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts a fleet with changed options.
    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let fleet = Self::prepare_with(change).await;
        fleet.start_all().await;
        fleet.wait_until_ready().await;
        fleet
    }

    /// Prepares a fleet and starts nothing.
    pub async fn prepare() -> Self {
        Self::prepare_with(|_| {}).await
    }

    /// Prepares a fleet with changed options and starts nothing.
    pub async fn prepare_with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options { sample_catalogue: false, ..Options::without_rate_limits() };
        change(&mut options);
        let fleet = spawn_blocking(move || Fleet::prepare(&options)).await.unwrap();
        let fleet = Arc::new(fleet.unwrap_or_else(|error| panic!("{error}")));
        let admin = FleetAdmin { fleet: Arc::clone(&fleet), email: OnceCell::new() };
        Self { shop: Shop::of_fleet(fleet.url(), admin), fleet }
    }

    /// Starts a component. It keeps the data of earlier starts.
    pub async fn start_component(&self, name: &str) {
        self.with_component(name, Component::start).await;
    }

    /// Starts every component: the servers, then the services and nginx.
    pub async fn start_all(&self) {
        self.start_selected(|_| true).await;
    }

    /// Starts every component whose name begins with `prefix`, such as `products`.
    pub async fn start_components(&self, prefix: &'static str) {
        self.start_selected(move |name| name.starts_with(prefix)).await;
    }

    /// Starts every component whose name does not begin with `prefix`.
    pub async fn start_all_except(&self, prefix: &'static str) {
        self.start_selected(move |name| !name.starts_with(prefix)).await;
    }

    async fn start_selected(&self, is_selected: impl Fn(&str) -> bool + Send + 'static) {
        let fleet = Arc::clone(&self.fleet);
        let started = spawn_blocking(move || fleet.start_components(is_selected)).await.unwrap();
        started.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Stops an instance and starts it with the program of another release.
    pub async fn restart_with(&self, name: &str, programs: &Path) -> Termination {
        let stopped = self.stop_component(name).await;
        self.use_programs_of(name, programs).await;
        self.start_component(name).await;
        self.wait_until_ready().await;
        stopped
    }

    /// From its next start on, an instance runs the program of the release in this folder.
    pub async fn use_programs_of(&self, name: &str, programs: &Path) {
        let programs = programs.to_owned();
        self.with_component(name, move |component| component.use_programs_of(&programs)).await;
    }

    /// Starts an instance that dies at a failpoint.
    pub async fn start_with_failpoint(&self, name: &str, failpoint: &'static str) {
        self.start_in(name, vec![(FAILPOINT, failpoint)]).await;
    }

    /// Starts an instance that breaks a rule (`common/types/src/mutant.rs`) and may die.
    pub async fn start_with_mutant(&self, name: &str, mutant: &'static str, failpoint: Option<&'static str>) {
        let failpoint = failpoint.map(|failpoint| (FAILPOINT, failpoint));
        self.start_in(name, std::iter::once((MUTANT, mutant)).chain(failpoint).collect()).await;
    }

    async fn start_in(&self, name: &str, environment: Vec<(&'static str, &'static str)>) {
        self.with_component(name, move |component| match component.start_with(&environment) {
            // The instance died at its failpoint before it was usable.
            Err(_) if component.exit_status().is_some() => Ok(()),
            outcome => outcome,
        })
        .await;
    }

    /// Waits until an instance has died at its failpoint.
    pub async fn wait_for_failpoint(&self, name: &str, failpoint: &str) {
        self.wait_until_ended(name).await;
        assert_died_at(failpoint, &self.log_of(name));
    }

    /// Waits until a component has ended by itself.
    pub async fn wait_until_ended(&self, name: &str) {
        wait_for("the component to end", async || {
            self.with_component(name, |component| Ok(component.exit_status())).await.ok_or("it runs")
        })
        .await;
    }

    /// Sends SIGTERM to a component and waits until it ends.
    pub async fn stop_component(&self, name: &str) -> Termination {
        self.with_component(name, Component::stop).await
    }

    /// Stops every component whose name begins with `prefix`.
    pub async fn stop_components(&self, prefix: &str) {
        for component in self.component_names().into_iter().filter(|component| component.starts_with(prefix)) {
            self.stop_component(&component).await;
        }
    }

    /// Sends SIGKILL to a component.
    pub async fn kill_component(&self, name: &str) {
        self.with_component(name, Component::kill).await;
    }

    /// Sends SIGSTOP to a component: its connections stay open and it does not respond.
    pub async fn pause_component(&self, name: &str) {
        self.with_component(name, Component::pause).await;
    }

    /// Sends SIGCONT to a component.
    pub async fn resume_component(&self, name: &str) {
        self.with_component(name, Component::resume).await;
    }

    /// Returns whether every instance is ready now.
    pub async fn is_ready(&self) -> bool {
        let fleet = Arc::clone(&self.fleet);
        spawn_blocking(move || fleet.wait_until_ready(Duration::ZERO)).await.unwrap().is_ok()
    }

    /// Waits until every instance is ready.
    pub async fn wait_until_ready(&self) {
        let fleet = Arc::clone(&self.fleet);
        let ready = spawn_blocking(move || fleet.wait_until_ready(READY_TIMEOUT)).await.unwrap();
        ready.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until nginx sends requests to this instance.
    pub async fn wait_until_routed(&self, name: &str) {
        let (service, _) = name.split_once('-').unwrap();
        let path = format!("/{service}/whoami");
        wait_for("nginx to send a request to the instance", async || {
            let response = self.client().get(&path).await;
            if response["instance"] == name { Ok(()) } else { Err(response) }
        })
        .await;
    }

    /// Returns the names of all components.
    pub fn component_names(&self) -> Vec<String> {
        self.fleet.components().map(|component| component.name().to_owned()).collect()
    }

    /// Returns the names of a service's instances: `products-1` and `products-2`.
    pub fn instances(&self, service: &str) -> Vec<String> {
        let prefix = format!("{service}-");
        self.component_names().into_iter().filter(|name| name.starts_with(&prefix)).collect()
    }

    /// Describes all components as JSON, as `cargo xtask fleet` writes them to a file.
    pub fn describe(&self) -> Vec<Value> {
        self.fleet.describe()
    }

    /// Returns the address of a component.
    pub fn address_of(&self, name: &str) -> SocketAddr {
        self.fleet.component(name).unwrap().address()
    }

    /// Returns the URL of the broker itself, without a proxy.
    pub fn amqp_url(&self) -> &str {
        self.fleet.amqp_url()
    }

    /// Returns the URL of the broker, with the user of a service.
    pub fn amqp_url_of(&self, service: Service) -> String {
        self.fleet.amqp_url_of(service)
    }

    /// Returns the URL of the MongoDB server of a service, with the user of the service.
    pub fn mongodb_uri_of(&self, service: Service) -> Option<String> {
        self.fleet.mongodb_uri_of(service)
    }

    /// Returns the URL of the MongoDB server of a service, with the user of operators.
    #[must_use]
    pub fn mongodb_uri(&self, service: Service) -> &str {
        self.fleet.mongodb_uri(service)
    }

    /// Returns the directory with the URLs that the services read at their start.
    pub fn urls(&self) -> PathBuf {
        self.fleet.urls()
    }

    /// Starts the management API of the broker, and returns its address.
    pub async fn start_rabbitmq_management(&self) -> SocketAddr {
        let fleet = Arc::clone(&self.fleet);
        let started = spawn_blocking(move || fleet.start_rabbitmq_management()).await.unwrap();
        started.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs `rabbitmqctl` on the broker.
    pub async fn rabbitmqctl(&self, arguments: &'static [&'static str]) {
        let fleet = Arc::clone(&self.fleet);
        let controlled = spawn_blocking(move || fleet.rabbitmqctl(arguments)).await.unwrap();
        controlled.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Returns the log of a component.
    pub fn log_of(&self, name: &str) -> String {
        std::fs::read_to_string(self.fleet.component(name).unwrap().log()).unwrap_or_default()
    }

    /// Copies the logs of all components into a folder.
    pub fn copy_logs(&self, folder: &Path) {
        self.fleet.copy_logs(folder).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Returns the command `souk`, configured for this fleet.
    pub fn souk(&self) -> Command {
        self.fleet.souk().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs `souk` with these arguments.
    pub async fn run_souk(&self, arguments: &[&str]) -> CommandOutput {
        let mut souk = self.souk();
        souk.args(arguments);
        spawn_blocking(move || souk.output().unwrap()).await.unwrap().into()
    }

    /// Runs `souk audit` and expects no finding.
    pub async fn expect_clean_audit(&self) {
        let audit = self.run_souk(&["audit", "--within", "60"]).await;
        assert_eq!(audit.code, Some(0), "{audit:?}");
    }

    /// Returns the signing key of `customer`, as PEM.
    pub fn signing_key(&self) -> String {
        std::fs::read_to_string(self.fleet.signing_key()).unwrap()
    }

    /// Returns customers with valid tokens of the fleet's key, without accounts in `customer`.
    pub async fn customers_without_accounts(&self, count: usize) -> Vec<Customer> {
        let key = EncodingKey::from_ed_pem(self.signing_key().as_bytes()).unwrap();
        let template = self.new_customer().await;
        let new = || {
            let id = Uuid::now_v7().to_string();
            let client = template.with_token(&signed_for(&id, template.token(), &key));
            Customer { client, id, ..template.clone() }
        };
        std::iter::repeat_with(new).take(count).collect()
    }

    async fn with_component<R: Send + 'static>(
        &self,
        name: &str,
        action: impl FnOnce(&Component) -> ::fleet::Result<R> + Send + 'static,
    ) -> R {
        let (fleet, name) = (Arc::clone(&self.fleet), name.to_owned());
        let result = spawn_blocking(move || action(fleet.component(&name)?)).await.unwrap();
        result.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Deref for TestFleet {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

pub(crate) struct FleetAdmin {
    fleet: Arc<Fleet>,
    email: OnceCell<String>,
}

impl FleetAdmin {
    pub(crate) fn mail_directory(&self) -> PathBuf {
        self.fleet.mails()
    }

    /// Returns the admin's e-mail address. The first call creates the admin.
    pub(crate) async fn email(&self) -> &str {
        let create = async || {
            let (fleet, email) = (Arc::clone(&self.fleet), new_email("admin"));
            let created = email.clone();
            let outcome = spawn_blocking(move || fleet.create_admin(&created, PASSWORD)).await.unwrap();
            outcome.unwrap_or_else(|error| panic!("{error}"));
            email
        };
        self.email.get_or_init(create).await
    }
}
