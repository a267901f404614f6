//! An authenticator in software, for tests of passkeys: what a browser and a device answer to the
//! options of a shop (Web Authentication Level 3). It holds one ES256 key (P-256, RFC 9053).
//!
//! A test changes the public fields to make a wrong answer.

#![expect(clippy::expect_used, reason = "a tool of tests")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Flags of authenticator data (section 6.1): the user was present, the user was verified, and a
/// credential is included.
const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;
const HAS_CREDENTIAL: u8 = 64;

/// A device with one passkey, and the browser on it.
pub struct Authenticator {
    /// The origin of the page that asks.
    pub origin: String,
    /// The domain that the device has the passkey for.
    pub rp_id: String,
    /// The account of the passkey, as its shop has named it.
    pub user_handle: Vec<u8>,
    /// The id of the passkey.
    pub credential_id: Vec<u8>,
    /// The next value of the signature counter.
    pub counter: u32,
    /// Whether the device has verified its user, by a fingerprint or a PIN.
    pub is_user_verified: bool,
    key: SigningKey,
}

impl Authenticator {
    /// Returns a device whose browser shows a page of this origin.
    ///
    /// # Panics
    /// Without random numbers.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        // Of 2^256 numbers, 2^224 are no key.
        let key = std::iter::repeat_with(random::<32>).find_map(|bytes| SigningKey::from_slice(&bytes).ok());
        Self {
            origin: origin.to_owned(),
            rp_id: String::new(),
            user_handle: Vec::new(),
            credential_id: random::<16>().to_vec(),
            counter: 1,
            is_user_verified: true,
            key: key.expect("a key"),
        }
    }

    /// Answers the options of a registration, and remembers shop and account. The counter goes up.
    ///
    /// # Panics
    /// When the options are not those of a registration.
    #[must_use]
    pub fn create(&mut self, options: &Value) -> Value {
        text(&options["rp"]["id"]).clone_into(&mut self.rp_id);
        self.user_handle = decoded(text(&options["user"]["id"]));
        let client_data = self.client_data("webauthn.create", options);
        let data = [self.data(HAS_CREDENTIAL), self.attested_credential()].concat();
        // A CBOR map in its canonical order: fmt, attStmt, authData.
        let head = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".as_slice(), &[length(&data)]].concat();
        let response = json!({
            "clientDataJSON": encoded(&client_data),
            "attestationObject": encoded(&[head, data].concat()),
            "transports": ["internal"],
        });
        self.counter += 1;
        self.credential(response)
    }

    /// Answers the options of a sign-in. The counter goes up.
    ///
    /// # Panics
    /// When the options are not those of a sign-in.
    #[must_use]
    pub fn get(&mut self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.data(0);
        let signed = [data.as_slice(), &Sha256::digest(&client_data)].concat();
        let signature: DerSignature = self.key.sign(&signed);
        self.counter += 1;
        self.credential(json!({
            "clientDataJSON": encoded(&client_data),
            "authenticatorData": encoded(&data),
            "signature": encoded(signature.as_bytes()),
            "userHandle": encoded(&self.user_handle),
        }))
    }

    fn credential(&self, response: Value) -> Value {
        let id = encoded(&self.credential_id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        })
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = text(&options["challenge"]);
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let flags = flags | PRESENT | if self.is_user_verified { VERIFIED } else { 0 };
        let hash = Sha256::digest(&self.rp_id);
        [hash.as_slice(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// The id of an unnamed model, the id of the credential, and its public key as a COSE map.
    fn attested_credential(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_encoded_point(false);
        let coordinates = point.as_bytes().get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at(32);
        let head = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".as_slice();
        let id = self.credential_id.as_slice();
        [[0; 16].as_slice(), &[0, length(id)], id, head, x, b"\x22\x58\x20", y].concat()
    }
}

fn length(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).expect("fewer than 256 bytes")
}

fn random<const SIZE: usize>() -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    getrandom::fill(&mut bytes).expect("random numbers");
    bytes
}

fn text(value: &Value) -> &str {
    value.as_str().expect("options of a passkey")
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}
