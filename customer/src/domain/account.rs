//! Accounts: a profile, or the tombstone that an erasure leaves.

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::role::Role;
use souk_types::{Email, Error, Id, Language, Network, Phone, Result, Timestamp};

use super::address::AddressBook;
use super::mail::SentTokens;
use super::passkey::Passkeys;
use super::password::PasswordHash;
use super::totp::SecondStep;

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum Account {
    Open(Box<Profile>),
    /// A tombstone. It records that the id was used and has no personal data.
    Erased {
        id: CustomerId,
        erased_at: Timestamp,
    },
}

impl Account {
    pub(crate) fn open(profile: Profile) -> Self {
        Self::Open(Box::new(profile))
    }

    pub(crate) fn id(&self) -> CustomerId {
        match self {
            Self::Open(profile) => profile.id,
            Self::Erased { id, .. } => *id,
        }
    }

    pub(crate) fn into_profile(self) -> Option<Profile> {
        match self {
            Self::Open(profile) => Some(*profile),
            Self::Erased { .. } => None,
        }
    }

    pub(crate) fn profile_mut(&mut self) -> Result<&mut Profile> {
        match self {
            Self::Open(profile) => Ok(profile),
            Self::Erased { .. } => Err(account_deleted()),
        }
    }

    pub(crate) fn erase(&mut self, now: Timestamp) -> Result<()> {
        let id = self.profile_mut()?.id;
        *self = Self::Erased { id, erased_at: now };
        Ok(())
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: CustomerId,
    pub(crate) email: Email,
    pub(crate) phone: Option<Phone>,
    pub(crate) role: Role,
    pub(crate) addresses: AddressBook,
    pub(crate) created_at: Timestamp,
    /// The language of the latest sign-in, in which mails are written. A release that does not know
    /// it writes them in English.
    #[serde(default, skip_serializing_if = "Language::is_default")]
    pub(crate) language: Language,
    password: PasswordHash,
    /// Counts changes of the e-mail address, the password, the role and the second step, removed
    /// passkeys, locks, and sign-outs of all sessions.
    /// Sessions and access tokens of an earlier generation are invalid.
    generation: u32,
    /// The networks from which the customer has signed in, the latest last.
    networks: Vec<Network>,
    /// Whether the customer has shown to receive mail at the address.
    is_email_verified: bool,
    is_locked: bool,
    pub(crate) second_step: SecondStep,
    pub(crate) passkeys: Passkeys,
    pub(super) sent_tokens: SentTokens,
}

/// Networks that an account remembers: home, work, a phone, and some more.
const MAX_NETWORKS: usize = 10;

impl Profile {
    pub(crate) fn new(email: Email, password: PasswordHash, phone: Option<Phone>, role: Role, now: Timestamp) -> Self {
        Self {
            id: Id::new(),
            email,
            phone,
            role,
            addresses: AddressBook::default(),
            created_at: now,
            language: Language::default(),
            password,
            generation: 1,
            networks: Vec::new(),
            is_email_verified: false,
            is_locked: false,
            second_step: SecondStep::default(),
            passkeys: Passkeys::default(),
            sent_tokens: SentTokens::default(),
        }
    }

