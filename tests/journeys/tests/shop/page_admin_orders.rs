//! The shop's staff work on orders on the pages: find, send, refund, write notes.

use futures_util::future::join_all;
use journeys::{Admin, Customer, Method, PASSWORD, Product, Response, Shop, euros};
use serde_json::json;

/// A customer whose order has three packets of tea and one cup.
async fn order_of_tea_and_cup(admin: &Admin, shop: &Shop) -> (Customer, Response, [Product; 2]) {
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 1_299, 10)]).await;
    let ana = shop.customer_with_cart(&tea, 3).await;
    ana.add_to_cart(&cup, 1).await.expect_status(200);
    let order = ana.place_order("key").await.expect_status(201);
    (ana, order, [tea, cup])
}

fn path(order: &Response) -> String {
    format!("/en/admin/orders/{}", order.id())
}

fn ship(product: &Product) -> String {
    format!("ship-{}", product.id)
}

fn refund(product: &Product) -> String {
    format!("refund-{}", product.id)
}

#[tokio::test]
async fn an_admin_finds_an_order_and_sends_it_in_two_parcels() {
    let shop = Shop::shared().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let (email, _) = shop.admin_account().await;
    let (ana, order, [tea, cup]) = order_of_tea_and_cup(&admin, &shop).await;
    let number = order["number"].as_str().unwrap();
    visitor.open("/en/admin").await.expect_status(200).expect_text(number).expect_text("To pack");
    let list = visitor.open(&format!("/en/admin/orders?status=confirmed&q={}", ana.email.replace('@', "%40"))).await;
    let list = list.expect_status(200).expect_text(number).expect_text("Captured");
    // What has waited longest is packed first.
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    let later = ana.place_order("later").await.expect_status(201);
    let to_pack = format!("/en/admin/orders?status=confirmed&sort=oldest&q={}", ana.email.replace('@', "%40"));
    let to_pack = visitor.open(&to_pack).await.expect_status(200);
    let place = |order: &Response| to_pack.html().find(&path(order)).unwrap();
    assert!(place(&order) < place(&later), "{to_pack}");
    assert!(list.html().contains(&format!("href=\"{}\"", path(&order))));

    let page =
        visitor.open(&path(&order)).await.expect_status(200).expect_text("Pack and send").expect_text(&ana.email);
    let form = page.form("/ship");
    assert_eq!((form.value(&ship(&tea)), form.value(&ship(&cup))), ("3", "1"), "all that is left");
    visitor.open(&format!("{}/slip", path(&order))).await.expect_status(200).expect_text("Packing slip");
    let form = form.set(&ship(&tea), "2").set(&ship(&cup), "0").set("carrier", "DHL").set("tracking", "00 34");
    let page = visitor.send_form(&form).await.expect_status(200).expect_text("The parcel is recorded.");
    let page = page.expect_text("Partly sent").expect_text("2 × tea").expect_text("00 34");
    let form = page.form("/ship");
    assert_eq!((form.value(&ship(&tea)), form.value(&ship(&cup))), ("1", "1"));
    let page = visitor.send_form(&form).await.expect_status(200).expect_text("Confirm the arrival");
    let note = page.form("/note").set("text", "Called\r\nAna");
    let (page, twice) = tokio::join!(visitor.send_form(&note), visitor.send_form(&note));
    let page = page.expect_status(200).expect_text("The note is saved.").expect_text("Called");
    assert_eq!(twice.expect_status(200).html().matches("<p class=\"lines\">Called").count(), 1, "a double click");
    let page = visitor.send_form(&page.form("/deliver")).await.expect_status(200);
    let page = page.expect_text("Delivered").expect_text("A parcel was sent.").expect_text(email);
    assert!(page.has_text("A note was added."));
    ana.get_order(order.id()).await.expect_status(200)["shipments"]
        .as_array()
        .map(Vec::len)
        .filter(|&n| n == 2)
        .unwrap();
    for step in ["slip", "print"] {
        visitor.open(&format!("{}/{step}", path(&order))).await.expect_status(200).expect_text(number);
    }
    visitor
        .open(&path(&order).replace("/en/", "/de/"))
        .await
        .expect_status(200)
        .expect_text("Ein Paket wurde versandt.");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_works_once() {
    let shop = Shop::shared().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let (ana, order, [tea, cup]) = order_of_tea_and_cup(&admin, &shop).await;
    let page = visitor.open(&path(&order)).await;
    let parcel = page.form("/ship").set(&ship(&tea), "1").set(&ship(&cup), "0");
    let refunds = page.form("/refund").set(&refund(&tea), "1").set("reason", "Broken");
    for form in [&parcel, &refunds] {
        for page in join_all([visitor.send_form(form), visitor.send_form(form)]).await {
            page.expect_status(200);
        }
    }
    let seen = ana.get_order(order.id()).await.expect_status(200);
    assert_eq!(seen["shipments"].as_array().unwrap().len(), 1);
    assert_eq!((seen["refunds"].as_array().unwrap().len(), &seen["refunded"]), (1, &euros(499)));
    let page = visitor.open(&path(&order)).await.expect_text("Refunded: Broken").expect_text("1 × tea");
    assert!(page.has_text("Partly refunded"));

    // The page of before, with other pieces.
    let again = visitor.send_form(&parcel.set(&ship(&tea), "2")).await.expect_status(422);
    let again = again.expect_text("This form was sent before with other content.");
    assert_eq!(again.form("/ship").value(&ship(&tea)), "2");
}

#[tokio::test]
async fn a_refused_form_keeps_what_was_typed() {
    let shop = Shop::shared().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let (_, order, [tea, cup]) = order_of_tea_and_cup(&admin, &shop).await;
    let page = visitor.open(&path(&order)).await;
    let form = page.form("/ship").set(&ship(&tea), "4").set("carrier", "DHL");
    let refused =
        visitor.send_form(&form).await.expect_status(409).expect_text("Nothing was sent").expect_text("3 left");
    assert_eq!(refused.invalid_fields(), [ship(&tea)]);
    let form = refused.form("/ship");
    assert_eq!((form.value(&ship(&tea)), form.value("carrier")), ("4", "DHL"));
    let refused = visitor.send_form(&form.set(&ship(&tea), "x").set("carrier", &"x".repeat(51))).await;
    assert_eq!(refused.expect_status(422).invalid_fields(), [ship(&tea)]);
    let none = page.form("/ship").set(&ship(&tea), "0").set(&ship(&cup), "");
    visitor.send_form(&none).await.expect_status(422).expect_text("Enter how many pieces");
    let long = visitor.send_form(&page.form("/ship").set("carrier", &"x".repeat(51))).await.expect_status(422);
    assert_eq!(long.invalid_fields(), ["carrier"]);

    let form = page.form("/refund").set("amount", "1,000,0").set("reason", "Kind");
    let refused = visitor.send_form(&form).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["amount"]);
    let form = refused.form("/refund");
    assert_eq!((form.value("amount"), form.value("reason")), ("1,000,0", "Kind"));
    let refused =
        visitor.send_form(&form.set("amount", "1000")).await.expect_status(409).expect_text("Nothing was refunded");
    let refused = visitor.send_form(&refused.form("/refund").set("amount", "1.00").set("reason", "")).await;
    assert_eq!(refused.expect_status(422).invalid_fields(), ["reason"]);
    let refused = visitor.send_form(&page.form("/note")).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["text"]);
    let cancelled =
        visitor.send_form(&page.form("/cancel")).await.expect_status(200).expect_text("The order is cancelled.");
    assert!(cancelled.has_text("by the shop"));
    visitor.send_form(&page.form("/ship")).await.expect_status(409).expect_text("does not allow it");
}

