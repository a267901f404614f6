//! The shop that a journey takes place in. [`Shop`] is any shop that can be reached, [`OwnShop`] one whose process the
//! test may stop, kill and start again.

use std::env;
use std::ops::Deref;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use crate::admin::Admin;
use crate::ask::{Address, Door};
use crate::customer::Customer;
use crate::failpoints::{FAILPOINT, died_at};
use crate::process::{Finished, Premises};
use crate::visitor::Visitor;
use crate::{PASSWORD, new_email};

/// A shop, and a way in.
pub struct Shop {
    door: Door,
    keeper: Keeper,
}

/// Who can say who its admin is.
enum Keeper {
    /// Whoever opened it knows.
    Unknown,
    Elsewhere {
        email: String,
        password: String,
    },
    Here(Arc<Premises>),
}

impl Shop {
    /// The shop of all tests of this file: the one at `SOUK_URL`, else one that is open as long as a test is in it.
    pub async fn shared() -> Self {
        static OPEN: Mutex<Weak<Premises>> = Mutex::const_new(Weak::new());
        if let Ok(url) = env::var("SOUK_URL") {
            return Self::at(&url);
        }
        let mut open = OPEN.lock().await;
        let premises = match open.upgrade() {
            Some(premises) => premises,
            None => Arc::new(Premises::open(&["--no-demo"], &[]).await),
        };
        *open = Arc::downgrade(&premises);
        Self::on(premises)
    }

    fn at(url: &str) -> Self {
        let said = |name: &str| env::var(name).unwrap_or_else(|_| panic!("SOUK_URL is set and {name} is not"));
        let keeper = Keeper::Elsewhere { email: said("SOUK_ADMIN_EMAIL"), password: said("SOUK_ADMIN_PASSWORD") };
        let address = Address::default();
        address.moves_to(url);
        Self { door: Door::at(address), keeper }
    }

    /// The shop at this address.
    pub(crate) fn elsewhere(url: &str) -> Self {
        let address = Address::default();
        address.moves_to(url);
        Self { door: Door::at(address), keeper: Keeper::Unknown }
    }

    fn on(premises: Arc<Premises>) -> Self {
        Self { door: Door::at(premises.address.clone()), keeper: Keeper::Here(premises) }
    }

    /// Where it is, without a slash at its end.
    pub fn url(&self) -> String {
        self.door.url()
    }

    /// Somebody who comes in.
    pub fn visitor(&self) -> Visitor {
        Visitor::at(self.door.clone())
    }

    /// Somebody who has just signed up.
    pub async fn new_customer(&self, name: &str) -> Customer {
        let (visitor, email) = (self.visitor(), new_email(name));
        let sign_in = visitor.signs_up(&email, PASSWORD).unless_busy().await.expect_status(201);
        Customer::with(&visitor, &email, PASSWORD, &sign_in)
    }

    /// The admin, signed in.
    pub async fn admin(&self) -> Admin {
        let (email, password) = match &self.keeper {
            Keeper::Unknown => panic!("nobody has said who the admin is"),
            Keeper::Elsewhere { email, password } => (email.as_str(), password.as_str()),
            Keeper::Here(premises) => (premises.admin().await, PASSWORD),
        };
        self.admin_called(email, password).await
    }

    /// The admin of this name, signed in.
    pub(crate) async fn admin_called(&self, email: &str, password: &str) -> Admin {
        let visitor = self.visitor();
        let sign_in = visitor.signs_in(email, password).unless_busy().await.expect_status(200);
        Admin::new(visitor.presenting(sign_in["token"].as_str().unwrap()))
    }
}

/// A test that fails shows what the shop said.
impl Drop for Shop {
    fn drop(&mut self) {
        if let (true, Keeper::Here(premises)) = (std::thread::panicking(), &self.keeper) {
            eprintln!("The shop's log ends so:\n{}", premises.end_of_log());
        }
    }
}

/// A shop of the test's own, with data that nobody else has.
pub struct OwnShop {
    shop: Shop,
    premises: Arc<Premises>,
}

impl OwnShop {
    /// An empty shop.
    pub async fn open() -> Self {
        Self::open_with(&["--no-demo"]).await
    }

    /// A shop that is started with these options besides `--port` and `--data`, now and whenever it is started again.
    pub async fn open_with(options: &[&str]) -> Self {
        Self::open_in(options, &[]).await
    }

    /// As [`OwnShop::open_with`], with these variables in its environment.
    pub async fn open_in(options: &[&str], environment: &[(&str, &str)]) -> Self {
        let premises = Arc::new(Premises::open(options, environment).await);
        Self { shop: Shop::on(Arc::clone(&premises)), premises }
    }

    /// Pulls the plug: `SIGKILL`.
    pub fn kill(&self) {
        self.premises.kill();
    }

    /// Closes in good order: `SIGTERM`.
    pub async fn stop(&self) -> ExitStatus {
        self.premises.stop().await
    }

    /// Opens again on the same data, after [`kill`](Self::kill) or [`stop`](Self::stop).
    pub async fn restart(&self) {
        self.premises.start().await;
    }

    /// Opens again, to die at a failpoint.
    pub async fn restart_failing(&self, at: &str) {
        self.premises.start_with(&[(FAILPOINT, at)]).await;
    }

    /// Waits until it has died at its failpoint.
    pub async fn has_died(&self, at: &str) {
        self.premises.end().await;
        died_at(at, &self.premises.end_of_log());
    }

    /// Where its data is.
    pub fn data(&self) -> &Path {
        &self.premises.data
    }

    /// What it printed since it was last started.
    pub fn greeting(&self) -> String {
        self.premises.greeting()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.premises.whole_log()
    }

    /// Makes an admin with the command for that.
    pub async fn makes_admin(&self, email: &str, password: &str) -> Finished {
        self.premises.makes_admin(email, password).await
    }
}

impl Deref for OwnShop {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}
