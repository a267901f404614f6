//! The list of an admin with 1,000 and with 100,000 orders, in one process over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rocket::serde::json::{Value, json};
use tokio::task::JoinSet;

use crate::hot_product::sell;
use crate::http::{Client, ORDER, request};
use crate::shop::{PASSWORD, bearer, create_admin, open, sign_up, souk_binary};
use crate::table::{Table, Target, p50, text};

const FEW: usize = 1_000;
const MANY: usize = 100_000;
const BUYERS: usize = 16;
/// Requests of each kind.
const ROUNDS: usize = 50;
/// Pages of 100 that are turned.
const PAGES: usize = 9;

pub(crate) async fn measure(table: &mut Table) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(text)?;
    let souk = souk_binary()?;
    let shop = open(&souk, directory.path()).await?;
    let email = create_admin(&souk, directory.path())?;
    let mut client = Client::connect(shop.address).await?;
    let body = json!({"email": email, "password": PASSWORD}).to_string();
    let admin = bearer(&client.send(&request("POST", "/customer/login", "", &body)).await?.expect(200)?.json()?)?;
    let product = sell(&mut client, &admin).await?;

    place(shop.address, &product, FEW).await?;
    let few = times(shop.address, &admin).await?;
    place(shop.address, &product, MANY - FEW).await?;
    let many = times(shop.address, &admin).await?;
    for ((name, few), (_, many)) in few.into_iter().zip(many) {
        let (few, many) = (p50(few), p50(many));
        table.add(&format!("admin's orders, {name}: 100,000 orders, p50"), many, "ms", Target::None);
        table.add(&format!("admin's orders, {name}: against 1,000"), many / few, "times", Target::AtMost(2.0));
    }
    Ok(())
}

async fn place(address: SocketAddr, product: &str, count: usize) -> Result<(), String> {
    let (left, mut running) = (Arc::new(AtomicUsize::new(count)), JoinSet::new());
    for _ in 0..BUYERS {
        let (left, product) = (Arc::clone(&left), product.to_owned());
        running.spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut customer = sign_up(&mut client).await?;
            let mut signed_up = Instant::now();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                // Before the token expires.
                if signed_up.elapsed() > Duration::from_mins(5) {
                    customer = sign_up(&mut client).await?;
                    signed_up = Instant::now();
                }
                let put = request("PUT", &format!("/shopping/cart/{product}"), &customer, "{\"quantity\":1}");
                client.send(&put).await?.expect(200)?;
                let key = format!("{customer}Idempotency-Key: {}\r\n", souk_types::Id::<()>::new());
                client.send(&request("POST", "/shopping/order", &key, ORDER)).await?.expect(201)?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(buyer) = running.join_next().await {
        buyer.map_err(text)??;
    }
    Ok(())
}

/// Returns the response times of each kind of request.
async fn times(address: SocketAddr, admin: &str) -> Result<Vec<(&'static str, Vec<Duration>)>, String> {
    let mut client = Client::connect(address).await?;
    let list = async |client: &mut Client, query: &str| {
        let begun = Instant::now();
        let path = format!("/shopping/admin/orders?{query}");
        let page = client.send(&request("GET", &path, admin, "")).await?.expect(200)?.json()?;
        Ok::<(Value, Duration), String>((page, begun.elapsed()))
    };
    let (page, _) = list(&mut client, "limit=1").await?;
    let newest = &page["items"][0];
    let (number, email) = (newest["number"].as_str().unwrap_or_default(), newest["email"].as_str().unwrap_or_default());
    let kinds = [
        ("first page of 50", "limit=50".to_owned()),
        ("confirmed ones of a country", "limit=50&status=confirmed&country=DE".to_owned()),
        ("search for a number", format!("q={number}")),
        ("search for an e-mail address", format!("limit=50&q={email}")),
        ("search for a product", "limit=50&q=ware".to_owned()),
        ("search for nothing that exists", "q=nowhere".to_owned()),
        ("oldest first", "limit=50&sort=oldest".to_owned()),
    ];
    let mut all = Vec::new();
    for (name, query) in kinds {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(list(&mut client, &query).await?.1);
        }
        all.push((name, times));
    }
    let mut turning = Vec::new();
    let mut query = "limit=100".to_owned();
    for _ in 0..PAGES {
        let (page, took) = list(&mut client, &query).await?;
        turning.push(took);
        query = format!("limit=100&after={}", page["next"].as_str().ok_or("the list has no further page")?);
    }
    all.push(("turning pages of 100", turning));
    Ok(all)
}
