//! The id of an HTTP request.

use rocket::Request;
use souk_types::RequestId;

/// Returns the valid `X-Request-Id` of the client or the proxy, else a new id. A header that is
/// given twice is not valid.
pub fn request_id<'r>(request: &'r Request<'_>) -> &'r RequestId {
    request.local_cache(|| {
        let given = crate::header(request, "X-Request-Id").ok().flatten();
        given.and_then(|given| given.parse().ok()).unwrap_or_default()
    })
}
