//! Admins save filters of the list of orders as views.

use journeys::{Method, PASSWORD, Shop, UNKNOWN_ID, unique};
use serde_json::json;

const LIST: &str = "/en/admin/orders";
const VIEWS: &str = "/shopping/admin/order-views";

/// One test, because all admins of the shared shop are one account, whose views are few.
#[tokio::test]
async fn an_admin_saves_a_few_views() {
    let shop = Shop::shared().await;
    saves_a_view_and_removes_it(&shop).await;
    fills_the_views(&shop).await;
}

async fn saves_a_view_and_removes_it(shop: &Shop) {
    let visitor = shop.admin_visitor().await;
    let name = unique("a & b");
    let query = "q=green%20tea&status=confirmed&from=2026-11-01&to=2026-11-30&sort=oldest";
    let page = visitor.open(&format!("{LIST}?{query}")).await.expect_status(200);
    let saved = visitor.send_form(&page.form("/views").set("name", &name)).await.expect_status(200);
    let saved = saved.expect_text("The view is saved.").expect_text(&name);
    assert!(saved.address().contains(query), "{}", saved.address());

    // Another browser has it too.
    let other = shop.admin_visitor().await.open(LIST).await.expect_status(200).expect_text(&name);
    let link = format!("href=\"{LIST}?{}\"", query.replace('&', "&#38;"));
    assert!(other.html().contains(&link), "{link}: {other}");
    assert!(!other.has_text("Remove the view"), "another view is shown");

    let german = visitor.open(&format!("/de/admin/orders?{query}")).await.expect_text(&name).expect_text("entfernen");
    let removed = visitor.send_form(&german.form("/remove")).await.expect_status(200);
    let removed = removed.expect_text("Die Ansicht ist entfernt.");
    assert!(!removed.has_text(&name), "{removed}");
    visitor.send_form(&german.form("/remove")).await.expect_status(200);
}

async fn fills_the_views(shop: &Shop) {
    let chief = shop.admin().await;
    let ben = shop.new_customer().await;
    ben.get(VIEWS).await.expect_problem(403, "forbidden");
    shop.client().get(VIEWS).await.expect_status(401);

    let save = async |body| chief.request(Method::POST, VIEWS).json(body).await;
    for (body, field) in [
        (json!({"status": "paid"}), "name"),
        (json!({"name": "x", "status": "lost"}), "status"),
        (json!({"name": "x", "q": "ana@example.com"}), "q"),
        (json!({"name": "x", "limit": 5}), "limit"),
    ] {
        let refused = save(body).await.expect_status(422);
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    let name = unique("mine");
    let first = save(json!({"name": name, "payment": "attention"})).await.expect_status(200);
    let again = save(json!({"name": name, "country": "FR", "sort": "oldest"})).await.expect_status(200);
    assert_eq!((first.id(), &again["payment"], &again["country"]), (again.id(), &json!(null), &json!("FR")));
    let mut saved = vec![first.id().to_owned()];
    let full = loop {
        let next = save(json!({"name": unique("view")})).await;
        if next.status != 200 {
            break next;
        }
        saved.push(next.id().to_owned());
        assert!(saved.len() <= 20);
    };
    full.expect_problem(409, "too-many-views");
    let visitor = shop.admin_visitor().await;
    let page = visitor.open(&format!("{LIST}?status=paid&q={}", unique("word"))).await;
    let refused = visitor.send_form(&page.form("/views").set("name", "One more")).await.expect_status(409);
    refused.expect_text("You have 20 views already");
    for id in saved {
        let path = format!("{VIEWS}/{id}");
        ben.request(Method::DELETE, &path).await.expect_status(403);
        chief.request(Method::DELETE, &path).await.expect_status(204);
        chief.request(Method::DELETE, &path).await.expect_not_found();
    }
    chief.request(Method::DELETE, &format!("{VIEWS}/{UNKNOWN_ID}")).await.expect_not_found();
    let customer = shop.visitor();
    customer.sign_in(&ben.email, PASSWORD).await;
    let page = customer.open("/en/account").await;
    customer.submit(&page, &format!("{LIST}/views"), &[("name", "x")]).await.expect_status(403);
}

#[tokio::test]
async fn a_view_that_cannot_be_saved_says_why() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let page = visitor.open(&format!("{LIST}?status=paid&q={}", unique("word"))).await;
    for name in ["", "\u{202e}", &"x".repeat(41)] {
        let refused = visitor.send_form(&page.form("/views").set("name", name)).await.expect_status(422);
        assert_eq!(refused.invalid_fields(), ["name"], "{name}");
        refused.expect_text("Enter a name of 1 to 40 characters.").expect_text("Paid");
    }
    let page = visitor.open("/de/admin/orders?q=ana%40example.com").await;
    let refused = visitor.send_form(&page.form("/views").set("name", "Ana")).await.expect_status(422);
    refused.expect_text("Suchen Sie nach etwas anderem als einer E-Mail-Adresse");
    let csrf = page.form("/views").value("csrf").to_owned();
    visitor.post(&format!("{LIST}/views"), "name=x").await.expect_status(403);
    visitor
        .post(&format!("{LIST}/views"), &format!("csrf={csrf}&name=x&query=from=yesterday"))
        .await
        .expect_status(422);
}
