//! Routes, documented in `docs/api.md`. Each parses, authorises, calls one use case and responds.

mod accounts;
mod addresses;
mod auth;
mod client_info;
mod documents;
mod erasures;
mod exports;
mod keys;
mod passkeys;
mod password_reset;
mod sessions;
mod staff;
mod totp;
mod verification;

use rocket::Route;
use souk_http::with_limits;

/// Returns the routes of this service. They need a managed [`App`](crate::App).
#[must_use]
pub fn routes() -> Vec<Route> {
    let nouns = [
        accounts::routes(),
        addresses::routes(),
        documents::routes(),
        erasures::routes(),
        exports::routes(),
        keys::routes(),
        passkeys::routes(),
        password_reset::routes(),
        sessions::routes(),
        staff::routes(),
        totp::routes(),
        verification::routes(),
    ];
    with_limits(nouns.concat())
}
