//! The fairing that gives every response its headers about caches, encodings and origins.

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{Header, Status};
use rocket::response::{self, Responder};
use rocket::shield::{Frame, NoSniff, Referrer, Shield};
use rocket::{Request, Response};

use crate::entity_tag::{remove_known_body, tag_by_content};
use crate::{CorsOrigins, IsHttps, compression, cors};

/// A response that is the same for every client. It has an `ETag`. Caches may store it, and must
/// ask with `If-None-Match` before they use it again, because prices and stock change at any time.
pub struct Public<R>(pub R);

impl<'r, R: Responder<'r, 'static>> Responder<'r, 'static> for Public<R> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Ok(cached(self.0.respond_to(request)?, "public, no-cache"))
    }
}

/// A public response that hardly ever changes. Caches may use it for a day.
pub struct PublicForADay<R>(pub R);

impl<'r, R: Responder<'r, 'static>> Responder<'r, 'static> for PublicForADay<R> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Ok(cached(self.0.respond_to(request)?, "public, max-age=86400"))
    }
}

/// A public response that never changes. Caches may use it for a year, and do not ask whether it is
/// still the same (RFC 8246).
pub struct PublicImmutable<R>(pub R);

impl<'r, R: Responder<'r, 'static>> Responder<'r, 'static> for PublicImmutable<R> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Ok(cached(self.0.respond_to(request)?, "public, max-age=31536000, immutable"))
    }
}

fn cached(mut response: Response<'static>, directives: &'static str) -> Response<'static> {
    response.set_raw_header("Cache-Control", directives);
    response
}

/// Responses are private unless a route says otherwise with [`Public`]: caches must not store them.
const PRIVATE: &str = "no-store";

/// A response may be shown, with its own styles, and can run or load nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Browsers that have come by HTTPS keep to it for a year (RFC 6797).
const HTTPS_ONLY: &str = "max-age=31536000";

pub(crate) struct ResponseHeaders;

#[rocket::async_trait]
impl Fairing for ResponseHeaders {
    fn info(&self) -> Info {
        Info { name: "headers about caches, encodings and origins", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        match response.headers().get_one("Cache-Control") {
            None => {
                response.set_raw_header("Cache-Control", PRIVATE);
            }
            Some(directives) if directives.starts_with("public") => tag_by_content(request, response).await,
            Some(_) => {}
        }
        if !response.headers().contains("Content-Security-Policy") {
            response.set_raw_header("Content-Security-Policy", CONTENT_SECURITY_POLICY);
        }
        if IsHttps::of(request).0 {
            response.set_raw_header("Strict-Transport-Security", HTTPS_ONLY);
        }
        let is_compressible = compression::is_compressible(response).await;
        if is_compressible {
            add_to_list(response, "Vary", "Accept-Encoding");
        }
        if response.status() == Status::NotModified {
            remove_known_body(response);
        } else if is_compressible {
            compression::compress(request, response).await;
        }
        cors::allow_origin(request, response);
    }
}

/// Returns the headers of a response that the server gives without Rocket: the same as those of
/// [`shield`] and [`ResponseHeaders`], but for HTTPS.
pub(crate) fn own_headers(origins: &CorsOrigins, origin: Option<&str>) -> Vec<(&'static str, String)> {
    let fixed = [
        ("Cache-Control", PRIVATE),
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name, value.to_owned()));
    fixed.chain(origins.headers(origin)).collect()
}

/// Headers that protect a browser: `nginx/headers.conf` has the same.
pub(crate) fn shield() -> Shield {
    Shield::new().enable(NoSniff::Enable).enable(Frame::Deny).enable(Referrer::NoReferrer)
}

/// Adds a value to a header that is a list with commas.
pub(crate) fn add_to_list(response: &mut Response<'_>, name: &'static str, value: &str) {
    let list = match response.headers().get_one(name) {
        Some(present) => format!("{present}, {value}"),
        None => value.to_owned(),
    };
    response.set_header(Header::new(name, list));
}

#[cfg(test)]
mod tests {
    use rocket::http::{ContentType, Header};
    use rocket::local::asynchronous::{Client, LocalResponse};
    use rocket::{get, post, routes};
    use souk_types::EntityTag;

    use super::*;
    use crate::Tagged;

