//! A fleet whose components stop and start again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests are tests too")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fleet::{Fleet, Options};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_mins(1);

fn get(fleet: &Fleet, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(fleet.component("nginx").unwrap().address()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn instances(fleet: &Fleet, service: &str) -> BTreeSet<String> {
    let answers = (0..8).map(|_| get(fleet, &format!("/{service}/whoami")));
    answers
        .map(|(status, body)| {
            assert_eq!(status, 200, "{body}");
            let body: Value = serde_json::from_str(&body).unwrap();
            body["instance"].as_str().expect("an instance").to_owned()
        })
        .collect()
}

fn wait_for(what: &str, mut look: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !look() {
        assert!(begun.elapsed() < TIMEOUT, "waited for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs RabbitMQ, MongoDB, nginx, and the services built: cargo xtask test"]
fn components_stop_and_start_in_any_order() {
    let fleet = Fleet::start(&Options::without_rate_limits()).unwrap();
    fleet.wait_until_ready(TIMEOUT).unwrap();
    let both = |service: &str| BTreeSet::from([format!("{service}-1"), format!("{service}-2")]);
    for service in ["customer", "products", "shopping", "web"] {
        assert_eq!(instances(&fleet, service), both(service));
    }
    // The sample products are added when the service has found its database.
    wait_for("the sample products", || get(&fleet, "/products?limit=1").1.contains("\"name\""));
    fleet.create_admin("admin@example.com", "correct horse battery").unwrap();

    // One instance is enough for the service to respond.
    for end in [fleet::Component::kill, fleet::Component::stop] {
        let component = fleet.component("products-1").unwrap();
        end(component).unwrap();
        assert_eq!(instances(&fleet, "products"), BTreeSet::from(["products-2".to_owned()]));
        component.start().unwrap();
        // nginx uses the instance again after 2 s.
        wait_for("products-1 to respond again", || instances(&fleet, "products") == both("products"));
    }

    // A service starts without its database and connects later.
    let (mongodb, products) = (fleet.component("mongodb").unwrap(), fleet.component("products-2").unwrap());
    fleet.component("products-1").unwrap().stop().unwrap();
    products.stop().unwrap();
    mongodb.stop().unwrap();
    products.start().unwrap();
    assert_ne!(get(&fleet, "/products?limit=1").0, 200);
    mongodb.start().unwrap();
    wait_for("the products to be served again", || get(&fleet, "/products?limit=1").0 == 200);

    // And without the broker.
    let (rabbitmq, shopping) = (fleet.component("rabbitmq").unwrap(), fleet.component("shopping-1").unwrap());
    rabbitmq.kill().unwrap();
    shopping.kill().unwrap();
    shopping.start().unwrap();
    rabbitmq.start().unwrap();
    fleet.component("products-1").unwrap().start().unwrap();
    fleet.wait_until_ready(TIMEOUT).unwrap();

    let stopped = fleet.component("customer-1").unwrap().stop().unwrap();
    assert!(stopped.status.success() && stopped.took < Duration::from_secs(10), "{stopped:?}");
    fleet.stop().unwrap();
}
