//! Where it happens: a fleet of two instances of each service, with a relay in front of the broker
//! and one in front of the database, and the people and goods in it.

use std::sync::{Arc, RwLock};

use fault_proxy::FaultProxy;
use fleet::{Profile, Proxies};
use futures_util::future::join_all;
use journeys::{Customer, Product, TestFleet, euros};
use tempfile::TempDir;

/// Customers; each has a cart.
const CUSTOMERS: usize = 40;
const PRODUCTS: u64 = 12;
/// More than a run sells, except for the last product, which is sold out soon.
const STOCKED: u64 = 1_000_000;
const SCARCE: u64 = 100;

pub(crate) struct Scene {
    pub(crate) fleet: TestFleet,
    /// In front of RabbitMQ.
    pub(crate) broker: FaultProxy,
    /// In front of MongoDB.
    pub(crate) database: FaultProxy,
    pub(crate) people: People,
    pub(crate) goods: Arc<Vec<Product>>,
    /// For what the audit is given.
    pub(crate) folder: TempDir,
}

/// The customers; who signs in again has a new token.
pub(crate) type People = Arc<RwLock<Vec<Customer>>>;

impl Scene {
    pub(crate) async fn set(short: bool) -> Result<Self, String> {
        let relay = async || FaultProxy::bind().await.map_err(|error| format!("a relay: {error}"));
        let (broker, database) = (relay().await?, relay().await?);
        let fleet = TestFleet::prepare_with(|options| {
            options.profile = if short { Profile::Dev } else { Profile::Release };
            options.proxies = Proxies { rabbitmq: Some(broker.address()), mongodb: Some(database.address()) };
        })
        .await;
        broker.set_upstream(fleet.address_of("rabbitmq").to_string());
        database.set_upstream(fleet.address_of("mongodb").to_string());
        fleet.start_all_concurrently().await;
        fleet.wait_until_ready().await;
        let admin = fleet.admin().await;
        let mut goods = Vec::new();
        for number in 1..=PRODUCTS {
            let stocked = if number == PRODUCTS { SCARCE } else { STOCKED };
            goods.push(admin.new_product("ware", &euros(number), stocked).await);
        }
        let people = join_all((0..CUSTOMERS).map(|_| fleet.new_customer())).await;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (people, goods) = (Arc::new(RwLock::new(people)), Arc::new(goods));
        Ok(Self { fleet, broker, database, people, goods, folder })
    }
}
