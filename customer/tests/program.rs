//! The program `customer` with an invalid environment: it reports every problem and does not start.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

fn run(environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_customer")).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn problems(environment: &[(&str, &str)]) -> String {
    let output = run(environment);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn all_missing_variables_are_reported() {
    let problems = problems(&[]);
    for variable in ["PORT", "AMQP_URL", "MONGODB_URI", "DATABASE", "SIGNING_KEY"] {
        assert!(problems.contains(&format!("{variable} is missing")), "{variable}: {problems}");
    }
}

#[test]
fn all_invalid_variables_are_reported_without_secrets() {
    let problems = problems(&[
        ("PORT", "65536"),
        ("AMQP_URL", "amqp://souk:change-me@localhost:5672/%2f"),
        ("MONGODB_URI", "mongo://souk:s3cret@localhost"),
        ("DATABASE", "souk customer"),
        ("SIGNING_KEY", "-----BEGIN PRIVATE KEY----- s3cret"),
        ("SENTRY_DSN", "https://s3cret@sentry.example.com/1"),
        ("LOG_FORMAT", "xml"),
    ]);
    for expected in [
        "PORT: must be a port",
        "AMQP_URL still has the sample value",
        "DATABASE: must be",
        "SIGNING_KEY: is not an Ed25519 private key",
        "SENTRY_DSN is set and ENVIRONMENT is not",
        "LOG_FORMAT: must be json or text",
    ] {
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
    assert!(!problems.contains("s3cret"), "{problems}");
}

#[test]
fn srv_names_are_parsed_at_start() {
    let problems = problems(&[
        ("AMQP_URL", "srv://souk:s3cret@_mongodb._tcp.rabbitmq"),
        ("MONGODB_URI", "srv://souk:s3cret@mongodb:27017/"),
        ("DATABASE", "souk_customer"),
    ]);
    for expected in [
        "AMQP_URL: the broker's URL is invalid: it should read srv://_amqp._tcp.name or srv://_amqps._tcp.name",
        "MONGODB_URI: the address of MongoDB cannot be read: a URL of SRV records has no port",
        "PORT is missing",
    ] {
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
    assert!(!problems.contains("s3cret"), "{problems}");
}

#[test]
fn a_variable_and_its_file_exclude_each_other() {
    let problems = problems(&[("SIGNING_KEY", "a"), ("SIGNING_KEY_FILE", "b")]);
    assert!(problems.contains("SIGNING_KEY and SIGNING_KEY_FILE are both set"), "{problems}");
}

#[test]
fn an_unreadable_file_is_named() {
    let problems = problems(&[("AMQP_URL_FILE", "/nowhere/at/all")]);
    assert!(problems.contains("AMQP_URL_FILE: /nowhere/at/all cannot be read"), "{problems}");
}

#[test]
fn the_sample_values_are_refused() {
    let example = include_str!("../../.env.example");
    let lines = example.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let environment: Vec<(&str, &str)> = lines.map(|line| line.split_once('=').unwrap()).collect();
    let problems = problems(&environment);
    for variable in ["AMQP_URL", "MONGODB_URI"] {
        assert!(problems.contains(&format!("{variable} still has the sample value")), "{problems}");
    }
}

/// Runs the health check as a container does, beside the instance.
fn check_health(environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_customer"));
    let output = command.arg("health").env_clear().envs(environment.iter().copied()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_health_check_reports_the_instance() {
    for (response, code, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0, ""),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\nThe broker does not answer.", 1, "The broker does not answer."),
        ("nonsense", 1, "nonsense"),
    ] {
        let instance = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = instance.local_addr().unwrap().port().to_string();
        let server = thread::spawn(move || {
            let (mut client, _) = instance.accept().unwrap();
            let mut request = [0; 1024];
            let length = client.read(&mut request).unwrap();
            client.write_all(response.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        // The check connects to the loopback address, and reads no other variable.
        let (exit_code, stderr) = check_health(&[("PORT", &port), ("ADDRESS", "0.0.0.0"), ("SIGNING_KEY", "no key")]);
        assert!(server.join().unwrap().starts_with("GET /health/ready HTTP/1.1\r\n"));
        assert_eq!(exit_code, Some(code), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn the_health_check_fails_without_an_instance() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (exit_code, stderr) = check_health(&[("PORT", &free)]);
    assert!(exit_code == Some(1) && stderr.contains("does not answer"), "{stderr}");
    let (exit_code, stderr) = check_health(&[]);
    assert!(exit_code == Some(1) && stderr.contains("PORT is missing"), "{stderr}");
}

#[test]
fn an_unknown_argument_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_customer")).arg("helth").env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: customer [health]"), "{output:?}");
}
