//! The pages of a product and of a category in a catalogue of 50,000 products, in one process and
//! through nginx: what a browser without cookies gets.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rocket::serde::json::{Value, json};

use crate::fleet;
use crate::http::{Client, Load, load_of_many, request};
use crate::shop::{PASSWORD, bearer, create_admin, open, souk_binary};
use crate::table::{Table, Target, p50, p99, text};

const PRODUCTS: usize = 50_000;
const CATEGORIES: usize = 50;
/// Products of each category whose pages are read.
const PRODUCTS_OF_CATEGORY: usize = 20;
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(2);
/// Before the rounds: caches fill, connections open.
const WARM_UP: Duration = Duration::from_secs(1);
/// Milliseconds.
const MAX_P99: Target = Target::AtMost(20.0);
const MIN_RATE: Target = Target::AtLeast(3_000.0);

pub(crate) async fn measure(table: &mut Table) -> Result<(), String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("(pages: the load generator shares the {cores} cores with the shop)");
    let directory = tempfile::tempdir().map_err(text)?;
    let souk = souk_binary()?;
    let shop = open(&souk, directory.path()).await?;
    let email = create_admin(&souk, directory.path())?;
    let pages = fill(shop.address, &email, PASSWORD).await?;
    pages.measure(table, shop.address, "one process", MIN_RATE).await?;
    drop(shop);

    let Some((fleet, admin)) = fleet::start().await? else { return Ok(()) };
    let nginx = fleet.component("nginx").map_err(text)?.address();
    let pages = fill(nginx, &admin.email, admin.password).await?;
    pages.measure(table, nginx, "through nginx", Target::None).await?;
    fleet::stop(fleet).await
}

/// Requests for pages, by kind.
struct Pages {
    products: Arc<[Vec<u8>]>,
    categories: Arc<[Vec<u8>]>,
}

impl Pages {
    async fn measure(
        &self,
        table: &mut Table,
        address: SocketAddr,
        place: &str,
        min_rate: Target,
    ) -> Result<(), String> {
        for (kind, requests) in [("product page", &self.products), ("category page", &self.categories)] {
            let run = async |time| load_of_many(address, Arc::clone(requests), CONNECTIONS, time).await;
            run(WARM_UP).await?;
            let mut all = Load::default();
            for _ in 0..ROUNDS {
                all.add(run(TIME).await?);
            }
            if let Some(error) = &all.first_error {
                println!("{kind}, {place}: the first error: {error:.300}");
            }
            let name = format!("{kind} of 50,000 products, {place}");
            table.add(&name, all.rate(), "/s", min_rate);
            table.add(&format!("{name}, bytes with gzip"), all.bytes_per_response(), "", Target::None);
            table.add(&format!("{name}, errors"), crate::table::number(all.errors), "", Target::AtMost(0.0));
            table.add(&format!("{name}, p50"), p50(all.times.clone()), "ms", Target::None);
            table.add(&format!("{name}, p99"), p99(all.times), "ms", MAX_P99);
        }
        Ok(())
    }
}

/// Imports the catalogue and returns requests for its pages.
async fn fill(address: SocketAddr, email: &str, password: &str) -> Result<Pages, String> {
    let mut client = Client::connect(address).await?;
    let body = json!({"email": email, "password": password}).to_string();
    let admin = bearer(&client.send(&request("POST", "/customer/login", "", &body)).await?.expect(200)?.json()?)?;
    // A MongoDB that MONGODB_URI names may have the products of an earlier run.
    let run = souk_types::Id::<()>::new().to_string();
    let report = client.send(&import(&admin, &run)).await?.expect(200)?.json()?;
    if report["created"] != PRODUCTS {
        return Err(format!("the import did not create {PRODUCTS} products: {report}"));
    }
    let (mut products, mut categories) = (Vec::new(), Vec::new());
    for number in 0..CATEGORIES {
        let category = category(&run, number);
        let path = format!("/products?category={category}&limit={PRODUCTS_OF_CATEGORY}");
        // Before the import, nginx may have closed the connection, which was idle.
        let mut client = Client::connect(address).await?;
        let list = client.send(&request("GET", &path, "", "")).await?.expect(200)?.json()?;
        for product in list["items"].as_array().into_iter().flatten() {
            products.push(page(&product_path(product)?));
        }
        categories.push(page(&format!("/en/c/{category}")));
    }
    if products.len() < CATEGORIES * PRODUCTS_OF_CATEGORY {
        return Err(format!("the lists have only {} products", products.len()));
    }
    Ok(Pages { products: products.into(), categories: categories.into() })
}

fn category(run: &str, number: usize) -> String {
    format!("{run}-{number:02}")
}

/// Returns the request that imports the catalogue from a CSV file.
fn import(admin: &str, run: &str) -> Vec<u8> {
    let mut file = "number,category,price,description\n".to_owned();
    let description = "Steamed green tea from the first harvest, with a note of fresh grass. ".repeat(6);
    for number in 0..PRODUCTS {
        let category = category(run, number % CATEGORIES);
        let _ = writeln!(file, "{number},{category},{},\"{description}\"", 199 + number * 7 % 20_000);
    }
    let parameters = "key={category}-{number}&name=Sencha {number}&image=/products/images/tea-sencha.svg&available=100";
    let parameters = parameters.replace('{', "%7B").replace('}', "%7D").replace(' ', "+");
    let head = format!(
        "POST /products/import?{parameters} HTTP/1.1\r\nHost: souk\r\nContent-Type: text/csv\r\nContent-Length: {}\r\n{admin}\r\n",
        file.len()
    );
    [head.as_bytes(), file.as_bytes()].concat()
}

/// Returns the address of a product's page. Another name than that of the product would be
/// redirected.
fn product_path(product: &Value) -> Result<String, String> {
    let (Some(id), Some(name)) = (product["id"].as_str(), product["name"].as_str()) else {
        return Err(format!("a product without id or name: {product}"));
    };
    Ok(format!("/en/p/{id}/{}", name.to_lowercase().replace(' ', "-")))
}

/// Returns the request of a browser for a page.
fn page(path: &str) -> Vec<u8> {
    let accept = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br, zstd";
    format!("GET {path} HTTP/1.1\r\nHost: souk\r\n{accept}\r\nAccept-Language: en\r\n\r\n").into_bytes()
}
