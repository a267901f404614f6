//! A fleet of the test's own: RabbitMQ, MongoDB, two instances of each service, nginx. Its parts are started, stopped,
//! killed and paused as the journey wants; it is gone when the test is over.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::fleet::{Component, Fleet, Options, SignInRate, Termination};
use jsonwebtoken::EncodingKey;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::customer::Customer;
use crate::failpoints::{FAILPOINT, died_at};
use crate::forgery::signed_for;
use crate::shop::Shop;
use crate::{PASSWORD, eventually, new_email};

/// The variable that names a rule which is to be broken.
const MUTANT: &str = "SOUK_MUTANT";
/// Fleets are heavy; beyond this, something is broken.
const READY: Duration = Duration::from_mins(2);

/// A shop of many processes.
pub struct OwnFleet {
    shop: Shop,
    fleet: Arc<Fleet>,
    admin: OnceCell<(String, String)>,
}

impl OwnFleet {
    /// One that is open: every part runs, every instance is ready.
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// One that is open, of another sort.
    pub async fn open_with(change: impl FnOnce(&mut Options)) -> Self {
        let fleet = Self::prepared_with(change).await;
        fleet.starts_all_but("").await;
        fleet.is_ready().await;
        fleet
    }

    /// One of which nothing runs yet.
    pub async fn prepared() -> Self {
        Self::prepared_with(|_| {}).await
    }

    /// One of which nothing runs yet, of another sort.
    pub async fn prepared_with(change: impl FnOnce(&mut Options)) -> Self {
        // One address is many people here.
        let mut options =
            Options { port: 0, demo_catalogue: false, sign_in: SignInRate::UNLIMITED, ..Options::default() };
        change(&mut options);
        let fleet = spawn_blocking(move || Fleet::prepare(&options)).await.unwrap();
        let fleet = Arc::new(fleet.unwrap_or_else(|error| panic!("{error}")));
        Self { shop: Shop::elsewhere(fleet.url()), fleet, admin: OnceCell::new() }
    }

    /// Starts every part but those whose names begin so; none, for nothing.
    pub async fn starts_all_but(&self, name: &str) {
        for component in self.names().into_iter().filter(|component| name.is_empty() || !component.starts_with(name)) {
            self.starts(&component).await;
        }
    }

