//! Tokens that the shop never gave, made from one that it did: the same header and claims, but for what the forger
//! changes. None of them may open anything, but for those of a crowd, which are signed with the shop's own key.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

/// The start of any Ed25519 key in PKCS#8 (RFC 8410, section 7); 32 bytes of key follow.
const ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Claims an admin's role and keeps the signature.
pub fn promoted(token: &str) -> String {
    let (header, mut claims, signature) = taken_apart(token);
    claims["role"] = "admin".into();
    format!("{}.{signature}", joined(&header, &claims))
}

/// As any service could make it if all shared one secret.
pub fn signed_with_a_shared_secret(token: &str) -> String {
    signed(token, "HS256", Algorithm::HS256, &EncodingKey::from_secret(b"secret"))
}

/// The right kind of key, but not the shop's.
pub fn signed_by_a_stranger(token: &str) -> String {
    let key = [&ED25519[..], &[7; 32]].concat();
    signed(token, "EdDSA", Algorithm::EdDSA, &EncodingKey::from_ed_der(&key))
}

/// `alg: none`.
pub fn unsigned(token: &str) -> String {
    let (mut header, claims, _) = taken_apart(token);
    header["alg"] = "none".into();
    format!("{}.", joined(&header, &claims))
}

/// Claims to have ended long ago.
pub fn expired(token: &str) -> String {
    let (header, mut claims, signature) = taken_apart(token);
    claims["exp"] = json!(1_000_000_000);
    format!("{}.{signature}", joined(&header, &claims))
}

/// The shop's own key, for the token of somebody else: what only a fleet's owner can make. A thousand accounts would take minutes, because
/// each costs the hash of a password; who only buys needs nothing but a token.
pub(crate) fn signed_for(id: &str, token: &str, key: &EncodingKey) -> String {
    let (header, mut claims, _) = taken_apart(token);
    claims["sub"] = id.into();
    let message = joined(&header, &claims);
    let signature = crypto::sign(message.as_bytes(), key, Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

fn signed(token: &str, name: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let (mut header, claims, _) = taken_apart(token);
    header["alg"] = name.into();
    let message = joined(&header, &claims);
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn taken_apart(token: &str) -> (Value, Value, &str) {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{token} is no JWT") };
    let read = |part| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(header), read(claims), signature)
}

fn joined(header: &Value, claims: &Value) -> String {
    let written = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", written(header), written(claims))
}
