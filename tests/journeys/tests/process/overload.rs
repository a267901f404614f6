//! Clients that hold connections, in a one-process shop.

use journeys::{RawConnection, Shop, TestShop, euros};

async fn send(shop: &Shop, bytes: &str) -> RawConnection {
    let mut connection = shop.connect().await;
    connection.send(bytes.as_bytes()).await;
    connection
}

#[tokio::test]
async fn half_sent_heads_shut_nobody_out() {
    let shop = TestShop::start_with_open_files(296).await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    let mut half_sent = Vec::new();
    for _ in 0..300 {
        half_sent.push(send(&shop, "GET /products HTTP/1.1\r\nHost: shop.exa").await);
    }
    for _ in 0..20 {
        shop.client().get("/products").await.expect_status(200);
    }
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    // Background jobs open the databases.
    ana.place_order_paying("key", "demo_timeout").await.expect_status(202);
    ana.place_order_paying("key", "demo_timeout").until_status(201).await;
    assert!(!shop.log().contains("unable to open database"), "{}", shop.log());
    drop(half_sent);
}

#[tokio::test]
async fn half_sent_bodies_stop_no_other_body() {
    let shop = TestShop::start_with_open_files(296).await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    let login =
        "POST /customer/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let mut half_sent = Vec::new();
    for _ in 0..48 {
        half_sent.push(send(&shop, login).await);
    }
    for _ in 0..20 {
        ana.add_to_cart(&tea, 1).await.expect_status(200);
        half_sent.push(send(&shop, login).await);
    }
    let first = half_sent[0].response().await.unwrap();
    assert_eq!((first.status, &first.body["type"]), (503, &"urn:souk:problem:busy".into()));
}

#[tokio::test]
async fn a_head_and_a_body_that_stop_get_a_timeout() {
    let shop = TestShop::start().await;
    let mut head = send(&shop, "GET /products HTTP/1.1\r\nHost: shop.exa").await;
    let login =
        "POST /customer/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let mut body = send(&shop, login).await;
    for connection in [&mut head, &mut body] {
        let response = connection.response().await.unwrap();
        assert_eq!((response.status, &response.body["type"]), (408, &"urn:souk:problem:too-slow".into()));
        let id = response.expect_problem("too slow");
        assert!(shop.log().contains(id), "{id} is in no log");
    }
}

#[tokio::test]
async fn a_request_that_the_server_refuses_is_in_the_log() {
    let shop = TestShop::start().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(100_000));
    for request in ["PURGE / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "no HTTP\r\n\r\n", &long] {
        let response = shop.send_raw(request.as_bytes()).await.unwrap();
        let id = response.expect_problem(request);
        assert!(shop.log().contains(id), "{id} is in no log");
    }
    let named = shop.send_raw(b"PURGE / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n").await.unwrap();
    assert_eq!(named.expect_problem("a request with an id"), "mine");
}

#[tokio::test]
async fn running_requests_finish_while_the_shop_stops() {
    let shop = TestShop::start().await;
    let customer = shop.new_customer().await;
    let head = customer.raw_head("POST", "/shopping/guest", "Content-Length: 2\r\n");
    let mut running = send(&shop, &format!("{head}\r\n")).await;
    let idle = shop.connect().await;
    let stopped = shop.stop();
    let respond = async {
        running.send(b"{}").await;
        running.response().await
    };
    let (status, response) = tokio::join!(stopped, respond);
    assert!(status.success(), "{status}");
    assert_eq!(response.map(|response| response.status), Some(201));
    drop(idle);
}
