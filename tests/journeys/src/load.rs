//! Other people in the shop: they come at a steady rate, whether the shop answers or not, and everything that they are
//! answered is written down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::Outcome;
use crate::ask::Ask;
use crate::{Customer, Product};

/// People who come and go until they are told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    running: JoinHandle<()>,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
}

impl Load {
    /// So many requests a second by these customers, who look round, fill carts and order what is in them.
    pub fn of(per_second: u32, customers: Vec<Customer>, goods: Vec<Product>) -> Self {
        let (stop, outcomes) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopping, written) = (Arc::clone(&stop), Arc::clone(&outcomes));
        let running = tokio::spawn(async move {
            let mut asking = JoinSet::new();
            let mut due = tokio::time::interval(Duration::from_secs(1) / per_second);
            let turn = AtomicUsize::new(0);
            while !stopping.load(Ordering::Relaxed) {
                due.tick().await;
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                let ask = next(turn, &customers, &goods);
                let written = Arc::clone(&written);
                asking.spawn(async move {
                    let outcome = ask.outcome().await;
                    written.lock().await.push(outcome);
                });
                while asking.try_join_next().is_some() {}
            }
            asking.join_all().await;
        });
        Self { stop, running, outcomes }
    }

    /// Sends everybody home, and tells what happened.
    pub async fn ends(self) -> Vec<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        self.running.await.unwrap();
        std::mem::take(&mut *self.outcomes.lock().await)
    }
}

/// Half of it browses, a quarter fills carts, the rest looks at them, orders and signs in.
fn next(turn: usize, customers: &[Customer], goods: &[Product]) -> Ask {
    let (customer, product) = (&customers[turn % customers.len()], &goods[turn % goods.len()]);
    match turn % 12 {
        0 | 4 | 8 => customer.gets(&format!("/products/{}", product.id)),
        2 | 6 | 10 => customer.gets("/products?limit=5"),
        1 | 5 | 9 => customer.adds(product, 1),
        3 => customer.cart(),
        7 => customer.orders(&format!("load-{turn}")),
        _ => customer.profile(),
    }
}
