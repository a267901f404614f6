//! Collections and their queries, under domain names. Rules are in `domain/`.

use serde_json::json;
use souk_contract::customer::{AccountMailDue, AccountMailId, CustomerId, TokensRevoked};
use souk_contract::role::Role;
use souk_store::{Collection, Database, Document, Due, Events, Index, Tx};
use souk_types::format::{FormatChange, rename};
use souk_types::{Email, Error, PageLimit, Result, Timestamp};

use crate::domain::account::{Account, Profile};
use crate::domain::device::Device;
use crate::domain::erasure::{ErasureId, ErasureReceipt};
use crate::domain::mail::Mail;
use crate::domain::passkey::{ChallengeId, SignInChallenge};
use crate::domain::session::{Proof, Refresh, RefreshToken, Session, SessionId};
use crate::domain::token_secret::RootKeys;

/// A tombstone has no e-mail address and is not in this index, so the address is free again.
static BY_EMAIL: Index = Index::unique("by_email", &["email"]);
static BY_ROLE: Index = Index::sorted("by_role", &["role"], "created_at");
static BY_CUSTOMER: Index = Index::sorted("by_customer", &["customer"], "expires");
static SESSION_BY_EXPIRY: Index = Index::sorted("by_expiry", &[], "expires");
/// A complete receipt has no customer and is never due, so it is in neither of these indexes.
static RECEIPT_BY_CUSTOMER: Index = Index::unique("by_customer", &["customer"]);
static RECEIPT_BY_DUE: Index = Index::sorted("by_due", &[], "schedule.due");

static MAIL_BY_ACCOUNT: Index = Index::sorted("by_account", &["account"], "expires");
static MAIL_BY_EXPIRY: Index = Index::sorted("by_expiry", &[], "expires");

static CHALLENGE_BY_EXPIRY: Index = Index::sorted("by_expiry", &[], "expires");

impl Document for Account {
    type Id = CustomerId;
    const COLLECTION: &'static str = "accounts";
    const NOUN: &'static str = "account";
    const INDEXES: &'static [Index] = &[BY_EMAIL, BY_ROLE];
    const PUBLISHES: bool = true;
    const CHANGE: Option<FormatChange> = Some(FormatChange {
        upgrade: |account| {
            rename(account, "email_verified", "is_email_verified");
            // A tombstone has none of these. Accounts of older releases may lack some.
            if account.contains_key("password") {
                account.entry("is_locked").or_insert(false.into());
                account.entry("second_step").or_insert_with(|| json!({"setup": null, "active": null}));
                account.entry("passkeys").or_insert_with(|| json!({"setup": null, "registered": []}));
            }
        },
        downgrade: |account| rename(account, "is_email_verified", "email_verified"),
    });
}

impl Document for Session {
    type Id = SessionId;
    const COLLECTION: &'static str = "sessions";
    const NOUN: &'static str = "session";
    const INDEXES: &'static [Index] = &[BY_CUSTOMER, SESSION_BY_EXPIRY];
    const CHANGE: Option<FormatChange> = Some(FormatChange {
        upgrade: |session| {
            rename(session, "rotated", "rotated_at");
            session.entry("device").or_insert_with(|| json!({"browser": null, "system": null}));
            session.entry("proof").or_insert_with(|| "password".into());
        },
        downgrade: |session| rename(session, "rotated_at", "rotated"),
    });
}

impl Document for SignInChallenge {
    type Id = ChallengeId;
    const COLLECTION: &'static str = "challenges";
    const NOUN: &'static str = "challenge";
    const INDEXES: &'static [Index] = &[CHALLENGE_BY_EXPIRY];
}

impl Document for ErasureReceipt {
    type Id = ErasureId;
    const COLLECTION: &'static str = "erasures";
    const NOUN: &'static str = "erasure";
    const INDEXES: &'static [Index] = &[RECEIPT_BY_CUSTOMER, RECEIPT_BY_DUE];
}

impl Document for Mail {
    type Id = AccountMailId;
    const COLLECTION: &'static str = "mails";
    const NOUN: &'static str = "mail";
    const INDEXES: &'static [Index] = &[MAIL_BY_ACCOUNT, MAIL_BY_EXPIRY];
}

/// Opens all collections, for a command that works on every document.
pub fn open_collections(database: &Database) -> Result<()> {
    database.collection::<Account>()?;
    database.collection::<Session>()?;
    database.collection::<SignInChallenge>()?;
    database.collection::<ErasureReceipt>()?;
    database.collection::<Mail>()?;
    Ok(())
}

/// Open accounts and tombstones.
#[derive(Clone)]
pub(crate) struct Accounts(Collection<Account>);

impl Accounts {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn get(&self, id: CustomerId) -> Result<Option<Profile>> {
        Ok(self.0.get(id).await?.and_then(Account::into_profile))
    }

    pub(crate) async fn by_email(&self, email: &Email) -> Result<Option<Profile>> {
        let found = self.0.get_many_by(&BY_EMAIL, vec![email.as_str().to_owned()]).await?;
        Ok(found.into_iter().find_map(Account::into_profile))
    }

