//! The Ed25519 key that signs access tokens. The other services verify tokens with its public half;
//! `souk_http::auth` defines the claims.

mod file;
mod rotation;

use std::str::FromStr;
use std::{error, fmt, io};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use souk_http::auth::{Claims, ISSUER, Identity, TOKEN_LIFETIME, TOKEN_TYPE};
use souk_types::{Error, Result, Timestamp};

pub use self::file::KeyError;
pub use self::rotation::RotationStep;
use crate::domain::token_secret::{ChallengeKeys, MailKeys, RootKeys};

/// An Ed25519 key pair, and further ones.
pub struct SigningKey {
    secret: EncodingKey,
    public: Jwk,
    header: Header,
    /// Keys that do not sign: during a key rotation the previous or the next one. They verify
    /// access tokens, and recognise refresh tokens, tokens of mails and challenges.
    others: Vec<SigningKey>,
}

impl SigningKey {
    /// Creates a key that is not stored.
    pub fn ephemeral() -> Result<Self> {
        generate().map_err(Error::internal)?.parse().map_err(Error::internal)
    }

    pub(crate) fn public_keys(&self) -> Vec<Jwk> {
        self.all().map(|key| key.public.clone()).collect()
    }

    /// Returns the keys from which the keys of sessions derive, one for each signing key.
    pub(crate) fn session_roots(&self) -> RootKeys {
        RootKeys::from_signing_keys(self.secret.as_bytes(), self.others.iter().map(|key| key.secret.as_bytes()))
    }

    /// Returns the keys from which the secrets of mails derive, one for each signing key.
    pub(crate) fn mail_keys(&self) -> MailKeys {
        MailKeys::from_signing_keys(self.secret.as_bytes(), self.others.iter().map(|key| key.secret.as_bytes()))
    }

    /// Returns the keys from which the secrets of challenges derive, one for each signing key.
    pub(crate) fn challenge_keys(&self) -> ChallengeKeys {
        ChallengeKeys::from_signing_keys(self.secret.as_bytes(), self.others.iter().map(|key| key.secret.as_bytes()))
    }

    fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    /// Signs an access token for an identity that the caller has verified.
    pub(crate) fn sign(&self, identity: Identity) -> Result<String> {
        let now = Timestamp::now();
        let claims = Claims {
            sub: identity.id,
            role: identity.role,
            generation: identity.generation,
            email_verified: identity.is_email_verified,
            locale: identity.language,
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            iat: now.unix_seconds(),
            exp: now.after(TOKEN_LIFETIME).unix_seconds(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.secret).map_err(Error::internal)
    }

    fn new(secret: EncodingKey) -> jsonwebtoken::errors::Result<Self> {
        let mut public = Jwk::from_encoding_key(&secret, Algorithm::EdDSA)?;
        // The thumbprint (RFC 7638) gives the same key the same id in every instance.
        let id = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(id);
        Ok(Self { secret, public, header, others: Vec::new() })
    }
}

const END_OF_PEM: &str = "-----END PRIVATE KEY-----";

impl FromStr for SigningKey {
    type Err = NotAKey;

    /// Reads one or more keys in PEM (PKCS#8), as `openssl genpkey -algorithm ed25519` writes them.
    /// The first key signs, all of them verify.
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let read = |pem: &str| EncodingKey::from_ed_pem(pem.as_bytes()).and_then(Self::new).map_err(|_| NotAKey);
        let mut keys = text.split_inclusive(END_OF_PEM).filter(|pem| !pem.trim().is_empty()).map(read);
        let first = keys.next().ok_or(NotAKey)??;
        Ok(Self { others: keys.collect::<Result<_, NotAKey>>()?, ..first })
    }
}

/// PEM (PKCS#8) without the public half: OpenSSL 3.0 refuses a key that contains it.
fn generate() -> io::Result<impl AsRef<str> + std::ops::Deref<Target = String>> {
    let mut secret_key = [0; 32];
    getrandom::fill(&mut secret_key).map_err(io::Error::other)?;
    KeypairBytes { secret_key, public_key: None }.to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)
}

/// The text is not a list of keys.
#[derive(Debug)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not an Ed25519 private key in PEM (PKCS#8)")
    }
}

