//! The shop of a journey: one process, or a whole fleet when `SOUK_TEST_FLEET` is set. Both listen
//! without TLS, so their cookies are not `Secure`.

use std::env;
use std::ops::Deref;

use fleet::Service;
use journeys::{Shop, TestFleet, TestShop};

/// A shop that belongs to one journey.
pub(crate) enum AnyShop {
    Process(Box<TestShop>),
    Fleet(Box<TestFleet>),
}

impl AnyShop {
    /// Starts a shop without products.
    pub(crate) async fn start() -> Self {
        Self::start_in(&[]).await
    }

    /// Starts a shop with these environment variables; in a fleet, for `shopping` and `web`.
    pub(crate) async fn start_in(environment: &[(&str, &str)]) -> Self {
        if env::var_os("SOUK_TEST_FLEET").is_none() {
            return Self::Process(Box::new(TestShop::start_in(&["--no-demo"], environment).await));
        }
        let fleet = TestFleet::start_with(|options| {
            for service in [Service::Shopping, Service::Web] {
                let variables = environment.iter().map(|&(name, value)| (service, name.to_owned(), value.to_owned()));
                options.environment.extend(variables);
            }
        });
        Self::Fleet(Box::new(fleet.await))
    }
}

impl Deref for AnyShop {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        match self {
            Self::Process(shop) => shop,
            Self::Fleet(fleet) => fleet,
        }
    }
}