#[tokio::test]
async fn an_authorized_payment_is_captured() {
    let shop = Shop::shared().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let order = ana.place_order_paying("key", "demo_review").await.expect_status(202);
    let page = visitor.open(&path(&order)).await.expect_status(200).expect_text("Capture the payment by ");
    let page = visitor.send_form(&page.form("/capture")).await.expect_status(200);
    page.expect_text("The payment is captured.").expect_text("Pack and send").expect_text("The payment was captured.");
    let timeline = admin.get_timeline(order.id()).await.expect_status(200);
    let entries = timeline["entries"].as_array().unwrap();
    let captured = entries.iter().find(|entry| entry["what"] == "capture" && entry["kind"] == "admin");
    assert!(captured.unwrap()["by"].is_string(), "{timeline}");
}

#[tokio::test]
async fn a_bad_filter_is_named() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    for (query, field) in [
        ("from=yesterday", "from"),
        ("from=2026-01-02&to=2026-01-01", "to"),
        ("status=lost", "status"),
        ("country=XX", "country"),
    ] {
        let page = visitor.open(&format!("/en/admin/orders?{query}")).await.expect_status(422);
        assert_eq!(page.invalid_fields(), [field]);
    }
    let page = visitor.open("/en/admin/orders?q=nowhere&from=2026-01-01&to=2026-01-01").await.expect_status(200);
    page.expect_text("No order has all of this.");
    visitor.open("/en/admin/orders?after=x").await.expect_status(404);
}