    /// Starts every part, all at the same time.
    pub async fn starts_at_once(&self) {
        let fleet = Arc::clone(&self.fleet);
        let start = move || {
            fleet.components().try_for_each(Component::launch)?;
            fleet.components().try_for_each(Component::wait_until_available)
        };
        spawn_blocking(start).await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts every part whose name begins so: `products` is all its instances.
    pub async fn starts_all(&self, name: &str) {
        for component in self.names().into_iter().filter(|component| component.starts_with(name)) {
            self.starts(&component).await;
        }
    }

    /// Stops every part whose name begins so.
    pub async fn stops_all(&self, name: &str) {
        for component in self.names().into_iter().filter(|component| component.starts_with(name)) {
            self.stops(&component).await;
        }
    }

    /// What runs where, as `cargo xtask fleet` writes it down.
    pub fn list(&self) -> Vec<Value> {
        self.fleet.describe()
    }

    /// The names of all parts.
    pub fn names(&self) -> Vec<String> {
        self.fleet.components().map(|component| component.name().to_owned()).collect()
    }

    /// Whether every instance says that it is ready.
    pub async fn is_ready_now(&self) -> bool {
        let fleet = Arc::clone(&self.fleet);
        spawn_blocking(move || fleet.wait_until_ready(Duration::ZERO)).await.unwrap().is_ok()
    }

    /// Starts a part, from its first time on with what it kept.
    pub async fn starts(&self, name: &str) {
        self.with(name, Component::start).await;
    }

    /// Starts an instance of a service that will die at a failpoint.
    pub async fn starts_failing(&self, name: &str, at: &'static str) {
        self.starts_with(name, vec![(FAILPOINT, at)]).await;
    }

    /// Starts an instance of a service in which a rule does not hold (`common/types/src/mutant.rs`), and which may also die at a failpoint.
    pub async fn starts_broken(&self, name: &str, mutant: &'static str, at: Option<&'static str>) {
        let dying = at.map(|at| (FAILPOINT, at));
        self.starts_with(name, std::iter::once((MUTANT, mutant)).chain(dying).collect()).await;
    }

    async fn starts_with(&self, name: &str, environment: Vec<(&'static str, &'static str)>) {
        self.with(name, move |component| match component.start_with(&environment) {
            // It was so quick.
            Err(_) if component.exited().is_some() => Ok(()),
            outcome => outcome,
        })
        .await;
    }

    /// Waits until an instance has died at its failpoint.
    pub async fn has_died(&self, name: &str, at: &str) {
        eventually("the instance to die", async || {
            self.with(name, |component| Ok(component.exited())).await.ok_or("it lives on")
        })
        .await;
        died_at(at, &self.log_of(name));
    }

    /// Tells a part to stop, and waits until it has.
    pub async fn stops(&self, name: &str) -> Termination {
        self.with(name, Component::stop).await
    }

    /// Kills a part.
    pub async fn kills(&self, name: &str) {
        self.with(name, Component::kill).await;
    }

    /// Lets a part stand still, with all its connections.
    pub async fn pauses(&self, name: &str) {
        self.with(name, Component::pause).await;
    }

    /// Lets it go on.
    pub async fn resumes(&self, name: &str) {
        self.with(name, Component::resume).await;
    }

    /// Every instance of a service: `products` is `products-1` and `products-2`.
    pub fn instances(&self, service: &str) -> Vec<String> {
        let of = format!("{service}-");
        self.fleet.components().map(Component::name).filter(|name| name.starts_with(&of)).map(str::to_owned).collect()
    }

    /// Waits until every instance says that it is ready.
    pub async fn is_ready(&self) {
        let fleet = Arc::clone(&self.fleet);
        spawn_blocking(move || fleet.wait_until_ready(READY)).await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Where a part listens.
    pub fn address_of(&self, name: &str) -> SocketAddr {
        self.fleet.component(name).unwrap().address()
    }

    /// The broker itself, whatever services reach it by.
    pub fn amqp_url(&self) -> &str {
        self.fleet.amqp_url()
    }

    /// The command `souk`, told where the servers are.
    pub fn souk(&self) -> Command {
        self.fleet.souk().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Keeps the logs of all parts in a folder.
    pub fn keep_logs(&self, folder: &Path) {
        self.fleet.copy_logs(folder).unwrap_or_else(|error| panic!("{error}"));
    }

    /// What the part has logged.
    pub fn log_of(&self, name: &str) -> String {
        std::fs::read_to_string(self.fleet.component(name).unwrap().log()).unwrap_or_default()
    }

    /// Waits until nginx asks this instance again.
    pub async fn is_asked(&self, name: &str) {
        let (service, _) = name.split_once('-').unwrap();
        let path = format!("/{service}/whoami");
        eventually("nginx to ask the instance", async || {
            let answer = self.shop.visitor().gets(&path).await;
            if answer["instance"] == name { Ok(()) } else { Err(answer) }
        })
        .await;
    }

    /// So many customers, each a person of their own, whom `customer` has never seen: their tokens are signed here, with its key.
    pub async fn crowd(&self, number: usize) -> Vec<Customer> {
        let pem = std::fs::read(self.fleet.signing_key()).unwrap();
        let key = EncodingKey::from_ed_pem(&pem).unwrap();
        let first = self.new_customer("First").await;
        let one = || {
            let id = Uuid::now_v7().to_string();
            let visitor = first.presenting(&signed_for(&id, first.token(), &key));
            Customer { visitor, id, ..first.clone() }
        };
        std::iter::repeat_with(one).take(number).collect()
    }

    /// The admin, made when first asked for.
    pub async fn admin(&self) -> crate::Admin {
        let make = async || {
            let (fleet, email) = (Arc::clone(&self.fleet), new_email("admin"));
            let made = email.clone();
            let outcome = spawn_blocking(move || fleet.create_admin(&made, PASSWORD)).await.unwrap();
            outcome.unwrap_or_else(|error| panic!("{error}"));
            (email, PASSWORD.to_owned())
        };
        let (email, password) = self.admin.get_or_init(make).await;
        self.shop.admin_called(email, password).await
    }

    async fn with<R: Send + 'static>(
        &self,
        name: &str,
        deed: impl FnOnce(&Component) -> ::fleet::Result<R> + Send + 'static,
    ) -> R {
        let (fleet, name) = (Arc::clone(&self.fleet), name.to_owned());
        let done = spawn_blocking(move || deed(fleet.component(&name)?)).await.unwrap();
        done.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Deref for OwnFleet {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

/// How long something takes to be so.
pub async fn time_until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    eventually(what, async || if is_so().await { Ok(()) } else { Err("it is not") }).await;
    begun.elapsed()
}
