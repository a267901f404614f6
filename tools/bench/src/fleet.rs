//! The fleet over HTTP: RabbitMQ, MongoDB, two instances of each service and nginx.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use ::fleet::{Fleet, Options, Profile, Service};
use mongodb::bson::{Document, doc};
use mongodb::{Client as Driver, Collection};
use rocket::serde::json::Json;
use rocket::{State, get, routes};
use serde::{Deserialize, Serialize};

use crate::hot_product;
use crate::http::{Client, Load, load, request};
use crate::shop::{Server, buying, free_address, wait_for};
use crate::table::{Table, Target, median, p50, p99, text};

const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(2);
/// Rounds and their length. Baseline and Souk alternate, because the speed of the machine varies
/// over seconds.
const SLICES: usize = 24;
const SLICE: Duration = Duration::from_millis(500);
const CONNECTIONS: usize = 32;
/// Start timeout on a busy machine.
const READY: Duration = Duration::from_mins(1);

pub(crate) async fn measure(table: &mut Table) -> Result<(), String> {
    let Some((fleet, admin)) = start().await? else { return Ok(()) };
    let nginx = fleet.component("nginx").map_err(text)?.address();
    let product = first_product(nginx).await?;
    against_the_raw_driver(table, &fleet, &product).await?;
    through_nginx(table, nginx, &product).await?;
    buying(table, nginx, "16 customers of the fleet", Target::None).await?;
    hot_product::measure(table, nginx, &admin).await?;
    stop(fleet).await
}

/// Starts a fleet with an admin, or prints why that is not possible.
pub(crate) async fn start() -> Result<Option<(Fleet, Admin)>, String> {
    let open = || {
        let options = Options { profile: Profile::Release, log: "warn".to_owned(), ..Options::without_rate_limits() };
        let fleet = Fleet::start(&options).map_err(text)?;
        fleet.wait_until_ready(READY).map_err(text)?;
        // MONGODB_URI may name a database with earlier data.
        let admin =
            Admin { email: format!("{}@example.com", souk_types::Id::<()>::new()), password: "a long enough password" };
        fleet.create_admin(&admin.email, admin.password).map_err(text)?;
        Ok::<_, String>((fleet, admin))
    };
    match tokio::task::spawn_blocking(open).await.map_err(text)? {
        Ok(started) => Ok(Some(started)),
        Err(error) => {
            println!("skipped: the fleet ({error})");
            Ok(None)
        }
    }
}

pub(crate) async fn stop(fleet: Fleet) -> Result<(), String> {
    tokio::task::spawn_blocking(move || fleet.stop()).await.map_err(text)?.map_err(text)
}

pub(crate) struct Admin {
    pub(crate) email: String,
    pub(crate) password: &'static str,
}

async fn first_product(nginx: SocketAddr) -> Result<String, String> {
    let mut client = Client::connect(nginx).await?;
    for _ in 0..600 {
        let list = client.send(&request("GET", "/products?limit=1", "", "")).await?.expect(200)?.json()?;
        if let Some(id) = list["items"][0]["id"].as_str() {
            return Ok(id.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the sample catalogue is missing after the timeout".to_owned())
}

async fn against_the_raw_driver(table: &mut Table, fleet: &Fleet, product: &str) -> Result<(), String> {
    let ours = fleet.component("products-1").map_err(text)?.address();
    let address = free_address()?;
    let process = Command::new(std::env::current_exe().map_err(text)?)
        .arg("bare-mongo")
        .env("BARE_MONGODB", fleet.mongodb_uri(Service::Products))
        .env("BARE_PORT", address.port().to_string())
        .spawn()
        .map_err(text)?;
    let bare = wait_for(Server { process, address }).await?;
    let of_ours = request("GET", &format!("/{product}"), "", "");
    let of_theirs = request("GET", &format!("/products/{product}"), "", "");
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for slice in 0..SLICES {
        let ours = async || Ok::<_, String>(load(ours, of_ours.clone(), CONNECTIONS, SLICE).await?.rate());
        let theirs = async || Ok::<_, String>(load(bare.address, of_theirs.clone(), CONNECTIONS, SLICE).await?.rate());
        let (ours, theirs) = if slice % 2 == 0 {
            (ours().await?, theirs().await?)
        } else {
            let theirs = theirs().await?;
            (ours().await?, theirs)
        };
        rates.push(ours);
        ratios.push(ours / theirs);
    }
    table.add("GET /products/{id} of one instance, MongoDB", median(rates), "/s", Target::None);
    let name = "GET /products/{id}, against a bare Rocket with the raw driver";
    table.add(name, median(ratios), "times", Target::AtLeast(0.85));
    Ok(())
}

async fn through_nginx(table: &mut Table, nginx: SocketAddr, product: &str) -> Result<(), String> {
    let read = request("GET", &format!("/products/{product}"), "", "");
    let mut all = Load::default();
    for _ in 0..ROUNDS {
        all.add(load(nginx, read.clone(), CONNECTIONS, TIME).await?);
    }
    let name = "GET /products/{id} through nginx, two instances";
    table.add(name, all.rate(), "/s", Target::None);
    table.add(&format!("{name}, p50"), p50(all.times.clone()), "ms", Target::None);
    table.add(&format!("{name}, p99"), p99(all.times), "ms", Target::None);
    Ok(())
}

#[derive(Deserialize)]
struct StoredProduct {
    doc: Product,
}

#[derive(Deserialize)]
struct Product {
    id: String,
    listing: Listing,
    stock: Stock,
    version: i64,
}

#[derive(Deserialize)]
struct Listing {
    details: Details,
}

#[derive(Deserialize)]
struct Stock {
    available: i64,
}

#[derive(Serialize, Deserialize)]
struct Details {
    name: String,
    description: String,
    category: String,
    price: Price,
    unit: String,
    supplier: Option<String>,
    image: Option<String>,
    tax_class: String,
    weight_grams: i64,
    digital: bool,
}

#[derive(Serialize, Deserialize)]
struct Price {
    amount: i64,
    currency: String,
}

#[derive(Serialize)]
struct View {
    id: String,
    #[serde(flatten)]
    details: Details,
    available: i64,
    version: i64,
}

/// The baseline: a Rocket with one route that reads a product through MongoDB's driver.
pub(crate) async fn bare() -> Result<(), String> {
    let uri = std::env::var("BARE_MONGODB").map_err(text)?;
    let port = std::env::var("BARE_PORT").map_err(text)?.parse().map_err(text)?;
    let driver = Driver::with_uri_str(uri).await.map_err(text)?;
    let database = driver.database("souk_products");
    database.run_command(doc! {"ping": 1}).await.map_err(text)?;
    let products: Collection<StoredProduct> = database.collection("products");
    let config = rocket::Config { port, log_level: rocket::config::LogLevel::Off, ..rocket::Config::release_default() };
    rocket::custom(config).manage(products).mount("/", routes![product]).launch().await.map(drop).map_err(text)
}

#[get("/products/<id>")]
async fn product(id: &str, products: &State<Collection<StoredProduct>>) -> Option<Json<View>> {
    let this: Document = doc! {"_id": id};
    let Product { id, listing, stock, version } = products.find_one(this).await.ok()??.doc;
    Some(Json(View { id, details: listing.details, available: stock.available, version }))
}
