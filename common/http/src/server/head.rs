//! Checks of a request's head that Rocket and hyper leave to the server (RFC 9112).

use std::net::Ipv6Addr;

use hyper::header::{EXPECT, HOST, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri, Version};
use rocket::http::Method;
use rocket::http::uri::{Host, Origin};

use super::refusal::Refusal;

/// Longest target of a request, in bytes: the same as nginx's.
pub(super) const MAX_TARGET: usize = 8 * 1024;
/// Largest head, in bytes: request line and headers, the same as nginx's.
pub(super) const MAX_HEAD: usize = 32 * 1024;

/// The parts of a head that Rocket needs in types of its own.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) target: Origin<'static>,
    pub(super) host: Option<Host<'static>>,
}

/// Reads the head of a request that hyper has parsed.
pub(super) fn read(parts: &Parts) -> Result<Head, Refusal> {
    let method = method(parts.method.as_str())?;
    let host = host(parts.version, &parts.headers)?;
    expectation(&parts.headers)?;
    transfer_coding(&parts.headers)?;
    let target = target(&parts.uri)?;
    size(parts)?;
    Ok(Head { method, target, host })
}

/// hyper parses a larger head than [`MAX_HEAD`] when it arrives in one piece.
fn size(parts: &Parts) -> Result<(), Refusal> {
    const REQUEST_LINE: usize = "  HTTP/1.1\r\n".len();
    const HEADER_LINE: usize = ": \r\n".len();
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_LINE);
    let head = parts.method.as_str().len() + target + REQUEST_LINE + headers.sum::<usize>() + "\r\n".len();
    if head > MAX_HEAD { Err(Refusal::HeadTooLarge) } else { Ok(()) }
}

pub(super) fn method(name: &str) -> Result<Method, Refusal> {
    Ok(match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        _ => return Err(Refusal::NotImplemented("The method is not implemented for any route.")),
    })
}

/// HTTP/1.1 requires exactly one Host (RFC 9112, section 3.2).
fn host(version: Version, headers: &HeaderMap) -> Result<Option<Host<'static>>, Refusal> {
    let mut values = headers.get_all(HOST).iter();
    let value = match (values.next(), values.next()) {
        (_, Some(_)) => return Err(Refusal::Malformed("The header Host is given twice.")),
        (None, _) if version == Version::HTTP_10 => return Ok(None),
        (None, _) => return Err(Refusal::Malformed("The header Host is missing.")),
        (Some(value), None) => value.as_bytes(),
    };
    let invalid = Refusal::Malformed("The header Host is not the name or the address of a host.");
    let authority = Authority::try_from(value).map_err(|_| invalid)?;
    let port = authority.as_str().strip_prefix(authority.host()).ok_or(invalid)?;
    let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    // A colon without a port is allowed (RFC 3986, section 3.2.3).
    let is_port = matches!(port, "" | ":") || port.strip_prefix(':').is_some_and(is_number);
    let address = authority.host().strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = address.map_or(!authority.host().is_empty(), |address| address.parse::<Ipv6Addr>().is_ok());
    if !is_host || !is_port {
        return Err(invalid);
    }
    let host = authority.as_str().strip_suffix(':').unwrap_or(authority.as_str());
    Ok(Some(Host::parse_owned(host.to_owned()).map_err(|_| invalid)?))
}

fn expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_met = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(EXPECT).iter().all(|value| is_met(value.as_bytes())) {
        Ok(())
    } else {
        Err(Refusal::Expectation)
    }
}

/// hyper decodes `chunked` only, and refuses a body whose last coding is another one.
fn transfer_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::NotImplemented("The only transfer coding that the server decodes is chunked.")),
    }
}

