//! Requests whose end two servers may see in different places (RFC 9112, section 11.2).

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::backend::{Backend, Behaviour};
use crate::{settings, start};

/// Headers, and what precedes the hidden request.
const AMBIGUOUS: [(&str, &str); 14] = [
    ("Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n", "0\r\n\r\n"),
    ("Content-Length: 0\r\nContent-Length: LENGTH\r\n", ""),
    ("Content-Length: 0, LENGTH\r\n", ""),
    ("Content-Length: +0\r\n", ""),
    ("Content-Length: 0x0\r\n", ""),
    ("Content-Length: 18446744073709551616\r\n", ""),
    ("Content-Length : LENGTH\r\nContent-Length: 0\r\n", ""),
    ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding:\u{b}chunked\r\n", "0\r\n\r\n"),
    ("X: a\nTransfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "fffffffffffffffff0\r\n\r\n"),
];

/// Sends bytes, ends the client's side, and returns all that comes back.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    // nginx may respond and close before it has read everything.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
#[ignore = "needs nginx"]
fn a_request_in_an_ambiguous_body_reaches_no_service() {
    let (shopping, products) =
        (Backend::start("shopping", Behaviour::Echo), Backend::start("products", Behaviour::Echo));
    let (_nginx, address) = start(settings(&[], &[&products], &[&shopping]));
    let hidden = "DELETE /products/1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n";
    for (headers, before) in AMBIGUOUS {
        let body = format!("{before}{hidden}");
        let headers = headers.replace("LENGTH", &body.len().to_string());
        let answer =
            exchange(address, &format!("POST /shopping/cart HTTP/1.1\r\nHost: shop.example\r\n{headers}\r\n{body}"));
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{headers:?}: {answer}");
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 501");
        assert!(is_refused, "{headers:?}: {answer}");
    }
    assert_eq!((shopping.requests(), products.requests()), (0, 0));
}
