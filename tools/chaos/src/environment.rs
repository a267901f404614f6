//! The fleet under test: two instances of each service, fault proxies in front of RabbitMQ and
//! MongoDB, customers and products.

use std::sync::{Arc, RwLock};

use fault_proxy::FaultProxy;
use fleet::{Profile, Proxies};
use futures_util::future::join_all;
use journeys::{Customer, Product, TestFleet, euros};
use tempfile::TempDir;

const CUSTOMERS: usize = 40;
const PRODUCTS: u64 = 12;
/// Stock of each product but the last; more than a run sells.
const STOCK: u64 = 1_000_000;
/// Stock of the last product, which sells out.
const SCARCE_STOCK: u64 = 100;

pub(crate) struct Environment {
    pub(crate) fleet: TestFleet,
    pub(crate) rabbitmq: FaultProxy,
    pub(crate) mongodb: FaultProxy,
    pub(crate) customers: Customers,
    pub(crate) products: Arc<Vec<Product>>,
    /// Holds the file that `souk audit` reads.
    pub(crate) folder: TempDir,
}

/// The customers. A sign-in replaces the customer's token.
pub(crate) type Customers = Arc<RwLock<Vec<Customer>>>;

impl Environment {
    pub(crate) async fn start(short: bool) -> Result<Self, String> {
        let proxy = async || FaultProxy::bind().await.map_err(|error| format!("cannot start a fault proxy: {error}"));
        let (rabbitmq, mongodb) = (proxy().await?, proxy().await?);
        let fleet = TestFleet::prepare_with(|options| {
            options.profile = if short { Profile::Dev } else { Profile::Release };
            options.proxies = Proxies { rabbitmq: Some(rabbitmq.address()), mongodb: Some(mongodb.address()) };
        })
        .await;
        rabbitmq.set_upstream(fleet.address_of("rabbitmq").to_string());
        mongodb.set_upstream(fleet.address_of("mongodb").to_string());
        fleet.start_all().await;
        fleet.wait_until_ready().await;
        let admin = fleet.admin().await;
        let mut products = Vec::new();
        for number in 1..=PRODUCTS {
            let stock = if number == PRODUCTS { SCARCE_STOCK } else { STOCK };
            products.push(admin.new_product("ware", &euros(number), stock).await);
        }
        let customers = join_all((0..CUSTOMERS).map(|_| fleet.new_customer())).await;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (customers, products) = (Arc::new(RwLock::new(customers)), Arc::new(products));
        Ok(Self { fleet, rabbitmq, mongodb, customers, products, folder })
    }
}
