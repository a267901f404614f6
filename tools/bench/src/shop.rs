//! The release binary `souk` in one process, over HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocket::serde::json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::http::{Client, load, request};
use crate::table::{Table, Target, median, number, p99, text};

const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 32;
const BUYERS: usize = 16;
pub(crate) const PASSWORD: &str = "a long enough password";
/// Rows of the imported file: the size of the largest catalogue known to us.
const ROWS: usize = 53_940;

pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when the process has ended already.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

pub(crate) async fn measure(table: &mut Table) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(text)?;
    let souk = souk_binary()?;
    let shop = open(&souk, directory.path()).await?;
    let admin = create_admin(&souk, directory.path())?;
    against_bare_rocket(table, &shop).await?;
    memory(table, &shop).await?;
    buying(table, shop.address, "16 customers", Target::AtLeast(600.0)).await?;
    importing(table, &shop, &admin).await?;
    drop(shop);

    let mut starts = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let shop = open(&souk, directory.path()).await?;
        Client::connect(shop.address).await?.send(&request("GET", "/products", "", "")).await?.expect(200)?;
        starts.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    table.add(
        "from exec to the first answer, on a store of 54,012 products",
        median(starts),
        "ms",
        Target::AtMost(150.0),
    );
    Ok(())
}

pub(crate) fn souk_binary() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(text)?;
    let souk = here.with_file_name("souk");
    if souk.exists() { Ok(souk) } else { Err(format!("{} is missing: cargo build --release -p souk", souk.display())) }
}

pub(crate) fn create_admin(souk: &Path, data: &Path) -> Result<String, String> {
    let password = data.join("password");
    std::fs::write(&password, PASSWORD).map_err(text)?;
    let email = "admin@example.com";
    let created = Command::new(souk)
        .args(["admin", "create", email, "--password-file"])
        .arg(&password)
        .arg("--data")
        .arg(data)
        .stdout(Stdio::null())
        .status()
        .map_err(text)?;
    if created.success() { Ok(email.to_owned()) } else { Err("the admin could not be created".to_owned()) }
}

pub(crate) async fn open(souk: &Path, data: &Path) -> Result<Server, String> {
    let address = free_address()?;
    let process = Command::new(souk)
        .args(["up", "--log", "warn", "--port", &address.port().to_string(), "--data"])
        .arg(data)
        .envs(fleet::UNLIMITED_RATES)
        .stdout(Stdio::null())
        .spawn()
        .map_err(text)?;
    wait_for(Server { process, address }).await
}

pub(crate) fn free_address() -> Result<SocketAddr, String> {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(text)
}

