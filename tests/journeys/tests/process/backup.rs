//! A shop is backed up while people order, and what was backed up is a shop.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use journeys::{Finished, Load, OwnShop, PASSWORD, Souk, euros, eventually, souk};

async fn run(command: &str, options: &[(&str, &Path)], more: &[&str]) -> Finished {
    let options = options.iter().flat_map(|(name, path)| [(*name).to_owned(), path.display().to_string()]);
    let arguments: Vec<String> = std::iter::once(command.to_owned()).chain(options).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    souk(&arguments).await
}

#[tokio::test]
async fn a_shop_is_backed_up_while_people_order() {
    let shop = OwnShop::open().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 100_000).await;
    let mut customers = Vec::new();
    for name in ["Ana", "Ben", "Cem", "Dia", "Eli"] {
        customers.push(shop.new_customer(name).await);
    }
    let ana = customers[0].clone();
    let load = Load::of(100, customers, vec![tea.clone()]);
    eventually("people to have ordered", async || {
        let orders = ana.past_orders().await.expect_status(200);
        if orders.items().len() < 5 { Err(orders) } else { Ok(()) }
    })
    .await;
    let place = tempfile::tempdir().unwrap();
    let (copy, data) = (place.path().join("copy"), shop.data());
    let backup = run("backup", &[("--data", data), ("--to", &copy)], &[]).await;
    assert_eq!((backup.code, backup.stderr.as_str()), (Some(0), ""), "{backup:?}");
    let outcomes = load.ends().await;
    let refused: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.status().is_none_or(|status| status >= 500)).collect();
    assert!(refused.is_empty(), "nobody notices: {refused:?}");
    let zoe = shop.new_customer("Zoe").await;
    assert!(shop.stop().await.success());

    // Each database is one file, which nobody else may read.
    let mut files: Vec<_> = fs::read_dir(&copy).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["customer.db", "products.db", "shopping.db"]);
    #[cfg(unix)]
    for (path, mode) in [(copy.clone(), 0o700), (copy.join("customer.db"), 0o600)] {
        let permissions = fs::metadata(&path).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, mode, "{}", path.display());
    }

    fs::rename(data, data.with_extension("old")).unwrap();
    let restored = run("restore", &[("--from", &copy), ("--data", data)], &[]).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    shop.restart().await;
    let visitor = shop.visitor();
    visitor.signs_in(&ana.email, PASSWORD).unless_busy().await.expect_status(200);
    visitor.signs_in(&zoe.email, PASSWORD).unless_busy().await.expect_problem(401, "unauthenticated");
    // Every order that was under way in that moment is ended, and every piece is where it belongs.
    let audit = run("audit", &[("--data", data)], &[]).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");
    let ben = shop.new_customer("Ben").await;
    ben.adds(&tea, 1).await.expect_status(200);
    ben.orders("after-the-backup").await.expect_status(201);
}

#[tokio::test]
async fn a_backup_takes_nobodys_place() {
    let shop = OwnShop::open().await;
    let (data, place) = (shop.data(), tempfile::tempdir().unwrap());
    let (copy, empty) = (place.path().join("some/where/copy"), place.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    let backup = async |from: &Path, to: &Path| run("backup", &[("--data", from), ("--to", to)], &[]).await;
    let made = backup(data, &copy).await;
    assert_eq!(made.code, Some(0), "{made:?}");

    let into_running = run("restore", &[("--from", &copy), ("--data", data)], &[]).await;
    let forced = run("restore", &[("--from", &copy), ("--data", data)], &["--force"]).await;
    let of_nothing = run("restore", &[("--from", &empty), ("--data", &place.path().join("new"))], &[]).await;
    for (refused, why) in [
        (backup(data, &copy).await, "is not empty"),
        (backup(&empty, &place.path().join("new")).await, "there is no shop in"),
        (into_running, "is not empty"),
        (forced, "move"),
        (of_nothing, "there is no shop in"),
    ] {
        assert!(refused.code == Some(1) && refused.stderr.contains(why), "{why}: {refused:?}");
    }
    assert!(!place.path().join("new").exists(), "what failed leaves nothing behind");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "nor beside it");
    // A shop that is being opened there has the place, though there is nothing yet.
    let lock = fs::File::create(empty.join("souk.lock")).unwrap();
    lock.try_lock().unwrap();
    let into_opened = backup(data, &empty).await;
    assert!(into_opened.code == Some(1) && into_opened.stderr.contains("already running"), "{into_opened:?}");
    drop(lock);
    // A directory that is there and empty is as good as none, and so is one that a shop has let go of.
    let into_empty = backup(data, &empty).await;
    assert_eq!(into_empty.code, Some(0), "{into_empty:?}");
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 3, "nothing but the databases");
    shop.visitor().gets("/products").await.expect_status(200);
}

#[tokio::test]
async fn a_backup_that_is_interrupted_leaves_nothing_behind() {
    // Enough for a backup to take a while after its first megabyte.
    const GOODS: usize = 30_000;
    let shop = OwnShop::open().await;
    let mut file = String::from("key,name,description,category,price,currency,available\n");
    for number in 0..GOODS {
        writeln!(file, "tea-{number},Tea {number},{},Tea,499,EUR,1", "Leaves. ".repeat(50)).unwrap();
    }
    shop.admin().await.imports("text/csv", file, &[]).await.expect_status(200);
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy");
    let options = ["backup", "--data", shop.data().to_str().unwrap(), "--to", copy.to_str().unwrap()];
    let backup = Souk::begins(&options);
    eventually("the goods to be copied", async || {
        let drafts = fs::read_dir(&copy).into_iter().flatten().flatten().map(|entry| entry.path());
        let sizes = drafts.filter_map(|draft| fs::metadata(draft.join("products.db-wal")).ok()).map(|file| file.len());
        let copied: u64 = sizes.sum();
        if copied > 1_000_000 { Ok(()) } else { Err(copied) }
    })
    .await;
    backup.is_told_to_stop();
    let ended = backup.ends().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), "souk: interrupted\n"), "{ended:?}");
    assert!(!copy.exists(), "nothing is left");
    assert_eq!(run("backup", &[("--data", shop.data()), ("--to", &copy)], &[]).await.code, Some(0), "the next one");
}
