//! A merchant sets up shipping on pages: zones with countries, and methods with prices.

use journeys::{Admin, TestShop, euros};
use serde_json::{Value, json};

const LIST: &str = "/en/admin/shipping";

async fn zones(admin: &Admin) -> Vec<Value> {
    admin.get("/shopping/admin/shipping").await.expect_status(200)["zones"].as_array().unwrap().clone()
}

async fn names(admin: &Admin) -> Vec<String> {
    let name = |zone: &Value| zone["name"].as_str().unwrap().to_owned();
    zones(admin).await.iter().map(name).collect()
}

#[tokio::test]
async fn a_merchant_creates_a_zone_with_methods_of_every_kind() {
    let shop = TestShop::start().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let list = visitor.open(LIST).await.expect_status(200).expect_text("Germany").expect_text("€9.90 up to 2,000 g");
    assert!(!list.html().contains("<textarea"), "no JSON is needed");

    let form = visitor.open(&format!("{LIST}/zones/new")).await.expect_status(200).form("/zones/new");
    let form = form.set("zone_name", "North").press("countries", "US").press("countries", "JP");
    let refused = visitor.send_form(&form.set("areas", "Ontario").set("codes", "9..1")).await.expect_status(422);
    let kept = refused.form("/zones/new");
    assert_eq!(refused.invalid_fields(), ["codes"]);
    assert!(kept.encode().contains("countries=JP&countries=US"), "{kept:?}");
    let refused = visitor.send_form(&kept.set("codes", "")).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["areas"]);
    let form = refused.form("/zones/new").set("areas", "California, nevada").set("codes", "902..905\n89");
    let created = visitor.send_form(&form).await.expect_status(200).expect_text("Created.");
    created.expect_text("This zone has no method yet").expect_text("Only: CA, NV, 902..905, 89");
    assert_eq!(
        names(&admin).await,
        ["Germany", "European Union", "North", "World"],
        "before the zone of all countries"
    );
    assert_eq!(zones(&admin).await[2]["countries"], json!(["JP", "US"]));
    let same_name = visitor.open(&format!("{LIST}/zones/new")).await.form("/zones/new").set("zone_name", "World");
    let refused = visitor.send_form(&same_name).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["zone_name"]);

    let new = format!("{LIST}/zones/2/methods/new");
    let page = visitor.open(&new).await.expect_status(200).expect_text("New shipping method: North");
    let form = page.form("/methods/new").set("method_name", "Parcel");
    let refused = visitor.send_form(&form.set("price", "cheap").set("free_from", "a lot")).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["price", "free_from", "days_from", "days_to"]);
    let form = refused.form("/methods/new").set("price", "4.90").set("free_from", "50");
    let form = form.set("days_from", "3").set("days_to", "1");
    let refused = visitor.send_form(&form).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["days_to"]);
    let form = refused.form("/methods/new").set("days_to", "5");
    visitor.send_form(&form).await.expect_text("Parcel €4.90 €50.00 3–5");
    visitor.send_form(&form).await.expect_status(200).expect_text("Created.");

    // Rows may be in any order, and some may be empty.
    let page = visitor.open(&format!("{new}?kind=by-weight")).await.expect_status(200);
    let form = page.form("/methods/new").set("method_name", "Parcel").set("days_from", "1").set("days_to", "1");
    let form = form.set("weight-0", "5000").set("price-0", "9.90").set("weight-2", "heavy").set("price-2", "4.90");
    let refused = visitor.send_form(&form).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["weight-1"]);
    let form = refused.form("/methods/new").set("weight-1", "500");
    visitor.send_form(&form).await.expect_text("€4.90 up to 500 g €9.90 up to 5,000 g");
    let page = visitor.open(&format!("{new}?kind=by-total")).await.expect_status(200);
    let form = page.form("/methods/new").set("method_name", "Insured").set("days_from", "1").set("days_to", "2");
    let refused = visitor.send_form(&form).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["total-0"]);
    let form = refused.form("/methods/new").set("total-0", "0").set("price-0", "7").set("currency", "eur");
    visitor.send_form(&form).await.expect_text("€7.00 from €0.00");
    let page = visitor.open(&format!("{new}?kind=pickup")).await.expect_status(200);
    let form = page.form("/methods/new").set("method_name", "At the harbour").set("days_from", "0").set("days_to", "0");
    visitor.send_form(&form).await.expect_text("At the harbour collected by the customer");

    let methods = zones(&admin).await[2]["methods"].clone();
    let days = |from: u32, to: u32| json!({"from": from, "to": to});
    let weight = |grams: u32, price: u64| json!({"up_to_grams": grams, "price": euros(price)});
    let expected = json!([
        {"id": "parcel", "name": "Parcel", "price": {"kind": "flat", "price": euros(490)}, "free_from": euros(5_000), "days": days(3, 5)},
        {"id": "parcel-2", "name": "Parcel", "price": {"kind": "by-weight", "brackets": [weight(500, 490), weight(5_000, 990)]}, "days": days(1, 1)},
        {"id": "insured", "name": "Insured", "price": {"kind": "by-total", "brackets": [{"from": euros(0), "price": euros(700)}]}, "days": days(1, 2)},
        {"id": "at-the-harbour", "name": "At the harbour", "price": {"kind": "pickup"}, "days": days(0, 0)},
    ]);
    assert_eq!(methods, expected);
}

