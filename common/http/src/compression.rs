//! Compression of responses (RFC 9110, section 12.5.3).
//!
//! BREACH, the attack on compressed secrets, needs a browser that sends credentials of its own
//! accord. The API takes no cookies: a page of another origin cannot send a customer's token.
//! Responses with new tokens are smaller than [`MIN_SIZE`] as well. The pages of `web` do take
//! cookies; the one secret in them, the token of their forms, is masked anew in each page.

use std::io::Cursor;

use async_compression::Level;
use async_compression::tokio::bufread::GzipEncoder;
use rocket::http::{ContentType, Status};
use rocket::response::Body;
use rocket::tokio::io::{AsyncReadExt, BufReader};
use rocket::{Request, Response};

/// Size from which a body is compressed, in bytes. Below, a response fits into one packet anyway.
const MIN_SIZE: usize = 1024;

/// Whether the body is compressed for clients that take gzip: a large text. A stream of unknown
/// size counts as large. A response with a strong tag is left as it is: the tag names these bytes,
/// and `If-Match` must find it again.
pub(crate) async fn is_compressible(response: &mut Response<'_>) -> bool {
    let is_text = response.content_type().is_some_and(|given| is_text(&given));
    let has_strong_tag = response.headers().get_one("ETag").is_some_and(|tag| tag.starts_with('"'));
    if !is_text || response.body().is_none() || has_strong_tag || response.headers().contains("Content-Encoding") {
        return false;
    }
    response.body_mut().size().await.is_none_or(|size| size >= MIN_SIZE)
}

/// Compresses the body when the client takes gzip.
pub(crate) async fn compress(request: &Request<'_>, response: &mut Response<'_>) {
    if !accepts_gzip(request.headers().get("Accept-Encoding")) {
        return;
    }
    let size = response.body_mut().size().await;
    let body: Body<'_> = std::mem::take(response.body_mut());
    let mut encoder = GzipEncoder::with_quality(BufReader::new(body), Level::Fastest);
    response.set_raw_header("Content-Encoding", "gzip");
    if size.is_none() {
        return response.set_streamed_body(encoder);
    }
    // A slow client then holds the compressed bytes, and not the larger state of an encoder.
    let mut compressed = Vec::new();
    match encoder.read_to_end(&mut compressed).await {
        Ok(_) => response.set_sized_body(compressed.len(), Cursor::new(compressed)),
        Err(error) => {
            tracing::error!(%error, "a response cannot be read");
            response.remove_header("Content-Encoding");
            response.set_status(Status::InternalServerError);
        }
    }
}

fn is_text(given: &ContentType) -> bool {
    let sub = given.sub().as_str();
    // An encoder would hold an event of a stream back until many have come.
    if given.is_event_stream() {
        return false;
    }
    given.top() == "text"
        || given.is_json()
        || given.is_svg()
        || ["+json", "+xml", "-ndjson"].iter().any(|suffix| sub.ends_with(suffix))
}

/// Whether the client takes gzip and does not prefer an uncompressed response.
fn accepts_gzip<'h>(lines: impl Iterator<Item = &'h str>) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for element in lines.flat_map(|line| line.split(',')) {
        let (coding, weight) = element.split_once(';').unwrap_or((element, ""));
        let weight = weight.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=');
        let weight = if weight.is_empty() { 1.0 } else { weight.parse::<f32>().unwrap_or(0.0) };
        match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "identity" => identity = Some(weight),
            "*" => any = Some(weight),
            _ => {}
        }
    }
    gzip.or(any).is_some_and(|weight| weight > 0.0 && weight >= identity.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_when_the_client_takes_it() {
        for (value, accepts) in [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("br, gzip;q=0.5", true),
            ("gzip ; q=1.0, *;q=0", true),
            ("*", true),
            ("deflate, *;q=0.1", true),
            ("identity;q=0.5, gzip;q=0.5", true),
            ("", false),
            ("br", false),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("gzip;q=x", false),
            ("*;q=0", false),
            ("identity, gzip;q=0.5", false),
            ("gzipped", false),
        ] {
            assert_eq!(accepts_gzip([value].into_iter()), accepts, "{value}");
        }
        assert!(accepts_gzip(["br", "gzip"].into_iter()));
        assert!(!accepts_gzip([].into_iter()));
    }

    #[test]
    fn texts_are_compressed_and_pictures_are_not() {
        for (value, compressed) in [
            ("application/json", true),
            ("application/problem+json; charset=utf-8", true),
            ("application/x-ndjson", true),
            ("text/html", true),
            ("image/svg+xml", true),
            ("text/event-stream", false),
            ("image/png", false),
            ("application/gzip", false),
            ("application/octet-stream", false),
        ] {
            assert_eq!(is_text(&value.parse().unwrap()), compressed, "{value}");
        }
    }
}
