//! One product that everybody buys, against the same orders spread over as many products as there are buyers, through the fleet.

use std::net::SocketAddr;
use std::time::Instant;

use rocket::serde::json::json;
use tokio::task::JoinSet;

use crate::fleet::Admin;
use crate::http::{Client, request};
use crate::shop::{bearer, sign_up};
use crate::table::{Table, Target, median, number, text};

const ROUNDS: usize = 7;
/// Who order at the same time, each on a connection of their own.
const AT_ONCE: usize = 64;
/// Customers who order one after another on each connection: long enough to be measured.
const IN_TURN: usize = 4;
/// More than all of them buy.
const STOCKED: u32 = 1_000_000;

/// A connection, and the customers who use it one after another.
struct Buyers {
    client: Client,
    /// What each presents, and the product that nobody else buys.
    customers: Vec<(String, String)>,
}

pub(crate) async fn measure(table: &mut Table, nginx: SocketAddr, admin: &Admin) -> Result<(), String> {
    let mut client = Client::connect(nginx).await?;
    let body = json!({"email": admin.email, "password": admin.password}).to_string();
    let admin = bearer(&client.send(&request("POST", "/customer/login", "", &body)).await?.expect(200)?.json()?)?;
    let hot = sell(&mut client, &admin).await?;
    let mut buyers = Vec::new();
    for _ in 0..AT_ONCE {
        let mut customers = Vec::new();
        for _ in 0..IN_TURN {
            customers.push((sign_up(&mut client).await?, sell(&mut client, &admin).await?));
        }
        buyers.push(Buyers { client: Client::connect(nginx).await?, customers });
    }

    let (mut hots, mut spreads, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let spread = orders(&mut buyers, None).await?;
        let one = orders(&mut buyers, Some(&hot)).await?;
        hots.push(one);
        spreads.push(spread);
        ratios.push(one / spread);
    }
    let what = "64 buyers at once through the fleet: orders";
    table.add(&format!("{what}, each of another product"), median(spreads), "/s", Target::None);
    table.add(&format!("{what}, all of one product"), median(hots), "/s", Target::None);
    table.add("orders of one hot product, against many products", median(ratios), "times", Target::AtLeast(0.8));
    Ok(())
}

/// Puts a new product on sale.
async fn sell(client: &mut Client, admin: &str) -> Result<String, String> {
    let product = json!({
        "name": "ware",
        "description": "For a benchmark.",
        "category": "Benchmark",
        "price": {"amount": 499, "currency": "EUR"},
        "available": STOCKED,
    });
    let offered = client.send(&request("POST", "/products", admin, &product.to_string())).await?.expect(201)?.json()?;
    Ok(offered["id"].as_str().ok_or("a product without an id")?.to_owned())
}

/// Orders a second, of `product` or each of their own. The carts are filled before the time is taken.
async fn orders(buyers: &mut Vec<Buyers>, product: Option<&str>) -> Result<f64, String> {
    for Buyers { client, customers } in buyers.iter_mut() {
        for (bearer, own) in customers {
            let path = format!("/shopping/cart/{}", product.unwrap_or(own));
            client.send(&request("PUT", &path, bearer, "{\"quantity\":1}")).await?.expect(200)?;
        }
    }
    let started = Instant::now();
    let mut running = JoinSet::new();
    for mut buyers in buyers.drain(..) {
        running.spawn(async move {
            for (bearer, _) in &buyers.customers {
                let key = format!("{bearer}Idempotency-Key: {}\r\n", common::Id::<()>::new());
                buyers.client.send(&request("POST", "/shopping/order", &key, "")).await?.expect(201)?;
            }
            Ok::<_, String>(buyers)
        });
    }
    while let Some(done) = running.join_next().await {
        buyers.push(done.map_err(text)??);
    }
    Ok(number(AT_ONCE * IN_TURN) / started.elapsed().as_secs_f64())
}
