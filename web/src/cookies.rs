//! Cookies: all that `web` knows about a visitor, because it stores nothing itself. No script can
//! read them (`HttpOnly`), and no other site can send them with a form (`SameSite=Lax`). Over https
//! they are `Secure` and have the prefix `__Host-`, so that no other host can set them.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Header;
use rocket::{Request, Response};
use souk_http::IsHttps;

/// 30 days, in seconds: the lifetime of a refresh token and of a guest cart.
pub(crate) const MONTH: u64 = 30 * 24 * 60 * 60;

/// One day, in seconds.
pub(crate) const DAY: u64 = 24 * 60 * 60;

/// The cookies of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The access token of a customer, until it expires.
    Access,
    /// The refresh token of a customer.
    Refresh,
    /// The guest token.
    Guest,
    /// The number of pieces in the cart, which every page shows.
    CartCount,
    /// The discount codes that the visitor has entered.
    Codes,
    /// The secret of the tokens in forms ([`crate::csrf`]).
    Csrf,
    /// The latest order of a guest: its id and the key of its link, for a day.
    LastOrder,
    /// The language of pages without a language in their URL.
    Language,
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Guest => "guest",
            Self::CartCount => "cart",
            Self::Codes => "codes",
            Self::Csrf => "csrf",
            Self::LastOrder => "order",
            Self::Language => "language",
        }
    }
}

/// The cookies that the response to a request will set, in the request's local cache.
#[derive(Default)]
struct Changes(Mutex<Vec<Change>>);

#[derive(Clone)]
struct Change {
    cookie: Cookie,
    value: String,
    /// Seconds for which the browser keeps the cookie; 0 deletes it.
    max_age: u64,
}

/// Returns the value of a cookie: the one that the response will set, else the browser's.
pub(crate) fn read(request: &Request<'_>, cookie: Cookie) -> Option<String> {
    let changes = request.local_cache(Changes::default);
    let changes = changes.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(change) = changes.iter().rev().find(|change| change.cookie == cookie) {
        return (change.max_age > 0).then(|| change.value.clone());
    }
    let name = full_name(request, cookie);
    let pairs = request.headers().get("Cookie").flat_map(|line| line.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(given, _)| *given == name);
    values.next().map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty())
}

/// Sets a cookie for `max_age` seconds. The value has only characters that cookies allow: those of
/// tokens, numbers and percent-encoded text.
pub(crate) fn set(request: &Request<'_>, cookie: Cookie, value: impl Into<String>, max_age: u64) {
    let changes = request.local_cache(Changes::default);
    let mut changes = changes.0.lock().unwrap_or_else(PoisonError::into_inner);
    changes.retain(|change| change.cookie != cookie);
    changes.push(Change { cookie, value: value.into(), max_age });
}

/// Deletes a cookie.
pub(crate) fn delete(request: &Request<'_>, cookie: Cookie) {
    set(request, cookie, "", 0);
}

fn full_name(request: &Request<'_>, cookie: Cookie) -> String {
    let prefix = if IsHttps::of(request).0 { "__Host-" } else { "" };
    format!("{prefix}{}", cookie.name())
}

/// Writes the changed cookies into the response.
pub(crate) struct CookieFairing;

#[rocket::async_trait]
impl Fairing for CookieFairing {
    fn info(&self) -> Info {
        Info { name: "cookies of the pages", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let changes = request.local_cache(Changes::default);
        let changes = changes.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for Change { cookie, value, max_age } in changes {
            let mut header =
                format!("{}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax", full_name(request, cookie));
            if IsHttps::of(request).0 {
                let _ = write!(header, "; Secure");
            }
            response.adjoin_header(Header::new("Set-Cookie", header));
        }
    }
}