#[tokio::test]
async fn only_admins_see_the_pages() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, order, _) = order_of_tea_and_cup(&admin, &shop).await;
    let visitor = shop.visitor();
    let page = visitor.open("/en/admin/orders").await.expect_status(200);
    assert!(page.address().starts_with("/en/account/sign-in?next="), "{}", page.address());
    visitor.sign_in(&ana.email, PASSWORD).await;
    for page in ["/en/admin".to_owned(), "/en/admin/orders".to_owned(), path(&order), format!("{}/slip", path(&order))]
    {
        visitor.open(&page).await.expect_status(403);
    }
    let page = visitor.open("/en/account").await;
    visitor.submit(&page, &format!("{}/ship", path(&order)), &[]).await.expect_status(403);

    let staff = shop.admin_visitor().await;
    staff.post(&format!("{}/cancel", path(&order)), "").await.expect_status(403);
    staff.post(&format!("{}/cancel", path(&order)), "csrf=forged").await.expect_status(403);
    let page = staff.open(&path(&order)).await;
    staff.submit(&page, &format!("{}/explode", path(&order)), &[]).await.expect_status(404);
    assert_eq!(ana.get_order(order.id()).await["status"], "confirmed");
}

#[tokio::test]
async fn support_sees_orders_and_is_offered_notes_only() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, order, _) = order_of_tea_and_cup(&admin, &shop).await;
    let bea = shop.new_verified_customer().await;
    let role = json!({"email": bea.email, "role": "support"});
    admin.request(Method::POST, "/customer/staff").json(role).await.expect_status(200);
    let support = shop.visitor();
    support.sign_in(&bea.email, PASSWORD).await;

    let list = support.open(&format!("/en/admin/orders?q={}", ana.email.replace('@', "%40"))).await.expect_status(200);
    let list = list.expect_text(order["number"].as_str().unwrap());
    assert!(list.check_boxes("order").is_empty() && !list.has_text("Mark as sent"), "{list}");
    let page = support.open(&path(&order)).await.expect_status(200);
    for action in ["ship", "deliver", "capture", "cancel", "refund", "retry"] {
        let address = format!("{}/{action}", path(&order));
        assert!(!page.html().contains(&format!("action=\"{address}\"")), "{action}: {page}");
        support.submit(&page, &address, &[]).await.expect_status(403);
    }
    let fields = [("order", order.id()), ("action", "ship")];
    support.submit(&page, "/en/admin/orders/bulk", &fields).await.expect_status(403);
    assert_eq!(ana.get_order(order.id()).await["status"], "confirmed");
    let note = page.form("/note").set("text", "Called Ana");
    support.send_form(&note).await.expect_status(200).expect_text("The note is saved.");
}

