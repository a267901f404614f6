//! Sessions. A sign-in opens one, and each use of its refresh token replaces the token. The second
//! use of one token ends the session, because one of the two clients may have stolen the token.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_types::{Id, Result, Timestamp};

use super::account::Profile;
use super::token_secret::{SecretDigest, TokenSecret};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    id: SessionId,
    customer: CustomerId,
    /// The account's generation when the session was opened.
    generation: u32,
    secret: SecretDigest,
    expires: Timestamp,
}

pub(crate) type SessionId = Id<Session>;

/// A session expires this long after its last use.
const LIFETIME: Duration = Duration::from_hours(30 * 24);
/// Sessions of one customer. Bounds the disk space that repeated sign-ins can fill.
const MAX_SESSIONS: usize = 20;

impl Session {
    /// Opens a session for a customer who has just proved their identity.
    pub(crate) fn open(profile: &Profile, now: Timestamp) -> Result<(Self, RefreshToken)> {
        let token = RefreshToken { session: Id::new(), secret: TokenSecret::random()? };
        let session = Self {
            id: token.session,
            customer: profile.id,
            generation: profile.generation(),
            secret: token.secret.digest(),
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

    /// Returns the session with the secret `next`. `None` ends the session: it has expired, or
    /// `presented` is not its current secret.
    pub(crate) fn rotated(self, presented: &SecretDigest, next: &SecretDigest, now: Timestamp) -> Option<Self> {
        let is_valid = self.secret == *presented && !self.is_expired(now);
        is_valid.then(|| Self { secret: next.clone(), expires: now.after(LIFETIME), ..self })
    }
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

impl RefreshToken {
    pub(crate) fn successor(&self) -> Result<Self> {
        Ok(Self { session: self.session, secret: TokenSecret::random()? })
    }
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

    fn digest() -> SecretDigest {
        TokenSecret::random().unwrap().digest()
    }

    fn session(expires: Timestamp) -> Session {
        Session { id: Id::new(), customer: Id::new(), generation: 1, secret: digest(), expires }
    }

    #[test]
    fn a_session_continues_with_its_current_secret_before_it_expires() {
        let now = Timestamp::now();
        let (current, other, next) = (digest(), digest(), digest());
        let second = Duration::from_secs(1);
        for (case, presented, expires, continues) in [
            ("fresh", &current, now.after(LIFETIME), true),
            ("about to expire", &current, now.after(second), true),
            ("expires now", &current, now, false),
            ("expired", &current, now.before(second), false),
            ("used or guessed secret", &other, now.after(LIFETIME), false),
        ] {
            let session = Session { secret: current.clone(), ..session(expires) };
            let after = session.rotated(presented, &next, now);
            assert_eq!(after.is_some(), continues, "{case}");
            assert!(after.is_none_or(|after| after.secret == next && after.expires == now.after(LIFETIME)), "{case}");
        }
    }

    #[test]
    fn expired_and_excess_sessions_end() {
        let now = Timestamp::now();
        let minutes = |count: u64| Duration::from_mins(count);
        for (expired, active, ending) in
            [(0, 0, 0), (0, 19, 0), (0, 20, 1), (0, 25, 6), (3, 5, 3), (3, 19, 3), (3, 20, 4)]
        {
            let mut sessions: Vec<Session> = (0..expired).rev().map(|age| session(now.before(minutes(age)))).collect();
            sessions.extend((1..=active).map(|left| session(now.after(minutes(left)))));
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
