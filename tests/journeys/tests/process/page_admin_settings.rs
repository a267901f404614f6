//! Admins edit the settings of the shop, its tax rates and its shipping on the pages.

use journeys::TestShop;
use serde_json::json;

#[tokio::test]
async fn a_setting_of_the_page_is_one_of_the_shop() {
    let shop = TestShop::start().await;
    let visitor = shop.admin_visitor().await;
    let before = shop.client().get("/shopping/shop").await.expect_status(200);
    let page = visitor.open("/en/admin/settings").await.expect_status(200);
    let form = page.form("/admin/settings");
    let wrong = form.clone().set("shop_name", "").set("order_prefix", "S1").set("tax_registrations", "AT XX");
    let refused = visitor.send_form(&wrong.set("address-postal_code", "1")).await.expect_status(422);
    let invalid = ["shop_name", "address-postal_code", "tax_registrations", "order_prefix"];
    assert_eq!(refused.invalid_fields(), invalid);
    assert_eq!(refused.form("/admin/settings").value("tax_registrations"), "AT XX");

    let changed = form.clone().set("shop_name", "Tea House").set("tax_registrations", "at, fr");
    visitor.send_form(&changed).await.expect_status(200).expect_text("Saved.");
    let after = shop.client().get("/shopping/shop").await.expect_status(200);
    let mut expected = before.body.clone();
    expected["name"] = json!("Tea House");
    assert_eq!(after.body, expected, "nothing else has changed");

    let stale = visitor.send_form(&form.set("legal_name", "Tea House Ltd")).await.expect_status(412);
    let stale = stale.expect_text("Stored now: Tea House").expect_text("Stored now: AT, FR");
    assert_eq!(stale.form("/admin/settings").value("legal_name"), "Tea House Ltd");
    let form = stale.form("/admin/settings").set("shop_name", "Tea House");
    visitor.send_form(&form).await.expect_status(200).expect_text("Saved.");
    let after = shop.client().get("/shopping/shop").await.expect_status(200);
    assert_eq!((&after["name"], &after["legal_name"]), (&json!("Tea House"), &json!("Tea House Ltd")));
}

#[tokio::test]
async fn the_documents_are_edited_as_json() {
    let shop = TestShop::start().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    for page in ["taxes", "shipping"] {
        let (path, api) = (format!("/en/admin/{page}/json"), format!("/shopping/admin/{page}"));
        let stored = admin.get(&api).await.expect_status(200);
        let form = visitor.open(&path).await.expect_status(200).form(&path);
        visitor.send_form(&form).await.expect_status(200).expect_text("Saved.");
        assert_eq!(admin.get(&api).await.body, stored.body, "{page}: the same document");

        let broken = visitor.open(&path).await.form(&path).set("document", "{\"rates\":\n[}");
        let refused = visitor.send_form(&broken).await.expect_status(422).expect_text("line 2");
        assert_eq!(refused.form(&path).value("document"), "{\"rates\":\n[}");
        let foreign = refused.form(&path).set("document", "{\"colour\": \"red\"}");
        let refused = visitor.send_form(&foreign).await.expect_status(422).expect_text("colour");
        assert_eq!(refused.invalid_fields(), ["document"]);
        let stale = visitor.send_form(&form).await.expect_status(412).expect_text("Stored now");
        visitor.send_form(&stale.form(&path)).await.expect_status(200).expect_text("Saved.");
    }
    let rates = json!({"rates": [
        {"country": "DE", "class": "standard", "rate_bp": 1_950, "from": "2025-01-01T00:00:00Z"}
    ]});
    let form = visitor.open("/en/admin/taxes/json").await.expect_status(200).form("/admin/taxes/json");
    let page = visitor.send_form(&form.set("document", &rates.to_string())).await.expect_status(200);
    page.expect_text("19.5%");
}
