//! A merchant looks after the tax rates on pages that take percentages and days.

use journeys::{Admin, Response, TestShop, Visitor};
use serde_json::{Value, json};

const LIST: &str = "/en/admin/taxes";
const NEW: &str = "/en/admin/taxes/rates/new";

async fn rates(admin: &Admin) -> Vec<Value> {
    admin.get("/shopping/admin/taxes").await.expect_status(200)["rates"].as_array().unwrap().clone()
}

/// Returns the rates of a country with these values of one member.
async fn of_country(admin: &Admin, country: &str, member: &str) -> Vec<Value> {
    let rates = rates(admin).await;
    let of_country = rates.iter().filter(|rate| rate["country"] == country && rate["class"] == "standard");
    of_country.map(|rate| rate[member].clone()).collect()
}

/// Opens the page of the standard rate of a country.
async fn open_rate(admin: &Admin, visitor: &Visitor, language: &str, country: &str) -> Response {
    let rates = rates(admin).await;
    let is_it = |rate: &Value| rate["country"] == country && rate["class"] == "standard";
    let position = rates.iter().position(is_it).unwrap();
    visitor.open(&format!("/{language}/admin/taxes/rates/{position}")).await.expect_status(200)
}

#[tokio::test]
async fn a_merchant_enters_a_change_of_the_law_in_advance() {
    let shop = TestShop::start().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let list = visitor.open(LIST).await.expect_status(200).expect_text("Germany Standard – Standard 19%");
    assert!(!list.html().contains("<textarea id=\"document\""), "no JSON is needed");
    visitor.open(&format!("{LIST}?country=AT")).await.expect_text("Austria Standard – Standard 20%");

    let austria = visitor.open(&format!("{LIST}?country=AT")).await;
    let rate = austria.links().into_iter().find(|link| link.contains("/rates/") && !link.starts_with(NEW)).unwrap();
    let saved = visitor.send_form(&visitor.open(&rate).await.form("/admin/taxes/rates/")).await.expect_status(200);
    assert!(saved.has_text("Saved.") && saved.has_text("Austria Standard"), "{saved}");
    assert!(!saved.has_text("Germany Standard"), "the list has Austria only: {saved}");

    let new = visitor.open(NEW).await.expect_status(200).form(NEW);
    assert_eq!((new.value("country"), new.value("class")), ("DE", "standard"));
    let new = new.set("rate", "20.5").set("starts", "2027-01-01");
    let refused = visitor.send_form(&new).await.expect_status(422).expect_text("Another rate of this place");
    assert_eq!(refused.invalid_fields(), ["starts"], "the old rate has no end");
    let page = open_rate(&admin, &visitor, "en", "DE").await;
    let old = page.form("/admin/taxes/rates/");
    assert_eq!((old.value("rate"), old.value("starts"), old.value("ends")), ("19", "2025-01-01", ""));
    visitor.send_form(&old.set("ends", "2027-01-01")).await.expect_status(200).expect_text("Saved.");
    let kept = refused.form(NEW);
    assert_eq!((kept.value("rate"), kept.value("starts")), ("20.5", "2027-01-01"));
    visitor.send_form(&kept).await.expect_status(200).expect_text("Created.").expect_text("20.5%");
    assert_eq!(of_country(&admin, "DE", "rate_bp").await, [json!(1_900), json!(2_050)]);
    assert_eq!(of_country(&admin, "DE", "until").await, [json!("2027-01-01T00:00:00.000Z"), Value::Null]);
}

#[tokio::test]
async fn what_is_wrong_with_a_rate_is_said_beside_its_field() {
    let shop = TestShop::start().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let before = rates(&admin).await;
    let form = visitor.open(NEW).await.form(NEW).set("country", "US").set("area", "Ontario").set("codes", "9..1");
    let refused = visitor.send_form(&form.set("rate", "a lot").set("starts", "")).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["codes", "rate", "starts"]);
    let kept = refused.form(NEW);
    assert_eq!((kept.value("area"), kept.value("codes"), kept.value("rate")), ("Ontario", "9..1", "a lot"));
    let form = kept.set("codes", "902..905").set("rate", "9.5").set("starts", "2026-01-01").set("ends", "2025-01-01");
    let refused = visitor.send_form(&form).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["area"]);
    let refused = visitor.send_form(&refused.form(NEW).set("area", "Nevada")).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["ends"]);
    assert_eq!(rates(&admin).await, before);
    visitor.send_form(&refused.form(NEW).set("ends", "")).await.expect_text("Nevada, 902..905");
    let created = rates(&admin).await.into_iter().find(|rate| rate["region"] == "NV").unwrap();
    assert_eq!((&created["rate_bp"], &created["postal_codes"]), (&json!(950), &json!("902..905")));

    let german = open_rate(&admin, &visitor, "de", "FR").await.form("/rates/").set("rate", "19.5");
    let refused = visitor.send_form(&german).await.expect_status(422).expect_text("7,5");
    visitor.send_form(&refused.form("/rates/").set("rate", "19,5 %")).await.expect_status(200);
    assert_eq!(of_country(&admin, "FR", "rate_bp").await, [json!(1_950)]);
}

