//! Admins give and take roles, through the API and on the page, and each role may do what
//! docs/api.md says.

use std::collections::BTreeMap;

use journeys::{Admin, Client, Customer, Method, Response, Shop, new_email};
use serde_json::json;

const TABLES: [&str; 2] = [include_str!("../../../../docs/api.md"), include_str!("../../../../docs/mail.md")];
const ROLES: [&str; 4] = ["support", "orders", "catalogue", "admin"];

async fn give_role(admin: &Admin, email: &str, role: &str) -> Response {
    admin.request(Method::POST, "/customer/staff").json(json!({"email": email, "role": role})).await
}

/// Returns a member of staff who has signed in with the role.
async fn member(shop: &Shop, admin: &Admin, role: &str) -> Customer {
    let customer = shop.new_verified_customer().await;
    give_role(admin, &customer.email, role).await.expect_status(200);
    customer.sign_in_again().await
}

#[tokio::test]
async fn a_verified_customer_gets_a_role_and_loses_it() {
    let shop = Shop::shared().await;
    let (admin, ana) = (shop.admin().await, shop.new_customer().await);
    ana.get("/customer/staff").await.expect_problem(403, "forbidden");
    give_role(&admin, &ana.email, "admin").await.expect_problem(409, "email-not-verified");
    give_role(&admin, &new_email("nobody"), "admin").await.expect_not_found();
    give_role(&admin, "no address", "customer").await.expect_bad_fields(&["email", "role"]);

    let ana = shop.new_verified_customer().await;
    assert_eq!(give_role(&admin, &ana.email.to_uppercase(), "admin").await.expect_status(200)["email"], *ana.email);
    // The role counts from the next sign-in on; the tokens from before are revoked.
    ana.get("/customer/staff").await.expect_unauthenticated();
    let ana = ana.sign_in_again().await;
    let list = ana.get("/customer/staff").await.expect_status(200);
    let of_ana = list.items().iter().find(|account| account["id"] == *ana.id).expect("the list has the account");
    assert_eq!(of_ana["role"], "admin");

    let path = format!("/customer/staff/{}", ana.id);
    ana.request(Method::DELETE, &path).await.expect_problem(409, "own-role");
    admin.request(Method::DELETE, &path).await.expect_status(204);
    admin.request(Method::DELETE, &path).await.expect_not_found();
    ana.get("/customer/staff").await.expect_unauthenticated();
    ana.get("/shopping/admin/orders").until_status(401).await;
}

#[tokio::test]
async fn an_admin_gives_and_takes_a_role_on_the_page() {
    let shop = Shop::shared().await;
    let (visitor, ana) = (shop.admin_visitor().await, shop.new_verified_customer().await);
    let page = visitor.open("/en/admin/staff").await.expect_status(200).expect_text("You").expect_text("Password only");
    let form = |email: &str, role: &str| page.form("/staff/new").set("email", email).set("role", role);
    let unknown = new_email("nobody");
    let refused = visitor.send_form(&form(&unknown, "orders")).await.expect_status(404);
    assert_eq!(refused.expect_text("must sign up first").form("/staff/new").value("email"), unknown);
    visitor.send_form(&form("x", "orders")).await.expect_status(422).expect_text("Enter a complete e-mail address");
    let given = visitor.send_form(&form(&ana.email, "orders")).await.expect_status(200).expect_text(&ana.email);
    let remove = format!("/admin/staff/{}/remove", ana.id);
    let removed = visitor.send_form(&given.form(&remove)).await.expect_status(200).expect_text("signed out everywhere");
    assert!(!removed.has_text(&ana.email));
    visitor.open("/de/admin/staff").await.expect_status(200).expect_text("Rolle vergeben");
}

#[tokio::test]
async fn of_two_admins_who_demote_each_other_one_stays() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, bea) = (member(&shop, &admin, "admin").await, member(&shop, &admin, "admin").await);
    let remove = |client: &Client, id: &str| client.request(Method::DELETE, &format!("/customer/staff/{id}"));
    let (one, other) = tokio::join!(remove(&ana, &bea.id), remove(&bea, &ana.id));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert!(matches!(statuses, [204, 401 | 403]), "{one} {other}");
    let list = admin.get("/customer/staff").await.expect_status(200);
    let left = list.items().iter().filter(|account| [&ana.id, &bea.id].iter().any(|id| account["id"] == **id)).count();
    assert_eq!(left, 1, "{list}");
}

#[tokio::test]
async fn a_new_address_takes_the_role() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let ana = member(&shop, &admin, "support").await;
    ana.get("/shopping/admin/orders").await.expect_status(200);
    let changed = ana.change_email(&new_email("ana")).await.expect_status(200);
    assert_eq!(changed["role"], "customer");
    ana.get("/shopping/admin/orders").until_status(401).await;
}

/// Returns the routes for staff in the documentation, as method and path, with their permissions.
fn routes_for_staff() -> Vec<(&'static str, String, &'static str)> {
    let mut routes = Vec::new();
    for line in TABLES.iter().flat_map(|table| table.lines()) {
        let Some((route, rest)) = line.strip_prefix("| `").and_then(|line| line.split_once('`')) else { continue };
        let permission = rest.strip_prefix(" (").and_then(|rest| rest.split(')').next());
        let (Some(permission), Some((methods, path))) = (permission, route.split_once(" /")) else { continue };
        let path = path.split('?').next().unwrap_or_default();
        routes.extend(methods.split(", ").map(|method| (method, format!("/{path}"), permission)));
    }
    routes
}

/// Returns the roles that have each permission, from the table in docs/api.md.
fn permissions() -> BTreeMap<&'static str, Vec<&'static str>> {
    let rows = TABLES[0].lines().skip_while(|line| !line.starts_with("| permission |")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let roles = ROLES.into_iter().zip(&cells[1..5]).filter(|(_, cell)| **cell == "yes").map(|(role, _)| role);
            (cells[0], roles.collect())
        })
        .collect()
}

#[tokio::test]
async fn each_role_may_do_what_the_documentation_says() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (routes, permissions) = (routes_for_staff(), permissions());
    assert!(routes.len() > 40 && permissions.len() == 9, "{routes:?} {permissions:?}");
    let mut clients = vec![("customer", shop.new_customer().await)];
    for role in ROLES {
        clients.push((role, member(&shop, &admin, role).await));
    }
    let unknown = "0198b2a5-8a3e-7c63-8f6f-3f1d2c7b9a10";
    for (method, template, permission) in routes {
        // A shop behind nginx has no routes of `mail`.
        if template.starts_with("/mail") && admin.get("/mail").await.status == 404 {
            continue;
        }
        let path = template.replace("{id}", unknown);
        for (role, client) in &clients {
            // No body is right for every route: who may send it gets another refusal.
            let response = client.request(method.parse().unwrap(), &path).await;
            let allowed =
                permissions.get(permission).unwrap_or_else(|| panic!("{template} needs an unknown {permission}"));
            let is_allowed = allowed.contains(role);
            assert_eq!(response.status != 403, is_allowed, "{method} {template} as {role}: {response}");
            // A path without an id exists, or the documentation is old.
            assert!(response.status != 404 || template.contains('{'), "{method} {template}: {response}");
        }
    }
}