/// Returns the target of a request if it is a valid path, with or without a query.
pub(super) fn target(uri: &Uri) -> Result<Origin<'static>, Refusal> {
    let Some(target) = uri.path_and_query() else {
        return Err(Refusal::Malformed("The target of the request is not a path."));
    };
    if target.as_str().len() > MAX_TARGET {
        return Err(Refusal::TargetTooLong);
    }
    let path = decode(target.path())?;
    if !path.starts_with('/') {
        return Err(Refusal::NotFound);
    }
    // A slash at the end makes no difference. An empty segment or a dot segment would give one
    // resource many names, and a proxy might understand it in another way.
    let path = path.strip_suffix('/').unwrap_or(&path);
    if path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(Refusal::NotFound);
    }
    Ok(Origin::new(target.path().to_owned(), target.query().map(str::to_owned)))
}

/// Returns the path without percent-encoding.
fn decode(path: &str) -> Result<String, Refusal> {
    let invalid = Refusal::Malformed("The path of the URL is not valid: percent-encode its UTF-8 text.");
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(invalid);
            u8::try_from(digit()? * 16 + digit()?).map_err(|_| invalid)?
        } else {
            byte
        };
        if byte.is_ascii_control() {
            return Err(invalid);
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).map_err(|_| invalid)
}

/// Explains why hyper could not parse a head, from the bytes that it has read.
pub(super) fn explain(error: &hyper::Error, read: &[u8]) -> Option<Refusal> {
    if error.is_timeout() {
        return (!read.is_empty()).then_some(Refusal::TooSlow);
    }
    if error.is_parse_too_large() {
        return Some(if read.contains(&b'\n') { Refusal::HeadTooLarge } else { Refusal::TargetTooLong });
    }
    let is_broken_off = error.is_incomplete_message() && !read.is_empty();
    (error.is_parse() || is_broken_off).then(|| malformed(read))
}

fn malformed(read: &[u8]) -> Refusal {
    let line = read.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    if version.starts_with(b"HTTP/") && !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
        Refusal::Version
    } else {
        Refusal::Malformed("The request is not valid HTTP/1.1.")
    }
}

/// Whether a head that hyper could not parse is that of a `HEAD`, whose response has no body.
pub(super) fn is_head(read: &[u8]) -> bool {
    read.trim_ascii_start().starts_with(b"HEAD ")
}

