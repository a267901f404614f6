//! `souk backup` and `souk restore` of a one-process shop.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use journeys::{BackupKey, CommandOutput, Load, PASSWORD, RunningCommand, TestShop, euros, run_souk, wait_for};

async fn backup(data: &Path, to: &Path) -> CommandOutput {
    run_souk(&["backup", "--data", text(data), "--to", text(to)]).await
}

async fn restore(from: &Path, data: &Path, options: &[&str]) -> CommandOutput {
    run_souk(&[&["restore", "--from", text(from), "--data", text(data)], options].concat()).await
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_backup_under_load_is_consistent() {
    let shop = TestShop::start().await;
    let tea = shop.new_product("tea", &euros(499), 100_000).await;
    let customers = shop.new_customers(5).await;
    let ana = customers[0].clone();
    let load = Load::start(100, customers, vec![tea.clone()]);
    ana.wait_for_orders(5).await;
    let folder = tempfile::tempdir().unwrap();
    let (copy, data) = (folder.path().join("copy"), shop.data());
    let created = backup(data, &copy).await;
    assert_eq!((created.code, created.stderr.as_str()), (Some(0), ""), "{created:?}");
    let outcomes = load.stop().await;
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_failure()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let zoe = shop.new_customer().await;
    assert!(shop.stop().await.success());

    // Each database is one file that only its owner may read.
    let mut files: Vec<_> = fs::read_dir(&copy).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["customer.db", "mail.db", "products.db", "shopping.db"]);
    #[cfg(unix)]
    for (path, mode) in [(copy.clone(), 0o700), (copy.join("customer.db"), 0o600)] {
        let permissions = fs::metadata(&path).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, mode, "{}", path.display());
    }

    fs::rename(data, data.with_extension("old")).unwrap();
    let restored = restore(&copy, data, &[]).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    shop.restart().await;
    let client = shop.client();
    client.sign_in(&ana.email, PASSWORD).retry_while_busy().await.expect_status(200);
    client.sign_in(&zoe.email, PASSWORD).retry_while_busy().await.expect_unauthenticated();
    // Orders that were in checkout at the time of the backup reach a final state.
    let audit = shop.run_souk(&["audit"]).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");
    shop.customer_with_order(&tea, 1).await;
}

/// Returns the keys of a stopped shop: its signing key and the key of guest tokens, in base64.
pub(crate) fn keys_of(data: &Path) -> [String; 2] {
    let pem = fs::read_to_string(data.join("signing-key.pem")).unwrap();
    let signing_key = pem.lines().find(|line| !line.starts_with("-----")).unwrap().to_owned();
    let database = fs::read(data.join("shopping.db")).unwrap();
    let database = String::from_utf8_lossy(&database);
    let guest_key = database.split(r#"{"secret":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert_eq!((signing_key.len(), guest_key.len()), (64, 44), "the stored form of a key has changed");
    [signing_key, guest_key.to_owned()]
}

#[tokio::test]
async fn a_backup_contains_no_key() {
    let shop = TestShop::start().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 1).await.expect_status(200);
    let ana = shop.customer_with_cart(&tea, 2).await;
    let folder = tempfile::tempdir().unwrap();
    let (copy, copy_of_copy) = (folder.path().join("copy"), folder.path().join("copy-of-copy"));
    assert_eq!(backup(shop.data(), &copy).await.code, Some(0));
    assert_eq!(restore(&copy, &copy_of_copy, &[]).await.code, Some(0));
    assert!(shop.stop().await.success());
    let keys = keys_of(shop.data());
    for directory in [&copy, &copy_of_copy] {
        for file in fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!keys.iter().any(|key| content.contains(key)), "{} has a key", path.display());
        }
    }

    // The restored shop has new keys, so it knows the customer and not the guest.
    fs::rename(shop.data(), shop.data().with_extension("old")).unwrap();
    assert_eq!(restore(&copy, shop.data(), &[]).await.code, Some(0));
    shop.restart().await;
    guest.get_cart().await.expect_unauthenticated();
    shop.client().create_guest_cart().await.get_cart().await.expect_status(200);
    assert_eq!(ana.sign_in_again().await.get_cart().await["items"][0]["quantity"], 2);
}

