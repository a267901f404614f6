//! The name of one request: in its answer, in its errors, and in the log.

use rocket::request::Request;
use uuid::Uuid;

/// The id of this request: the client's or the proxy's `X-Request-Id` when it is harmless, else a fresh UUID.
pub fn request_id<'r>(request: &'r Request<'_>) -> &'r str {
    let id: &String = request.local_cache(|| {
        let harmless = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        request
            .headers()
            .get_one("X-Request-Id")
            .filter(harmless)
            .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
    });
    id
}
