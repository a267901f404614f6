//! What a client keeps of a session, and what we keep of that.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use souk_types::{Error, Result};

use crate::application::sessions::SessionId;

/// A refresh token: `<session>.<secret>`.
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    pub(crate) secret: Secret,
}

/// 256 random bits.
pub(crate) struct Secret([u8; 32]);

/// The SHA-256 of a secret. A fast hash will do, because nobody can try all secrets. So will a plain comparison: how
/// long it takes may tell how much of a digest is right, but nobody can make a secret to a digest, nor use the digest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest(String);

/// What `RefreshToken::from_str` refuses.
#[derive(Debug)]
pub(crate) struct NotAToken;

impl Secret {
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        Ok(Self(bytes))
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(self.0)))
    }
}

impl FromStr for RefreshToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let (session, secret) = text.split_once('.').ok_or(NotAToken)?;
        let session = session.parse().map_err(|_| NotAToken)?;
        let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).map_err(|_| NotAToken)?;
        Ok(Self { session, secret: Secret(secret.try_into().map_err(|_| NotAToken)?) })
    }
}

impl fmt::Display for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.session, BASE64_URL_SAFE_NO_PAD.encode(self.secret.0))
    }
}

#[cfg(test)]
mod tests {
    use souk_types::Id;

    use super::*;

    #[test]
    fn a_token_survives_the_client() {
        let token = RefreshToken { session: Id::new(), secret: Secret::random().unwrap() };
        let text = token.to_string();
        let (session, secret) = text.split_once('.').unwrap();
        assert_eq!((session.len(), secret.len()), (36, 43));
        let read: RefreshToken = text.parse().unwrap();
        assert_eq!(read.session, token.session);
        assert!(read.secret.digest() == token.secret.digest());
        assert!(read.secret.digest() != Secret::random().unwrap().digest());
    }

    #[test]
    fn anything_else_is_no_token() {
        let good = RefreshToken { session: Id::new(), secret: Secret::random().unwrap() }.to_string();
        let (session, secret) = good.split_once('.').unwrap();
        for bad in [
            String::new(),
            ".".to_owned(),
            session.to_owned(),
            format!("{session}."),
            format!(".{secret}"),
            format!("{session}.{secret}="),
            format!("{session}.{secret}A"),
            format!("{session}.{}", &secret[1..]),
            format!("{session}.{secret}.{secret}"),
            format!(" {good}"),
            format!("{session}.{}+", &secret[1..]),
            good.replace('.', ":"),
        ] {
            assert!(bad.parse::<RefreshToken>().is_err(), "{bad:?}");
        }
    }
}
