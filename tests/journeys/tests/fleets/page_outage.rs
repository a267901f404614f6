//! A service is away: each page shows what it still can, and says in one line what it cannot.

use journeys::{Customer, Product, Response, TestFleet, Visitor, forgery};

use crate::support::new_plentiful_product;

/// The note in the place of a part of a page.
const PART_IS_DOWN: &str = "This part of the page cannot be shown right now.";

struct Scene {
    fleet: TestFleet,
    ana: Customer,
    /// The browser of Ana.
    visitor: Visitor,
    tea: Product,
    /// The path of an order.
    order: String,
    number: String,
}

impl Scene {
    async fn new() -> Self {
        let fleet = TestFleet::start().await;
        let tea = new_plentiful_product(&fleet).await;
        let ana = fleet.customer_with_cart(&tea, 1).await;
        let order = ana.place_order("key").await.expect_status(201);
        ana.add_to_cart(&tea, 2).await.expect_status(200);
        let visitor = fleet.visitor();
        visitor.sign_in(&ana.email, &ana.password).await;
        let number = order["number"].as_str().unwrap().to_owned();
        Self { order: format!("/en/order/{}", order.id()), number, fleet, ana, visitor, tea }
    }

    async fn open(&self, path: &str, status: u16) -> Response {
        self.visitor.open(path).await.expect_status(status)
    }

    fn product(&self) -> String {
        format!("/en/p/{}", self.tea.id)
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn pages_go_on_without_products() {
    let scene = Scene::new().await;
    let cart = scene.open("/en/cart", 200).await;
    scene.fleet.stop_components("products").await;

    let stale = scene.open("/en/cart", 200).await.expect_text("Prices and stock cannot be checked right now");
    assert!(stale.has_text(&scene.tea.name) && !stale.has_text("marked above"), "{stale}");
    let more = scene.visitor.send_form(&cart.form("/cart/lines/").set("quantity", "3")).await;
    more.expect_status(200).expect_text("The shop does not answer right now.").expect_text(&scene.tea.name);
    scene.open("/en/account", 200).await.expect_text(&scene.number).expect_text(&scene.ana.email);
    scene.open("/en/account/orders", 200).await.expect_text(&scene.number);
    scene.open(&scene.order, 200).await.expect_text(&scene.tea.name);
    let checkout = scene.open("/en/checkout", 200).await.expect_text("The total cannot be calculated right now");
    assert!(!checkout.has_text("Your order may have arrived"), "{checkout}");
    scene.open("/en/wishlist", 200).await;
    scene.open("/en", 200).await.expect_text(PART_IS_DOWN);
    scene.open(&scene.product(), 503).await.expect_text("This part of the shop is down");

    scene.fleet.start_components("products").await;
    let cart = scene.open("/en/cart", 200).await;
    let less = scene.visitor.send_form(&cart.form("/cart/lines/").set("quantity", "1")).await.expect_status(200);
    assert!(!less.has_text("does not answer"), "{less}");
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn pages_go_on_without_customer() {
    let scene = Scene::new().await;
    let sign_in = scene.fleet.visitor().open("/en/account/sign-in").await;
    let staff = scene.fleet.admin_visitor().await;
    scene.fleet.stop_components("customer").await;

    let account = scene.open("/en/account", 200).await.expect_text(&scene.number).expect_text(PART_IS_DOWN);
    assert_eq!(account.html().matches(PART_IS_DOWN).count(), 1, "{account}");
    scene.open("/en/account/orders", 200).await.expect_text(&scene.number);
    scene.open("/en/cart", 200).await.expect_text(&scene.tea.name).expect_text("Go to checkout");
    scene.open(&scene.product(), 200).await;
    scene.open(&scene.order, 200).await.expect_text(&scene.number);
    scene.open("/en/account/addresses", 503).await.expect_text("This part of the shop is down");

    // The cart is ordered with what is typed.
    let checkout = scene.open("/en/checkout", 200).await.expect_text("Your account does not answer right now.");
    let form = checkout.form("/checkout").set("email", &scene.ana.email).set("shipping-name", "Ana Souk");
    let form = form.set("shipping-line1", "Hauptstr. 1").set("shipping-postal_code", "10115");
    let form = form.set("shipping-city", "Berlin").set("shipping-country", "DE");
    let priced = scene.visitor.send_form(&form.clone().press("action", "update")).await.expect_status(200);
    let placed = scene.visitor.send_form(&priced.form("/checkout").press("action", "order")).await.expect_status(200);
    placed.expect_text("Thank you for your order");

    // Staff go on packing. What only `customer` could allow is away.
    staff.open("/en/admin").await.expect_status(200).expect_text(&scene.number);
    staff.open("/en/admin/products").await.expect_status(200).expect_text(&scene.tea.name);
    let order_path = scene.order.replace("/en/order/", "/orders/");
    let page = staff.open(&format!("/en/admin{order_path}")).await.expect_status(200).expect_text(&scene.number);
    let sent = staff.send_form(&page.form("/ship")).await.expect_status(200);
    sent.expect_text("The parcel is recorded.");
    for path in ["/en/admin/system", "/en/admin/dead-letters", "/en/admin/staff"] {
        staff.open(path).await.expect_status(503).expect_text("This part of the shop is down");
    }
    scene.open("/en/admin/orders", 403).await;
    // A forged role. Only the services can refuse it now.
    let forger = scene.fleet.visitor();
    for path in ["", "/orders", "/mails", "/settings", "/staff", "/system", "/dead-letters", order_path.as_str()] {
        forger.set_cookie("access", &forgery::promoted(scene.ana.token()));
        let page = forger.open(&format!("/en/admin{path}")).await;
        let is_refused = page.status == 503 || page.address().contains("/account/sign-in");
        assert!(is_refused && !page.has_text(&scene.number), "{path}: {page}");
    }

    // A form keeps what was typed.
    let form = sign_in.form("/sign-in");
    let fields = [("email", scene.ana.email.as_str()), ("password", scene.ana.password.as_str())];
    let guest = scene.fleet.visitor();
    let page = guest.open("/en/account/sign-in").await;
    let refused = guest.submit(&page, &form.action, &fields).await.expect_status(503);
    let refused = refused.expect_text("Your account does not answer right now.");
    assert_eq!(refused.form("/sign-in").value("email"), scene.ana.email);
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn pages_go_on_without_shopping() {
    let scene = Scene::new().await;
    scene.fleet.stop_components("shopping").await;

    scene.open("/en", 200).await;
    let product = scene.open(&scene.product(), 200).await;
    let fields = [("product", scene.tea.id.as_str()), ("quantity", "1")];
    let added = scene.visitor.submit(&product, "/en/cart/add", &fields).await.expect_status(503);
    added.expect_text("The shop does not answer right now.").expect_text(PART_IS_DOWN);
    scene.open("/en/cart", 503).await.expect_text(PART_IS_DOWN);
    let account = scene.open("/en/account", 200).await.expect_text(&scene.ana.email).expect_text(PART_IS_DOWN);
    assert_eq!(account.html().matches(PART_IS_DOWN).count(), 1, "{account}");
    scene.open("/en/account/addresses", 200).await;
    for path in [scene.order.as_str(), "/en/checkout", "/en/account/export"] {
        scene.open(path, 503).await.expect_text("This part of the shop is down").expect_text("Your cart is safe");
    }

    scene.fleet.start_components("shopping").await;
    scene.open("/en/cart", 200).await.expect_text(&scene.tea.name);
}
