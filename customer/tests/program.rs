//! The program `customer` with an environment that is not right: it tells all of it, and starts nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

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
