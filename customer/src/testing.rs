//! The service on an empty database, for unit tests.

use std::net::IpAddr;

use souk_bus::{Bus, Delivery, Event};
use souk_contract::customer::{AccountMailContent, AccountMailReply, CustomerId};
use souk_contract::role::Role;
use souk_http::auth::Identity;
use souk_http::rate_limit::shared::SharedLimits;
use souk_store::{Database, Durability};
use souk_types::{ErrorKind, Language, Network, Result, Timestamp};
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::application::accounts::{self, NewAccount};
use crate::application::mails;
use crate::application::sessions::{self, SignIn};
use crate::application::sign_in::{self, Credentials};
use crate::domain::account::Profile;
use crate::domain::password::PasswordGuess;
use crate::domain::session::RefreshToken;
use crate::{App, Options, SigningKey};

pub(crate) const PASSWORD: &str = "correct horse";

/// The network from which Ana signs in.
pub(crate) fn home() -> Network {
    IpAddr::from([203, 0, 113, 7]).into()
}

/// Returns who a session is for that was opened by the password alone, in a shop that requires a
/// second step of its staff.
pub(crate) fn by_password(id: CustomerId) -> Identity {
    Identity { id, role: Role::Customer, generation: 1, is_email_verified: true, language: Language::English }
}

/// Starts the service. The database is deleted with the directory.
pub(crate) fn start() -> (App, TempDir) {
    start_with(Options::default())
}

pub(crate) fn start_with(options: Options) -> (App, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (start_in(&Bus::local(), &directory, options), directory)
}

pub(crate) fn start_on(bus: &Bus, directory: &TempDir) -> App {
    start_in(bus, directory, Options::default())
}

fn start_in(bus: &Bus, directory: &TempDir, options: Options) -> App {
    let file = directory.path().join("customer.db");
    let database = Database::sqlite("customer", &file, Durability::Process).unwrap();
    App::start(database, bus, &SharedLimits::default(), SigningKey::ephemeral().unwrap(), options).unwrap()
}

/// Creates the account of Ana, whose password is [`PASSWORD`].
pub(crate) async fn ana(app: &App) -> Profile {
    accounts::register(app, new_account("ana@example.com"), home(), None).await.unwrap()
}

pub(crate) fn new_account(email: &str) -> NewAccount {
    let (email, password) = (email.parse().unwrap(), PASSWORD.parse().unwrap());
    NewAccount { email, password, phone: None, role: Role::Customer }
}

pub(crate) fn credentials(email: &str, password: &str) -> Credentials {
    Credentials { email: email.parse().ok(), password: PasswordGuess::new(password), code: None }
}

/// Signs Ana in by her password alone.
pub(crate) async fn signed_in(app: &App) -> SignIn {
    sign_in::sign_in(app, credentials("ana@example.com", PASSWORD), home()).await.unwrap()
}

pub(crate) async fn refreshed(app: &App, token: &RefreshToken) -> Result<SignIn> {
    sessions::refresh(app, token.to_string().parse().ok(), home()).await
}

/// Returns whether a refresh token is refused; one that is not is replaced.
pub(crate) async fn is_refused(app: &App, token: &RefreshToken) -> bool {
    refreshed(app, token).await.is_err_and(|error| error.kind() == ErrorKind::Unauthenticated)
}

/// Returns the mails of an account that are to be sent, in the order in which they expire: the
/// recipient, and the kind with the token.
pub(crate) async fn sent_mails(app: &App, account: CustomerId) -> Vec<(String, &'static str, String)> {
    let mut sent = Vec::new();
    for mail in app.mails.by_account(account).await.unwrap() {
        let AccountMailReply::Send { to, content, .. } = mails::reply(app, mail.id(), Timestamp::now()).await.unwrap()
        else {
            continue;
        };
        let (kind, token) = match content {
            AccountMailContent::VerifyAddress { token, .. } => ("verify", token),
            AccountMailContent::ResetPassword { token, .. } => ("reset", token),
            AccountMailContent::AddressChanged => ("changed", String::new()),
            AccountMailContent::PasswordChanged { passkeys_removed: false } => ("password-changed", String::new()),
            AccountMailContent::PasswordChanged { passkeys_removed: true } => {
                ("password-changed, passkeys removed", String::new())
            }
            AccountMailContent::SecondStepOn => ("second-step-on", String::new()),
            AccountMailContent::SecondStepOff => ("second-step-off", String::new()),
            AccountMailContent::PasskeyAdded => ("passkey-added", String::new()),
            AccountMailContent::PasskeyRemoved => ("passkey-removed", String::new()),
            AccountMailContent::AccountErased => ("erased", String::new()),
        };
        sent.push((to.as_str().to_owned(), kind, token));
    }
    sent
}

/// Returns the latest token of a kind.
pub(crate) async fn latest_token(app: &App, account: CustomerId, kind: &str) -> String {
    let mails = sent_mails(app, account).await;
    mails.into_iter().rfind(|(_, of, _)| *of == kind).map(|(_, _, token)| token).unwrap()
}

/// Returns the events of a type that `listener` receives.
pub(crate) fn received<E: Event>(bus: &Bus, listener: &'static str) -> UnboundedReceiver<E> {
    let (sender, receiver) = mpsc::unbounded_channel();
    bus.subscribe(listener, move |delivery: Delivery<E>| {
        // A test that has ended does not read.
        let _ = sender.send(delivery.event);
        async { Ok(()) }
    });
    receiver
}