/// Returns a header of a head that hyper could not parse, when the head has it once. A proxy shows
/// its client the request id that it has sent.
pub(super) fn header<'h>(read: &'h [u8], name: &str) -> Option<&'h str> {
    let lines = read.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).skip(1);
    let headers =
        lines.take_while(|line| !line.is_empty()).filter_map(|line| str::from_utf8(line).ok()?.split_once(':'));
    let mut values = headers.filter(|(given, _)| given.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value.trim()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn read_head(version: Version, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Head, u16> {
        let mut request = Request::builder().version(version).method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(&request.body(()).unwrap().into_parts().0).map_err(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn a_head_is_accepted_or_has_a_status() {
        let long = format!("/{}", "a".repeat(MAX_TARGET));
        let host = ("Host", "shop.example");
        // The whole head then has 32 KiB.
        let large = "a".repeat(MAX_HEAD - "GET /products HTTP/1.1\r\nHost: shop.example\r\nX: \r\n\r\n".len());
        for (method, uri, headers, expected) in [
            ("GET", "/products", &[host][..], Ok("/products")),
            ("GET", "/products/?q=a|b", &[host], Ok("/products/?q=a|b")),
            ("GET", "http://other.example/products?q=1", &[host], Ok("/products?q=1")),
            ("GET", "/caf%C3%A9", &[("Host", "[::1]:8000")], Ok("/caf%C3%A9")),
            ("POST", "/a", &[host, ("Expect", "100-Continue"), ("Transfer-Encoding", "Chunked")], Ok("/a")),
            ("PURGE", "/products", &[host], Err(501)),
            ("TRACE", "/products", &[host], Err(501)),
            ("CONNECT", "other.example:443", &[host], Err(501)),
            ("get", "/products", &[host], Err(501)),
            ("OPTIONS", "*", &[host], Err(404)),
            ("GET", &long, &[host], Err(414)),
            ("GET", "/products", &[host, ("X", &large[..])], Ok("/products")),
            ("GET", "/productss", &[host, ("X", &large[..])], Err(431)),
            ("GET", "/products", &[], Err(400)),
            ("GET", "/products", &[host, host], Err(400)),
            ("GET", "/products", &[("Host", "")], Err(400)),
            ("GET", "/products", &[("Host", "a b")], Err(400)),
            ("GET", "/products", &[("Host", "user@shop.example")], Err(400)),
            ("GET", "/products", &[("Host", "shop.example:99999")], Err(400)),
            ("GET", "/products", &[("Host", "shop.example:+80")], Err(400)),
            ("GET", "/products", &[("Host", "shop.example/path")], Err(400)),
            ("GET", "/products", &[("Host", ":8000")], Err(400)),
            ("GET", "/products", &[("Host", ":")], Err(400)),
            ("GET", "/products", &[("Host", "[::g]")], Err(400)),
            ("GET", "/products", &[("Host", "[]:8000")], Err(400)),
            ("GET", "/products", &[("Host", "[::1")], Err(400)),
            ("GET", "/products", &[("Host", "shop.example:")], Ok("/products")),
            ("GET", "/products", &[("Host", "[2001:db8::1]:")], Ok("/products")),
            ("GET", "/products", &[host, ("Expect", "200-ok")], Err(417)),
            ("POST", "/a", &[host, ("Transfer-Encoding", "gzip, chunked")], Err(501)),
            ("POST", "/a", &[host, ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")], Err(501)),
            ("GET", "/products/%zz", &[host], Err(400)),
            ("GET", "/products/%0", &[host], Err(400)),
            ("GET", "/products/%00", &[host], Err(400)),
            ("GET", "/products/%0a", &[host], Err(400)),
            ("GET", "/products/%ff", &[host], Err(400)),
            ("GET", "/products/../customer", &[host], Err(404)),
            ("GET", "/products/%2E%2e/customer", &[host], Err(404)),
            ("GET", "/products/./x", &[host], Err(404)),
            ("GET", "//products", &[host], Err(404)),
            ("GET", "/products//", &[host], Err(404)),
        ] {
            let head = read_head(Version::HTTP_11, method, uri, headers);
            let target = head.map(|head| head.target.to_string());
            assert_eq!(target, expected.map(str::to_owned), "{method} {uri} {headers:?}");
        }
        assert!(read_head(Version::HTTP_10, "GET", "/", &[]).unwrap().host.is_none());
    }

    #[test]
    fn a_head_that_cannot_be_parsed_keeps_its_headers() {
        for (read, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\nx-request-id: abc-1 \r\n: b\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nX-Request-Id: abc-1\r\nX-Request-Id: abc-1\r\n\r\n", false),
            ("HEAD / HTTP/1.1\r\nX-Request-Id: a b\r\n\r\n", false),
            ("GET / HTTP/1.1\r\n\r\nX-Request-Id: abc-1\r\n", false),
            ("X-Request-Id: abc-1", false),
        ] {
            let read = read.as_bytes();
            assert_eq!(header(read, "X-Request-Id") == Some("abc-1"), expected, "{read:?}");
            assert_eq!(is_head(read), read.starts_with(b"HEAD"), "{read:?}");
        }
    }

    #[test]
    fn unparsed_bytes_are_malformed_or_of_another_version() {
        for (read, expected) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], Refusal::Version),
            (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", Refusal::Version),
            (b"GET / HTTP/1.1\r\nBad Header: a\r\n\r\n", Refusal::Malformed("The request is not valid HTTP/1.1.")),
            (b"\x16\x03\x01", Refusal::Malformed("The request is not valid HTTP/1.1.")),
        ] {
            assert_eq!(malformed(read), expected, "{read:?}");
        }
    }
}
