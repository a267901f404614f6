//! `souk migrate` on a shop whose data the previous release has created.

use std::fs;
use std::path::Path;

use journeys::{CommandOutput, TestShop, run_souk};

const DATABASES: [&str; 4] = ["customer", "mail", "products", "shopping"];

/// Makes the files those of the previous release: SQLite's `user_version` has four bytes in the
/// header of a file. Returns the format that they had.
fn make_former(data: &Path) -> u32 {
    let files = DATABASES.map(|database| {
        let file = data.join(format!("{database}.db"));
        let mut bytes = fs::read(&file).unwrap();
        let current = u32::from_be_bytes(bytes[60..64].try_into().unwrap());
        bytes[60..64].copy_from_slice(&(current - 1).to_be_bytes());
        fs::write(&file, bytes).unwrap();
        current
    });
    files[0]
}

async fn migrate(shop: &TestShop, command: &str) -> CommandOutput {
    run_souk(&["migrate", command, "--data", shop.data().to_str().unwrap()]).await
}

#[tokio::test]
async fn a_shop_is_migrated_while_it_runs() {
    let shop = TestShop::start().await;
    shop.stop().await;
    let current = make_former(shop.data());
    shop.restart().await;
    let ana = shop.new_customer().await;

    let status = migrate(&shop, "status").await.expect_success();
    let [head, customer, ..] = status.lines().collect::<Vec<_>>()[..] else { panic!("{status}") };
    assert_eq!(head, "DATABASE  FORMAT  TO REWRITE");
    assert!(
        customer.starts_with(&format!("customer  {}       ", current - 1)) && customer.contains(" accounts, "),
        "{status}"
    );
    assert!(status.ends_with("souk migrate run\n"), "{status}");

    let run = migrate(&shop, "run").await.expect_success();
    assert!(run.starts_with("customer: ") && run.ends_with("shopping: 0 rewritten\n"), "{run}");
    let status = migrate(&shop, "status").await.expect_success();
    assert!(
        status.contains(&format!("customer  {current}       -\n")) && status.ends_with("nothing to do\n"),
        "{status}"
    );
    assert_eq!(migrate(&shop, "run").await.expect_success().matches(": 0 rewritten").count(), DATABASES.len());

    // The running shop reads what was rewritten, and writes the same format.
    let ana = ana.sign_in_again().await;
    ana.get_profile().await.expect_status(200);
    shop.new_customer().await;
    let status = migrate(&shop, "status").await.expect_success();
    assert!(status.ends_with("nothing to do\n"), "{status}");
    shop.stop().await;
    shop.restart().await;
    ana.sign_in_again().await.get_profile().await.expect_status(200);
}

#[tokio::test]
async fn a_shop_of_an_earlier_release_must_be_restarted_first() {
    let shop = TestShop::start().await;
    // A shop of an earlier release has locked `souk.lock` alone.
    for entry in fs::read_dir(shop.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(".format-") {
            fs::remove_file(path).unwrap();
        }
    }
    for command in ["status", "run"] {
        let refused = migrate(&shop, command).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("with this release first"), "{refused:?}");
    }
}
