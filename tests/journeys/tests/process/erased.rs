//! An operator makes sure that nothing is left of somebody who is forgotten: `souk audit --erased`.

use std::fs;

use journeys::{Finished, OwnShop, Shop, erased_everywhere, euros, souk};
use serde_json::json;

/// An address in which every line leads to one person.
const STREET: &str = "Rua das Flores 99";

async fn audit(shop: &OwnShop, id: &str, more: &[&str]) -> Finished {
    let at = ["audit", "--within", "1", "--data", shop.data().to_str().unwrap(), "--erased", id];
    souk(&[&at[..], more].concat()).await
}

async fn lives_here(shop: &Shop) -> journeys::Customer {
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.edits_profile(json!({"phone": "+351 912345678"})).await.expect_status(200);
    let address = json!({"street": STREET, "city": "Porto", "postal_code": "4050-265", "country": "PT"});
    ana.adds_address(address).await.expect_status(201);
    ana.adds(&tea, 1).await.expect_status(200);
    ana.orders("key").await.expect_status(201);
    ana.adds(&tea, 2).await.expect_status(200);
    ana.wishes_for(&tea).await.expect_status(200);
    ana
}

#[tokio::test]
async fn nothing_is_left_of_who_is_forgotten() {
    let shop = OwnShop::open().await;
    let ana = lives_here(&shop).await;
    let too_early = audit(&shop, &ana.id, &[]).await;
    assert_eq!(too_early.code, Some(1));
    assert!(too_early.stderr.contains("is not deleted"), "{too_early:?}");
    let nobody = audit(&shop, "0198f0c0-0000-7000-8000-000000000000", &[]).await;
    assert!(nobody.code == Some(1) && nobody.stderr.contains("there never was"), "{nobody:?}");

    let receipt = ana.erases_the_account().await.expect_status(202);
    erased_everywhere(&shop.visitor(), receipt.id()).await;
    let logs = shop.data().with_file_name("logs");
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("shop.log"), shop.log()).unwrap();
    let words = ["--word", &ana.email, "--word", STREET, "--word", "+351912345678"];
    let with_logs = [&words[..], &["--log", logs.to_str().unwrap()]].concat();
    let is_clean = async |state: &str| {
        let audited = audit(&shop, &ana.id, &with_logs).await;
        assert_eq!((audited.code, &*audited.stdout), (Some(0), ""), "{state}: {audited:?}");
        assert!(audited.stderr.contains("documents") && audited.stderr.contains("lines of logs"), "{audited:?}");
    };
    is_clean("it runs").await;
    shop.kill();
    is_clean("it is closed").await;
}

#[tokio::test]
async fn what_is_left_is_shown() {
    let shop = OwnShop::open().await;
    let (ana, bea) = (lives_here(&shop).await, lives_here(&shop).await);
    let receipt = ana.erases_the_account().await.expect_status(202);
    erased_everywhere(&shop.visitor(), receipt.id()).await;
    // She lives on at the same address.
    let audited = audit(&shop, &ana.id, &["--word", STREET]).await;
    assert_eq!(audited.code, Some(1), "{audited:?}");
    let account = format!("customer: accounts {}", bea.id);
    assert!(audited.stdout.contains(&account) && audited.stdout.contains("rua das flores 99"), "{audited:?}");
    assert!(audited.stdout.contains("customer.db"), "the bytes of the files are searched too: {audited:?}");

    let log = shop.data().with_file_name("chatty.log");
    fs::write(&log, format!("all is well\nmail to {} bounced\n", ana.email.to_uppercase())).unwrap();
    let audited = audit(&shop, &ana.id, &["--word", &ana.email, "--log", log.to_str().unwrap()]).await;
    assert_eq!(audited.code, Some(1), "{audited:?}");
    assert_eq!(audited.stdout.lines().count(), 1, "{audited:?}");
    assert!(audited.stdout.contains("chatty.log:2:"), "{audited:?}");
}
