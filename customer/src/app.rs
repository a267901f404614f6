//! The state of the service.

use std::sync::Arc;

use souk_bus::Bus;
use souk_contract::customer::Keys;
use souk_contract::role::Role;
use souk_http::auth::Verifier;
use souk_store::Database;
use souk_types::{Error, Result};
use tokio::sync::Notify;

use crate::domain::account::Profile;
use crate::domain::relying_party::RelyingParty;
use crate::domain::session::Proof;
use crate::domain::token_secret::{ChallengeKeys, MailKeys};
use crate::options::StaffSecondFactor;
use crate::providers::attempts::Attempts;
use crate::providers::export_slots::ExportSlots;
use crate::providers::password_hasher::PasswordHasher;
use crate::providers::signing_key::SigningKey;
use crate::repositories::{Accounts, Challenges, Erasures, Mails, Sessions};

/// The state of the service `customer`. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Sessions,
    pub(crate) challenges: Challenges,
    pub(crate) erasures: Erasures,
    pub(crate) mails: Mails,
    pub(crate) mail_keys: Arc<MailKeys>,
    pub(crate) challenge_keys: Arc<ChallengeKeys>,
    /// Notified when a receipt of an erasure changes in this process.
    pub(crate) erasure_progress: Arc<Notify>,
    pub(crate) hasher: PasswordHasher,
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) exports: ExportSlots,
    pub(crate) staff_second_factor: StaffSecondFactor,
    /// The shop as passkeys know it; `None` in a shop without a domain name.
    pub(crate) relying_party: Option<Arc<RelyingParty>>,
}

impl App {
    /// Returns the role that an account has in a session: none without the second step, in a shop
    /// that requires it of its staff.
    pub(crate) fn role_of(&self, profile: &Profile, proof: Proof) -> Role {
        let is_too_little = proof == Proof::Password && self.lacks_second_step(profile);
        if is_too_little { Role::Customer } else { profile.role }
    }

    /// Whether the password alone does not give an account its role: staff without the second step,
    /// in a shop that requires it.
    pub(crate) fn lacks_second_step(&self, profile: &Profile) -> bool {
        self.staff_second_factor == StaffSecondFactor::Required
            && profile.role.is_staff()
            && !profile.second_step.is_active()
    }

    /// Protects the role of staff who have passkeys and no second step: a session that was opened
    /// by the password alone must not replace the passkeys. Errors: `passkey-required`.
    pub(crate) fn require_passkey(&self, profile: &Profile, session: Role) -> Result<()> {
        let has_passkeys = !profile.passkeys.list().is_empty();
        if has_passkeys && session != profile.role && self.lacks_second_step(profile) {
            let detail = "Sign in with a passkey first: the password alone is not enough for an account of staff.";
            return Err(Error::conflict("passkey-required", detail));
        }
        Ok(())
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys { keys: self.key.public_keys() }
    }
}
