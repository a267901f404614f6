//! `chaos --attackers`: a fleet with the limits of production, shoppers who buy, and attackers who
//! guess passwords, flood the shop, hold stock and send slowly, each from an address of its own.
//! Measures the shoppers without and with the attackers.

mod attack;
mod shopper;

use std::time::Duration;

use fleet::{Profile, SignInRate};
use journeys::{Customer, PASSWORD, TestFleet, new_email};

use self::attack::Attackers;
use self::shopper::{PERIOD, Shoppers, Visits, percentile};

/// Attackers of each kind.
const ATTACKERS: u8 = 50;
const SHOPPERS: u8 = 50;
/// Time in which connections are opened and caches filled. It counts for nothing.
const WARM_UP: Duration = Duration::from_secs(10);
/// Time of the shoppers alone, and of shoppers and attackers.
const QUIET: Duration = Duration::from_secs(20);
const ATTACKED: Duration = Duration::from_mins(1);
/// More than the attackers can hold.
const STOCK: u64 = 100_000;
/// Target for the 99th percentile of the shoppers' response times, against that without attackers.
const MAX_SLOWDOWN: f64 = 2.0;

/// Runs the simulation, prints its figures, and returns whether the targets are met.
pub(crate) async fn run(short: bool) -> Result<bool, String> {
    let fleet = TestFleet::start_with(|options| {
        options.profile = if short { Profile::Dev } else { Profile::Release };
        options.environment.clear();
        options.sign_in = SignInRate::default();
    })
    .await;
    let admin = fleet.admin().await;
    let products = admin.new_products([("tea", 499, STOCK), ("honey", 899, STOCK), ("vase", 9_900, STOCK)]).await;
    let shoppers = new_shoppers(&fleet).await;

    Shoppers::visit(&shoppers, &products, WARM_UP).await;
    println!("{SHOPPERS} shoppers for {} s, alone", QUIET.as_secs());
    let quiet = Shoppers::visit(&shoppers, &products, QUIET).await;
    println!("{SHOPPERS} shoppers for {} s, with {ATTACKERS} attackers of each kind", ATTACKED.as_secs());
    let attackers = Attackers::start(&fleet, &products, &shoppers);
    let attacked = Shoppers::visit(&shoppers, &products, ATTACKED).await;
    let attacks = attackers.stop().await;

    print_visits("alone", &quiet);
    print_visits("attacked", &attacked);
    for (attack, answers) in &attacks {
        println!("{attack}: {answers}");
    }
    let left = admin.stock(&products[0]).await;
    println!("stock of one product: {} for sale, {} held, {} sold", left.available, left.reserved, left.sold);
    let slowdown = attacked.p99().as_secs_f64() / quiet.p99().as_secs_f64();
    let is_fast = slowdown <= MAX_SLOWDOWN;
    let is_open = attacked.refused.is_empty();
    println!("p99 of the shoppers, against that without attackers: {slowdown:.2} (at most {MAX_SLOWDOWN})");
    println!("shoppers refused: {} (at most 0)", attacked.refused.values().sum::<usize>());
    Ok(is_fast && is_open)
}

/// Signs up shoppers, each at an address of its own.
async fn new_shoppers(fleet: &TestFleet) -> Vec<Customer> {
    let mut shoppers = Vec::new();
    for host in 1..=SHOPPERS {
        let (client, email) = (fleet.client_at([127, 0, 10, host]), new_email("shopper"));
        let signed_up = client.sign_up(&email, PASSWORD).retry_while_busy().await.expect_status(201);
        shoppers.push(Customer::from_sign_in(&client, &email, PASSWORD, &signed_up));
    }
    shoppers
}

fn print_visits(name: &str, visits: &Visits) {
    let print = |what: &str, times: &[Duration]| {
        let [p50, p99] = [50, 99].map(|percent| percentile(times, percent).as_secs_f64() * 1_000.0);
        println!("{what}: {} requests, p50 {p50:.1} ms, p99 {p99:.1} ms", times.len());
    };
    print(&format!("shoppers, {name}"), &visits.times);
    for (request, times) in &visits.by_request {
        print(&format!("  {request}"), times);
    }
    for (start, times) in &visits.by_period {
        print(&format!("  {} to {} s", start.as_secs(), (*start + PERIOD).as_secs()), times);
    }
    for (refusal, count) in &visits.refused {
        println!("  {count} x {refusal}");
    }
}