impl error::Error for NotAKey {}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::crypto;
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;
    use serde_json::{Value, json};
    use souk_bus::Bus;
    use souk_contract::customer::{GetKeys, Keys};
    use souk_contract::role::Role;
    use souk_http::auth::Verifier;
    use souk_types::{ErrorKind, Id, Language};

    use super::*;

    fn admin() -> Identity {
        Identity {
            id: Id::new(),
            role: Role::Admin,
            generation: 1,
            is_email_verified: true,
            language: Language::English,
        }
    }

    fn verifier_for(key: &SigningKey) -> Verifier {
        let (bus, public_keys) = (Bus::local(), key.public_keys());
        bus.serve(move |_: GetKeys| {
            let keys = Keys { keys: public_keys.clone() };
            async move { Ok(keys) }
        });
        Verifier::from_bus(bus)
    }

    fn claims_for(identity: Identity) -> Claims {
        let now = Timestamp::now().unix_seconds();
        let (iss, aud) = (ISSUER.to_owned(), ISSUER.to_owned());
        let (sub, role, email_verified, locale) =
            (identity.id, identity.role, identity.is_email_verified, identity.language);
        Claims { sub, role, generation: 1, email_verified, locale, iss, aud, iat: now, exp: now + 600 }
    }

    #[tokio::test]
    async fn a_token_carries_its_identity() {
        let (key, identity) = (SigningKey::ephemeral().unwrap(), admin());
        let token = key.sign(identity).unwrap();
        assert_eq!(verifier_for(&key).verify(&token).await.unwrap(), identity);
    }

    #[test]
    fn a_key_by_openssl_is_read() {
        // openssl genpkey -algorithm ed25519; `openssl pkey -text` prints the public half.
        let pem = "\
-----BEGIN PRIVATE KEY-----\n\
MC4CAQAwBQYDK2VwBCIEIPmOmB+s1bEhaNDcNT41eGMaJO7mV0wN4qgCPV7oe5od\n\
-----END PRIVATE KEY-----\n";
        let key: SigningKey = pem.parse().unwrap();
        let jwk = serde_json::to_value(&key.public).unwrap();
        assert_eq!(
            (&jwk["crv"], &jwk["x"]),
            (&"Ed25519".into(), &"Hbas11c8nPlC-_c82FM0C0krI0hdD0RfCArsVFDXITI".into())
        );
    }

    #[tokio::test]
    async fn a_rotated_key_still_verifies() {
        let pem = || generate().unwrap().clone();
        let (old, new) = (pem(), pem());
        let (before, after) = (format!("{old}\n{new}"), format!("{new}{old}"));
        let [alone, before, after] = [&old, &before, &after].map(|text| text.parse::<SigningKey>().unwrap());
        assert_eq!((before.header.kid.clone(), after.others.len()), (alone.header.kid.clone(), 1));
        let identity = admin();
        let by_either = Verifier::from_keys(&before.public_keys()).unwrap();
        for token in [alone.sign(identity).unwrap(), after.sign(identity).unwrap()] {
            assert_eq!(by_either.verify(&token).await.unwrap(), identity);
        }
        for bad in [String::new(), format!("{old}x"), old.replace("BEGIN", "END")] {
            assert!(bad.parse::<SigningKey>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_verifier_fetches_keys_by_url() {
        let (key, identity) = (SigningKey::ephemeral().unwrap(), admin());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
        let keys = serde_json::to_string(&Keys { keys: key.public_keys() }).unwrap();
        std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = connection.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /.well-known/jwks.json "));
            write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{keys}", keys.len()).unwrap();
        });
        let verifier = Verifier::from_url(url.parse().unwrap());
        assert_eq!(verifier.verify(&key.sign(identity).unwrap()).await.unwrap(), identity);
        // The server has stopped. The verifier does not fetch a known key again.
        assert_eq!(verifier.verify(&key.sign(identity).unwrap()).await.unwrap(), identity);
        let other = SigningKey::ephemeral().unwrap().sign(identity).unwrap();
        let unknown = Verifier::from_url(url.parse().unwrap()).verify(&other).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn a_token_with_one_wrong_member_is_refused() {
        let key = SigningKey::ephemeral().unwrap();
        let verifier = verifier_for(&key);
        let now = Timestamp::now().unix_seconds();
        for (part, member, value, is_accepted) in [
            ("header", "typ", json!("at+jwt"), true),
            ("header", "typ", json!("JWT"), false),
            ("header", "typ", json!("guest+jwt"), false),
            ("header", "typ", Value::Null, false),
            ("header", "kid", json!("other"), false),
            ("header", "kid", Value::Null, false),
            ("header", "alg", json!("none"), false),
            ("header", "alg", json!("HS256"), false),
            ("header", "alg", json!("eddsa"), false),
            ("header", "alg", json!("ES256"), false),
            ("header", "alg", json!("Ed25519"), false),
            ("header", "crit", json!(["exp"]), false),
            ("header", "crit", json!(["b64"]), false),
            ("header", "crit", json!([]), false),
            ("header", "b64", json!(false), false),
            ("header", "jwk", serde_json::to_value(&key.public).unwrap(), false),
            ("claims", "iss", json!("bazaar"), false),
            ("claims", "iss", json!(["souk"]), false),
            ("claims", "aud", json!("bazaar"), false),
            ("claims", "aud", json!(["souk"]), false),
            ("claims", "aud", json!(["souk", "bazaar"]), false),
            ("claims", "exp", json!(now - 60), false),
            ("claims", "exp", json!(0), false),
            ("claims", "exp", json!("never"), false),
            ("claims", "exp", Value::Null, false),
            ("claims", "nbf", json!(now), true),
            ("claims", "nbf", json!(now + 60), false),
            ("claims", "nbf", json!("later"), false),
            ("claims", "iat", json!(now + 2), true),
            ("claims", "iat", json!(now + 60), false),
            ("claims", "iat", Value::Null, false),
            ("claims", "role", json!("owner"), false),
            ("claims", "generation", json!(-1), false),
            ("claims", "generation", Value::Null, false),
            ("claims", "sub", json!("ana"), false),
        ] {
            let mut header = serde_json::to_value(&key.header).unwrap();
            let mut claims = serde_json::to_value(claims_for(admin())).unwrap();
            let changed = if part == "header" { &mut header } else { &mut claims };
            match &value {
                Value::Null => drop(changed.as_object_mut().unwrap().remove(member)),
                value => changed[member] = value.clone(),
            }
            let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
            let message = format!("{}.{}", encode(&header), encode(&claims));
            let signature = crypto::sign(message.as_bytes(), &key.secret, Algorithm::EdDSA).unwrap();
            let refusal = verifier.verify(&format!("{message}.{signature}")).await.err().map(|error| error.kind());
            let expected = (!is_accepted).then_some(ErrorKind::Unauthenticated);
            assert_eq!(refusal, expected, "{part} with {member}: {value}");
        }
    }

    #[tokio::test]
    async fn a_token_of_another_algorithm_or_key_is_refused() {
        let key = SigningKey::ephemeral().unwrap();
        let verifier = verifier_for(&key);
        // The public key used as an HMAC secret (algorithm confusion).
        let header = Header { alg: Algorithm::HS256, ..key.header.clone() };
        let public = serde_json::to_vec(&key.public_keys()[0]).unwrap();
        let confused = jsonwebtoken::encode(&header, &claims_for(admin()), &EncodingKey::from_secret(&public)).unwrap();
        let foreign = SigningKey { header: key.header.clone(), ..SigningKey::ephemeral().unwrap() };
        let foreign = foreign.sign(admin()).unwrap();
        let good = key.sign(admin()).unwrap();
        let unsigned = good.rsplit_once('.').unwrap().0.to_owned() + ".";
        for (case, token) in [("confused", confused), ("foreign", foreign), ("unsigned", unsigned)] {
            assert_eq!(verifier.verify(&token).await.unwrap_err().kind(), ErrorKind::Unauthenticated, "{case}");
        }
        assert!(verifier.verify(&good).await.is_ok());
    }

    /// Every bit of a token is signed, and it has one spelling.
    #[tokio::test]
    async fn a_mutated_token_is_refused() {
        let key = SigningKey::ephemeral().unwrap();
        let verifier = Verifier::from_keys(&key.public_keys()).unwrap();
        let token = key.sign(admin()).unwrap();
        let mut runner = TestRunner::new(mutations::config());
        let mutations = mutations::text(&[&token]);
        for _ in 0..runner.config().cases {
            let mutation = mutations.new_tree(&mut runner).unwrap().current();
            let is_accepted = verifier.verify(&mutation).await.is_ok();
            assert_eq!(is_accepted, mutation == token, "{mutation}");
        }
    }
}
