//! What several of these journeys look at.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use journeys::{Customer, Method, Outcome, OwnFleet, Product, euros, eventually, goods, unique};
use tokio::task::spawn_blocking;

pub(crate) const SERVICES: [&str; 3] = ["customer", "products", "shopping"];

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

/// The load has twelve sorts of requests: five customers do all of them in turn, four would always do the same ones.
pub(crate) async fn five_customers(fleet: &OwnFleet) -> Vec<Customer> {
    let mut customers = Vec::new();
    for name in ["Ana", "Ben", "Cem", "Dia", "Eli"] {
        customers.push(fleet.new_customer(name).await);
    }
    customers
}

/// One of the operator's scripts.
pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new(fleet::workspace_dir().join("scripts/ec2").join(name));
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end, with what it says in the test's output.
pub(crate) async fn done(mut command: Command) -> Output {
    let output = spawn_blocking(move || command.output().unwrap()).await.unwrap();
    print!("{}", said(&output));
    output
}

/// All that a command has said.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The books of the fleet balance, once what is under way has come to its end.
pub(crate) async fn books_balance(fleet: &OwnFleet) {
    let mut audit = fleet.souk();
    audit.args(["audit", "--within", "60"]);
    assert!(done(audit).await.status.success());
}
