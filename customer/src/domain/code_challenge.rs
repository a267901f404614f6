//! The challenge of a sign-in that needs a code: it proves that the password was right, so that the
//! request with the code does not repeat it.
//!
//! A challenge is signed and not stored, because it gives nothing without a code, and each code is
//! accepted once. Its key signs nothing else, so it is no access token, and no other token is one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use souk_contract::customer::CustomerId;
use souk_types::{Error, Timestamp};

use super::account::Profile;
use super::token_secret::{ChallengeKeys, TokenSecret};

/// Time to find the phone and to type the code, as for the challenge of a passkey.
const LIFETIME: Duration = Duration::from_mins(5);

/// A challenge for a code: `<account>.<generation>.<expires>.<secret>`.
pub(crate) struct CodeChallenge {
    claims: Claims,
    /// Derives from the claims.
    secret: TokenSecret,
}

/// What a challenge says.
#[derive(Clone, Copy)]
struct Claims {
    /// The account whose password was right.
    account: CustomerId,
    /// The credentials that the password was a part of.
    generation: u32,
    expires: Timestamp,
}

impl CodeChallenge {
    /// Makes a challenge for an account whose password the caller has checked.
    pub(crate) fn new(profile: &Profile, keys: &ChallengeKeys, now: Timestamp) -> Self {
        let (account, generation) = (profile.id, profile.generation());
        let claims = Claims { account, generation, expires: now.after(LIFETIME) };
        Self { claims, secret: keys.secret(&claims.to_string()) }
    }

    /// Whether this shop has made the challenge.
    pub(crate) fn is_genuine(&self, keys: &ChallengeKeys) -> bool {
        keys.made(&self.secret, &self.claims.to_string())
    }

    pub(crate) fn account(&self) -> CustomerId {
        self.claims.account
    }

    /// Whether the challenge is for this account and its current credentials, and has not expired.
    pub(crate) fn applies_to(&self, profile: &Profile, now: Timestamp) -> bool {
        let Claims { account, generation, expires } = self.claims;
        account == profile.id && generation == profile.generation() && now < expires
    }
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.account, self.generation, self.expires.unix_millis())
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.claims, self.secret)
    }
}

impl FromStr for CodeChallenge {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let [account, generation, expires, secret] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
            let expires = Timestamp::from_unix_millis(expires.parse().ok()?)?;
            let claims = Claims { account: account.parse().ok()?, generation: generation.parse().ok()?, expires };
            Some(Self { claims, secret: secret.parse().ok()? })
        };
        read().ok_or("is not a challenge")
    }
}

/// Returns the error for text that is no challenge of this shop.
pub(crate) fn wrong_challenge() -> Error {
    Error::invalid_field("challenge", "is not a challenge of this shop: send the one of the latest response")
}

/// Returns the error for a challenge that has expired, or whose account has changed since.
pub(crate) fn challenge_expired() -> Error {
    let detail = "The challenge is older than 5 minutes, or the account has changed since. Send the password again.";
    Error::conflict("challenge-expired", detail)
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

    fn keys(first: &[u8], others: &[&[u8]]) -> ChallengeKeys {
        ChallengeKeys::from_signing_keys(first, others.iter().copied())
    }

    #[test]
    fn a_challenge_is_for_one_account_its_credentials_and_five_minutes() {
        let (now, keys, mut ana) = (Timestamp::now(), keys(b"one", &[]), profile());
        let text = CodeChallenge::new(&ana, &keys, now).to_string();
        let challenge: CodeChallenge = text.parse().unwrap();
        assert!(challenge.is_genuine(&keys));
        assert!(challenge.account() == ana.id && challenge.to_string() == text);
        let last = now.after(LIFETIME).before(Duration::from_millis(2));
        assert!(challenge.applies_to(&ana, now) && challenge.applies_to(&ana, last));
        assert!(!challenge.applies_to(&ana, now.after(LIFETIME)), "it has expired");
        assert!(!challenge.applies_to(&profile(), now), "another account");
        ana.lock();
        ana.unlock();
        assert!(!challenge.applies_to(&ana, now), "other credentials");
    }

    #[test]
    fn every_part_of_a_challenge_is_signed() {
        let (now, keys, ana) = (Timestamp::now(), keys(b"one", &[]), profile());
        let good = CodeChallenge::new(&ana, &keys, now).to_string();
        let parts: Vec<&str> = good.split('.').collect();
        let other = TokenSecret::random().unwrap().to_string();
        let (eve, late) = (profile().id.to_string(), now.after(2 * LIFETIME).unix_millis().to_string());
        for (part, forged) in [(0, eve.as_str()), (1, "2"), (2, &late), (3, &other)] {
            let mut parts = parts.clone();
            parts[part] = forged;
            assert!(!parts.join(".").parse::<CodeChallenge>().unwrap().is_genuine(&keys), "{part}");
        }
        for malformed in ["", ".", "...", &good[1..], &good[..good.len() - 1], &format!("{good}."), &parts.join(" ")] {
            assert!(malformed.parse::<CodeChallenge>().is_err(), "{malformed}");
        }
    }

    #[test]
    fn a_challenge_outlasts_a_rotation_of_the_signing_key() {
        let challenge = CodeChallenge::new(&profile(), &keys(b"one", &[]), Timestamp::now());
        assert!(challenge.is_genuine(&keys(b"two", &[b"one"])));
        assert!(!challenge.is_genuine(&keys(b"two", &[])));
    }
}
