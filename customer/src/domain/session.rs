//! Sessions. A sign-in opens one, and each use of its refresh token replaces the token.
//!
//! A replaced token stays valid for [`GRACE_PERIOD`] and gives the same successor, because two tabs
//! may refresh at once and a response may be lost. Afterwards, or once the successor is used, its
//! use ends the session: one of the two clients may have stolen it (RFC 9700, section 4.14.2).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_types::{Id, Result, Timestamp};

use super::account::Profile;
use super::device::Device;
use super::token_secret::{ChainKey, RootKeys, SecretDigest, TokenSecret};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    id: SessionId,
    customer: CustomerId,
    /// The account's generation when the session was opened.
    generation: u32,
    /// The device that opened it.
    device: Device,
    /// The proof that opened it.
    proof: Proof,
    /// The secret of the current token.
    secret: SecretDigest,
    /// The id of the root key that the current token derives from, if it replaced another one.
    key: SecretDigest,
    /// How many tokens were replaced by tokens of this key.
    rotations: u32,
    /// The end of the chain before the last change of the signing key.
    former: Option<FormerChain>,
    /// When the current token replaced the one before.
    rotated_at: Option<Timestamp>,
    expires: Timestamp,
}

/// The tokens that a former signing key has made.
#[derive(Clone, Serialize, Deserialize)]
struct FormerChain {
    key: SecretDigest,
    rotations: u32,
    /// The last secret of the key.
    secret: SecretDigest,
}

/// How a customer has proved their identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Proof {
    /// By the password, and by a code if the account has a second step.
    #[default]
    Password,
    /// By a passkey, whose device has verified them: two steps in one.
    Passkey,
}

pub(crate) type SessionId = Id<Session>;

/// A session expires this long after its last use.
const LIFETIME: Duration = Duration::from_hours(30 * 24);
/// A replaced token stays valid this long, unless its successor is used. Tabs of one browser
/// refresh within a second; a client repeats a request without a response within a few.
pub(crate) const GRACE_PERIOD: Duration = Duration::from_secs(10);
/// Replaced tokens that are recognised: those of 30 days, when a client refreshes every 10 minutes.
/// An older token is refused and does not end the session.
const RECOGNISED_TOKENS: u32 = 30 * 24 * 6;
/// Sessions of one customer. Bounds the disk space that repeated sign-ins can fill.
const MAX_SESSIONS: usize = 20;

/// The effect of a presented refresh token on its session.
pub(crate) enum Refresh {
    /// The session continues with this secret.
    Continued(TokenSecret),
    /// A replaced token was used again: the session ends.
    Reused,
    /// The secret was never one of the session's: the session stays as it is.
    Unknown,
}

impl Session {
    /// Opens a session for a customer who has just proved their identity.
    pub(crate) fn open(
        profile: &Profile,
        (device, proof): (Device, Proof),
        roots: &RootKeys,
        now: Timestamp,
    ) -> Result<(Self, RefreshToken)> {
        let token = RefreshToken { session: Id::new(), secret: TokenSecret::random()? };
        let session = Self {
            id: token.session,
            customer: profile.id,
            generation: profile.generation(),
            device,
            proof,
            secret: token.secret.digest(),
            key: roots.first_id(),
            rotations: 0,
            former: None,
            rotated_at: None,
            expires: now.after(LIFETIME),
        };
        Ok((session, token))
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn customer(&self) -> CustomerId {
        self.customer
    }

    pub(crate) fn opened_at(&self) -> Option<Timestamp> {
        self.id.created_at()
    }

    pub(crate) fn proof(&self) -> Proof {
        self.proof
    }

    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// When its refresh token was last used, or else when it was opened.
    pub(crate) fn last_used_at(&self) -> Option<Timestamp> {
        self.rotated_at.or_else(|| self.opened_at())
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        self.expires
    }

    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether the password is still the one that opened the session.
    pub(crate) fn is_of(&self, profile: &Profile) -> bool {
        self.generation == profile.generation()
    }

    /// Replaces the current token, or repeats the last replacement within [`GRACE_PERIOD`].
    pub(crate) fn refresh(&mut self, presented: &TokenSecret, roots: &RootKeys, now: Timestamp) -> Refresh {
        if self.secret == presented.digest() {
            return Refresh::Continued(self.replace(presented, roots, now));
        }
        let in_grace_period = self.rotated_at.is_some_and(|rotated| now.since(rotated) < GRACE_PERIOD);
        let successor = roots.chain(&self.key, self.id).map(|key| key.successor(presented));
        match successor.filter(|successor| in_grace_period && self.secret == successor.digest()) {
            Some(successor) => Refresh::Continued(successor),
            None if self.has_replaced(presented, roots) => Refresh::Reused,
            None => Refresh::Unknown,
        }
    }

    fn replace(&mut self, current: &TokenSecret, roots: &RootKeys, now: Timestamp) -> TokenSecret {
        let key = roots.first_id();
        if self.key != key {
            let former = FormerChain { key: self.key.clone(), rotations: self.rotations, secret: self.secret.clone() };
            (self.key, self.rotations, self.former) = (key, 0, Some(former));
        }
        let successor = roots.first_chain(self.id).successor(current);
        self.secret = successor.digest();
        self.rotations = self.rotations.saturating_add(1);
        self.rotated_at = Some(now);
        self.expires = now.after(LIFETIME);
        successor
    }

    /// Whether the secret is the current one or a replaced one of this session.
    pub(crate) fn knows(&self, presented: &TokenSecret, roots: &RootKeys) -> bool {
        self.secret == presented.digest() || self.has_replaced(presented, roots)
    }

    /// Whether the current secret descends from this one, by the signing key that made it and the
    /// one before. The operator keeps the former key for as long as this matters.
    fn has_replaced(&self, presented: &TokenSecret, roots: &RootKeys) -> bool {
        let descends = |id: &SecretDigest, rotations: u32, end: &SecretDigest| {
            roots.chain(id, self.id).is_some_and(|key| is_ancestor(presented, &key, rotations, end))
        };
        let is_of = |former: &FormerChain| {
            former.secret == presented.digest() || descends(&former.key, former.rotations, &former.secret)
        };
        descends(&self.key, self.rotations, &self.secret) || self.former.as_ref().is_some_and(is_of)
    }
}

/// Whether a chain leads from this secret to its end in at most this number of steps.
fn is_ancestor(secret: &TokenSecret, key: &ChainKey, rotations: u32, end: &SecretDigest) -> bool {
    let next = |secret: &TokenSecret| Some(key.successor(secret));
    let mut descendants = std::iter::successors(next(secret), next).take(rotations.min(RECOGNISED_TOKENS) as usize);
    descendants.any(|secret| secret.digest() == *end)
}

/// Returns the sessions to end before the customer opens another one: expired sessions, and the
/// least recently used sessions beyond the limit. `sessions` are in the order in which they expire.
pub(crate) fn sessions_to_end(sessions: &[Session], now: Timestamp) -> &[Session] {
    let expired = sessions.partition_point(|session| session.is_expired(now));
    let excess = (sessions.len() + 1).saturating_sub(MAX_SESSIONS);
    &sessions[..expired.max(excess)]
}

/// A refresh token: `<session>.<secret>`.
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    pub(crate) secret: TokenSecret,
}

