//! Shoppers: each looks at products, fills a cart and orders it, again and again, and thinks for a
//! second before each request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journeys::{Customer, Outcome, Product, Request, unique};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Time between two requests of one shopper.
const THINKING: Duration = Duration::from_secs(1);

/// The figures of each such period show how long the limits take to have an effect.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);

/// What the shoppers saw.
#[derive(Default)]
pub(crate) struct Visits {
    /// The times of all responses, in the order of their size.
    pub(crate) times: Vec<Duration>,
    /// The same, by request.
    pub(crate) by_request: BTreeMap<&'static str, Vec<Duration>>,
    /// The same, by the start of the period in which the request was sent.
    pub(crate) by_period: BTreeMap<Duration, Vec<Duration>>,
    /// How often a request was refused or failed, by request and status.
    pub(crate) refused: BTreeMap<String, usize>,
}

impl Visits {
    /// Returns the time that this part of the responses, in percent, did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        percentile(&self.times, percent)
    }

    pub(crate) fn p99(&self) -> Duration {
        self.percentile(99)
    }

    /// Adds a request that was sent this long after the start.
    fn add(&mut self, name: &'static str, sent: Duration, outcome: &Outcome) {
        self.times.push(outcome.elapsed);
        let period = PERIOD * u32::try_from(sent.as_secs() / PERIOD.as_secs()).unwrap_or_default();
        self.by_period.entry(period).or_default().push(outcome.elapsed);
        self.by_request.entry(name).or_default().push(outcome.elapsed);
        if !outcome.status().is_some_and(|status| (200..300).contains(&status)) {
            let status = outcome.status().map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let method = outcome.request.split(' ').next().unwrap_or_default();
            *self.refused.entry(format!("{method} {status}")).or_default() += 1;
        }
    }
}

pub(crate) struct Shoppers;

impl Shoppers {
    /// Lets all shoppers visit the shop for this time.
    pub(crate) async fn visit(shoppers: &[Customer], products: &[Product], time: Duration) -> Visits {
        let (mut visits, products) = (JoinSet::new(), Arc::new(products.to_vec()));
        for (number, shopper) in shoppers.iter().cloned().enumerate() {
            let products = Arc::clone(&products);
            // They do not come all at the same moment.
            let delay = THINKING * u32::try_from(number).unwrap_or_default() / 50;
            visits.spawn(async move {
                sleep(delay).await;
                visit(&shopper, &products, number, time).await
            });
        }
        let mut all = Visits::default();
        for one in visits.join_all().await {
            all.times.extend(one.times);
            for (request, times) in one.by_request {
                all.by_request.entry(request).or_default().extend(times);
            }
            for (period, times) in one.by_period {
                all.by_period.entry(period).or_default().extend(times);
            }
            for (refusal, count) in one.refused {
                *all.refused.entry(refusal).or_default() += count;
            }
        }
        all.times.sort_unstable();
        all.by_request.values_mut().chain(all.by_period.values_mut()).for_each(|times| times.sort_unstable());
        all
    }
}

async fn visit(shopper: &Customer, products: &[Product], number: usize, time: Duration) -> Visits {
    let (begun, mut visits) = (Instant::now(), Visits::default());
    let mut due = tokio::time::interval(THINKING);
    // The cart is filled, in step 5, before the first order.
    for step in number % 6.. {
        due.tick().await;
        let sent = begun.elapsed();
        if sent >= time {
            break;
        }
        let product = &products[step / 8 % products.len()];
        let (name, request) = request(shopper, product, step % 8);
        visits.add(name, sent, &request.outcome().await);
    }
    visits
}

/// Returns the request of a step, with a name.
fn request(shopper: &Customer, product: &Product, step: usize) -> (&'static str, Request) {
    match step {
        0 | 4 => ("list of products", shopper.get("/products?limit=20")),
        1 => ("home page", shopper.get("/en/")),
        2 | 6 => ("product", shopper.get_product(product)),
        3 => ("cart", shopper.get_cart()),
        5 => ("change of the cart", shopper.set_quantity(product, 1)),
        _ => ("order", shopper.place_order(&unique("key"))),
    }
}

/// Returns the time that this part of the sorted times, in percent, did not exceed.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> Duration {
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or_default()
}