#[tokio::test]
async fn a_method_is_changed_and_keeps_its_id() {
    let shop = TestShop::start().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let before = zones(&admin).await;
    for (zone, method) in [(0, 0), (0, 2), (1, 0)] {
        let page = visitor.open(&format!("{LIST}/zones/{zone}/methods/{method}")).await.expect_status(200);
        visitor.send_form(&page.form("/methods/")).await.expect_status(200).expect_text("Saved.");
    }
    let zone = visitor.open(&format!("{LIST}/zones/1")).await.expect_status(200).form("/zones/1");
    visitor.send_form(&zone).await.expect_status(200).expect_text("Saved.");
    assert_eq!(zones(&admin).await, before, "forms that are saved unchanged change nothing");

    let german = visitor.open("/de/admin/shipping/zones/1/methods/0").await.expect_status(200).form("/methods/");
    assert_eq!((german.value("weight-0"), german.value("price-0")), ("2000", "9,90"));
    let form = german.set("method_name", "Paket").set("weight-0", "").set("price-0", "");
    visitor.send_form(&form).await.expect_status(200).expect_text("Gespeichert.");
    let method = zones(&admin).await[1]["methods"][0].clone();
    assert_eq!((&method["id"], &method["name"]), (&json!("standard"), &json!("Paket")));
    assert_eq!(method["price"]["brackets"].as_array().unwrap().len(), 2, "an emptied row is removed");

    // Another kind of price for the same method.
    let page = visitor.open(&format!("{LIST}/zones/1/methods/0?kind=flat")).await.expect_status(200);
    visitor.send_form(&page.form("/methods/").set("price", "8")).await.expect_status(200).expect_text("Paket €8.00");
    assert_eq!(zones(&admin).await[1]["methods"][0]["id"], "standard");
}

#[tokio::test]
async fn zones_and_methods_are_moved_and_removed() {
    let shop = TestShop::start().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let list = visitor.open(LIST).await.expect_status(200);
    let up = list.form("/admin/shipping/zones/2").press("act", "up");
    visitor.send_form(&up).await.expect_status(200).expect_text("Saved.");
    assert_eq!(names(&admin).await, ["Germany", "World", "European Union"]);
    let down = list.form("/admin/shipping/zones/0/methods/0").press("act", "down");
    visitor.send_form(&down).await.expect_status(200);
    let ids = async || {
        let zone = zones(&admin).await.remove(0);
        zone["methods"].as_array().unwrap().iter().map(|method| method["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, ["express", "standard", "pickup"]);
    let remove = list.form("/admin/shipping/zones/0/methods/1").press("act", "remove");
    visitor.send_form(&remove).await.expect_status(200).expect_text("Deleted.");
    visitor.send_form(&remove).await.expect_status(200).expect_text("It is not in the list any more");
    assert_eq!(ids().await, ["standard", "pickup"], "the method that the page showed, wherever it is now");

    let page = visitor.open(&format!("{LIST}/zones/1")).await.expect_status(200);
    let remove = page.form("/zones/1").press("act", "remove");
    visitor.send_form(&remove).await.expect_status(200).expect_text("Deleted.");
    assert_eq!(names(&admin).await, ["Germany", "European Union"]);
    visitor.open(&format!("{LIST}/zones/2")).await.expect_status(404);
}

#[tokio::test]
async fn two_admins_edit_shipping_at_once_and_nothing_is_lost() {
    let shop = TestShop::start().await;
    let (admin, first, second) = (shop.admin().await, shop.admin_visitor().await, shop.admin_visitor().await);
    let path = format!("{LIST}/zones/0/methods/0");
    let (one, other) = (first.open(&path).await.form("/methods/"), second.open(&path).await.form("/methods/"));
    let express = second.open(&format!("{LIST}/zones/0/methods/1")).await.form("/methods/");
    let zone = second.open(&format!("{LIST}/zones/0")).await.form("/zones/0");
    let remove = zone.clone().press("act", "remove");
    first.send_form(&one.set("price", "5.50")).await.expect_status(200);

    second.send_form(&express.set("price", "13")).await.expect_status(200);
    let refused = second.send_form(&remove).await.expect_status(412);
    refused.expect_text("Nothing is changed by you yet.");
    second.send_form(&zone.set("zone_name", "At home")).await.expect_status(200).expect_text("At home");
    let renamed = second.open(&path).await.form("/methods/");
    let stale = second.send_form(&other.set("days_to", "9")).await.expect_status(412);
    stale.expect_text("Another admin has changed this");
    let prices = async || {
        let methods = zones(&admin).await[0]["methods"].clone();
        [0, 1].map(|at| methods[at]["price"]["price"]["amount"].as_u64().unwrap())
    };
    assert_eq!(prices().await, [550, 1_300], "a method, another one and their zone do not conflict");

    first.send_form(&first.open(&path).await.form("/methods/").set("price", "6")).await.expect_status(200);
    let stale = second.send_form(&renamed.set("days_to", "9")).await.expect_status(412);
    let stale = stale.expect_text("Stored now: 6.00");
    let form = stale.form("/methods/");
    assert_eq!((form.value("price"), form.value("days_to")), ("5.50", "9"));
    second.send_form(&form.set("price", "6")).await.expect_status(200).expect_text("Saved.");
    let method = zones(&admin).await[0]["methods"][0].clone();
    assert_eq!((&method["price"]["price"], &method["days"]["to"]), (&euros(600), &json!(9)));
}
