//! Forged access tokens, derived from a token that the shop issued.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

/// Prefix of every Ed25519 key in PKCS#8 (RFC 8410, section 7); 32 bytes of key follow.
const ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Returns the token with the role `admin` and the old signature.
pub fn promoted(token: &str) -> String {
    let (header, mut claims, signature) = split(token);
    claims["role"] = "admin".into();
    format!("{}.{signature}", join(&header, &claims))
}

/// Returns the token signed with HS256 and a guessable secret.
pub fn signed_with_a_shared_secret(token: &str) -> String {
    sign(token, "HS256", Algorithm::HS256, &EncodingKey::from_secret(b"secret"))
}

/// Returns the token signed with another Ed25519 key.
pub fn signed_with_another_key(token: &str) -> String {
    sign(token, "EdDSA", Algorithm::EdDSA, &another_key())
}

/// Returns the token with these members in its header, signed with the same other key.
pub fn signed_with_a_key_of_its_own(token: &str, members: &Value) -> String {
    let (mut header, claims, _) = split(token);
    for (name, value) in members.as_object().unwrap() {
        header[name] = value.clone();
    }
    let message = join(&header, &claims);
    let signature = crypto::sign(message.as_bytes(), &another_key(), Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

/// Returns the public half of that key.
pub fn another_public_key() -> Value {
    serde_json::to_value(Jwk::from_encoding_key(&another_key(), Algorithm::EdDSA).unwrap()).unwrap()
}

fn another_key() -> EncodingKey {
    EncodingKey::from_ed_der(&[&ED25519[..], &[7; 32]].concat())
}

/// Returns the token with `alg: none` and no signature.
pub fn unsigned(token: &str) -> String {
    let (mut header, claims, _) = split(token);
    header["alg"] = "none".into();
    format!("{}.", join(&header, &claims))
}

/// Returns the token with an expiry in the past and the old signature.
pub fn expired(token: &str) -> String {
    let (header, mut claims, signature) = split(token);
    claims["exp"] = json!(1_000_000_000);
    format!("{}.{signature}", join(&header, &claims))
}

/// Returns the token with one character of its signature changed.
pub fn with_a_wrong_signature(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    format!("{message}.{first}{}", &signature[1..])
}

/// Returns the token with an empty signature.
pub fn without_a_signature(token: &str) -> String {
    format!("{}.", without_the_third_part(token))
}

/// Returns header and claims only.
pub fn without_the_third_part(token: &str) -> &str {
    token.rsplit_once('.').unwrap().0
}

/// Returns a valid token for another account, signed with the shop's own key. Tests with a thousand
/// customers use it, because so many sign-ups would hash passwords for minutes.
pub(crate) fn signed_for(id: &str, token: &str, key: &EncodingKey) -> String {
    let (header, mut claims, _) = split(token);
    (claims["sub"], claims["email_verified"]) = (id.into(), true.into());
    let message = join(&header, &claims);
    let signature = crypto::sign(message.as_bytes(), key, Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

fn sign(token: &str, name: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let (mut header, claims, _) = split(token);
    header["alg"] = name.into();
    let message = join(&header, &claims);
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn split(token: &str) -> (Value, Value, &str) {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{token} is no JWT") };
    let decode = |part| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (decode(header), decode(claims), signature)
}

fn join(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}
