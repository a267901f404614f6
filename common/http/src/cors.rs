//! Pages of other origins that may use the API from a browser (the CORS protocol of the Fetch
//! Standard, section 3.3). The API takes no cookies, so credentials need not be allowed: a page
//! sends its token in `Authorization`.

use std::str::FromStr;

use rocket::http::{Header, Method, Status};
use rocket::{Request, Response};

use crate::config::Environment;
use crate::response_headers::add_to_list;

/// Response header with the origin that may read the response.
const ALLOWED: &str = "Access-Control-Allow-Origin";
/// Seconds for which a browser may remember the response to a preflight.
const MAX_AGE: &str = "600";
/// Request headers that a page may set.
const REQUEST_HEADERS: &str =
    "Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id";
/// Response headers that a page may read, beyond those that the Fetch Standard allows by itself.
const RESPONSE_HEADERS: &str =
    "Accept-Patch, Allow, ETag, Idempotent-Replayed, Location, Retry-After, WWW-Authenticate, X-Request-Id";

/// The origins whose pages may read responses: none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsOrigins(Vec<String>);

impl CorsOrigins {
    /// Reads `CORS_ORIGINS`, a list with commas: `https://shop.example, http://localhost:3000`.
    #[must_use]
    pub fn read(environment: &mut Environment) -> Self {
        environment.optional("CORS_ORIGINS").unwrap_or_default()
    }

    /// Returns the headers of a response to a page of this origin, unless it is a preflight.
    pub(crate) fn headers(&self, origin: Option<&str>) -> Vec<(&'static str, String)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut headers = vec![("Vary", "Origin".to_owned())];
        if let Some(origin) = self.0.iter().find(|allowed| origin == Some(&***allowed)) {
            headers.push((ALLOWED, origin.clone()));
            headers.push(("Access-Control-Expose-Headers", RESPONSE_HEADERS.to_owned()));
        }
        headers
    }
}

impl FromStr for CorsOrigins {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        origins.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

/// Accepts an origin as browsers send it, because it is compared as text.
fn origin(text: &str) -> Result<String, &'static str> {
    const BAD: &str =
        "must be origins such as https://shop.example or http://localhost:3000: no path, no capitals, no default port";
    let (scheme, host) = text.split_once("://").ok_or(BAD)?;
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return Err(BAD),
    };
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) || host.ends_with(default_port) || host.ends_with(':') {
        return Err(BAD);
    }
    Ok(text.to_owned())
}

/// Adds the headers that let a page of an allowed origin read the response. A preflight is an
/// `OPTIONS` that was answered with `Allow`.
pub(crate) fn allow_origin(request: &Request<'_>, response: &mut Response<'_>) {
    let Some(origins) = request.rocket().state::<CorsOrigins>() else { return };
    let headers = origins.headers(crate::header(request, "Origin").ok().flatten());
    let is_allowed = headers.iter().any(|(name, _)| *name == ALLOWED);
    for (name, value) in headers {
        add_to_list(response, name, &value);
    }
    let is_preflight = request.method() == Method::Options
        && response.status() == Status::NoContent
        && request.headers().contains("Access-Control-Request-Method");
    if is_allowed && is_preflight {
        let methods = response.headers().get_one("Allow").unwrap_or_default().to_owned();
        response.remove_header("Access-Control-Expose-Headers");
        response.set_header(Header::new("Access-Control-Allow-Methods", methods));
        response.set_raw_header("Access-Control-Allow-Headers", REQUEST_HEADERS);
        response.set_raw_header("Access-Control-Max-Age", MAX_AGE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_listed_as_browsers_send_them() {
        let origins: CorsOrigins = " https://shop.example ,http://localhost:3000,, http://[::1]:8080".parse().unwrap();
        assert_eq!(origins.0, ["https://shop.example", "http://localhost:3000", "http://[::1]:8080"]);
        assert_eq!("".parse(), Ok(CorsOrigins::default()));
        for bad in [
            "*",
            "null",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://shop.example/path",
            "https://Shop.example",
            "https://shop.example:443",
            "http://shop.example:80",
            "https://shop.example:",
            "https://*.example",
            "https://user@shop.example",
            "ftp://shop.example",
            "https://good.example https://shop.example",
        ] {
            assert!(bad.parse::<CorsOrigins>().is_err(), "{bad}");
        }
    }
}
