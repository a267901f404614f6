//! Accounts: sign-up, profile, addresses, and what the mails of an account lead to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use souk_contract::api::ApiMethod;
use souk_contract::customer::{AddressId, CustomerId};
use souk_contract::role::Role;
use souk_types::{Address, Timestamp};

use super::session::SignIn;
use super::{Api, Result, Service, Token};
use crate::links::encode;

/// The account of a customer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: CustomerId,
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    pub(crate) phone: Option<String>,
    pub(crate) role: Role,
    /// An earlier `customer` in a rolling update does not say it.
    #[serde(default)]
    pub(crate) totp: SecondStep,
    /// The saved addresses, oldest first.
    pub(crate) addresses: Vec<SavedAddress>,
}

/// An address of an account.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SavedAddress {
    pub(crate) id: AddressId,
    /// Whether orders go there unless the customer chooses another one.
    pub(crate) default: bool,
    #[serde(flatten)]
    pub(crate) address: Address,
}

/// The second step of a sign-in.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct SecondStep {
    pub(crate) active: bool,
    /// Whether the role of the account does not count until the step is active.
    pub(crate) required: bool,
    pub(crate) recovery_codes_left: usize,
}

/// A secret for an authenticator app. It has no `Debug`, so that no log line can show it.
#[derive(Deserialize)]
pub(crate) struct NewSecret {
    /// The secret as somebody types it.
    pub(crate) secret: String,
    /// What an app reads from a QR code.
    pub(crate) uri: String,
}

/// A row of the list of sessions of an account.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AccountSession {
    pub(crate) id: String,
    pub(crate) device: Device,
    pub(crate) opened_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
}

/// The device that opened a session, as far as it is known.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Device {
    pub(crate) browser: Option<String>,
    pub(crate) system: Option<String>,
}

/// What shows that a request comes from the customer, and not from another user of the browser.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct FreshProof<'a> {
    /// The current password.
    pub(crate) current: &'a str,
    /// The code of an account that has a second step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'a str>,
}

#[derive(Serialize)]
struct EmailChange<'a> {
    email: &'a str,
    #[serde(flatten)]
    proof: FreshProof<'a>,
}

#[derive(Serialize)]
struct PasswordChange<'a> {
    new: &'a str,
    #[serde(flatten)]
    proof: FreshProof<'a>,
}

impl Profile {
    /// Returns the saved address with this id.
    pub(crate) fn address(&self, id: &str) -> Option<&SavedAddress> {
        self.addresses.iter().find(|saved| saved.id.to_string() == id)
    }
}