    /// Returns the first 100 accounts of a role, in the order in which they were created.
    pub(crate) async fn by_role(&self, role: Role) -> Result<Vec<Profile>> {
        let page = self.0.find(BY_ROLE.find([role.as_str()]).first(PageLimit::MOST)).await?;
        Ok(page.items.into_iter().filter_map(Account::into_profile).collect())
    }

    /// Errors: `email-taken`.
    pub(crate) async fn insert(&self, profile: Profile) -> Result<()> {
        self.0.insert(profile.id, Account::open(profile)).await.map_err(email_taken_if_duplicate)
    }

    /// Errors: the rule's, `email-taken`, `Unauthenticated` when the account is erased.
    pub(crate) async fn update<R: Send + 'static>(
        &self,
        id: CustomerId,
        mut rule: impl FnMut(&mut Profile) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.0.update(id, move |account, _| rule(account.profile_mut()?)).await.map_err(email_taken_if_duplicate)
    }

    /// Like [`Self::update`], for a rule that may publish events in the same write.
    pub(crate) async fn update_with_events<R: Send + 'static>(
        &self,
        id: CustomerId,
        mut rule: impl FnMut(&mut Profile, &mut Events) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.0.update(id, move |account, events| rule(account.profile_mut()?, events)).await
    }

    /// Like [`Self::update`], for a rule that begins a new generation: in the same write,
    /// publishes that the tokens of earlier ones are revoked.
    pub(crate) async fn revoke_tokens<R: Send + 'static>(
        &self,
        id: CustomerId,
        mut rule: impl FnMut(&mut Profile) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let revoke = move |profile: &mut Profile, events: &mut Events| {
            let result = rule(profile)?;
            events.publish(&TokensRevoked { id, generation: profile.generation() })?;
            Ok(result)
        };
        self.update_with_events(id, revoke).await
    }

    pub(crate) async fn get_in(&self, tx: &Tx, id: CustomerId) -> Result<Option<Account>> {
        tx.get(&self.0, id).await
    }

    pub(crate) async fn put_in(&self, tx: &Tx, account: &Account) -> Result<()> {
        tx.put(&self.0, account.id(), account).await
    }

    pub(crate) async fn for_each(&self, mut visit: impl FnMut(Account) + Send) -> Result<()> {
        self.0.scan(|_, account| visit(account)).await
    }
}

pub(crate) fn email_taken() -> Error {
    Error::conflict("email-taken", "This e-mail address already has an account. Sign in, or use another address.")
}

/// Maps a duplicate to `email-taken`: the index of e-mail addresses is the only unique index, and
/// account ids are new.
pub(crate) fn email_taken_if_duplicate(error: Error) -> Error {
    if error.is_duplicate() { email_taken() } else { error }
}

#[derive(Clone)]
pub(crate) struct Sessions {
    collection: Collection<Session>,
    database: Database,
    roots: RootKeys,
}

impl Sessions {
    pub(crate) fn open(database: &Database, roots: RootKeys) -> Result<Self> {
        Ok(Self { collection: database.collection()?, database: database.clone(), roots })
    }

    /// In the order in which they expire: at most 100, which is more than a customer may have.
    pub(crate) async fn by_customer(&self, customer: CustomerId) -> Result<Vec<Session>> {
        let page = self.collection.find(BY_CUSTOMER.find([customer.to_string()]).first(PageLimit::MOST)).await?;
        Ok(page.items)
    }

    /// Opens a session for a customer who has just proved their identity.
    pub(crate) async fn open_for(
        &self,
        profile: &Profile,
        device: Device,
        proof: Proof,
        now: Timestamp,
    ) -> Result<RefreshToken> {
        let (session, token) = Session::open(profile, (device, proof), &self.roots, now)?;
        self.collection.insert(session.id(), session).await?;
        Ok(token)
    }

