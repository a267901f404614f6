//! Mails to account holders. An event gives `mail` the id; `mail` asks for recipient and content
//! whenever it sends.
//!
//! A token has the id of its mail and a secret that derives from it, so the database stores no
//! secret and a mail that is sent twice has the same token. The account decides whether a token was
//! used: a verified address is not verified again, and a new password begins a new generation.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::customer::{AccountMailContent, AccountMailId, AccountMailReply, CustomerId};
use souk_types::{Email, Error, Id, Language, Result, Timestamp};

use super::account::Profile;
use super::token_secret::{MailKeys, TokenSecret};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Mail {
    id: AccountMailId,
    account: CustomerId,
    #[serde(flatten)]
    subject: Subject,
    /// From then on, nothing is sent and the token is refused. A job deletes the mail.
    expires: Timestamp,
}

/// What a mail is about, and which state of the account it is for.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Subject {
    VerifyAddress {
        address: Email,
    },
    ResetPassword {
        generation: u32,
    },
    /// A notice to the former address, which the account does not have any more.
    AddressChanged {
        to: Email,
    },
    /// A notice that the account has another password.
    PasswordChanged {
        passkeys_removed: bool,
    },
    /// A notice that a sign-in needs a code from now on.
    SecondStepOn,
    /// A notice that a sign-in needs no code any more.
    SecondStepOff,
    /// A notice that a sign-in with another passkey is possible from now on.
    PasskeyAdded,
    /// A notice that a passkey signs in no more.
    PasskeyRemoved,
    /// A notice to the last address. It outlives the account.
    AccountErased {
        to: Email,
        #[serde(default, skip_serializing_if = "Language::is_default")]
        language: Language,
    },
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    VerifyAddress,
    ResetPassword,
}

/// A verification is not urgent: the customer may read the mail after a weekend.
const VERIFICATION_LIFETIME: Duration = Duration::from_hours(3 * 24);
/// The customer waits for this mail. A link in a mailbox is a risk as long as it is valid.
const RESET_LIFETIME: Duration = Duration::from_mins(30);
/// Some notices have a recipient that no account has. A mail server may be away for a day.
const NOTICE_LIFETIME: Duration = Duration::from_hours(24);

impl Purpose {
    fn lifetime(self) -> Duration {
        match self {
            Self::VerifyAddress => VERIFICATION_LIFETIME,
            Self::ResetPassword => RESET_LIFETIME,
        }
    }

    /// Valid tokens of an account at a time. The limit is on valid ones, so a customer who meets it
    /// has one to use, and a stranger who asks for mails cannot lock the customer out.
    fn most(self) -> usize {
        match self {
            Self::VerifyAddress => 5,
            Self::ResetPassword => 3,
        }
    }
}

/// When an account was last sent tokens; only those that may be valid.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct SentTokens {
    verify_address: Vec<Timestamp>,
    reset_password: Vec<Timestamp>,
}

impl SentTokens {
    /// Counts a token. Errors: `too-many-mails`.
    fn count(&mut self, purpose: Purpose, now: Timestamp) -> Result<()> {
        let sent = match purpose {
            Purpose::VerifyAddress => &mut self.verify_address,
            Purpose::ResetPassword => &mut self.reset_password,
        };
        sent.retain(|at| now.since(*at) < purpose.lifetime());
        if let Some(oldest) = sent.first().filter(|_| sent.len() >= purpose.most()) {
            let detail = "The account was sent several such mails. Use the latest one, or try again later.";
            let wait = purpose.lifetime().saturating_sub(now.since(*oldest));
            return Err(Error::too_many_requests("too-many-mails", detail, wait));
        }
        sent.push(now);
        Ok(())
    }
}

impl Mail {
    /// Asks to verify the account's address. Errors: `too-many-mails`.
    pub(crate) fn verification(profile: &mut Profile, now: Timestamp) -> Result<Self> {
        profile.sent_tokens.count(Purpose::VerifyAddress, now)?;
        let subject = Subject::VerifyAddress { address: profile.email.clone() };
        Ok(Self::new(profile.id, subject, now, VERIFICATION_LIFETIME))
    }

    /// Offers to set a new password. Errors: `too-many-mails`.
    pub(crate) fn password_reset(profile: &mut Profile, now: Timestamp) -> Result<Self> {
        profile.sent_tokens.count(Purpose::ResetPassword, now)?;
        let subject = Subject::ResetPassword { generation: profile.generation() };
        Ok(Self::new(profile.id, subject, now, RESET_LIFETIME))
    }