#[tokio::test]
async fn an_admin_marks_several_orders_at_once() {
    let shop = Shop::shared().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let [tea] = admin.new_products([("tea", 499, 10)]).await;
    let ana = shop.new_customer().await;
    let mut orders = Vec::new();
    for key in ["first", "second", "third"] {
        ana.add_to_cart(&tea, 1).await.expect_status(200);
        orders.push(ana.place_order(key).await.expect_status(201));
    }
    let [first, second, third] = &orders[..] else { panic!() };
    ana.cancel_order(third.id()).await.expect_status(200);
    let list = format!("/en/admin/orders?q={}", ana.email.replace('@', "%40"));
    let page = visitor.open(&list).await.expect_status(200).expect_text("Mark as sent");
    let form = page.form("/orders/bulk");
    let (key, query) = (form.value("key").to_owned(), form.value("query").to_owned());
    let ids = [first.id(), second.id(), third.id()];
    // The check box of an order has its number too.
    let boxes = page.check_boxes("order");
    let values = ids.map(|id| boxes.iter().find(|(value, _)| value.starts_with(id)).unwrap().0.as_str());
    let selected = values.into_iter().map(|value| ("order", value));
    let fields: Vec<(&str, &str)> =
        selected.chain([("key", key.as_str()), ("query", query.as_str()), ("action", "ship")]).collect();
    // Each order is a mail to a customer: a page asks first.
    let asked = visitor.submit(&page, "/en/admin/orders/bulk", &fields).await.expect_status(200);
    let asked = asked.expect_text("Mark 3 orders as sent?").expect_text(first["number"].as_str().unwrap());
    assert_eq!(ana.get_order(first.id()).await["status"], "confirmed");
    for _ in 0..2 {
        let confirmed = asked.form("/orders/bulk").press("action", "ship");
        let done = visitor.send_form(&confirmed).await.expect_status(200);
        let done = done.expect_text("2 orders were changed.");
        assert!(done.has_text(&format!("allow it: {}.", third["number"].as_str().unwrap())), "{done}");
        assert!(done.address().contains(&query) && !done.address().contains("bulk"), "{}", done.address());
    }
    for order in [first, second] {
        let order = admin.get(&format!("/shopping/admin/orders/{}", order.id())).await.expect_status(200);
        assert_eq!((&order["status"], order["shipments"].as_array().unwrap().len()), (&"shipped".into(), 1), "{order}");
    }
    let fields = [("order", ids[0]), ("action", "deliver")];
    let done = visitor.submit(&page, "/en/admin/orders/bulk", &fields).await.expect_status(200);
    done.expect_text("One order was changed.");
    assert_eq!(ana.get_order(ids[0]).await.expect_status(200)["status"], "delivered");
    let nothing = visitor.submit(&page, "/en/admin/orders/bulk", &[("action", "ship")]).await;
    nothing.expect_status(422).expect_text("Select orders first");
}

#[tokio::test]
async fn all_orders_of_a_page_are_marked_as_sent() {
    let shop = Shop::shared().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let (ana, order, _) = order_of_tea_and_cup(&admin, &shop).await;
    let page = visitor.open(&format!("/en/admin/orders?q={}", ana.email.replace('@', "%40"))).await;
    let form = page.expect_status(200).form("/orders/bulk").press("action", "ship-page");
    let asked = visitor.send_form(&form).await.expect_status(200).expect_text("Mark one order as sent?");
    let done = visitor.send_form(&asked.form("/orders/bulk").press("action", "ship")).await;
    let done = done.expect_status(200).expect_text("One order was changed.");
    assert!(!done.has_text("Mark all on this page as sent"), "nothing is to be sent: {done}");
    assert_eq!(ana.get_order(order.id()).await["status"], "shipped");
}

#[tokio::test]
async fn a_page_says_what_cancelling_has_done() {
    let shop = Shop::shared().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let (_, order, [tea, cup]) = order_of_tea_and_cup(&admin, &shop).await;
    let page = visitor.open(&path(&order)).await.expect_status(200);
    let page = visitor.send_form(&page.form("/ship").set(&ship(&tea), "1").set(&ship(&cup), "0")).await;
    let rest = visitor.send_form(&page.expect_status(200).form("/cancel")).await.expect_status(200);
    rest.expect_text("What was not sent is cancelled and refunded.");

    let (_, order, _) = order_of_tea_and_cup(&admin, &shop).await;
    let page = visitor.open(&path(&order)).await.expect_status(200).expect_text("To send");
    let whole = visitor.send_form(&page.form("/cancel")).await.expect_status(200);
    let whole = whole.expect_text("The order is cancelled.");
    assert!(!whole.has_text("Packing slip") && !whole.has_text("To send"), "nothing is to be sent: {whole}");
}
