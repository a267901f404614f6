//! The program `customer` with an environment that is not right: it tells all of it, and starts nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

fn started_with(environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_customer")).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn complaints(environment: &[(&str, &str)]) -> String {
    let output = started_with(environment);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let complaints = complaints(&[]);
    for variable in ["PORT", "AMQP_URL", "MONGODB_URI", "DATABASE", "SIGNING_KEY"] {
        assert!(complaints.contains(&format!("{variable} is missing")), "{variable}: {complaints}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_no_secret_with_it() {
    let complaints = complaints(&[
        ("PORT", "65536"),
        ("AMQP_URL", "amqp://souk:change-me@localhost:5672/%2f"),
        ("MONGODB_URI", "mongo://souk:s3cret@localhost"),
        ("DATABASE", "souk customer"),
        ("SIGNING_KEY", "-----BEGIN PRIVATE KEY----- s3cret"),
        ("SENTRY_DSN", "https://s3cret@sentry.example.com/1"),
        ("LOG_FORMAT", "xml"),
    ]);
    for said in [
        "PORT: must be a port",
        "AMQP_URL still has the sample value",
        "DATABASE: must be",
        "SIGNING_KEY: is not an Ed25519 private key",
        "SENTRY_DSN is set and ENVIRONMENT is not",
        "LOG_FORMAT: must be json or text",
    ] {
        assert!(complaints.contains(said), "{said}: {complaints}");
    }
    assert!(!complaints.contains("s3cret"), "{complaints}");
}

#[test]
fn names_in_dns_are_read_at_once_and_asked_for_later() {
    let complaints = complaints(&[
        ("AMQP_URL", "srv://souk:s3cret@_mongodb._tcp.rabbitmq"),
        ("MONGODB_URI", "srv://souk:s3cret@mongodb:27017/"),
        ("DATABASE", "souk_customer"),
    ]);
    for said in [
        "AMQP_URL: the broker's URL cannot be used: it should read srv://_amqp._tcp.name or srv://_amqps._tcp.name",
        "MONGODB_URI: the address of MongoDB cannot be read: a name of SRV records has no port",
        "PORT is missing",
    ] {
        assert!(complaints.contains(said), "{said}: {complaints}");
    }
    assert!(!complaints.contains("s3cret"), "{complaints}");
}

#[test]
fn a_key_is_given_once() {
    let complaints = complaints(&[("SIGNING_KEY", "a"), ("SIGNING_KEY_FILE", "b")]);
    assert!(complaints.contains("SIGNING_KEY and SIGNING_KEY_FILE are both set"), "{complaints}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let complaints = complaints(&[("AMQP_URL_FILE", "/nowhere/at/all")]);
    assert!(complaints.contains("AMQP_URL_FILE: /nowhere/at/all cannot be read"), "{complaints}");
}

/// The example explains every variable, and nobody can use it as it is.
#[test]
fn the_example_is_refused() {
    let example = include_str!("../../.env.example");
    let lines = example.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let environment: Vec<(&str, &str)> = lines.map(|line| line.split_once('=').unwrap()).collect();
    let complaints = complaints(&environment);
    for variable in ["AMQP_URL", "MONGODB_URI"] {
        assert!(complaints.contains(&format!("{variable} still has the sample value")), "{complaints}");
    }
}

/// As a container's health check runs it, beside the instance.
fn asked_for_health(environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_customer"));
    let output = command.arg("health").env_clear().envs(environment.iter().copied()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_health_check_says_what_the_instance_says() {
    for (answer, code, said) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0, ""),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\nThe broker does not answer.", 1, "The broker does not answer."),
        ("nonsense", 1, "nonsense"),
    ] {
        let instance = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = instance.local_addr().unwrap().port().to_string();
        let answering = thread::spawn(move || {
            let (mut client, _) = instance.accept().unwrap();
            let mut asked = [0; 1024];
            let length = client.read(&mut asked).unwrap();
            client.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        // In a container it listens everywhere, and a key that cannot be read is not asked for.
        let (ended, told) = asked_for_health(&[("PORT", &port), ("ADDRESS", "0.0.0.0"), ("SIGNING_KEY", "no key")]);
        assert!(answering.join().unwrap().starts_with("GET /health/ready HTTP/1.1\r\n"));
        assert_eq!(ended, Some(code), "{told}");
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn an_instance_that_is_not_there_is_not_well() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (ended, told) = asked_for_health(&[("PORT", &free)]);
    assert!(ended == Some(1) && told.contains("does not answer"), "{told}");
    let (ended, told) = asked_for_health(&[]);
    assert!(ended == Some(1) && told.contains("PORT is missing"), "{told}");
}

#[test]
fn a_word_that_means_nothing_is_no_start() {
    let output = Command::new(env!("CARGO_BIN_EXE_customer")).arg("helth").env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: customer [health]"), "{output:?}");
}
