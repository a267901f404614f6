//! A shop dies at each step of an order, while people order, and is opened again; then the books are looked at. Each death has a
//! shop of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use journeys::{Market, OwnShop, failpoints, souk};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

/// Shops at the same time: more would be slower on a small machine.
const TOGETHER: usize = 4;

#[tokio::test]
async fn a_shop_may_die_at_any_step_of_an_order() {
    let room = Arc::new(Semaphore::new(TOGETHER));
    let mut deaths = JoinSet::new();
    let work = LocalSet::new();
    // What two services of a fleet pass is one place here.
    let places: BTreeSet<&str> = failpoints::ALL.iter().map(|(_, at)| *at).collect();
    for at in places.into_iter().filter(|at| failpoints::is_in_one_process(at)) {
        let room = Arc::clone(&room);
        let death = async move {
            let _room = room.acquire().await.unwrap();
            dies_and_settles(at).await;
        };
        deaths.spawn_local_on(death, &work);
    }
    work.await;
    deaths.join_all().await;
}

async fn dies_and_settles(at: &'static str) {
    let shop = OwnShop::open().await;
    let admin = shop.admin().await;
    let market = Market::opens(&shop, &admin, 3).await.with_people_who_leave(&shop);
    shop.kill();
    shop.restart_failing(at).await;
    let day = market.day();
    shop.has_died(at).await;
    shop.restart().await;
    let mut market = day.ends().await;
    let settled = market.settles(&admin).await;
    // Beside the shop that runs, by its data alone.
    let audit = souk(&["audit", "--within", "60", "--data", shop.data().to_str().unwrap()]).await;
    assert_eq!((audit.code, audit.stdout.as_str()), (Some(0), ""), "{at}: {audit:?}");
    println!("died at {at}: {} orders, settled in {settled:.1?}; {}", market.orders().await, audit.stderr.trim());
}
