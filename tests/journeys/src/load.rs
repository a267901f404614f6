//! Background load at a steady rate that does not depend on response times. Records every outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

use crate::request::Request;
use crate::response::Outcome;
use crate::wait::wait_for;
use crate::{Customer, Product};

/// Requests in the background.
pub struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
}

impl Load {
    /// Starts `per_second` requests a second by these customers, who browse, fill carts and order,
    /// and look at a page.
    pub fn start(per_second: u32, customers: Vec<Customer>, products: Vec<Product>) -> Self {
        let (stop, outcomes) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopping, recorded) = (Arc::clone(&stop), Arc::clone(&outcomes));
        let task = tokio::spawn(async move {
            let mut requests = JoinSet::new();
            let mut interval = tokio::time::interval(Duration::from_secs(1) / per_second);
            let mut number = 0;
            while !stopping.load(Ordering::Relaxed) {
                interval.tick().await;
                let request = nth_request(number, &customers, &products);
                number += 1;
                let recorded = Arc::clone(&recorded);
                requests.spawn(async move {
                    let outcome = request.outcome().await;
                    recorded.lock().await.push(outcome);
                });
                while requests.try_join_next().is_some() {}
            }
            requests.join_all().await;
        });
        Self { stop, task, outcomes }
    }

    /// Waits until `count` more requests have an outcome.
    pub async fn wait_for_requests(&self, count: usize) {
        let before = self.outcomes.lock().await.len();
        wait_for("more requests of the load", async || {
            let completed = self.outcomes.lock().await.len() - before;
            if completed < count { Err(completed) } else { Ok(()) }
        })
        .await;
    }

    /// Stops after the requests in flight and returns all outcomes.
    pub async fn stop(self) -> Vec<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        std::mem::take(&mut *self.outcomes.lock().await)
    }
}

fn nth_request(number: usize, customers: &[Customer], products: &[Product]) -> Request {
    let (customer, product) = (&customers[number % customers.len()], &products[number % products.len()]);
    match number % 12 {
        0 | 4 | 8 => customer.get_product(product),
        2 | 6 => customer.get("/products?limit=5"),
        10 => customer.get("/en/"),
        1 | 5 | 9 => customer.add_to_cart(product, 1),
        3 => customer.get_cart(),
        7 => customer.place_order(&format!("load-{number}")),
        _ => customer.get_profile(),
    }
}
