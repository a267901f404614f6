//! Orders of one hot product against orders spread over many, through the fleet.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rocket::serde::json::json;
use tokio::task::JoinSet;

use crate::fleet::Admin;
use crate::http::{Client, request};
use crate::shop::{bearer, sign_up};
use crate::table::{Table, Target, median, number, text};

const ROUNDS: usize = 7;
const AT_ONCE: usize = 64;
/// Customers that order in sequence on each connection.
const IN_TURN: usize = 4;
/// More stock than all of them buy.
const STOCKED: u32 = 1_000_000;

struct Buyers {
    client: Client,
    customers: Vec<String>,
    own: String,
}

pub(crate) async fn measure(table: &mut Table, nginx: SocketAddr, admin: &Admin) -> Result<(), String> {
    let mut client = Client::connect(nginx).await?;
    let body = json!({"email": admin.email, "password": admin.password}).to_string();
    let admin = bearer(&client.send(&request("POST", "/customer/login", "", &body)).await?.expect(200)?.json()?)?;
    let hot = sell(&mut client, &admin).await?;
    let (mut groups, mut buyers) = (Vec::new(), Vec::new());
    for _ in 0..AT_ONCE {
        let mut customers = Vec::new();
        for _ in 0..IN_TURN {
            customers.push(sign_up(&mut client).await?);
        }
        groups.push((customers, sell(&mut client, &admin).await?));
    }
    // Connects late, because nginx closes idle connections.
    for (customers, own) in groups {
        buyers.push(Buyers { client: Client::connect(nginx).await?, customers, own });
    }

    let (mut hots, mut spreads, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let spread = orders(&mut buyers, None).await?;
        let one = orders(&mut buyers, Some(&hot)).await?;
        hots.push(one);
        spreads.push(spread);
        ratios.push(one / spread);
    }
    let name = "64 buyers at once through the fleet: orders";
    table.add(&format!("{name}, each of another product"), median(spreads), "/s", Target::None);
    table.add(&format!("{name}, all of one product"), median(hots), "/s", Target::None);
    table.add("orders of one hot product, against many products", median(ratios), "times", Target::AtLeast(0.9));
    Ok(())
}

pub(crate) async fn sell(client: &mut Client, admin: &str) -> Result<String, String> {
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

/// Orders per second, of `product` or of each buyer's own product. Carts are filled beforehand.
async fn orders(buyers: &mut Vec<Buyers>, product: Option<&str>) -> Result<f64, String> {
    let product = product.map(str::to_owned);
    let fill = move |bearer: &str, own: &str| {
        let path = format!("/shopping/cart/{}", product.as_deref().unwrap_or(own));
        request("PUT", &path, bearer, "{\"quantity\":1}")
    };
    send_for_each_customer(buyers, fill, 200).await?;
    let order = |bearer: &str, _: &str| {
        let headers = format!("{bearer}Idempotency-Key: {}\r\n", souk_types::Id::<()>::new());
        request("POST", "/shopping/order", &headers, crate::http::ORDER)
    };
    let took = send_for_each_customer(buyers, order, 201).await?;
    Ok(number(AT_ONCE * IN_TURN) / took.as_secs_f64())
}

async fn send_for_each_customer(
    buyers: &mut Vec<Buyers>,
    asks: impl Fn(&str, &str) -> Vec<u8> + Clone + Send + Sync + 'static,
    status: u16,
) -> Result<Duration, String> {
    let (started, mut running) = (Instant::now(), JoinSet::new());
    for mut some in buyers.drain(..) {
        let asks = asks.clone();
        running.spawn(async move {
            for bearer in &some.customers {
                some.client.send(&asks(bearer, &some.own)).await?.expect(status)?;
            }
            Ok::<_, String>(some)
        });
    }
    while let Some(done) = running.join_next().await {
        buyers.push(done.map_err(text)??);
    }
    Ok(started.elapsed())
}
