//! Admins add and remove admins, through the API and on the page.

use journeys::{Admin, Client, Customer, Method, Shop, new_email};
use serde_json::json;

/// Signs up a customer who opens the link in the mail.
async fn verified_customer(shop: &Shop) -> Customer {
    let customer = shop.new_customer().await;
    let mail = shop.wait_for_mail(&customer.email, "Verify").await;
    let body = json!({"token": mail.word_after("enter ")});
    shop.client().request(Method::POST, "/customer/verify").json(body).await.expect_status(204);
    customer
}

async fn add(admin: &Admin, email: &str) -> journeys::Response {
    admin.request(Method::POST, "/customer/admins").json(json!({"email": email})).await
}

#[tokio::test]
async fn a_verified_customer_becomes_an_admin_and_is_removed() {
    let shop = Shop::shared().await;
    let (admin, ana) = (shop.admin().await, shop.new_customer().await);
    ana.get("/customer/admins").await.expect_problem(403, "forbidden");
    add(&admin, &ana.email).await.expect_problem(409, "email-not-verified");
    add(&admin, &new_email("nobody")).await.expect_not_found();
    add(&admin, "no address").await.expect_bad_fields(&["email"]);

    let ana = verified_customer(&shop).await;
    assert_eq!(add(&admin, &ana.email.to_uppercase()).await.expect_status(200)["email"], *ana.email);
    ana.get("/customer/admins").await.expect_problem(403, "forbidden");
    let refreshed = ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    let ana = ana.with_token_of(&refreshed);
    let list = ana.get("/customer/admins").await.expect_status(200);
    let accounts: Vec<&str> = list.items().iter().map(|account| account["id"].as_str().unwrap()).collect();
    let id = refreshed.id();
    assert!(accounts.contains(&id) && accounts.len() >= 2, "{list}");

    let path = format!("/customer/admins/{id}");
    ana.request(Method::DELETE, &path).await.expect_problem(409, "own-role");
    admin.request(Method::DELETE, &path).await.expect_status(204);
    admin.request(Method::DELETE, &path).await.expect_not_found();
    ana.get("/customer/admins").await.expect_unauthenticated();
    ana.get("/shopping/admin/orders").until_status(401).await;
}

#[tokio::test]
async fn an_admin_adds_and_removes_an_admin_on_the_page() {
    let shop = Shop::shared().await;
    let (visitor, ana) = (shop.admin_visitor().await, verified_customer(&shop).await);
    let page = visitor.open("/en/admin/admins").await.expect_status(200).expect_text("You");
    let form = |email: &str| page.form("/admins/new").set("email", email);
    let unknown = new_email("nobody");
    let refused = visitor.send_form(&form(&unknown)).await.expect_status(404).expect_text("must sign up first");
    assert_eq!(refused.form("/admins/new").value("email"), unknown);
    visitor.send_form(&form("x")).await.expect_status(422).expect_text("no e-mail address");
    let added = visitor.send_form(&form(&ana.email)).await.expect_status(200).expect_text(&ana.email);
    let remove = format!("/admin/admins/{}/remove", ana.id);
    let removed = visitor.send_form(&added.form(&remove)).await.expect_status(200).expect_text("signed out everywhere");
    assert!(!removed.has_text(&ana.email));
    visitor.open("/de/admin/admins").await.expect_status(200).expect_text("Admin hinzufügen");
}

#[tokio::test]
async fn of_two_admins_who_remove_each_other_one_stays() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let mut admins = Vec::new();
    for _ in 0..2 {
        let customer = verified_customer(&shop).await;
        add(&admin, &customer.email).await.expect_status(200);
        let refreshed = customer.refresh_session(&customer.refresh_token).await.expect_status(200);
        admins.push((refreshed.id().to_owned(), customer.with_token_of(&refreshed)));
    }
    let [(ana, as_ana), (bea, as_bea)] = &admins[..] else { panic!() };
    let remove = |client: &Client, id: &str| client.request(Method::DELETE, &format!("/customer/admins/{id}"));
    let (one, other) = tokio::join!(remove(as_ana, bea), remove(as_bea, ana));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert!(matches!(statuses, [204, 401 | 403]), "{one} {other}");
    let list = admin.get("/customer/admins").await.expect_status(200);
    let left = list.items().iter().filter(|account| [ana, bea].iter().any(|id| account["id"] == **id)).count();
    assert_eq!(left, 1, "{list}");
}
