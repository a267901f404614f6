//! The secrets and the personal data of a canary are in no log, no error and no event of a shop in
//! one process.

use std::fs;

use journeys::{Canary, TestShop};

#[tokio::test]
async fn secrets_stay_where_they_belong() {
    let shop = TestShop::start_with(&["--no-demo", "--log", "debug"]).await;
    let canary = Canary::fly(&shop).await;
    canary.expect_clean_errors();
    assert!(shop.stop().await.success());
    let log = shop.log();
    assert!(log.contains("/customer/login") && log.contains("DEBUG"), "{}", log.len());
    canary.expect_nothing_in("the log", &log);
    canary.expect_nothing_in("the output", &shop.stdout());
    // The databases had the personal data of the account, and have them no more. They never had a
    // password, a token or a code. Events are documents of the databases too.
    for file in fs::read_dir(shop.data()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let content = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        canary.expect_no_secret_in(&file.display().to_string(), &content);
    }
}
