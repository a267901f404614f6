//! Reports to Sentry, received by a server of the test. A process has one Sentry client.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rocket::http::{Header, Status};
use rocket::local::asynchronous::Client;
use rocket::{get, routes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use souk_bus::{Bus, Request};
use souk_http::telemetry::{Format, Reporting, Telemetry};
use souk_types::Error;

/// Reports are sent by a thread.
const SOON: Duration = Duration::from_secs(20);

#[get("/fails")]
fn fails() -> souk_http::Result<&'static str> {
    Err(Error::internal("the disk of ana@example.com is full").into())
}

#[get("/panics")]
fn panics() -> &'static str {
    panic!("unexpected value of ana@example.com")
}

#[get("/refuses")]
fn refuses() -> souk_http::Result<&'static str> {
    Err(Error::conflict("taken", "Taken.").into())
}

#[get("/waits")]
fn waits() -> souk_http::Result<&'static str> {
    Err(Error::unavailable("products").caused_by("no instance is running").into())
}

#[derive(Serialize, Deserialize)]
struct Break {}

impl Request for Break {
    const NAME: &'static str = "things.break";
    type Reply = ();
}

#[get("/calls")]
async fn calls(bus: &rocket::State<Bus>) -> souk_http::Result<&'static str> {
    bus.call(Break {}).await?;
    Ok("whole")
}

#[rocket::async_test]
async fn unexpected_errors_are_reported_without_personal_data() {
    let (dsn, reports) = sentry();
    let telemetry = Telemetry {
        service: "test",
        instance: Some("test-1".to_owned()),
        filter: "info".to_owned(),
        format: Some(Format::Json),
        reporting: Some(Reporting {
            dsn: dsn.parse().unwrap(),
            environment: "laboratory".to_owned(),
            release: "test@7".to_owned(),
        }),
    };
    let running = telemetry.start().unwrap();
    let bus = Bus::local();
    bus.serve(|_: Break| async { Err(Error::internal("broken by a handler")) });
    let shop = souk_http::rocket(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
        .mount("/", souk_http::with_limits(routes![fails, panics, refuses, waits, calls]))
        .manage(bus);
    let shop = Client::untracked(shop).await.unwrap();
    let ask = async |path: &'static str, id: &'static str| {
        let request = shop.get(format!("{path}?q=secret")).header(Header::new("X-Request-Id", id));
        let response = request.header(Header::new("Authorization", "Bearer secret")).dispatch().await;
        let status = response.status();
        (status, response.into_string().await.unwrap_or_default())
    };

    // Expected errors come first, so a report of them would arrive first.
    assert_eq!(ask("/refuses", "r-0").await.0, Status::Conflict);
    assert_eq!(ask("/waits", "r-0").await.0, Status::ServiceUnavailable);
    assert_eq!(ask("/nowhere", "r-0").await.0, Status::NotFound);

    expect_public_text(&ask("/fails", "r-1").await, "r-1");
    let report = next(&reports);
    assert_eq!(report["tags"]["request_id"], "r-1");
    assert_eq!(report["tags"]["service"], "test");
    assert_eq!(report["tags"]["instance"], "test-1");
    assert_eq!((&report["release"], &report["environment"]), (&"test@7".into(), &"laboratory".into()));
    assert_eq!(report["extra"]["cause"], "the disk of [hidden] is full");
    assert_eq!(report["extra"]["route"], "/fails");

    expect_public_text(&ask("/panics", "r-2").await, "r-2");
    let report = next(&reports);
    assert_eq!(report["tags"]["request_id"], "r-2");
    assert_eq!(report["extra"]["panic"], "unexpected value of [hidden]");
    assert!(report["extra"]["place"].as_str().unwrap().contains("reports.rs"), "{report}");

    expect_public_text(&ask("/calls", "r-3").await, "r-3");
    let report = next(&reports);
    assert_eq!(report["tags"]["request_id"], "r-3", "a handler works for the request that called it");
    assert!(report["extra"]["error"].as_str().unwrap().contains("broken by a handler"), "{report}");

    let background = tokio::spawn(async { panic!("in the background") });
    assert!(background.await.unwrap_err().is_panic());
    assert_eq!(next(&reports)["extra"]["panic"], "in the background");

    drop(running);
    let rest: Vec<Value> = reports.try_iter().collect();
    assert!(rest.is_empty(), "each is reported once: {rest:#?}");
}

/// Fails unless the client gets a public text and the request id, and nothing of the cause.
#[track_caller]
fn expect_public_text((status, body): &(Status, String), request_id: &str) {
    assert_eq!(*status, Status::InternalServerError, "{body}");
    let problem: Value = serde_json::from_str(body).unwrap();
    let expected = json!({
        "type": "urn:souk:problem:internal",
        "title": "Internal error",
        "status": 500,
        "detail": "Something went wrong on our side. If you report it, give the request id.",
        "request_id": request_id,
    });
    assert_eq!(problem, expected);
}

/// Returns the next report, without any text of the request's head, path or query.
fn next(reports: &Receiver<Value>) -> Value {
    let report = reports.recv_timeout(SOON).expect("a report should come");
    let text = report.to_string();
    assert!(!text.contains("secret") && !text.contains("example.com") && report.get("user").is_none(), "{report:#}");
    assert!(report.get("request").is_none(), "{report:#}");
    report
}

fn sentry() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://key@{}/1", listener.local_addr().unwrap());
    let (sender, envelopes) = channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || take_all(&connection.unwrap(), &sender));
        }
    });
    (dsn, envelopes)
}

fn take_all(connection: &TcpStream, sender: &Sender<Value>) {
    let mut reader = BufReader::new(connection);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        // An envelope is lines of JSON: a header, then a header and a payload for each item.
        let lines: Vec<Value> =
            body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        for item in lines.windows(2).filter(|pair| pair[0]["type"] == "event") {
            sender.send(item[1].clone()).unwrap();
        }
        let mut connection = connection;
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    }
}
