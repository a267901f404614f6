//! The secret half of a token, the digest of it that the service stores, and the keys that derive
//! secrets: the next one of a session, that of a mail, and that of a challenge.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use souk_types::{Error, Result, redacted};

use souk_contract::customer::AccountMailId;

use super::mail::Purpose;
use super::session::SessionId;

/// 256 bits that cannot be guessed; as text, unpadded base64url.
#[derive(Clone)]
pub(crate) struct TokenSecret([u8; 32]);

impl TokenSecret {
    pub(crate) fn random() -> Result<Self> {
        random_bytes().map(Self)
    }

    pub(crate) fn digest(&self) -> SecretDigest {
        SecretDigest(Sha256::digest(self.0).into())
    }
}

impl FromStr for TokenSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decode(text).map(Self).ok_or("is not a secret")
    }
}

impl fmt::Display for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0))
    }
}

/// Keys of one use, each derived from a signing key. All instances have the signing keys and no
/// backup contains them; the database contains neither them nor these.
#[derive(Clone)]
struct DerivedKeys {
    /// Makes new secrets.
    first: [u8; 32],
    /// Those of the other keys of a rotation. They recognise secrets only.
    others: Vec<[u8; 32]>,
}

impl DerivedKeys {
    fn new<'k, const N: usize>(label: [u8; N], first: &[u8], others: impl Iterator<Item = &'k [u8]>) -> Self {
        let derive = |signing_key: &[u8]| hmac_sha256(label, signing_key);
        Self { first: derive(first), others: others.map(derive).collect() }
    }

    fn all(&self) -> impl Iterator<Item = &[u8; 32]> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// The keys from which the keys of all sessions derive.
#[derive(Clone)]
pub(crate) struct RootKeys(DerivedKeys);

impl RootKeys {
    pub(crate) fn from_signing_keys<'k>(first: &[u8], others: impl Iterator<Item = &'k [u8]>) -> Self {
        Self(DerivedKeys::new(*b"souk: refresh tokens", first, others))
    }

    /// Identifies the first key. The database may contain it.
    pub(crate) fn first_id(&self) -> SecretDigest {
        key_id(&self.0.first)
    }

    /// Returns the first key of a session.
    pub(crate) fn first_chain(&self, session: SessionId) -> ChainKey {
        ChainKey::new(self.0.first, session)
    }

    /// Returns the key of a session that derives from the root key with this id.
    pub(crate) fn chain(&self, id: &SecretDigest, session: SessionId) -> Option<ChainKey> {
        self.0.all().find(|root| key_id(root) == *id).map(|root| ChainKey::new(*root, session))
    }
}

fn key_id(key: &[u8; 32]) -> SecretDigest {
    SecretDigest(Sha256::digest(key).into())
}

/// The key of a session, which derives each secret from the one before (HMAC-SHA256, RFC 2104). One
/// secret therefore has one successor, in every instance. The key alone gives no secret, and
/// neither does a secret without the key.
pub(crate) struct ChainKey([u8; 32]);

impl ChainKey {
    fn new(root: [u8; 32], session: SessionId) -> Self {
        Self(hmac_sha256(root, session.to_string().as_bytes()))
    }

    pub(crate) fn successor(&self, secret: &TokenSecret) -> TokenSecret {
        TokenSecret(hmac_sha256(self.0, &secret.0))
    }
}

/// The keys that derive the secrets of mails.
#[derive(Clone)]
pub(crate) struct MailKeys(DerivedKeys);

impl MailKeys {
    pub(crate) fn from_signing_keys<'k>(first: &[u8], others: impl Iterator<Item = &'k [u8]>) -> Self {
        Self(DerivedKeys::new(*b"souk: mail tokens", first, others))
    }

    /// Returns the secret of a mail.
    pub(crate) fn secret(&self, purpose: Purpose, mail: AccountMailId) -> TokenSecret {
        mail_secret(self.0.first, purpose, mail)
    }

    /// Whether one of the keys has made the secret.
    pub(crate) fn made(&self, secret: &TokenSecret, purpose: Purpose, mail: AccountMailId) -> bool {
        self.0.all().any(|key| mail_secret(*key, purpose, mail).digest() == secret.digest())
    }
}

/// The keys that derive the secrets of challenges for codes.
pub(crate) struct ChallengeKeys(DerivedKeys);