    /// Reports to the former address that the account has another one.
    pub(crate) fn address_changed(account: CustomerId, former: Email, now: Timestamp) -> Self {
        Self::new(account, Subject::AddressChanged { to: former }, now, NOTICE_LIFETIME)
    }

    /// Reports that the password was changed, and whether passkeys were removed with it.
    pub(crate) fn password_changed(account: CustomerId, passkeys_removed: bool, now: Timestamp) -> Self {
        Self::new(account, Subject::PasswordChanged { passkeys_removed }, now, NOTICE_LIFETIME)
    }

    /// Reports that the second step of the sign-in was turned on or off.
    pub(crate) fn second_step(account: CustomerId, is_on: bool, now: Timestamp) -> Self {
        let subject = if is_on { Subject::SecondStepOn } else { Subject::SecondStepOff };
        Self::new(account, subject, now, NOTICE_LIFETIME)
    }

    /// Reports that a passkey was added or removed.
    pub(crate) fn passkey(account: CustomerId, is_added: bool, now: Timestamp) -> Self {
        let subject = if is_added { Subject::PasskeyAdded } else { Subject::PasskeyRemoved };
        Self::new(account, subject, now, NOTICE_LIFETIME)
    }

    /// Reports to the last address that the account is erased.
    pub(crate) fn account_erased(profile: &Profile, now: Timestamp) -> Self {
        let subject = Subject::AccountErased { to: profile.email.clone(), language: profile.language };
        Self::new(profile.id, subject, now, NOTICE_LIFETIME)
    }

    fn new(account: CustomerId, subject: Subject, now: Timestamp, lifetime: Duration) -> Self {
        Self { id: Id::new(), account, subject, expires: now.after(lifetime) }
    }

    pub(crate) fn id(&self) -> AccountMailId {
        self.id
    }

    pub(crate) fn account(&self) -> CustomerId {
        self.account
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        self.expires
    }

    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether the mail outlives its account.
    pub(crate) fn is_last_notice(&self) -> bool {
        matches!(self.subject, Subject::AccountErased { .. })
    }

    /// Whether the recipient is an address that the account does not have, or no longer has.
    pub(crate) fn is_notice(&self) -> bool {
        matches!(self.subject, Subject::AddressChanged { .. } | Subject::AccountErased { .. })
    }

    /// Returns the name of the kind, for an export.
    pub(crate) fn kind(&self) -> &'static str {
        match self.subject {
            Subject::VerifyAddress { .. } => "verify-address",
            Subject::ResetPassword { .. } => "reset-password",
            Subject::AddressChanged { .. } => "address-changed",
            Subject::PasswordChanged { .. } => "password-changed",
            Subject::SecondStepOn => "second-step-on",
            Subject::SecondStepOff => "second-step-off",
            Subject::PasskeyAdded => "passkey-added",
            Subject::PasskeyRemoved => "passkey-removed",
            Subject::AccountErased { .. } => "account-erased",
        }
    }

    /// Returns the recipient when it is not, or need not be, the account's address.
    pub(crate) fn recipient(&self) -> Option<&Email> {
        match &self.subject {
            Subject::VerifyAddress { address: to }
            | Subject::AddressChanged { to }
            | Subject::AccountErased { to, .. } => Some(to),
            Subject::ResetPassword { .. }
            | Subject::PasswordChanged { .. }
            | Subject::SecondStepOn
            | Subject::SecondStepOff
            | Subject::PasskeyAdded
            | Subject::PasskeyRemoved => None,
        }
    }

    /// Whether the account is still in the state that the mail is for.
    pub(crate) fn applies_to(&self, profile: &Profile) -> bool {
        match &self.subject {
            Subject::VerifyAddress { address } => *address == profile.email && !profile.is_email_verified(),
            Subject::ResetPassword { generation } => *generation == profile.generation(),
            Subject::AddressChanged { .. }
            | Subject::PasswordChanged { .. }
            | Subject::SecondStepOn
            | Subject::SecondStepOff
            | Subject::PasskeyAdded
            | Subject::PasskeyRemoved => true,
            Subject::AccountErased { .. } => false,
        }
    }

    /// Returns the recipient and the content. `profile` is that of the account, if it is open.
    pub(crate) fn reply(&self, profile: Option<&Profile>, keys: &MailKeys, now: Timestamp) -> AccountMailReply {
        let applies = self.is_last_notice() || profile.is_some_and(|profile| self.applies_to(profile));
        let to = self.recipient().or(profile.map(|profile| &profile.email));
        let Some(to) = to.filter(|_| applies && !self.is_expired(now)) else { return AccountMailReply::Obsolete };
        let (expires, token) =
            (self.expires, |purpose| MailToken { mail: self.id, secret: keys.secret(purpose, self.id) }.to_string());
        let content = match self.subject {
            Subject::VerifyAddress { .. } => {
                AccountMailContent::VerifyAddress { token: token(Purpose::VerifyAddress), expires }
            }
            Subject::ResetPassword { .. } => {
                AccountMailContent::ResetPassword { token: token(Purpose::ResetPassword), expires }
            }
            Subject::AddressChanged { .. } => AccountMailContent::AddressChanged,
            Subject::PasswordChanged { passkeys_removed } => AccountMailContent::PasswordChanged { passkeys_removed },
            Subject::SecondStepOn => AccountMailContent::SecondStepOn,
            Subject::SecondStepOff => AccountMailContent::SecondStepOff,
            Subject::PasskeyAdded => AccountMailContent::PasskeyAdded,
            Subject::PasskeyRemoved => AccountMailContent::PasskeyRemoved,
            Subject::AccountErased { .. } => AccountMailContent::AccountErased,
        };
        let language = match self.subject {
            Subject::AccountErased { language, .. } => language,
            _ => profile.map(|profile| profile.language).unwrap_or_default(),
        };
        AccountMailReply::Send { to: to.clone(), account: self.account, language, content }
    }
}

