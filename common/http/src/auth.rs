//! Authentication by access token: a JWT of 10 minutes (after RFC 9068), signed with EdDSA. Only
//! `customer` signs tokens. Every service verifies them with the public keys of `customer`.

mod guards;
mod revocations;
mod token;
mod verifier;

use std::time::Duration;

use rocket::Request;
use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::role::{Permission, Role};
use souk_types::{Error, Language, Result};

pub use self::guards::{Authenticator, CustomerAuth, Permitted, StaffAuth, permission};
pub use self::revocations::TokenRevocations;
pub use self::token::{TokenHeader, claim_rules, is_issued};
pub use self::verifier::{JwksUrl, Verifier};

/// The `iss` of every token, and the `aud` of access tokens.
pub const ISSUER: &str = "souk";
/// The `typ` of an access token's header (RFC 9068, section 2.1).
pub const TOKEN_TYPE: &str = "at+jwt";
/// Lifetime of an access token.
pub const TOKEN_LIFETIME: Duration = Duration::from_mins(10);

/// The claims of an access token (RFC 7519, section 4.1).
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The account.
    pub sub: CustomerId,
    /// The account's role.
    pub role: Role,
    /// The generation of the account's credentials. A token of an earlier generation is refused.
    pub generation: u32,
    /// Whether the account has shown to receive mail at its address (OIDC Core 1.0, section 5.1). A
    /// token of an earlier release does not say it, and is trusted.
    #[serde(default = "trusted")]
    pub email_verified: bool,
    /// The language of the account's mails (OIDC Core 1.0, section 5.1). A token of an earlier
    /// release does not say it.
    #[serde(default)]
    pub locale: Language,
    /// Always [`ISSUER`].
    pub iss: String,
    /// Always [`ISSUER`].
    pub aud: String,
    /// When the token was issued, in Unix seconds.
    pub iat: i64,
    /// When the token expires, in Unix seconds.
    pub exp: i64,
}

impl Claims {
    /// Returns the claims of a token without verifying it: to choose what a page shows, never to
    /// grant a right. `None` for a text that is no token.
    #[must_use]
    pub fn unverified(token: &str) -> Option<Self> {
        jsonwebtoken::dangerous::insecure_decode_claims(token).ok()
    }
}

/// For tokens of the release before, which live ten minutes: to be removed in the next one.
fn trusted() -> bool {
    true
}

/// An account, its role and the generation of its credentials, from a verified access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub id: CustomerId,
    /// Its role.
    pub role: Role,
    /// The generation of its credentials when the token was issued.
    pub generation: u32,
    /// Whether the account had shown to receive mail at its address when the token was issued.
    pub is_email_verified: bool,
    /// The language of its mails.
    pub language: Language,
}

impl Identity {
    /// Returns the identity if its credentials are still those of the account's current generation.
    pub fn require_generation(self, current: u32) -> Result<Self> {
        if self.generation == current { Ok(self) } else { Err(invalid_token()) }
    }

    /// Returns the identity if its role has the permission. Errors: `Forbidden`, which names both.
    pub fn require(self, permission: Permission) -> Result<Self> {
        if self.role.may(permission) {
            return Ok(self);
        }
        let (role, permission) = (self.role.as_str(), permission.as_str());
        Err(Error::forbidden(format!("This needs the permission {permission}, which the role {role} does not have.")))
    }
}

/// Returns the bearer token of the request (RFC 6750, section 2.1), unverified.
pub fn bearer_token<'r>(request: &'r Request<'_>) -> Result<&'r str> {
    let header = crate::header(request, "Authorization")?;
    let header = header.ok_or_else(|| Error::unauthenticated("Send an access token."))?;
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Error::unauthenticated("Send the access token as a bearer token.")),
    }
}

/// Returns the error for every invalid token. It does not name the rule that the token breaks,
/// because that would help a forger.
fn invalid_token() -> Error {
    Error::unauthenticated("The access token is invalid or has expired. Sign in again.")
}