impl ChallengeKeys {
    pub(crate) fn from_signing_keys<'k>(first: &[u8], others: impl Iterator<Item = &'k [u8]>) -> Self {
        Self(DerivedKeys::new(*b"souk: code challenges", first, others))
    }

    /// Returns the secret of a challenge with these claims.
    pub(crate) fn secret(&self, claims: &str) -> TokenSecret {
        TokenSecret(hmac_sha256(self.0.first, claims.as_bytes()))
    }

    /// Whether one of the keys has made the secret.
    pub(crate) fn made(&self, secret: &TokenSecret, claims: &str) -> bool {
        let of_key = |key: &[u8; 32]| TokenSecret(hmac_sha256(*key, claims.as_bytes()));
        self.0.all().any(|key| of_key(key).digest() == secret.digest())
    }
}

fn mail_secret(key: [u8; 32], purpose: Purpose, mail: AccountMailId) -> TokenSecret {
    let purpose = match purpose {
        Purpose::VerifyAddress => "verify-address",
        Purpose::ResetPassword => "reset-password",
    };
    TokenSecret(hmac_sha256(key, format!("{purpose} {mail}").as_bytes()))
}

fn hmac_sha256<const N: usize>(key: [u8; N], message: &[u8]) -> [u8; 32] {
    const { assert!(N <= 64, "longer keys are hashed first") };
    // HMAC pads a key to the block of the hash with zeros.
    let mut block = [0; 64];
    block[..N].copy_from_slice(&key);
    Hmac::<Sha256>::new(&block.into()).chain_update(message).finalize().into_bytes().into()
}

/// The SHA-256 of a [`TokenSecret`]; as text, unpadded base64url.
///
/// A fast hash suffices, because a client cannot guess 256 random bits. A comparison in variable
/// time is safe, because a client chooses the secret and cannot choose its digest.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretDigest([u8; 32]);

impl Serialize for SecretDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for SecretDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = redacted::string(deserializer)?;
        decode(&text).map(Self).ok_or_else(|| D::Error::custom("is not a SHA-256 digest"))
    }
}

fn random_bytes() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

fn encode(bytes: &[u8; 32]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<[u8; 32]> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_and_its_digest_are_restored_from_text() {
        let secret = TokenSecret::random().unwrap();
        let read: TokenSecret = secret.to_string().parse().unwrap();
        assert!(read.digest() == secret.digest());
        assert!(secret.digest() != TokenSecret::random().unwrap().digest());
        let stored = serde_json::to_value(secret.digest()).unwrap();
        assert_eq!(stored.as_str().map(str::len), Some(43));
        assert!(serde_json::from_value::<SecretDigest>(stored).unwrap() == secret.digest());
    }

    #[test]
    fn a_secret_has_one_successor_per_key() {
        let roots = |first: &[u8]| RootKeys::from_signing_keys(first, [b"two".as_slice()].into_iter());
        let (root, session, secret) = (roots(b"one"), SessionId::new(), TokenSecret::random().unwrap());
        let key = root.first_chain(session);
        let successor = key.successor(&secret);
        assert!(roots(b"one").first_chain(session).successor(&secret).0 == successor.0);
        let of_session = root.first_chain(SessionId::new()).successor(&secret);
        let of_signing_key = roots(b"two").first_chain(session).successor(&secret);
        let by_id = root.chain(&roots(b"two").first_id(), session).unwrap().successor(&secret);
        assert!(by_id.0 == of_signing_key.0);
        assert!(root.chain(&roots(b"three").first_id(), session).is_none());
        for other in [key.successor(&successor), of_session, of_signing_key, secret] {
            assert!(other.0 != successor.0);
        }
        // RFC 4231, section 4.4, test case 3 has a longer message; this is from Python's `hmac`.
        let known = ChainKey([1; 32]).successor(&TokenSecret([2; 32]));
        assert_eq!(known.to_string(), "cyFAbgyID9kll4mL6zk68q6-1Rq1zfHVLlmR-a-t0t4");
    }

    #[test]
    fn malformed_secrets_and_digests_are_refused() {
        let good = TokenSecret::random().unwrap().to_string();
        for bad in ["", &good[1..], &format!("{good}="), &format!("{good}A"), &format!("{}+", &good[1..])] {
            assert!(bad.parse::<TokenSecret>().is_err(), "{bad}");
            assert!(serde_json::from_value::<SecretDigest>(json!(bad)).is_err(), "{bad}");
        }
    }
}
