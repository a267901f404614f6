//! A one-process shop dies at each failpoint of an order while customers order, and restarts. Then
//! its data must match the responses that the customers got.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journeys::{Buyers, TestShop, failpoints};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

/// Shops at the same time. More are slower on a small machine.
const CONCURRENT_SHOPS: usize = 4;
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

#[tokio::test]
async fn an_order_survives_a_crash_at_each_failpoint() {
    let permits = Arc::new(Semaphore::new(CONCURRENT_SHOPS));
    let mut crashes = JoinSet::new();
    let local = LocalSet::new();
    // Services that pass the same failpoint in a fleet are one process here.
    let failpoints: BTreeSet<&str> = failpoints::ALL.iter().map(|(_, failpoint)| *failpoint).collect();
    for failpoint in failpoints.into_iter().filter(|failpoint| failpoints::is_in_one_process(failpoint)) {
        let permits = Arc::clone(&permits);
        let crash = async move {
            let _permit = permits.acquire().await.unwrap();
            crash_and_reconcile(failpoint).await;
        };
        crashes.spawn_local_on(crash, &local);
    }
    local.await;
    crashes.join_all().await;
}

/// Waits until the mails to new accounts are sent. A shop that sent them after its restart could
/// die before it is ready.
async fn wait_until_mails_are_sent(shop: &TestShop) {
    let deadline = Instant::now() + MAIL_TIMEOUT;
    loop {
        let queued = shop.run_souk(&["mail", "list", "--status", "queued", "--json"]).await;
        let listed: Value = serde_json::from_str(&queued.stdout).unwrap_or_else(|error| panic!("{error}: {queued:?}"));
        if listed["items"] == json!([]) {
            return;
        }
        assert!(Instant::now() < deadline, "mails are not sent: {queued:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn crash_and_reconcile(failpoint: &'static str) {
    let shop = TestShop::start().await;
    let admin = shop.admin().await;
    let buyers = Buyers::sign_up(&shop, &admin, 3).await.with_account_deletions(&shop);
    wait_until_mails_are_sent(&shop).await;
    shop.kill();
    shop.restart_with_failpoint(failpoint).await;
    let running = buyers.start();
    shop.wait_for_failpoint(failpoint).await;
    shop.restart().await;
    let mut buyers = running.stop().await;
    let reconciled = buyers.reconcile(&admin).await;
    let audit = shop.run_souk(&["audit", "--within", "60"]).await;
    assert_eq!((audit.code, audit.stdout.as_str()), (Some(0), ""), "{failpoint}: {audit:?}");
    let orders = buyers.count_orders().await;
    println!("died at {failpoint}: {orders} orders, reconciled in {reconciled:.1?}; {}", audit.stderr.trim());
}
