//! Attackers of four kinds. None of them obeys `Retry-After`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use journeys::{Client, Customer, Method, Product, TestFleet, new_email, unique};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::ATTACKERS;

/// Pause of an attacker between two requests.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause between two bytes of a slow request. A connection without any would be closed sooner.
const BYTE_PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attack {
    /// Guesses the passwords of shoppers.
    Guess,
    /// Reads lists, products and pages as fast as they are answered.
    Flood,
    /// Orders as a guest, and does not pay.
    HoldStock,
    /// Sends one byte of a request at a time.
    SendSlowly,
}

impl Attack {
    const ALL: [Self; 4] = [Self::Guess, Self::Flood, Self::HoldStock, Self::SendSlowly];
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guess => "guessing passwords",
            Self::Flood => "flooding",
            Self::HoldStock => "holding stock",
            Self::SendSlowly => "sending slowly",
        })
    }
}

/// How the requests of one kind of attacker were answered.
#[derive(Default, Clone)]
pub(crate) struct Answers(BTreeMap<String, usize>);

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers: Vec<String> = self.0.iter().map(|(answer, count)| format!("{count} x {answer}")).collect();
        f.write_str(&answers.join(", "))
    }
}

type Log = Arc<Mutex<BTreeMap<Attack, Answers>>>;

pub(crate) struct Attackers {
    is_stopped: Arc<AtomicBool>,
    running: JoinSet<()>,
    log: Log,
}

impl Attackers {
    pub(crate) fn start(fleet: &TestFleet, products: &[Product], victims: &[Customer]) -> Self {
        let nginx = fleet.address_of("nginx");
        let (is_stopped, log) = (Arc::new(AtomicBool::new(false)), Log::default());
        let mut running = JoinSet::new();
        for (kind, attack) in (20..).zip(Attack::ALL) {
            for host in 1..=ATTACKERS {
                let address = [127, 0, kind, host];
                let victim = &victims[usize::from(host) % victims.len()];
                let attacker = Attacker {
                    attack,
                    address,
                    nginx,
                    client: fleet.client_at(address),
                    product: products[0].clone(),
                    victim: victim.email.clone(),
                    is_stopped: Arc::clone(&is_stopped),
                    log: Arc::clone(&log),
                };
                running.spawn(attacker.run());
            }
        }
        Self { is_stopped, running, log }
    }

    /// Ends the attacks and returns how they were answered.
    pub(crate) async fn stop(self) -> BTreeMap<Attack, Answers> {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.running.join_all().await;
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Attacker {
    attack: Attack,
    address: [u8; 4],
    nginx: SocketAddr,
    client: Client,
    product: Product,
    victim: String,
    is_stopped: Arc<AtomicBool>,
    log: Log,
}

impl Attacker {
    async fn run(self) {
        while !self.is_stopped.load(Ordering::Relaxed) {
            match self.attack {
                Attack::Guess => {
                    let guess = self.client.sign_in(&self.victim, &unique("guess"));
                    self.count(guess.outcome().await.status());
                }
                Attack::Flood => self.flood().await,
                Attack::HoldStock => self.hold_stock().await,
                Attack::SendSlowly => self.send_slowly().await,
            }
            sleep(PAUSE).await;
        }
    }

    async fn flood(&self) {
        for path in ["/products?limit=20", "/products?q=tea", "/en/", "/en/search?q=tea"] {
            self.count(self.client.get(path).outcome().await.status());
            sleep(PAUSE).await;
        }
        self.count(self.client.get_product(&self.product).outcome().await.status());
    }

    async fn hold_stock(&self) {
        let created = self.client.request(Method::POST, "/shopping/guest").outcome().await;
        self.count(created.status());
        let Some(guest) = created.response.ok().filter(|response| response.status == 201) else { return };
        let guest = self.client.with_token_of(&guest);
        self.count(guest.add_to_cart(&self.product, 100).outcome().await.status());
        let order = guest.request(Method::POST, "/shopping/order").header("Idempotency-Key", unique("key"));
        self.count(order.json(unpaid_order()).outcome().await.status());
    }

    async fn send_slowly(&self) {
        let connected = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((self.address, 0).into())?;
            let mut stream = socket.connect(self.nginx).await?;
            stream
                .write_all(b"POST /customer/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n")
                .await?;
            stream.write_all(b"Content-Length: 10000\r\n\r\n").await?;
            while !self.is_stopped.load(Ordering::Relaxed) {
                stream.write_all(b" ").await?;
                sleep(BYTE_PAUSE).await;
            }
            std::io::Result::Ok(())
        };
        self.note(if connected.await.is_ok() { "still connected at the end" } else { "closed by the shop" });
    }

    fn count(&self, status: Option<u16>) {
        self.note(&status.map_or_else(|| "no answer".to_owned(), |status| status.to_string()));
    }

    fn note(&self, answer: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        *log.entry(self.attack).or_default().0.entry(answer.to_owned()).or_default() += 1;
    }
}

/// An order whose payment stays under review.
fn unpaid_order() -> Value {
    let address =
        json!({"name": "X", "line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE"});
    let payment = json!({"method": "demo", "token": "demo_review"});
    json!({"email": new_email("guest"), "shipping_address": address, "shipping_method": "pickup", "payment": payment})
}