impl FromStr for RefreshToken {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || {
            let (session, secret) = text.split_once('.')?;
            Some(Self { session: session.parse().ok()?, secret: secret.parse().ok()? })
        };
        parts().ok_or("is not a refresh token")
    }
}

impl fmt::Display for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.session, self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(expires: Timestamp) -> (Session, TokenSecret) {
        let secret = TokenSecret::random().unwrap();
        let session = Session {
            id: Id::new(),
            customer: Id::new(),
            generation: 1,
            device: Device::default(),
            proof: Proof::default(),
            secret: secret.digest(),
            key: root().first_id(),
            rotations: 0,
            former: None,
            rotated_at: None,
            expires,
        };
        (session, secret)
    }

    fn roots(first: &str, others: &[&str]) -> RootKeys {
        RootKeys::from_signing_keys(first.as_bytes(), others.iter().map(|key| key.as_bytes()))
    }

    fn root() -> RootKeys {
        roots("signing key", &[])
    }

    fn continued(refresh: Refresh) -> TokenSecret {
        match refresh {
            Refresh::Continued(secret) => secret,
            Refresh::Reused => panic!("reused"),
            Refresh::Unknown => panic!("unknown"),
        }
    }

    #[test]
    fn a_replaced_token_gives_the_same_successor_during_the_grace_period() {
        let now = Timestamp::now();
        let (mut session, first) = session(now.after(Duration::from_secs(1)));
        let second = continued(session.refresh(&first, &root(), now));
        assert_eq!((session.expires, session.rotations), (now.after(LIFETIME), 1));
        let last = now.after(GRACE_PERIOD).before(Duration::from_millis(1));
        // The clock of another instance may be behind.
        for at in [now, now.before(Duration::from_secs(3)), last] {
            assert!(continued(session.refresh(&first, &root(), at)).digest() == second.digest());
            assert_eq!((session.expires, session.rotations), (now.after(LIFETIME), 1), "a repetition changes nothing");
        }
        assert!(matches!(session.refresh(&first, &root(), now.after(GRACE_PERIOD)), Refresh::Reused));
    }

    #[test]
    fn a_token_whose_successor_is_used_is_reused_at_once() {
        let now = Timestamp::now();
        let (mut session, first) = session(now.after(LIFETIME));
        let second = continued(session.refresh(&first, &root(), now));
        let third = continued(session.refresh(&second, &root(), now));
        assert!(matches!(session.refresh(&first, &root(), now), Refresh::Reused));
        assert!(continued(session.refresh(&second, &root(), now)).digest() == third.digest());
    }

    #[test]
    fn only_tokens_of_the_session_are_recognised() {
        let now = Timestamp::now();
        let (mut session, first) = session(now.after(LIFETIME));
        let mut secrets = vec![first];
        for _ in 0..5 {
            secrets.push(continued(session.refresh(&secrets[secrets.len() - 1], &root(), now)));
        }
        assert!(secrets.iter().all(|secret| session.knows(secret, &root())));
        for replaced in &secrets[..4] {
            assert!(matches!(session.refresh(replaced, &root(), now), Refresh::Reused));
        }
        let future = root().first_chain(session.id).successor(&secrets[5]);
        for unknown in [TokenSecret::random().unwrap(), future] {
            assert!(!session.knows(&unknown, &root()));
            assert!(matches!(session.refresh(&unknown, &root(), now), Refresh::Unknown));
        }
    }

    #[test]
    fn another_signing_key_continues_the_session_by_its_current_token_only() {
        let now = Timestamp::now();
        let (mut session, first) = session(now.after(LIFETIME));
        let second = continued(session.refresh(&first, &root(), now));
        let other = roots("the next signing key", &[]);
        assert!(!session.knows(&first, &other));
        assert!(matches!(session.refresh(&first, &other, now), Refresh::Unknown));
        continued(session.refresh(&second, &other, now));
    }

    #[test]
    fn tokens_of_a_former_signing_key_that_is_kept_are_recognised() {
        let now = Timestamp::now();
        let (mut session, first) = session(now.after(LIFETIME));
        let second = continued(session.refresh(&first, &root(), now));
        let rotated = roots("next", &["signing key"]);
        assert!(continued(session.refresh(&first, &rotated, now)).digest() == second.digest(), "the grace period");
        let third = continued(session.refresh(&second, &rotated, now));
        assert!(continued(session.refresh(&second, &rotated, now)).digest() == third.digest());
        let fourth = continued(session.refresh(&third, &rotated, now));
        for secret in [&first, &second, &third, &fourth] {
            assert!(session.knows(secret, &rotated));
        }
        assert!(!session.knows(&TokenSecret::random().unwrap(), &rotated));
        for replaced in [&first, &second, &third] {
            assert!(matches!(session.clone().refresh(replaced, &rotated, now.after(GRACE_PERIOD)), Refresh::Reused));
        }
        // Without the former key, only its last token is recognised.
        assert!(!session.knows(&first, &roots("next", &[])) && session.knows(&second, &roots("next", &[])));
    }

    #[test]
    fn what_is_stored_gives_no_successor() {
        let now = Timestamp::now();
        let (mut session, first) = session(now.after(LIFETIME));
        let second = continued(session.refresh(&first, &root(), now));
        // With another signing key, the session also stores the end of the former chain.
        let third = continued(session.refresh(&second, &roots("next", &["signing key"]), now));
        let stored = serde_json::to_value(&session).unwrap();
        assert!(stored["former"].is_object() && stored["secret"] == serde_json::to_value(third.digest()).unwrap());
        for secret in [&first, &second, &third] {
            assert!(!stored.to_string().contains(&secret.to_string()), "{stored} has the secret {secret}");
        }
        let members: Vec<&str> = stored.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "customer",
            "device",
            "expires",
            "former",
            "generation",
            "id",
            "key",
            "proof",
            "rotated_at",
            "rotations",
            "secret",
        ];
        assert_eq!(members, expected);
    }

    #[test]
    fn expired_and_excess_sessions_end() {
        let now = Timestamp::now();
        let minutes = |count: u64| Duration::from_mins(count);
        for (expired, active, ending) in
            [(0, 0, 0), (0, 19, 0), (0, 20, 1), (0, 25, 6), (3, 5, 3), (3, 19, 3), (3, 20, 4)]
        {
            let mut sessions: Vec<Session> =
                (0..expired).rev().map(|age| session(now.before(minutes(age))).0).collect();
            sessions.extend((1..=active).map(|left| session(now.after(minutes(left))).0));
            assert_eq!(sessions_to_end(&sessions, now).len(), ending, "{expired} expired, {active} active");
        }
    }

    #[test]
    fn a_token_is_restored_from_text() {
        let token = RefreshToken { session: Id::new(), secret: TokenSecret::random().unwrap() };
        let text = token.to_string();
        assert_eq!(text.split_once('.').map(|(session, secret)| (session.len(), secret.len())), Some((36, 43)));
        let read: RefreshToken = text.parse().unwrap();
        assert_eq!(read.session, token.session);
        assert!(read.secret.digest() == token.secret.digest());
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let good = RefreshToken { session: Id::new(), secret: TokenSecret::random().unwrap() }.to_string();
        let (session, secret) = good.split_once('.').unwrap();
        for bad in [
            String::new(),
            ".".to_owned(),
            "x.y".to_owned(),
            session.to_owned(),
            format!("{session}."),
            format!(".{secret}"),
            format!("{session}.{secret}="),
            format!("{session}.{secret}.{secret}"),
            format!(" {good}"),
            good.replace('.', ":"),
        ] {
            assert!(bad.parse::<RefreshToken>().is_err(), "{bad:?}");
        }
    }
}