/// The token in a mail: `<mail>.<secret>`.
pub(crate) struct MailToken {
    mail: AccountMailId,
    secret: TokenSecret,
}

impl MailToken {
    pub(crate) fn mail(&self) -> AccountMailId {
        self.mail
    }

    /// Whether this shop has made the token, and for this purpose.
    pub(crate) fn is_for(&self, purpose: Purpose, keys: &MailKeys) -> bool {
        keys.made(&self.secret, purpose, self.mail)
    }
}

impl FromStr for MailToken {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || {
            let (mail, secret) = text.trim().split_once('.')?;
            Some(Self { mail: mail.parse().ok()?, secret: secret.parse().ok()? })
        };
        parts().ok_or("is not a token from a mail")
    }
}

impl fmt::Display for MailToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.mail, self.secret)
    }
}

/// Returns the error for text that is no token of this shop, or one for another purpose.
pub(crate) fn wrong_token() -> Error {
    Error::invalid_field("token", "is not a token for this purpose: copy the whole link from the latest mail")
}

/// Returns the error for a token that has expired. Its mail may be deleted.
pub(crate) fn token_expired() -> Error {
    Error::conflict("token-expired", "This link has expired. Ask for another mail.")
}

/// Returns the error for a token whose account is not in the state that the mail is for.
pub(crate) fn token_used() -> Error {
    Error::conflict(
        "token-used",
        "This link was used, or the account has changed since. Ask for another mail if you need one.",
    )
}

#[cfg(test)]
mod tests {
    use souk_contract::role::Role;

    use super::*;
    use crate::domain::password::PasswordHash;

    fn profile() -> Profile {
        let password = PasswordHash::of(&"password".parse().unwrap()).unwrap();
        Profile::new("ana@example.com".parse().unwrap(), password, None, Role::Customer, Timestamp::now())
    }

    fn keys_of(first: &str, others: &[&str]) -> MailKeys {
        MailKeys::from_signing_keys(first.as_bytes(), others.iter().map(|key| key.as_bytes()))
    }

    fn keys() -> MailKeys {
        keys_of("signing key", &[])
    }

    /// Returns the recipient, and the token if there is one.
    fn sent(reply: AccountMailReply) -> Option<(String, Option<MailToken>)> {
        let AccountMailReply::Send { to, content, .. } = reply else { return None };
        let token = match content {
            AccountMailContent::VerifyAddress { token, .. } | AccountMailContent::ResetPassword { token, .. } => {
                Some(token.parse().unwrap())
            }
            AccountMailContent::AddressChanged
            | AccountMailContent::PasswordChanged { .. }
            | AccountMailContent::SecondStepOn
            | AccountMailContent::SecondStepOff
            | AccountMailContent::PasskeyAdded
            | AccountMailContent::PasskeyRemoved
            | AccountMailContent::AccountErased => None,
        };
        Some((to.as_str().to_owned(), token))
    }

