//! Authentication of a connection by SCRAM-SHA-256 (RFC 5802, RFC 7677), for ASCII names and
//! passwords. The server, a child of this process, is not authenticated.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::wire::Wire;

/// Base64 of the header `n,,`: no channel binding.
const NO_BINDING: &str = "biws";

pub(super) fn authenticate(wire: &mut Wire, user: &str, password: &str, nonce: &str) -> io::Result<()> {
    let first = format!("n={user},r={nonce}");
    let mut start = doc! { "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": payload(&format!("n,,{first}")) };
    start.insert("options", doc! { "skipEmptyExchange": true });
    start.insert("$db", "admin");
    let challenge = wire.run(&start)?;
    let proof =
        client_final(password, &first, &text(&challenge)?).ok_or_else(|| io::Error::other("a bad challenge"))?;
    let conversation = challenge.get("conversationId").cloned().unwrap_or(Bson::Int32(1));
    let finish = doc! { "saslContinue": 1, "conversationId": conversation, "payload": payload(&proof), "$db": "admin" };
    wire.run(&finish).map(drop)
}

fn payload(text: &str) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: text.as_bytes().to_vec() }
}

fn text(response: &Document) -> io::Result<String> {
    let payload = response.get_binary_generic("payload").map_err(io::Error::other)?;
    String::from_utf8(payload.clone()).map_err(io::Error::other)
}

/// Returns the last message of the client; `None` when the server's challenge cannot be read.
fn client_final(password: &str, client_first: &str, challenge: &str) -> Option<String> {
    let value = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
    let (nonce, iterations) = (value("r=")?, value("i=")?.parse().ok()?);
    let salt = BASE64_STANDARD.decode(value("s=")?).ok()?;
    let without_proof = format!("c={NO_BINDING},r={nonce}");
    let key = hmac(&salted(password, &salt, iterations), b"Client Key");
    let signed = format!("{client_first},{challenge},{without_proof}");
    let signature = hmac(&Sha256::digest(key), signed.as_bytes());
    let proof: Vec<u8> = key.iter().zip(signature).map(|(key, signature)| key ^ signature).collect();
    Some(format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)))
}

/// PBKDF2 (RFC 8018) with one block of HMAC-SHA-256.
fn salted(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut block = hmac(password.as_bytes(), &[salt, &1_u32.to_be_bytes()].concat());
    let mut result = block;
    for _ in 1..iterations {
        block = hmac(password.as_bytes(), &block);
        for (result, block) in result.iter_mut().zip(block) {
            *result ^= block;
        }
    }
    result
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // A key of any length is accepted.
    let mac = Hmac::<Sha256>::new_from_slice(key).map(|mac| mac.chain_update(message).finalize().into_bytes().into());
    mac.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::client_final;

    /// The example of RFC 7677.
    #[test]
    fn the_proof_is_that_of_the_standard() {
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let answer = client_final("pencil", "n=user,r=rOprNGfwEbeRWgbNEkqO", challenge).unwrap();
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(answer, expected);
    }
}