    /// Presents a refresh token to its session, in one guarded write: concurrent refreshes by one
    /// token get the same successor. Returns the session and the next token; `None` when the token
    /// is refused. Deletes the session when it has expired or the token is reused.
    pub(crate) async fn refresh(
        &self,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<(Session, RefreshToken)>> {
        let (presented, roots) = (token.secret.clone(), self.roots.clone());
        let refresh = move |slot: &mut Option<Session>, _: &mut Events| {
            let Some(mut session) = slot.take().filter(|session| !session.is_expired(now)) else { return Ok(None) };
            let refresh = session.refresh(&presented, &roots, now);
            *slot = Some(session.clone()).filter(|_| !matches!(refresh, Refresh::Reused));
            Ok(match refresh {
                Refresh::Continued(secret) => Some((session, secret)),
                Refresh::Reused | Refresh::Unknown => None,
            })
        };
        let continued = self.collection.upsert(token.session, refresh).await?;
        Ok(continued.map(|(session, secret)| (session, RefreshToken { session: token.session, secret })))
    }

    /// Deletes the session of a refresh token if the token is, or was, one of the session's.
    pub(crate) async fn end(&self, token: &RefreshToken) -> Result<()> {
        let (presented, roots) = (token.secret.clone(), self.roots.clone());
        let end = move |slot: &mut Option<Session>, _: &mut Events| {
            slot.take_if(|session| session.knows(&presented, &roots));
            Ok(())
        };
        self.collection.upsert(token.session, end).await
    }

    /// Deletes a session of a customer. Returns whether there was one.
    pub(crate) async fn end_of(&self, customer: CustomerId, id: SessionId) -> Result<bool> {
        let end = move |slot: &mut Option<Session>, _: &mut Events| {
            Ok(slot.take_if(|session| session.customer() == customer).is_some())
        };
        self.collection.upsert(id, end).await
    }

    /// Returns the sessions that have expired.
    pub(crate) fn expired(&self) -> Due<Session> {
        self.collection.due(&SESSION_BY_EXPIRY)
    }

    /// Deletes a session if it has expired.
    pub(crate) async fn delete_expired(&self, id: SessionId, now: Timestamp) -> Result<()> {
        let delete = move |slot: &mut Option<Session>, _: &mut Events| {
            slot.take_if(|session| session.is_expired(now));
            Ok(())
        };
        self.collection.upsert(id, delete).await
    }

    /// Deletes sessions in one commit.
    pub(crate) async fn delete(&self, sessions: &[SessionId]) -> Result<()> {
        self.database
            .run(|tx| async move {
                for id in sessions {
                    tx.delete(&self.collection, *id).await?;
                }
                Ok(())
            })
            .await
    }
}

/// The challenges of sign-ins with passkeys.
#[derive(Clone)]
pub(crate) struct Challenges(Collection<SignInChallenge>);

impl Challenges {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn insert(&self, challenge: SignInChallenge) -> Result<()> {
        self.0.insert(challenge.id(), challenge).await
    }

    /// Deletes a challenge and returns it; `None` when it was used or has expired.
    pub(crate) async fn take(&self, id: ChallengeId, now: Timestamp) -> Result<Option<SignInChallenge>> {
        let taken = self.0.upsert(id, |slot: &mut Option<SignInChallenge>, _: &mut Events| Ok(slot.take())).await?;
        Ok(taken.filter(|challenge| !challenge.is_expired(now)))
    }

    /// Returns the challenges that have expired.
    pub(crate) fn expired(&self) -> Due<SignInChallenge> {
        self.0.due(&CHALLENGE_BY_EXPIRY)
    }
}

#[derive(Clone)]
pub(crate) struct Erasures(Collection<ErasureReceipt>);

impl Erasures {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn get(&self, id: ErasureId) -> Result<Option<ErasureReceipt>> {
        self.0.get(id).await
    }

    /// Returns a customer's receipt, until it is complete.
    pub(crate) async fn by_customer(&self, customer: CustomerId) -> Result<Option<ErasureReceipt>> {
        Ok(self.0.get_many_by(&RECEIPT_BY_CUSTOMER, vec![customer.to_string()]).await?.pop())
    }

    /// Changes a receipt by a rule, which may publish events in the same commit.
    pub(crate) async fn update<R: Send + 'static>(
        &self,
        id: ErasureId,
        rule: impl FnMut(&mut ErasureReceipt, &mut Events) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.0.update(id, rule).await
    }

    pub(crate) async fn get_in(&self, tx: &Tx, id: ErasureId) -> Result<Option<ErasureReceipt>> {
        tx.get(&self.0, id).await
    }

    pub(crate) async fn put_in(&self, tx: &Tx, receipt: &ErasureReceipt) -> Result<()> {
        tx.put(&self.0, receipt.id(), receipt).await
    }

    pub(crate) fn due(&self) -> Due<ErasureReceipt> {
        self.0.due(&RECEIPT_BY_DUE)
    }
}

/// Mails to account holders.
#[derive(Clone)]
pub(crate) struct Mails {
    collection: Collection<Mail>,
    database: Database,
}

impl Mails {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        Ok(Self { collection: database.collection()?, database: database.clone() })
    }

    pub(crate) async fn get(&self, id: AccountMailId) -> Result<Option<Mail>> {
        self.collection.get(id).await
    }

    /// Stores a mail and publishes that it is due, in the same commit.
    pub(crate) async fn put_in(&self, tx: &Tx, mail: &Mail) -> Result<()> {
        tx.put(&self.collection, mail.id(), mail).await?;
        tx.publish(&AccountMailDue { id: mail.id() }).map(drop)
    }

    /// At most 100, in the order in which they expire.
    pub(crate) async fn by_account(&self, account: CustomerId) -> Result<Vec<Mail>> {
        let page = self.collection.find(MAIL_BY_ACCOUNT.find([account.to_string()]).first(PageLimit::MOST)).await?;
        Ok(page.items)
    }

    /// Deletes mails in one commit.
    pub(crate) async fn delete(&self, mails: &[AccountMailId]) -> Result<()> {
        self.database
            .run(|tx| async move {
                for id in mails {
                    tx.delete(&self.collection, *id).await?;
                }
                Ok(())
            })
            .await
    }

    /// Returns the mails that have expired.
    pub(crate) fn expired(&self) -> Due<Mail> {
        self.collection.due(&MAIL_BY_EXPIRY)
    }
}
