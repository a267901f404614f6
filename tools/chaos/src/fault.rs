//! What may go wrong: who it happens to, how long it lasts, and how it ends.

use std::time::Duration;

use fault_proxy::{FaultMode, FaultProxy};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tokio::time::{Instant, sleep};

use crate::load::Load;
use crate::random::Random;
use crate::scene::Scene;

/// Something that goes wrong.
pub(crate) struct Fault {
    pub(crate) name: String,
    what: What,
    lasts: Duration,
}

enum What {
    /// `SIGKILL`, then started again.
    Killed(Vec<String>),
    /// `SIGSTOP`, then `SIGCONT`.
    Paused(Vec<String>),
    /// What the relay in front of a server does.
    Wire(Wire, Trouble),
    /// An event that cannot be read, after every hundred requests.
    Poison,
}

#[derive(Clone, Copy)]
enum Wire {
    Broker,
    Database,
}

#[derive(Clone, Copy)]
enum Trouble {
    Mode(FaultMode),
    /// Every connection ends in the middle of a frame, every second again.
    Halves,
}

const SERVICES: [&str; 3] = ["customer", "products", "shopping"];

/// A part is away for so long: "a few seconds", in which everybody notices.
fn away(short: bool) -> Duration {
    Duration::from_secs(if short { 2 } else { 5 })
}

fn still(short: bool) -> Duration {
    Duration::from_secs(if short { 5 } else { 30 })
}

fn disturbed(short: bool) -> Duration {
    Duration::from_secs(if short { 2 } else { 10 })
}

/// There and back together; half of it each way.
const LATE: Duration = Duration::from_millis(500);

/// All of them, in the order in which they happen; the short form takes one of each sort.
pub(crate) fn all(short: bool, random: &mut Random) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: String, what, lasts, in_short: bool| {
        if in_short || !short {
            faults.push(Fault { name, what, lasts });
        }
    };
    let one = |service: &str, random: &mut Random| format!("{service}-{}", random.one_of(&[1, 2]));
    let both = |service: &str| vec![format!("{service}-1"), format!("{service}-2")];

    for server in ["rabbitmq", "mongodb"] {
        add(format!("{server} killed"), What::Killed(vec![server.to_owned()]), away(short), true);
    }
    for service in SERVICES {
        let instance = one(service, random);
        add(format!("one of {service} killed"), What::Killed(vec![instance]), away(short), service == "shopping");
    }
    for service in SERVICES {
        add(format!("all of {service} killed"), What::Killed(both(service)), away(short), service == "products");
    }
    add("nginx killed".to_owned(), What::Killed(vec!["nginx".to_owned()]), away(short), true);

    for server in ["rabbitmq", "mongodb"] {
        add(format!("{server} stopped"), What::Paused(vec![server.to_owned()]), still(short), true);
    }
    for service in SERVICES {
        let instance = one(service, random);
        add(format!("one of {service} stopped"), What::Paused(vec![instance]), still(short), service == "shopping");
    }
    for service in SERVICES {
        add(format!("all of {service} stopped"), What::Paused(both(service)), still(short), false);
    }
    add("nginx stopped".to_owned(), What::Paused(vec!["nginx".to_owned()]), still(short), false);

    for (name, wire) in [("rabbitmq", Wire::Broker), ("mongodb", Wire::Database)] {
        let broker = matches!(wire, Wire::Broker);
        for (what, trouble, in_short) in [
            ("cut off", Trouble::Mode(FaultMode::Disconnect), broker),
            ("is not heard", Trouble::Mode(FaultMode::StallResponses), !broker),
            ("is not told", Trouble::Mode(FaultMode::StallRequests), false),
            ("500 ms away", Trouble::Mode(FaultMode::Delay(LATE / 2)), broker),
            ("frames broken in half", Trouble::Halves, !broker),
        ] {
            add(format!("{name} {what}"), What::Wire(wire, trouble), disturbed(short), in_short);
        }
    }
    add("poison among events".to_owned(), What::Poison, disturbed(short), true);
    faults
}

impl Fault {
    /// Whether nothing can be reached while it lasts, so that nobody can be answered.
    pub(crate) fn is_at_the_door(&self) -> bool {
        match &self.what {
            What::Killed(parts) | What::Paused(parts) => parts.iter().any(|part| part == "nginx"),
            What::Wire(..) | What::Poison => false,
        }
    }

    pub(crate) async fn begins(&self, scene: &Scene) {
        match &self.what {
            What::Killed(parts) => {
                for part in parts {
                    scene.fleet.kill_component(part).await;
                }
            }
            What::Paused(parts) => {
                for part in parts {
                    scene.fleet.pause_component(part).await;
                }
            }
            What::Wire(wire, Trouble::Mode(way)) => wire.relay(scene).set_mode(*way),
            What::Wire(_, Trouble::Halves) | What::Poison => {}
        }
    }

    /// Its time, and what is done in it.
    pub(crate) async fn lasts(&self, scene: &Scene, load: &Load) -> Result<(), String> {
        match &self.what {
            What::Wire(wire, Trouble::Halves) => {
                let begun = Instant::now();
                while begun.elapsed() < self.lasts {
                    wire.relay(scene).truncate_next_chunk();
                    sleep(Duration::from_secs(1)).await;
                }
            }
            What::Poison => poison(scene, load, self.lasts).await.map_err(|error| format!("poison: {error}"))?,
            What::Killed(_) | What::Paused(_) | What::Wire(..) => sleep(self.lasts).await,
        }
        Ok(())
    }

    /// Returns when whoever was away is back: what was killed can be used again, which it says
    /// itself.
    pub(crate) async fn ends(&self, scene: &Scene) {
        match &self.what {
            What::Killed(parts) => {
                for part in parts {
                    scene.fleet.start_component(part).await;
                }
            }
            What::Paused(parts) => {
                for part in parts {
                    scene.fleet.resume_component(part).await;
                }
            }
            What::Wire(wire, _) => wire.relay(scene).set_mode(FaultMode::PassThrough),
            What::Poison => {}
        }
    }
}

impl Wire {
    fn relay(self, scene: &Scene) -> &FaultProxy {
        match self {
            Self::Broker => &scene.broker,
            Self::Database => &scene.database,
        }
    }
}

/// What others have to hear, although it says nothing.
const EXCHANGE: &str = "customer.events";
const EVERY: usize = 100;

async fn poison(scene: &Scene, load: &Load, time: Duration) -> lapin::Result<()> {
    let connection = Connection::connect(scene.fleet.amqp_url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (begun, mut due) = (Instant::now(), load.requests());
    while begun.elapsed() < time {
        if load.requests() >= due {
            due += EVERY;
            let (options, properties) =
                (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
            channel.basic_publish(EXCHANGE.into(), "".into(), options, b"{\"not\": ", properties).await?.await?;
        }
        sleep(Duration::from_millis(50)).await;
    }
    connection.close(200, "".into()).await
}
