//! The faults: their targets, their durations, and how they begin and end.

use std::time::Duration;

use fault_proxy::{FaultMode, FaultProxy};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tokio::time::{Instant, sleep};

use crate::environment::Environment;
use crate::load::Load;
use crate::random::Random;

pub(crate) struct Fault {
    pub(crate) name: String,
    kind: FaultKind,
    duration: Duration,
}

enum FaultKind {
    /// `SIGKILL` to these components, and a restart.
    Killed(Vec<String>),
    /// `SIGSTOP` to these components, then `SIGCONT`.
    Stopped(Vec<String>),
    Network(Server, NetworkFault),
    /// Events that are no JSON, one after every [`REQUESTS_PER_UNREADABLE_EVENT`].
    UnreadableEvents,
}

#[derive(Clone, Copy)]
enum Server {
    RabbitMq,
    MongoDb,
}

#[derive(Clone, Copy)]
enum NetworkFault {
    Mode(FaultMode),
    /// Every connection closes within a frame, once a second.
    Truncation,
}

/// The services with two instances behind nginx. `mail` has one instance.
const SERVICES: [&str; 3] = ["customer", "products", "shopping"];
/// Added to each round trip; half of it in each direction.
const LATENCY: Duration = Duration::from_millis(500);
const TRUNCATION_INTERVAL: Duration = Duration::from_secs(1);
/// `shopping` consumes the events of this exchange.
const EXCHANGE: &str = "customer.events";
const REQUESTS_PER_UNREADABLE_EVENT: usize = 100;
const POLL_INTERVAL: Duration = Duration::from_millis(50);

fn killed_for(short: bool) -> Duration {
    Duration::from_secs(if short { 2 } else { 5 })
}

fn stopped_for(short: bool) -> Duration {
    Duration::from_secs(if short { 5 } else { 30 })
}

fn disturbed_for(short: bool) -> Duration {
    Duration::from_secs(if short { 2 } else { 10 })
}

pub(crate) fn all(short: bool, random: &mut Random) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: String, kind, duration, in_short: bool| {
        if in_short || !short {
            faults.push(Fault { name, kind, duration });
        }
    };
    let one = |service: &str, random: &mut Random| vec![format!("{service}-{}", random.choose(&[1, 2]))];
    let all = |service: &str| vec![format!("{service}-1"), format!("{service}-2")];
    let only = |component: &str| vec![component.to_owned()];

    for server in ["rabbitmq", "mongodb"] {
        add(format!("{server} killed"), FaultKind::Killed(only(server)), killed_for(short), true);
    }
    for service in SERVICES {
        let kind = FaultKind::Killed(one(service, random));
        add(format!("one instance of {service} killed"), kind, killed_for(short), service == "shopping");
    }
    for service in SERVICES {
        let kind = FaultKind::Killed(all(service));
        add(format!("all instances of {service} killed"), kind, killed_for(short), service == "products");
    }
    add("all instances of web killed".to_owned(), FaultKind::Killed(all("web")), killed_for(short), false);
    add("mail killed".to_owned(), FaultKind::Killed(only("mail-1")), killed_for(short), true);
    add("nginx killed".to_owned(), FaultKind::Killed(only("nginx")), killed_for(short), true);

    for server in ["rabbitmq", "mongodb"] {
        add(format!("{server} stopped"), FaultKind::Stopped(only(server)), stopped_for(short), true);
    }
    for service in SERVICES {
        let kind = FaultKind::Stopped(one(service, random));
        add(format!("one instance of {service} stopped"), kind, stopped_for(short), service == "shopping");
    }
    for service in SERVICES {
        let kind = FaultKind::Stopped(all(service));
        add(format!("all instances of {service} stopped"), kind, stopped_for(short), false);
    }
    add("mail stopped".to_owned(), FaultKind::Stopped(only("mail-1")), stopped_for(short), false);
    add("nginx stopped".to_owned(), FaultKind::Stopped(only("nginx")), stopped_for(short), false);

    for (name, server) in [("rabbitmq", Server::RabbitMq), ("mongodb", Server::MongoDb)] {
        let is_rabbitmq = matches!(server, Server::RabbitMq);
        for (suffix, fault, in_short) in [
            (" disconnected", NetworkFault::Mode(FaultMode::Disconnect), is_rabbitmq),
            (": replies held back", NetworkFault::Mode(FaultMode::StallResponses), !is_rabbitmq),
            (": requests held back", NetworkFault::Mode(FaultMode::StallRequests), false),
            (": 500 ms latency", NetworkFault::Mode(FaultMode::Delay(LATENCY / 2)), is_rabbitmq),
            (" connections closed within frames", NetworkFault::Truncation, !is_rabbitmq),
        ] {
            add(format!("{name}{suffix}"), FaultKind::Network(server, fault), disturbed_for(short), in_short);
        }
    }
    add("unreadable events".to_owned(), FaultKind::UnreadableEvents, disturbed_for(short), true);
    faults
}

