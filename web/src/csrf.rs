//! Protection against forged requests: a form of another site cannot change anything here. The
//! browser names the site that sends a request (`Sec-Fetch-Site`, or else `Origin`), and each form
//! repeats the secret of a cookie, which another site can neither read nor set.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rocket::Request;
use souk_types::Error;
use subtle::ConstantTimeEq;

use crate::cookies::{self, Cookie, MONTH};

/// Length of the secret, in bytes.
const SECRET: usize = 32;

/// Returns the token for the forms of a page. Each page has another one of the same secret: the
/// sizes of compressed pages then tell nothing about it (BREACH).
///
/// Errors: the operating system has no random numbers.
pub(crate) fn token(request: &Request<'_>) -> Result<String, Error> {
    let secret = if let Some(secret) = secret(request) {
        secret
    } else {
        let new = random()?;
        cookies::set(request, Cookie::Csrf, URL_SAFE_NO_PAD.encode(new), MONTH);
        new
    };
    Ok(masked(&secret, &random()?))
}

/// Drops the secret, when a session begins or ends: no form of the time before works afterwards.
pub(crate) fn renew(request: &Request<'_>) {
    cookies::delete(request, Cookie::Csrf);
}

/// Whether a form was sent by a page of this shop.
pub(crate) fn is_genuine(request: &Request<'_>, token: &str) -> bool {
    let Some(secret) = secret(request) else { return false };
    is_same_site(request) && unmasked(token).is_some_and(|given| bool::from(given.ct_eq(&secret)))
}

/// Whether the browser says that a page of this shop sends the request. Old browsers say nothing.
fn is_same_site(request: &Request<'_>) -> bool {
    let header = |name| request.headers().get_one(name);
    match (header("Sec-Fetch-Site"), header("Origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = request.host().map(ToString::to_string);
            origin.split_once("://").map(|(_, authority)| authority) == host.as_deref()
        }
        (None, None) => true,
    }
}

fn secret(request: &Request<'_>) -> Option<[u8; SECRET]> {
    URL_SAFE_NO_PAD.decode(cookies::read(request, Cookie::Csrf)?).ok()?.try_into().ok()
}

fn random() -> Result<[u8; SECRET], Error> {
    let mut bytes = [0; SECRET];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

/// Returns the pad, and the secret combined with it.
fn masked(secret: &[u8; SECRET], pad: &[u8; SECRET]) -> String {
    let combined = secret.iter().zip(pad).map(|(secret, pad)| secret ^ pad);
    URL_SAFE_NO_PAD.encode(pad.iter().copied().chain(combined).collect::<Vec<u8>>())
}

fn unmasked(token: &str) -> Option<[u8; SECRET]> {
    let bytes: [u8; 2 * SECRET] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (pad, combined) = bytes.split_at(SECRET);
    let secret: Vec<u8> = pad.iter().zip(combined).map(|(pad, combined)| pad ^ combined).collect();
    secret.try_into().ok()
}

#[cfg(test)]
mod tests {
    use rocket::http::Header;
    use rocket::local::blocking::Client;

    use super::*;

    #[test]
    fn a_token_is_the_secret_in_another_form_each_time() {
        let secret = [7; SECRET];
        let (one, other) = (masked(&secret, &[1; SECRET]), masked(&secret, &[2; SECRET]));
        assert_ne!(one, other);
        assert_eq!((unmasked(&one), unmasked(&other)), (Some(secret), Some(secret)));
        assert_eq!((unmasked("short"), unmasked("")), (None, None));
    }

    #[test]
    fn only_a_form_of_this_shop_is_genuine() {
        let client = Client::untracked(rocket::build()).unwrap();
        let (secret, other) = ([7; SECRET], [8; SECRET]);
        let token = masked(&secret, &[1; SECRET]);
        let cookie = format!("a=b; csrf={}", URL_SAFE_NO_PAD.encode(secret));
        for (headers, given, expected) in [
            (&[("Sec-Fetch-Site", "same-origin")][..], &*token, true),
            (&[], &token, true),
            (&[("Origin", "http://shop.example")], &token, true),
            (&[("Origin", "http://evil.example")], &token, false),
            (&[("Origin", "null")], &token, false),
            (&[("Sec-Fetch-Site", "cross-site")], &token, false),
            (&[("Sec-Fetch-Site", "same-site"), ("Origin", "http://shop.example")], &token, false),
            (&[], &masked(&other, &[1; SECRET]), false),
            (&[], "", false),
        ] {
            let mut request = client.post("/").header(Header::new("Cookie", cookie.clone()));
            request.inner_mut().set_host(rocket::http::uri::Host::parse("shop.example").unwrap());
            for (name, value) in headers {
                request.add_header(Header::new(*name, *value));
            }
            assert_eq!(is_genuine(request.inner(), given), expected, "{headers:?}");
        }
        let without_cookie = client.post("/");
        assert!(!is_genuine(without_cookie.inner(), &token));
    }
}
