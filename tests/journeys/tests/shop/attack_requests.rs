//! Attacks on the way of a request: smuggled requests, shared connections.

use journeys::{RawResponse, Shop, euros};

/// Ways to say where a body ends that two servers may understand differently (RFC 9112, section
/// 11.2). Each is sent with a second request in what one of them takes for the body.
const AMBIGUOUS: [(&str, &str, &str); 20] = [
    ("a length and chunks", "Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n", "0\r\n\r\n"),
    ("two lengths", "Content-Length: 0\r\nContent-Length: LENGTH\r\n", ""),
    ("two lengths in one", "Content-Length: 0, LENGTH\r\n", ""),
    ("a signed length", "Content-Length: +0\r\n", ""),
    ("a negative length", "Content-Length: -1\r\n", ""),
    ("a length in hexadecimal", "Content-Length: 0x0\r\n", ""),
    ("a length beyond 64 bits", "Content-Length: 18446744073709551616\r\n", ""),
    ("a length with a space before the colon", "Content-Length : LENGTH\r\nContent-Length: 0\r\n", ""),
    (
        "a folded header",
        "X-Folded: a\r\n Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n chunked\r\n",
        "0\r\n\r\n",
    ),
    ("an unknown coding", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    ("a quoted coding", "Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
    ("identity and chunks", "Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"),
    ("chunks that are not last", "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
    ("a vertical tab before the coding", "Transfer-Encoding:\u{b}chunked\r\n", "0\r\n\r\n"),
    ("a coding in a bare line feed", "X: a\nTransfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n", "0\r\n\r\n"),
    ("a carriage return in a header", "X: a\rTransfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n", "0\r\n\r\n"),
    ("a chunk of a signed size", "Transfer-Encoding: chunked\r\n", "+0\r\n\r\n"),
    ("a chunk of an endless size", "Transfer-Encoding: chunked\r\n", "fffffffffffffffff0\r\n\r\n"),
];

/// The second request would empty the cart of the customer whose token it has.
#[tokio::test]
async fn a_smuggled_request_is_not_served() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let smuggled = format!("{}\r\n", ana.raw_head("DELETE", "/shopping/cart", "Content-Length: 0\r\n"));
    for (name, headers, body) in AMBIGUOUS {
        let body = format!("{body}{smuggled}");
        let headers = headers.replace("LENGTH", &body.len().to_string());
        let head = "POST /customer/login HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n";
        let mut connection = shop.connect().await;
        connection.send(format!("{head}{headers}\r\n{body}").as_bytes()).await;
        connection.half_close().await;
        while let Some(response) = connection.response().await {
            let refused: &RawResponse = &response;
            assert!(refused.status >= 400, "{name}: {refused:?}");
        }
        let cart = ana.get_cart().await.expect_status(200);
        assert_eq!(cart.items().len(), 1, "{name}: the smuggled request was served");
    }
}

/// Who sends a request on a connection is what this request says.
#[tokio::test]
async fn a_connection_authenticates_no_later_request() {
    let shop = Shop::shared().await;
    let (ana, ben) = (shop.new_customer().await, shop.new_customer().await);
    let mut connection = shop.connect().await;
    let anonymous = "GET /customer/profile HTTP/1.1\r\nHost: shop.example\r\n\r\n".to_owned();
    for (request, email) in [
        (format!("{}\r\n", ana.raw_head("GET", "/customer/profile", "")), Some(&ana.email)),
        (anonymous.clone(), None),
        (format!("{}\r\n", ben.raw_head("GET", "/customer/profile", "")), Some(&ben.email)),
        (anonymous, None),
    ] {
        connection.send(request.as_bytes()).await;
        let response = connection.response().await.unwrap();
        match email {
            Some(email) => assert_eq!((response.status, &response.body["email"]), (200, &email.as_str().into())),
            None => assert_eq!(response.status, 401, "{response:?}"),
        }
    }
}