#[tokio::test]
async fn backup_and_restore_overwrite_nothing() {
    let shop = TestShop::start().await;
    let (data, folder) = (shop.data(), tempfile::tempdir().unwrap());
    let (copy, empty) = (folder.path().join("some/where/copy"), folder.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    let created = backup(data, &copy).await;
    assert_eq!(created.code, Some(0), "{created:?}");

    let into_running = restore(&copy, data, &[]).await;
    let forced = restore(&copy, data, &["--force"]).await;
    let from_empty = restore(&empty, &folder.path().join("new"), &[]).await;
    for (rejected, reason) in [
        (backup(data, &copy).await, "is not empty"),
        (backup(&empty, &folder.path().join("new")).await, "there is no shop in"),
        (into_running, "is not empty"),
        (forced, "move"),
        (from_empty, "there is no shop in"),
    ] {
        assert!(rejected.code == Some(1) && rejected.stderr.contains(reason), "{reason}: {rejected:?}");
    }
    assert!(!folder.path().join("new").exists(), "a failed command leaves a file behind");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a failed command leaves a file beside its target");
    // A shop that starts in an empty directory holds its lock.
    let lock = fs::File::create(empty.join("souk.lock")).unwrap();
    lock.try_lock().unwrap();
    let into_locked = backup(data, &empty).await;
    assert!(into_locked.code == Some(1) && into_locked.stderr.contains("already running"), "{into_locked:?}");
    drop(lock);
    let into_empty = backup(data, &empty).await;
    assert_eq!(into_empty.code, Some(0), "{into_empty:?}");
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 4, "more than the databases");
    shop.client().get("/products").await.expect_status(200);
}

#[tokio::test]
async fn an_interrupted_backup_leaves_nothing_behind() {
    // Enough that the backup continues for a while after its first megabyte.
    const PRODUCTS: usize = 30_000;
    let shop = TestShop::start().await;
    let mut file = String::from("key,name,description,category,price,currency,available\n");
    for number in 0..PRODUCTS {
        writeln!(file, "tea-{number},Tea {number},{},Tea,499,EUR,1", "Leaves. ".repeat(50)).unwrap();
    }
    shop.admin().await.import_products("text/csv", file, &[]).await.expect_status(200);
    let folder = tempfile::tempdir().unwrap();
    let [copy, backups, temporary] = ["copy", "backups", "temporary"].map(|name| folder.path().join(name));
    fs::create_dir(&temporary).unwrap();
    let key = BackupKey::new(folder.path().join("key.txt")).recipient();
    let arguments = ["backup", "--data", text(shop.data()), "--to"];
    for (options, plain_files) in
        [(vec![text(&copy)], &copy), (vec![text(&backups), "--encrypt-to", key.as_str()], &temporary)]
    {
        let running = RunningCommand::start_in(&temporary, &[&arguments[..], &options].concat());
        wait_for("the backup to write a megabyte", async || {
            let drafts = fs::read_dir(plain_files).into_iter().flatten().flatten().map(|entry| entry.path());
            let sizes =
                drafts.filter_map(|draft| fs::metadata(draft.join("products.db-wal")).ok()).map(|file| file.len());
            let copied: u64 = sizes.sum();
            if copied > 1_000_000 { Ok(()) } else { Err(copied) }
        })
        .await;
        running.terminate();
        let ended = running.wait().await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), "souk: interrupted\n"), "{ended:?}");
        assert!(!copy.exists(), "an interrupted backup leaves a file behind");
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "files that are not encrypted remain");
    }
    assert_eq!(fs::read_dir(&backups).unwrap().count(), 0, "an interrupted backup leaves a draft behind");
    assert_eq!(backup(shop.data(), &copy).await.code, Some(0), "the next backup fails");
}