#[tokio::test]
async fn two_admins_edit_rates_at_once_and_nothing_is_lost() {
    let shop = TestShop::start().await;
    let (admin, first, second) = (shop.admin().await, shop.admin_visitor().await, shop.admin_visitor().await);
    let france = open_rate(&admin, &second, "en", "FR").await.form("/rates/");
    // The rates of other countries move up.
    let first_rate = first.open("/en/admin/taxes/rates/0").await.expect_status(200);
    let remove_first = first_rate.form("/rates/").press("act", "remove");
    first.send_form(&remove_first).await.expect_status(200).expect_text("Deleted.");
    let count = rates(&admin).await.len();
    first.send_form(&remove_first).await.expect_status(200).expect_text("It is not in the list any more");
    assert_eq!(rates(&admin).await.len(), count, "a second click removes nothing");
    assert_eq!(of_country(&admin, "AT", "rate_bp").await, Vec::<Value>::new(), "the standard rate was the first");
    second.send_form(&france.set("rate", "21")).await.expect_status(200).expect_text("Saved.");
    assert_eq!(of_country(&admin, "FR", "rate_bp").await, [json!(2_100)], "another rate is no conflict");
}

#[tokio::test]
async fn the_later_admin_sees_what_the_other_has_stored() {
    let shop = TestShop::start().await;
    let (admin, first, second) = (shop.admin().await, shop.admin_visitor().await, shop.admin_visitor().await);
    let one = open_rate(&admin, &first, "en", "DE").await.form("/rates/");
    let page = open_rate(&admin, &second, "en", "DE").await;
    first.send_form(&one.set("rate", "21")).await.expect_status(200);

    let stale = second.send_form(&page.form("/rates/").set("ends", "2030-01-01")).await.expect_status(412);
    let stale = stale.expect_text("Another admin has changed this").expect_text("Stored now: 21");
    let form = stale.form("/rates/");
    assert_eq!((form.value("rate"), form.value("ends")), ("19", "2030-01-01"));
    assert_eq!(of_country(&admin, "DE", "rate_bp").await, [json!(2_100)], "nothing is saved yet");
    let refused = second.send_form(&page.form("/rates/").press("act", "remove")).await.expect_status(412);
    refused.expect_text("Nothing is changed by you yet.");
    second.send_form(&form.set("rate", "21")).await.expect_status(200).expect_text("Saved.");
    assert_eq!(of_country(&admin, "DE", "until").await, [json!("2030-01-01T00:00:00.000Z")]);

    // One that is gone can be created again.
    let page = open_rate(&admin, &second, "en", "DE").await;
    let remove = open_rate(&admin, &first, "en", "DE").await.form("/rates/").press("act", "remove");
    first.send_form(&remove).await.expect_status(200);
    assert_eq!(of_country(&admin, "DE", "rate_bp").await, Vec::<Value>::new());
    let gone = second.send_form(&page.form("/rates/").set("rate", "22")).await.expect_status(412);
    let gone = gone.expect_text("It is not in the list any more").form(NEW);
    second.send_form(&gone).await.expect_status(200).expect_text("Created.");
    second.send_form(&gone).await.expect_status(200).expect_text("Created.");
    assert_eq!(of_country(&admin, "DE", "rate_bp").await, [json!(2_200)]);
}

#[tokio::test]
async fn the_note_of_the_rates_is_changed() {
    let shop = TestShop::start().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let note = async || admin.get("/shopping/admin/taxes").await["note"].clone();
    let page = visitor.open(LIST).await.expect_text("Check each rate before you sell.");
    let form = page.form("/taxes/note");
    visitor
        .send_form(&form.clone().set("note", "Checked by Ana"))
        .await
        .expect_status(200)
        .expect_text("Checked by Ana");
    assert_eq!(note().await, "Checked by Ana");
    let stale = visitor.send_form(&form.set("note", "Checked by Bo")).await.expect_status(412);
    let stale = stale.expect_text("Stored now: Checked by Ana");
    visitor.send_form(&stale.form("/taxes/note").set("note", "")).await.expect_status(200);
    assert_eq!(note().await, Value::Null);
}
