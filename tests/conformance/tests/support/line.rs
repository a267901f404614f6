//! The bus of a check: one transport without other users.

#![allow(dead_code, reason = "not every suite needs all of it")]

use std::time::Duration;

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use souk_bus::{AmqpOptions, Bus};
use uuid::Uuid;

pub(crate) struct Line {
    pub(crate) bus: Bus,
    options: Option<AmqpOptions>,
    /// Time until a recovered service replies again. Calls fail fast until then.
    pub(crate) recovers_within: Duration,
}

impl Line {
    pub(crate) fn local() -> Self {
        Self { bus: Bus::local(), options: None, recovers_within: Duration::ZERO }
    }

    pub(crate) fn amqp() -> Self {
        // The breaker lets a probe through after a second.
        let options = options();
        let bus = Bus::amqp(options.clone()).unwrap();
        Self { bus, options: Some(options), recovers_within: Duration::from_secs(2) }
    }

    pub(crate) async fn close(self, topology: &[(&str, &[&str])]) {
        self.bus.close().await;
        if let Some(options) = self.options {
            clear(&options, topology).await;
        }
    }
}

pub(crate) async fn clear(AmqpOptions { url, prefix, .. }: &AmqpOptions, topology: &[(&str, &[&str])]) {
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for (owner, listeners) in topology {
        for listener in *listeners {
            for rest in ["", ".dead", ".retry.200", ".retry.1000", ".retry.5000"] {
                let queue = format!("{prefix}{listener}.{owner}{rest}");
                channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
            }
        }
        let failures = listeners.iter().map(|listener| format!("{prefix}{listener}.{owner}.failures"));
        for exchange in failures.chain([format!("{prefix}{owner}.events")]) {
            channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await.unwrap();
        }
    }
    connection.close(200, "".into()).await.unwrap();
}

pub(crate) fn options() -> AmqpOptions {
    AmqpOptions {
        url: std::env::var("AMQP_URL").expect("AMQP_URL should name a broker"),
        name: "test".to_owned(),
        service: "test".to_owned(),
        prefix: format!("test-{}.", Uuid::now_v7()),
    }
}