impl Fault {
    pub(crate) fn affects_nginx(&self) -> bool {
        match &self.kind {
            FaultKind::Killed(components) | FaultKind::Stopped(components) => {
                components.iter().any(|component| component == "nginx")
            }
            FaultKind::Network(..) | FaultKind::UnreadableEvents => false,
        }
    }

    pub(crate) async fn begin(&self, environment: &Environment) {
        match &self.kind {
            FaultKind::Killed(components) => {
                for component in components {
                    environment.fleet.kill_component(component).await;
                }
            }
            FaultKind::Stopped(components) => {
                for component in components {
                    environment.fleet.pause_component(component).await;
                }
            }
            FaultKind::Network(server, NetworkFault::Mode(mode)) => server.proxy(environment).set_mode(*mode),
            FaultKind::Network(_, NetworkFault::Truncation) | FaultKind::UnreadableEvents => {}
        }
    }

    pub(crate) async fn hold(&self, environment: &Environment, load: &Load) -> Result<(), String> {
        match &self.kind {
            FaultKind::Network(server, NetworkFault::Truncation) => {
                let begun = Instant::now();
                while begun.elapsed() < self.duration {
                    server.proxy(environment).truncate_next_chunk();
                    sleep(TRUNCATION_INTERVAL).await;
                }
            }
            FaultKind::UnreadableEvents => publish_unreadable_events(environment, load, self.duration)
                .await
                .map_err(|error| format!("cannot publish an event: {error}"))?,
            FaultKind::Killed(_) | FaultKind::Stopped(_) | FaultKind::Network(..) => sleep(self.duration).await,
        }
        Ok(())
    }

    /// Ends the fault. Restarted components are available afterwards.
    pub(crate) async fn end(&self, environment: &Environment) {
        match &self.kind {
            FaultKind::Killed(components) => {
                for component in components {
                    environment.fleet.start_component(component).await;
                }
            }
            FaultKind::Stopped(components) => {
                for component in components {
                    environment.fleet.resume_component(component).await;
                }
            }
            FaultKind::Network(server, _) => server.proxy(environment).set_mode(FaultMode::PassThrough),
            FaultKind::UnreadableEvents => {}
        }
    }
}

impl Server {
    fn proxy(self, environment: &Environment) -> &FaultProxy {
        match self {
            Self::RabbitMq => &environment.rabbitmq,
            Self::MongoDb => &environment.mongodb,
        }
    }
}

async fn publish_unreadable_events(environment: &Environment, load: &Load, duration: Duration) -> lapin::Result<()> {
    let connection = Connection::connect(environment.fleet.amqp_url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (begun, mut due) = (Instant::now(), load.requests());
    while begun.elapsed() < duration {
        if load.requests() >= due {
            due += REQUESTS_PER_UNREADABLE_EVENT;
            let (options, properties) = (
                BasicPublishOptions::default(),
                BasicProperties::default().with_delivery_mode(2).with_user_id("souk".into()),
            );
            channel.basic_publish(EXCHANGE.into(), "".into(), options, b"{\"not\": ", properties).await?.await?;
        }
        sleep(POLL_INTERVAL).await;
    }
    connection.close(200, "".into()).await
}