    type Text = (ContentType, String);

    fn text() -> Text {
        (ContentType::JSON, "tea ".repeat(500))
    }

    #[get("/public")]
    fn public() -> Public<Text> {
        Public(text())
    }

    #[post("/public")]
    fn changed() -> Public<Text> {
        Public(text())
    }

    #[get("/tagged")]
    fn tagged() -> Public<Tagged<Text>> {
        Public(Tagged { tag: EntityTag::strong("7-1"), response: text() })
    }

    #[get("/private")]
    fn private() -> Text {
        text()
    }

    async fn client() -> Client {
        let rocket = crate::rocket([127, 0, 0, 1].into(), 0);
        Client::untracked(rocket.mount("/", routes![public, changed, tagged, private])).await.unwrap()
    }

    fn header<'r>(response: &'r LocalResponse<'_>, name: &str) -> &'r str {
        response.headers().get_one(name).unwrap_or_default()
    }

    #[rocket::async_test]
    async fn a_response_without_rocket_has_the_headers_of_others() {
        let origins: CorsOrigins = "https://shop.example".parse().unwrap();
        let rocket = crate::rocket([127, 0, 0, 1].into(), 0).manage(origins.clone());
        let client = Client::untracked(rocket).await.unwrap();
        for origin in ["https://shop.example", "https://other.example"] {
            let response = client.get("/nothing").header(Header::new("Origin", origin)).dispatch().await;
            let mut expected: Vec<_> =
                response.headers().iter().map(|h| (h.name.to_string(), h.value.to_string())).collect();
            expected.retain(|(name, _)| !matches!(&**name, "Content-Type" | "Server" | "X-Request-Id"));
            expected.sort_unstable();
            let own = own_headers(&origins, Some(origin)).into_iter();
            let mut own: Vec<_> = own.map(|(name, value)| (name.to_owned(), value)).collect();
            own.sort_unstable();
            assert_eq!(own, expected, "{origin}");
        }
        assert!(
            own_headers(&CorsOrigins::default(), Some("https://shop.example")).iter().all(|(name, _)| *name != "Vary")
        );
    }

    #[rocket::async_test]
    async fn a_public_read_is_sent_once() {
        let client = client().await;
        for (path, encoding) in [("/public", "gzip"), ("/public", "identity"), ("/tagged", "gzip")] {
            let get = |known: &str| {
                let request = client.get(path).header(Header::new("Accept-Encoding", encoding));
                request.header(Header::new("If-None-Match", known.to_owned()))
            };
            let first = get("\"other\"").dispatch().await;
            let tag = header(&first, "ETag").to_owned();
            assert_eq!((first.status(), header(&first, "Cache-Control")), (Status::Ok, "public, no-cache"));
            let is_compressed = path == "/public" && encoding == "gzip";
            assert_eq!(header(&first, "Content-Encoding"), if is_compressed { "gzip" } else { "" }, "{path}");
            let opaque = tag.trim_start_matches("W/").to_owned();
            for known in [&*tag, &*opaque, &*format!("W/{opaque}"), "*", &*format!("\"a\", {tag} , \"b\"")] {
                let again = get(known).dispatch().await;
                assert_eq!(again.status(), Status::NotModified, "{path} {known}");
                assert_eq!((header(&again, "ETag"), header(&again, "Cache-Control")), (&*tag, "public, no-cache"));
                assert_eq!((header(&again, "Vary"), header(&again, "Content-Type")), (header(&first, "Vary"), ""));
                assert_eq!(again.into_bytes().await.unwrap_or_default(), b"");
            }
            for unknown in ["\"other\"", "W/\"other\"", "", "malformed"] {
                assert_eq!(get(unknown).dispatch().await.status(), Status::Ok, "{path} {unknown}");
            }
        }
        let (plain, head) = (client.get("/public").dispatch().await, client.head("/public").dispatch().await);
        assert_eq!(header(&plain, "ETag"), header(&head, "ETag"));
        let (private, changed) = (client.get("/private").dispatch().await, client.post("/public"));
        assert_eq!((header(&private, "ETag"), header(&private, "Cache-Control")), ("", "no-store"));
        let changed = changed.header(Header::new("If-None-Match", "*")).dispatch().await;
        assert_eq!(changed.status(), Status::Ok);
    }
}