impl Api<'_> {
    /// Makes a secret for an authenticator app. Errors: 409 `totp-active`; 422 for `current`; 429.
    pub(crate) async fn begin_totp(self, token: &Token, current: &str) -> Result<NewSecret> {
        self.post(Service::Customer, "/totp").token(token).json(&json!({"current": current})).send().await
    }

    /// Turns the second step on, and returns the recovery codes. Ends all sessions. Errors: 409
    /// `totp-not-begun`; 422 for `code`.
    pub(crate) async fn confirm_totp(self, token: &Token, code: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Reply {
            recovery_codes: Vec<String>,
        }
        let call = self.post(Service::Customer, "/totp/confirm").token(token).json(&json!({"code": code}));
        call.send::<Reply>().await.map(|reply| reply.recovery_codes)
    }

    /// Turns the second step off. Ends all sessions. Errors: 422 for `current` or `code`; 429.
    pub(crate) async fn turn_totp_off(self, token: &Token, current: &str, code: &str) -> Result<()> {
        let call = self.call(Service::Customer, ApiMethod::Delete, "/totp").token(token);
        call.json(&json!({"current": current, "code": code})).send_without_reply().await
    }

    /// Opens a session. Errors: 401 for an unknown address, a wrong password or a wrong code; 409
    /// `code-required` with `challenge`, `account-locked`; 429.
    pub(crate) async fn sign_in(self, email: &str, password: &str, code: Option<&str>) -> Result<SignIn> {
        let body = json!({"email": email, "password": password, "code": code});
        self.post(Service::Customer, "/login").browser().json(&body).send().await
    }

    /// Opens a session with the challenge of `code-required` in place of address and password.
    /// Errors: 401 for a wrong code; 409 `challenge-expired`, `account-locked`; 422 for `challenge`
    /// or `code`; 429.
    pub(crate) async fn sign_in_with_code(self, challenge: &str, code: &str) -> Result<SignIn> {
        let call = self.post(Service::Customer, "/login").browser();
        call.json(&json!({"challenge": challenge, "code": code})).send().await
    }

    /// Creates an account and opens a session. Errors: 409 `email-taken`, 422, 429.
    pub(crate) async fn sign_up(self, email: &str, password: &str) -> Result<SignIn> {
        let body = json!({"email": email, "password": password});
        self.post(Service::Customer, "/signup").browser().json(&body).send().await
    }

    /// Ends the session of a refresh token.
    pub(crate) async fn sign_out(self, refresh_token: &str) -> Result<()> {
        let call = self.post(Service::Customer, "/logout").json(&json!({"refresh_token": refresh_token}));
        call.send_without_reply().await
    }

    /// Ends all sessions of a customer.
    pub(crate) async fn end_sessions(self, token: &Token) -> Result<()> {
        self.call(Service::Customer, ApiMethod::Delete, "/sessions").token(token).send_without_reply().await
    }

    /// Returns the sessions of a customer, the latest used first.
    pub(crate) async fn sessions(self, token: &Token) -> Result<Vec<AccountSession>> {
        #[derive(Deserialize)]
        struct Sessions {
            items: Vec<AccountSession>,
        }
        let sessions: Sessions = self.get(Service::Customer, "/sessions").token(token).send().await?;
        Ok(sessions.items)
    }

    /// Ends one session of a customer. Errors: 404 when it has ended.
    pub(crate) async fn end_session(self, token: &Token, id: &str) -> Result<()> {
        let target = format!("/sessions/{}", encode(id));
        self.call(Service::Customer, ApiMethod::Delete, target).token(token).send_without_reply().await
    }

    /// Returns the account of a customer.
    pub(crate) async fn profile(self, token: &Token) -> Result<Profile> {
        self.get(Service::Customer, "/profile").token(token).send().await
    }

    /// Changes the telephone number; `None` removes it.
    pub(crate) async fn change_phone(self, token: &Token, phone: Option<&str>) -> Result<()> {
        let call = self.call(Service::Customer, ApiMethod::Patch, "/profile").token(token);
        call.json(&json!({"phone": phone})).send_without_reply().await
    }

    /// Changes the e-mail address. All sessions end. Errors: 409 `email-taken`, `code-required`,
    /// 422 for `email`, `current` and `code`, 429.
    pub(crate) async fn change_email(self, token: &Token, email: &str, proof: FreshProof<'_>) -> Result<()> {
        let call = self.call(Service::Customer, ApiMethod::Patch, "/profile").token(token);
        call.json(&EmailChange { email, proof }).send_without_reply().await
    }

    /// Changes the password. All sessions end. Errors: 409 `code-required`, 422 for `new`,
    /// `current` and `code`, 429.
    pub(crate) async fn change_password(self, token: &Token, new: &str, proof: FreshProof<'_>) -> Result<()> {
        let call = self.call(Service::Customer, ApiMethod::Put, "/password").token(token);
        call.json(&PasswordChange { new, proof }).send_without_reply().await
    }

    /// Adds an address, or replaces the one with this id.
    pub(crate) async fn save_address(self, token: &Token, id: Option<AddressId>, address: &Value) -> Result<()> {
        let call = match id {
            None => self.post(Service::Customer, "/address"),
            Some(id) => self.call(Service::Customer, ApiMethod::Put, format!("/address/{id}")),
        };
        call.token(token).json(address).send_without_reply().await
    }

    /// Deletes an address.
    pub(crate) async fn delete_address(self, token: &Token, id: AddressId) -> Result<()> {
        let call = self.call(Service::Customer, ApiMethod::Delete, format!("/address/{id}"));
        call.token(token).send_without_reply().await
    }

    /// Sends the mail with a code for a new password, if there is an account with this address.
    pub(crate) async fn forget_password(self, email: &str) -> Result<()> {
        let call = self.post(Service::Customer, "/password/forgot").json(&json!({"email": email}));
        call.send_without_reply().await
    }

    /// Sets a new password. Errors: 409 `token-expired` and `token-used`, 422 for `token` and
    /// `new`.
    pub(crate) async fn reset_password(self, token: &str, new: &str) -> Result<()> {
        let call = self.post(Service::Customer, "/password/reset").json(&json!({"token": token, "new": new}));
        call.send_without_reply().await
    }

    /// Verifies the e-mail address. Errors: 409 `token-expired` and `token-used`, 422 for `token`.
    pub(crate) async fn verify(self, token: &str) -> Result<()> {
        self.post(Service::Customer, "/verify").json(&json!({"token": token})).send_without_reply().await
    }

    /// Sends the mail that verifies the address again. Errors: 409 `email-verified`, 429.
    pub(crate) async fn resend_verification(self, token: &Token) -> Result<()> {
        self.post(Service::Customer, "/verify/resend").token(token).send_without_reply().await
    }

    /// Returns all personal data of a customer but the orders, as JSON. Errors: 429
    /// `export-running`.
    pub(crate) async fn export_without_orders(self, token: &Token) -> Result<String> {
        let call = self.get(Service::Customer, "/profile/export?orders=none").token(token);
        Ok(call.response().await?.body)
    }

    /// Deletes the account. Errors: 409 `code-required`, 422 for `current` and `code`, 429.
    pub(crate) async fn delete_account(self, token: &Token, proof: FreshProof<'_>) -> Result<()> {
        let call = self.call(Service::Customer, ApiMethod::Delete, "/profile").token(token);
        call.json(&proof).send_without_reply().await
    }
}
