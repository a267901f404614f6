//! `souk audit --erased` verifies that no personal data of an erased customer is left.

use std::fs;

use journeys::{CommandOutput, Customer, Shop, TestShop, UNKNOWN_ID, address, euros};
use serde_json::json;

const STREET: &str = "Rua das Flores 99";

async fn audit(shop: &TestShop, id: &str, options: &[&str]) -> CommandOutput {
    shop.run_souk(&[&["audit", "--within", "1", "--erased", id], options].concat()).await
}

async fn customer_with_data(shop: &Shop) -> Customer {
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    ana.update_profile(json!({"phone": "+351 912345678"})).await.expect_status(200);
    ana.add_address(address(STREET)).await.expect_status(201);
    ana.buy(&tea, 1).await;
    ana.add_to_cart(&tea, 2).await.expect_status(200);
    ana.add_to_wishlist(&tea).await.expect_status(200);
    ana
}

#[tokio::test]
async fn an_audit_finds_nothing_of_an_erased_customer() {
    let shop = TestShop::start().await;
    let ana = customer_with_data(&shop).await;
    let too_early = audit(&shop, &ana.id, &[]).await;
    assert_eq!(too_early.code, Some(1));
    assert!(too_early.stderr.contains("is not deleted"), "{too_early:?}");
    let unknown = audit(&shop, UNKNOWN_ID, &[]).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("there never was"), "{unknown:?}");

    let receipt = ana.delete_account().await.expect_status(202);
    shop.client().wait_for_erasure(receipt.id()).await;
    let logs = shop.data().with_file_name("logs");
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("shop.log"), shop.log()).unwrap();
    let words = ["--word", &ana.email, "--word", STREET, "--word", "+351912345678"];
    let with_logs = [&words[..], &["--log", logs.to_str().unwrap()]].concat();
    let expect_clean = async |state: &str| {
        let audited = audit(&shop, &ana.id, &with_logs).await;
        assert_eq!((audited.code, &*audited.stdout), (Some(0), ""), "{state}: {audited:?}");
        assert!(audited.stderr.contains("documents") && audited.stderr.contains("log lines"), "{audited:?}");
    };
    expect_clean("running").await;
    shop.kill();
    expect_clean("stopped").await;
}

#[tokio::test]
async fn an_audit_shows_remaining_personal_data() {
    let shop = TestShop::start().await;
    let (ana, ben) = (customer_with_data(&shop).await, customer_with_data(&shop).await);
    let receipt = ana.delete_account().await.expect_status(202);
    shop.client().wait_for_erasure(receipt.id()).await;
    // Another customer has the same address.
    let audited = audit(&shop, &ana.id, &["--word", STREET]).await;
    assert_eq!(audited.code, Some(1), "{audited:?}");
    let account = format!("customer: accounts {}", ben.id);
    assert!(audited.stdout.contains(&account) && audited.stdout.contains("rua das flores 99"), "{audited:?}");
    assert!(audited.stdout.contains("customer.db"), "the audit also searches the bytes of the files: {audited:?}");

    let log = shop.data().with_file_name("mail.log");
    fs::write(&log, format!("started\nmail to {} bounced\n", ana.email.to_uppercase())).unwrap();
    let audited = audit(&shop, &ana.id, &["--word", &ana.email, "--log", log.to_str().unwrap()]).await;
    assert_eq!(audited.code, Some(1), "{audited:?}");
    assert_eq!(audited.stdout.lines().count(), 1, "{audited:?}");
    assert!(audited.stdout.contains("mail.log:2:"), "{audited:?}");
}
