//! [`Shop`] is any shop that can be reached over HTTP; [`TestShop`] is a one-process shop that a
//! test stops, kills and restarts.

use std::env;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use crate::admin::Admin;
use crate::client::Client;
use crate::failpoints::{FAILPOINT, assert_died_at};
use crate::fixtures::PASSWORD;
use crate::fleet::FleetAdmin;
use crate::process::{CommandOutput, ShopProcess};
use crate::request::{BaseUrl, HttpClient};

/// A shop and its admin account.
pub struct Shop {
    http: HttpClient,
    admin: AdminAccount,
}

enum AdminAccount {
    Given { email: String, password: String },
    OneProcess(Arc<ShopProcess>),
    Fleet(FleetAdmin),
}

impl Shop {
    /// Returns the shop at `SOUK_URL`, or a one-process shop for the tests of this file.
    pub async fn shared() -> Self {
        static RUNNING: Mutex<Weak<ShopProcess>> = Mutex::const_new(Weak::new());
        if let Ok(url) = env::var("SOUK_URL") {
            return Self::at(&url);
        }
        let mut running = RUNNING.lock().await;
        let process = match running.upgrade() {
            Some(process) => process,
            None => Arc::new(ShopProcess::new(&["--no-demo"], &[]).await),
        };
        *running = Arc::downgrade(&process);
        Self::of_process(process)
    }

    fn at(url: &str) -> Self {
        let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("SOUK_URL is set and {name} is not"));
        let admin =
            AdminAccount::Given { email: variable("SOUK_ADMIN_EMAIL"), password: variable("SOUK_ADMIN_PASSWORD") };
        Self { http: HttpClient::new(BaseUrl::new(url)), admin }
    }

    pub(crate) fn of_fleet(url: &str, admin: FleetAdmin) -> Self {
        Self { http: HttpClient::new(BaseUrl::new(url)), admin: AdminAccount::Fleet(admin) }
    }

    fn of_process(process: Arc<ShopProcess>) -> Self {
        Self { http: HttpClient::new(process.url.clone()), admin: AdminAccount::OneProcess(process) }
    }

    /// Returns the shop's URL, without a slash at its end.
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// Returns a client that has not signed in.
    pub fn client(&self) -> Client {
        Client::new(self.http.clone())
    }

    /// Returns a client with a loopback address of its own: one of another customer or an attacker.
    pub fn client_at(&self, address: [u8; 4]) -> Client {
        Client::new(self.http.moved_to(address.into()))
    }

    /// Returns the directory with the mails of a shop without an SMTP server. For the shop at
    /// `SOUK_URL`, `SOUK_MAILS` names it.
    pub(crate) fn mail_directory(&self) -> PathBuf {
        match &self.admin {
            AdminAccount::Given { .. } => {
                env::var_os("SOUK_MAILS").expect("SOUK_URL is set and SOUK_MAILS is not").into()
            }
            AdminAccount::OneProcess(process) => process.data.join("mail"),
            AdminAccount::Fleet(admin) => admin.mail_directory(),
        }
    }

    /// Returns the e-mail address and the password of the admin.
    pub async fn admin_account(&self) -> (&str, &str) {
        match &self.admin {
            AdminAccount::Given { email, password } => (email.as_str(), password.as_str()),
            AdminAccount::OneProcess(process) => (process.admin_email().await, PASSWORD),
            AdminAccount::Fleet(admin) => (admin.email().await, PASSWORD),
        }
    }

    /// Signs in as the admin.
    pub async fn admin(&self) -> Admin {
        let (email, password) = self.admin_account().await;
        let client = self.client();
        Admin::new(client.with_token_of(&client.sign_in(email, password).retry_while_busy().await.expect_status(200)))
    }
}

impl Drop for Shop {
    /// Prints the end of the shop's log when a test fails.
    fn drop(&mut self) {
        if let (true, AdminAccount::OneProcess(process)) = (std::thread::panicking(), &self.admin) {
            eprintln!("The last lines of the shop's log:\n{}", process.log_tail());
        }
    }
}

/// A one-process shop that belongs to one test.
pub struct TestShop {
    shop: Shop,
    process: Arc<ShopProcess>,
}

impl TestShop {
    /// Starts a shop without products.
    pub async fn start() -> Self {
        Self::start_with(&["--no-demo"]).await
    }

    /// Starts a shop with these options besides `--port` and `--data`. A restart uses them again.
    pub async fn start_with(options: &[&str]) -> Self {
        Self::start_in(options, &[]).await
    }

    /// Starts a shop with these options and environment variables.
    pub async fn start_in(options: &[&str], environment: &[(&str, &str)]) -> Self {
        let process = Arc::new(ShopProcess::new(options, environment).await);
        Self { shop: Shop::of_process(Arc::clone(&process)), process }
    }

    /// Starts a shop without products that may open this many files.
    pub async fn start_with_open_files(limit: u32) -> Self {
        let process = Arc::new(ShopProcess::with_open_files(Some(limit), &["--no-demo"], &[]).await);
        Self { shop: Shop::of_process(Arc::clone(&process)), process }
    }

    /// Sends SIGKILL.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Sends SIGTERM and waits until the process ends.
    pub async fn stop(&self) -> ExitStatus {
        self.process.stop().await
    }

    /// Starts the process on the same data, after [`kill`](Self::kill) or [`stop`](Self::stop).
    pub async fn restart(&self) {
        self.process.start(&[]).await;
    }

    /// Starts the process with other environment variables.
    pub async fn restart_in(&self, environment: &[(&str, &str)]) {
        self.process.start(environment).await;
    }

    /// Starts the process so that it dies at a failpoint.
    pub async fn restart_with_failpoint(&self, failpoint: &str) {
        self.process.start(&[(FAILPOINT, failpoint)]).await;
    }

    /// Waits until the process has died at its failpoint.
    pub async fn wait_for_failpoint(&self, failpoint: &str) {
        self.process.wait_for_exit().await;
        assert_died_at(failpoint, &self.process.log_tail());
    }

    /// Returns the data directory.
    pub fn data(&self) -> &Path {
        &self.process.data
    }

    /// Returns the standard output since the last start.
    pub fn stdout(&self) -> String {
        self.process.stdout()
    }

    /// Returns the log of all starts.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Runs `souk admin create`.
    pub async fn create_admin(&self, email: &str, password: &str) -> CommandOutput {
        self.process.create_admin(email, password).await
    }

    /// Runs `souk` with these arguments and `--data`.
    pub async fn run_souk(&self, arguments: &[&str]) -> CommandOutput {
        self.process.run_souk(arguments).await
    }
}

impl Deref for TestShop {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}
