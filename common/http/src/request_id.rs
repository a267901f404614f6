//! The id of an HTTP request.

use rocket::Request;
use souk_types::RequestId;

/// Returns the id of this request: the `X-Request-Id` of the client or the proxy when it is valid,
/// else a new one.
pub fn request_id<'r>(request: &'r Request<'_>) -> &'r RequestId {
    request.local_cache(|| {
        let given = request.headers().get_one("X-Request-Id");
        given.and_then(|given| given.parse().ok()).unwrap_or_default()
    })
}