    pub(crate) fn password(&self) -> &PasswordHash {
        &self.password
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn is_email_verified(&self) -> bool {
        self.is_email_verified
    }

    /// Records that the customer receives mail at the address. Returns whether that is new.
    pub(crate) fn verify_email(&mut self) -> bool {
        !std::mem::replace(&mut self.is_email_verified, true)
    }

    pub(crate) fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// Whether the customer has signed in from this network before.
    pub(crate) fn knows(&self, network: Network) -> bool {
        self.networks.contains(&network)
    }

    /// Remembers from which network the customer has signed in, and in which language, if the
    /// client has named one.
    pub(crate) fn remember(&mut self, network: Network, language: Option<Language>) {
        self.language = language.unwrap_or(self.language);
        self.networks.retain(|known| *known != network);
        self.networks.push(network);
        let excess = self.networks.len().saturating_sub(MAX_NETWORKS);
        self.networks.drain(..excess);
    }

    /// Forgets the networks from which others may have signed in: all but this one.
    pub(crate) fn forget_other_networks(&mut self, network: Network) {
        self.networks.retain(|known| *known == network);
    }

    /// Sets a new password and thereby ends all sessions. `verified` is the generation whose
    /// password the caller has checked. Errors: a conflict when the credentials have changed since.
    pub(crate) fn change_password(&mut self, verified: u32, password: PasswordHash) -> Result<()> {
        self.change_credentials(verified)?;
        self.password = password;
        Ok(())
    }

    /// Sets a new e-mail address, which is not verified, and thereby ends all sessions, like
    /// [`Self::change_password`]. The account loses its role: an admin gives it again when the
    /// address is verified.
    pub(crate) fn change_email(&mut self, verified: u32, email: Email) -> Result<()> {
        self.change_credentials(verified)?;
        (self.email, self.is_email_verified, self.role) = (email, false, Role::Customer);
        Ok(())
    }

    /// Ends all sessions and revokes all access tokens.
    pub(crate) fn end_sessions(&mut self) {
        self.generation += 1;
    }

    /// Whether this is the account of an admin who can sign in.
    pub(crate) fn is_active_admin(&self) -> bool {
        self.role == Role::Admin && !self.is_locked
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// Locks the account: every sign-in is refused. Ends all sessions.
    pub(crate) fn lock(&mut self) {
        self.is_locked = true;
        self.end_sessions();
    }

    pub(crate) fn unlock(&mut self) {
        self.is_locked = false;
    }

    /// Changes the role and ends all sessions. Returns whether that changes anything. Errors:
    /// `email-not-verified` for a customer who would work for the shop, because another person may
    /// have signed up with the address.
    pub(crate) fn change_role(&mut self, role: Role) -> Result<bool> {
        if role == self.role {
            return Ok(false);
        }
        if !self.role.is_staff() && !self.is_email_verified {
            let detail = "The account's e-mail address is not verified, so it may be another person's.";
            return Err(Error::conflict("email-not-verified", detail));
        }
        self.role = role;
        self.end_sessions();
        Ok(true)
    }

    fn change_credentials(&mut self, verified: u32) -> Result<()> {
        if self.generation != verified {
            let detail = "Another request has just changed the e-mail address or the password.";
            return Err(Error::conflict("conflict", detail));
        }
        self.end_sessions();
        Ok(())
    }

    /// Replaces the hash by a stronger one of the same password, unless the password has changed
    /// since generation `verified`.
    pub(crate) fn rehash_password(&mut self, verified: u32, password: PasswordHash) {
        if self.generation == verified {
            self.password = password;
        }
    }
}

/// Returns the error for the right password without the code that the account asks for.
pub(crate) fn code_required() -> Error {
    Error::conflict("code-required", "The account has a second step: send the code of the authenticator app as well.")
}

/// Returns the error for the right password of a locked account.
pub(crate) fn account_locked() -> Error {
    Error::conflict("account-locked", "The account is locked. Ask the shop to unlock it.")
}

/// Returns the error for a valid access token whose account is erased.
pub(crate) fn account_deleted() -> Error {
    Error::unauthenticated("The account is deleted.")
}

#[cfg(test)]
mod tests {
    use souk_types::ErrorKind;

    use super::*;

    fn profile() -> Profile {
        let password = "password".parse().unwrap();
        let password = PasswordHash::of(&password).unwrap();
        Profile::new("ana@example.com".parse().unwrap(), password, None, Role::Customer, Timestamp::now())
    }

    #[test]
    fn credentials_change_once_per_verified_generation() {
        let mut profile = profile();
        let (verified, password) = (profile.generation(), profile.password().clone());
        profile.change_password(verified, password.clone()).unwrap();
        for late in [
            profile.change_password(verified, password).unwrap_err(),
            profile.change_email(verified, "ana@example.org".parse().unwrap()).unwrap_err(),
        ] {
            assert_eq!((late.kind(), profile.generation()), (ErrorKind::Conflict, verified + 1));
        }
        profile.change_email(verified + 1, "ana@example.org".parse().unwrap()).unwrap();
        assert_eq!((profile.email.as_str(), profile.generation()), ("ana@example.org", verified + 2));
    }

    #[test]
    fn the_latest_networks_are_remembered() {
        let mut profile = profile();
        let network = |number: u8| Network::from(std::net::IpAddr::from([203, 0, 113, number]));
        for number in (0..12).chain([5]) {
            profile.remember(network(number), None);
        }
        assert_eq!((profile.networks.len(), profile.networks.last()), (10, Some(&network(5))));
        assert_eq!((profile.knows(network(1)), profile.knows(network(2))), (false, true));
    }

    #[test]
    fn a_tombstone_has_no_personal_data_and_cannot_be_changed() {
        let mut account = Account::open(profile());
        let id = account.id();
        account.erase(Timestamp::now()).unwrap();
        let stored = serde_json::to_value(&account).unwrap();
        let fields: Vec<&String> = stored.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["erased_at", "id", "state"]);
        assert_eq!(account.id(), id);
        assert_eq!(account.erase(Timestamp::now()).unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
}