    #[test]
    fn a_mail_is_obsolete_when_the_account_has_changed() {
        let now = Timestamp::now();
        let mut ana = profile();
        let other = "ana@example.org".parse::<Email>().unwrap();
        let verification = Mail::verification(&mut ana, now).unwrap();
        let reset = Mail::password_reset(&mut ana, now).unwrap();
        let changed = Mail::address_changed(ana.id, "former@example.com".parse().unwrap(), now);
        let erased = Mail::account_erased(&ana, now);
        let recipients = |profile: Option<&Profile>, at| {
            let to = |mail: &Mail| sent(mail.reply(profile, &keys(), at)).map(|(to, _)| to);
            [to(&verification), to(&reset), to(&changed), to(&erased)]
        };
        let some = |text: &str| Some(text.to_owned());
        let (own, former) = (some("ana@example.com"), some("former@example.com"));
        let all = [own.clone(), own.clone(), former.clone(), own.clone()];
        assert_eq!(recipients(Some(&ana), now), all);
        assert_eq!(recipients(Some(&ana), now.after(RESET_LIFETIME))[1], None, "expired");
        assert_eq!(recipients(Some(&ana), now.after(NOTICE_LIFETIME)), [own.clone(), None, None, None]);
        assert_eq!(recipients(Some(&ana), now.after(VERIFICATION_LIFETIME)), [None, None, None, None]);
        assert_eq!(recipients(None, now), [None, None, None, own.clone()], "the account is erased");
        let mut verified = ana.clone();
        verified.verify_email();
        assert_eq!(recipients(Some(&verified), now), [None, own.clone(), former.clone(), own.clone()]);
        let mut moved = ana.clone();
        moved.change_email(moved.generation(), other).unwrap();
        assert_eq!(recipients(Some(&moved), now), [None, None, former, own]);
    }

    #[test]
    fn a_token_is_for_one_mail_and_one_purpose() {
        let now = Timestamp::now();
        let mut ana = profile();
        let mails = [Mail::verification(&mut ana, now).unwrap(), Mail::password_reset(&mut ana, now).unwrap()];
        let token = |mail: &Mail, keys: &MailKeys| sent(mail.reply(Some(&ana), keys, now)).unwrap().1.unwrap();
        let [verify, reset] = [0, 1].map(|index| token(&mails[index], &keys()));
        assert_eq!(verify.to_string(), token(&mails[0], &keys()).to_string(), "a repeated mail has the same token");
        for (purpose, good, bad) in
            [(Purpose::VerifyAddress, &verify, &reset), (Purpose::ResetPassword, &reset, &verify)]
        {
            assert!(good.is_for(purpose, &keys()) && !bad.is_for(purpose, &keys()), "{purpose:?}");
        }
        let of_other_mail = MailToken { mail: mails[1].id, secret: verify.secret.clone() };
        assert!(!of_other_mail.is_for(Purpose::VerifyAddress, &keys()));
        let other_shop = keys_of("other", &[]);
        assert!(!verify.is_for(Purpose::VerifyAddress, &other_shop));
        // After a rotation, the former key is among the others.
        let rotated = keys_of("next", &["signing key"]);
        assert!(verify.is_for(Purpose::VerifyAddress, &rotated));
        assert!(token(&mails[0], &rotated).to_string() != verify.to_string(), "the first key makes tokens");
        for bad in ["", ".", &verify.to_string().replace('.', ":"), &format!("{verify}="), &format!("x{verify}")] {
            assert!(bad.parse::<MailToken>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_stored_has_no_secret() {
        let now = Timestamp::now();
        let stored = serde_json::to_value(Mail::password_reset(&mut profile(), now).unwrap()).unwrap();
        let members: Vec<&str> = stored.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["account", "expires", "generation", "id", "kind"]);
    }

    #[test]
    fn an_account_has_few_valid_tokens() {
        let now = Timestamp::now();
        let mut ana = profile();
        for (purpose, most, lifetime) in
            [(Purpose::ResetPassword, 3, RESET_LIFETIME), (Purpose::VerifyAddress, 5, VERIFICATION_LIFETIME)]
        {
            let mut send = |at: Timestamp| match purpose {
                Purpose::VerifyAddress => Mail::verification(&mut ana, at).map(drop),
                Purpose::ResetPassword => Mail::password_reset(&mut ana, at).map(drop),
            };
            for number in 0..most {
                send(now.after(Duration::from_secs(number))).unwrap();
            }
            let last = now.after(lifetime).before(Duration::from_secs(1));
            let refusal = send(last).unwrap_err();
            assert_eq!(
                (refusal.code(), &refusal.members()["retry_after"]),
                ("too-many-mails", &1.into()),
                "{purpose:?}"
            );
            send(now.after(lifetime)).unwrap();
            assert!(send(now.after(lifetime)).is_err(), "one of them has expired");
        }
    }
}