pub(crate) async fn wait_for(mut server: Server) -> Result<Server, String> {
    while tokio::net::TcpStream::connect(server.address).await.is_err() {
        if let Some(status) = server.process.try_wait().map_err(text)? {
            return Err(format!("a server has ended: {status}"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(server)
}

async fn against_bare_rocket(table: &mut Table, shop: &Server) -> Result<(), String> {
    let mut client = Client::connect(shop.address).await?;
    let list = client.send(&request("GET", "/products?limit=1", "", "")).await?.expect(200)?.json()?;
    let product = &list["items"][0];
    let path = format!("/products/{}", product["id"].as_str().unwrap_or_default());
    let read = request("GET", &path, "", "");

    let address = free_address()?;
    let process = Command::new(std::env::current_exe().map_err(text)?)
        .arg("bare")
        .env("BARE_JSON", product.to_string())
        .env("BARE_PORT", address.port().to_string())
        .spawn()
        .map_err(text)?;
    let bare = wait_for(Server { process, address }).await?;

    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ours = load(shop.address, read.clone(), CONNECTIONS, TIME).await?.rate();
        let theirs = load(bare.address, read.clone(), CONNECTIONS, TIME).await?.rate();
        rates.push(ours);
        ratios.push(ours / theirs);
    }
    table.add("GET /products/{id}", median(rates), "/s", Target::None);
    table.add("GET /products/{id}, against a bare Rocket route", median(ratios), "times", Target::AtLeast(0.7));
    Ok(())
}

/// Measures resident memory after 10,000 requests of all kinds.
async fn memory(table: &mut Table, shop: &Server) -> Result<(), String> {
    let mut client = Client::connect(shop.address).await?;
    let list = client.send(&request("GET", "/products?limit=100", "", "")).await?.expect(200)?.json()?;
    let ids: Vec<&str> =
        list["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()).collect();
    let mut bearer = String::new();
    for at in 0..10_000 {
        let id = ids[at % ids.len()];
        let sent = match at % 10 {
            0 if at % 500 == 0 => {
                bearer = sign_up(&mut client).await?;
                continue;
            }
            0..=4 => request("GET", &format!("/products/{id}"), "", ""),
            5 | 6 => request("GET", "/products?q=tea&sort=price", "", ""),
            7 => request("PUT", &format!("/shopping/cart/{id}"), &bearer, "{\"quantity\":1}"),
            8 => request("GET", "/shopping/cart", &bearer, ""),
            _ => request("GET", "/customer/profile", &bearer, ""),
        };
        client.send(&sent).await?.expect(200)?;
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", shop.process.id())).map_err(text)?;
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let resident = resident.ok_or("no VmRSS")? / 1024.0;
    table.add("memory after 10,000 requests (20 sign-ups among them)", resident, "MiB", Target::AtMost(50.0));
    Ok(())
}

pub(crate) async fn sign_up(client: &mut Client) -> Result<String, String> {
    let email = format!("{}@example.com", souk_types::Id::<()>::new());
    let body = json!({"email": email, "password": PASSWORD}).to_string();
    let signed_up = client.send(&request("POST", "/customer/signup", "", &body)).await?.expect(201)?;
    bearer(&signed_up.json()?)
}

pub(crate) fn bearer(sign_in: &Value) -> Result<String, String> {
    let token = sign_in["token"].as_str().ok_or("no token")?;
    Ok(format!("Authorization: Bearer {token}\r\n"))
}

/// Sixteen customers repeatedly fill a cart and order it. `label` names them in the table.
pub(crate) async fn buying(
    table: &mut Table,
    address: SocketAddr,
    label: &str,
    orders_per_second: Target,
) -> Result<(), String> {
    let mut client = Client::connect(address).await?;
    let list = client.send(&request("GET", "/products?limit=100", "", "")).await?.expect(200)?.json()?;
    let items = list["items"].as_array().ok_or("no products")?;
    // Enough stock for the whole run, spread over many products.
    let shelf: Vec<String> = items
        .iter()
        .filter(|item| item["available"].as_u64() > Some(20))
        .filter_map(|item| Some(item["id"].as_str()?.to_owned()))
        .collect();
    // Sign-ups hash passwords, and would slow down the first orders of the others.
    let signed_up = Arc::new(Barrier::new(BUYERS));
    let mut running = JoinSet::new();
    for buyer in 0..BUYERS {
        let (shelf, signed_up) = (shelf.clone(), Arc::clone(&signed_up));
        running.spawn(async move {
            let mut client = Client::connect(address).await?;
            let bearer = sign_up(&mut client).await?;
            signed_up.wait().await;
            let (mut adds, mut orders) = (Vec::new(), Vec::new());
            let started = Instant::now();
            for round in 0.. {
                if started.elapsed() > TIME * 2 {
                    break;
                }
                let body = json!({"product_id": shelf[(buyer * 7 + round) % shelf.len()], "quantity": 1}).to_string();
                let began = Instant::now();
                client.send(&request("POST", "/shopping/cart", &bearer, &body)).await?.expect(200)?;
                adds.push(began.elapsed());
                let key = format!("{bearer}Idempotency-Key: {}\r\n", souk_types::Id::<()>::new());
                let began = Instant::now();
                let answer = client.send(&request("POST", "/shopping/order", &key, crate::http::ORDER)).await?;
                match answer.status {
                    201 => orders.push(began.elapsed()),
                    // Out of stock: a response, but no order.
                    409 => drop(client.send(&request("DELETE", "/shopping/cart", &bearer, "")).await?.expect(204)?),
                    _ => drop(answer.expect(201)?),
                }
            }
            Ok::<_, String>((adds, orders, started.elapsed()))
        });
    }
    let (mut adds, mut orders, mut time) = (Vec::new(), Vec::new(), Duration::ZERO);
    while let Some(buyer) = running.join_next().await {
        let (added, ordered, took) = buyer.map_err(text)??;
        adds.extend(added);
        orders.extend(ordered);
        time = time.max(took);
    }
    let rate = |count: usize| number(count) / time.as_secs_f64();
    let (added, ordered) = (rate(adds.len()), rate(orders.len()));
    table.add(&format!("{label} add to the cart and order: additions"), added, "/s", Target::None);
    table.add(&format!("{label} add to the cart and order: addition, p99"), p99(adds), "ms", Target::None);
    table.add(&format!("{label} add to the cart and order: orders"), ordered, "/s", orders_per_second);
    table.add(&format!("{label} add to the cart and order: order, p99"), p99(orders), "ms", Target::None);
    Ok(())
}

async fn importing(table: &mut Table, shop: &Server, admin: &str) -> Result<(), String> {
    let mut client = Client::connect(shop.address).await?;
    let body = json!({"email": admin, "password": PASSWORD}).to_string();
    let bearer = bearer(&client.send(&request("POST", "/customer/login", "", &body)).await?.expect(200)?.json()?)?;
    let rows: String = (1..=ROWS)
        .map(|row| {
            format!(
                "\"{row}\",0.{:02},\"Ideal\",\"E\",\"SI2\",61.5,55,{},3.95,3.98,2.43\n",
                row % 90 + 10,
                326 + row % 18_000
            )
        })
        .collect();
    let file =
        format!("\"\",\"carat\",\"cut\",\"color\",\"clarity\",\"depth\",\"table\",\"price\",\"x\",\"y\",\"z\"\n{rows}");
    for (label, name) in [
        ("importing 53,940 rows into the shop", "diamond"),
        ("importing the same file again", "diamond"),
        ("importing it with every name changed", "stone"),
    ] {
        let path = format!(
            "/products/import?key=diamond-%7B%231%7D&name=%7Bcarat%7D+ct+%7Bcut%7D+{name}&category=Diamonds&currency=USD&price_in=major&available=1"
        );
        let length = file.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: souk\r\nContent-Type: text/csv\r\nContent-Length: {length}\r\n{bearer}\r\n"
        );
        let started = Instant::now();
        client.send(&[head.as_bytes(), file.as_bytes()].concat()).await?.expect(200)?;
        table.add(label, started.elapsed().as_secs_f64(), "s", Target::AtMost(30.0));
    }
    Ok(())
}
