//! The id of an HTTP request.

use rocket::Request;
use souk_types::RequestId;

/// Returns the valid `X-Request-Id` of the client or the proxy, else a new id.
pub fn request_id<'r>(request: &'r Request<'_>) -> &'r RequestId {
    request.local_cache(|| {
        let given = request.headers().get_one("X-Request-Id");
        given.and_then(|given| given.parse().ok()).unwrap_or_default()
    })
}
