//! The rules of every token of this shop, access tokens and guest tokens alike: a JWT in compact
//! form (RFC 7515, RFC 7519).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use souk_types::Timestamp;

use super::ISSUER;

/// Difference between the clocks of two machines that is tolerated, in seconds.
const CLOCK_LEEWAY: u64 = 5;

/// The header of a token, unverified.
///
/// A header with any other member is none of this shop's, so it is refused. This includes `crit`,
/// which names extensions that the recipient must understand (RFC 7515, section 4.1.11).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenHeader {
    /// The algorithm of the signature.
    pub alg: Algorithm,
    /// The type of the token.
    pub typ: String,
    /// The id of the key that signed the token.
    #[serde(default)]
    pub kid: Option<String>,
}

impl TokenHeader {
    /// Reads the header of a token; `None` when it is malformed or has other members.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        let (header, _) = token.split_once('.')?;
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).ok()?).ok()
    }

    /// Whether the token claims this algorithm and type.
    #[must_use]
    pub fn is(&self, algorithm: Algorithm, typ: &str) -> bool {
        self.alg == algorithm && self.typ == typ
    }
}

/// Returns the rules for the claims: issuer, audience and subject are required, and the times are
/// checked when they are present.
#[must_use]
pub fn claim_rules(algorithm: Algorithm, audience: &str) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.set_required_spec_claims(&["iss", "aud", "sub"]);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[audience]);
    rules.validate_nbf = true;
    rules.leeway = CLOCK_LEEWAY;
    rules
}

/// Whether a token was issued before now, by the clocks of two machines. `iat` is in Unix seconds.
#[must_use]
pub fn is_issued(iat: i64) -> bool {
    iat.saturating_sub_unsigned(CLOCK_LEEWAY) <= Timestamp::now().unix_seconds()
}
