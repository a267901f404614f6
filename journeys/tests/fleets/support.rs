//! What several of these journeys look at.

use std::time::Duration;

use journeys::{Customer, Method, Outcome, OwnFleet, Product, euros, eventually, goods, unique};

/// The fleet serves within 5 s of a part's return, says the design. A test machine does other things as well, so the
/// journeys give it three times that and print what it took.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(15);

/// A product with plenty of stock.
pub(crate) async fn plenty(fleet: &OwnFleet) -> Product {
    fleet.admin().await.sells("tea", &euros(499), 100_000).await
}

/// Somebody comes, signs up, fills the cart and orders: every service, broker and database has a part in it. What fails
/// is tried again.
pub(crate) async fn somebody_buys(fleet: &OwnFleet, product: &Product) {
    let ana = eventually("somebody to sign up", async || {
        let email = journeys::new_email("ana");
        let visitor = fleet.visitor();
        let answer = visitor.signs_up(&email, journeys::PASSWORD).attempt().await.map_err(|error| error.to_string())?;
        if answer.status == 201 {
            Ok(Customer::with(&visitor, &email, journeys::PASSWORD, &answer))
        } else {
            Err(answer.to_string())
        }
    })
    .await;
    ana.adds(product, 1).until(200).await;
    ana.orders(&unique("key")).until(201).await;
}

/// This account is gone in every service, also for those who hold its token.
pub(crate) async fn is_forgotten_everywhere(ana: &Customer) {
    let offer = ana.asks(Method::POST, "/products").json(goods("tea", &euros(499), 1));
    for door in [ana.profile(), offer, ana.cart()] {
        door.until(401).await;
    }
}

/// Whatever was down, clients were told in a way that is documented, and in time.
pub(crate) fn all_was_documented(outcomes: &[Outcome]) {
    assert!(!outcomes.is_empty(), "there was no load");
    for outcome in outcomes {
        let documented = matches!(outcome.status(), Some(200 | 201 | 204 | 409 | 502 | 503 | 504));
        assert!(documented, "{outcome:?}");
        assert!(outcome.took < Duration::from_secs(12), "{outcome:?}");
    }
}
