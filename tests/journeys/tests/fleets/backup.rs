//! What was backed up is restored, and a shop that was begun in one process moves into a fleet.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use journeys::{Load, OwnFleet, OwnShop, PASSWORD, euros, eventually, souk};
use tempfile::TempDir;

use crate::support::{SERVICES, books_balance, done, five_customers, plenty, said, script, somebody_buys};

/// The operator's command, which the scripts run.
fn operators(fleet: &OwnFleet, name: &str) -> Command {
    let (souk, mut script) = (fleet.souk(), script(name));
    let uri = souk.get_envs().find(|(name, _)| *name == "MONGODB_URI").unwrap().1.unwrap();
    script.env("MONGODB_URI", uri).env_remove("MONGODB_URI_FILE").arg("--souk").arg(souk.get_program());
    script
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn what_was_backed_up_is_restored() {
    let fleet = OwnFleet::open().await;
    let folder = TempDir::with_prefix("souk-operator-").unwrap();
    let tea = plenty(&fleet).await;
    let customers = five_customers(&fleet).await;
    let ana = customers[0].clone();
    let backups = folder.path().join("backups");

    // Orders are under way when it is made.
    let load = Load::of(40, customers, vec![tea.clone()]);
    eventually("people to have ordered", async || {
        let orders = ana.past_orders().await.expect_status(200);
        if orders.items().len() < 5 { Err(orders) } else { Ok(()) }
    })
    .await;
    let mut backup = operators(&fleet, "backup.sh");
    backup.arg("--to").arg(&backups);
    assert!(done(backup).await.status.success());
    load.ends().await;
    let zoe = fleet.new_customer("Zoe").await;
    // The broker keeps nothing from after the backup.
    books_balance(&fleet).await;
    for service in SERVICES {
        fleet.stops_all(service).await;
    }

    let restore = |options: &[&str]| {
        let mut restore = operators(&fleet, "restore.sh");
        restore.arg("--from").arg(&backups).args(options);
        restore
    };
    let dry = done(restore(&["--force", "--dry-run"])).await;
    assert!(dry.status.success());
    let refused = done(restore(&[])).await;
    assert_eq!(refused.status.code(), Some(1), "there is data on the server");
    assert!(said(&refused).contains("--force"));
    assert!(done(restore(&["--force"])).await.status.success());
    for service in SERVICES {
        fleet.starts_all(service).await;
    }
    fleet.is_ready().await;

    let visitor = fleet.visitor();
    visitor.signs_in(&ana.email, PASSWORD).unless_busy().await.expect_status(200);
    visitor.signs_in(&zoe.email, PASSWORD).unless_busy().await.expect_problem(401, "unauthenticated");
    // Every order that was under way in that moment is ended, every piece is where it belongs, every event has had its effect.
    books_balance(&fleet).await;
    somebody_buys(&fleet, &tea).await;

    // A backup that is not what it was is nobody's.
    let file = fs::read_dir(&backups).unwrap().map(|file| file.unwrap().path());
    let file = file.into_iter().find(|file| file.extension().is_some_and(|kind| kind == "gz")).unwrap();
    fs::File::options().append(true).open(&file).unwrap().write_all(b"x").unwrap();
    let refused = done(restore(&["--force"])).await;
    assert!(refused.status.code() == Some(1) && said(&refused).contains("sha256"));
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_shop_moves_into_a_fleet() {
    let shop = OwnShop::open().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let order = ana.orders("the-first").await.expect_status(201);
    ana.adds(&tea, 1).await.expect_status(200);
    assert!(shop.stop().await.success());

    let fleet = OwnFleet::prepared().await;
    for server in ["rabbitmq", "mongodb"] {
        fleet.starts(server).await;
    }
    assert!(restored(&fleet, shop.data()).await.contains("documents"));
    for service in SERVICES {
        fleet.starts_all(service).await;
    }
    fleet.starts("nginx").await;
    fleet.is_ready().await;

    let visitor = fleet.visitor();
    let sign_in = visitor.signs_in(&ana.email, PASSWORD).unless_busy().await.expect_status(200);
    let there = journeys::Customer::with(&visitor, &ana.email, PASSWORD, &sign_in);
    assert_eq!(there.id, ana.id);
    assert_eq!(there.past_orders().await.expect_status(200).items()[0]["id"], order["id"]);
    assert_eq!(there.orders("the-first").await.expect_status(201)["id"], order["id"], "its key is known");
    assert_eq!(there.cart().await.expect_status(200).items()[0]["quantity"], 1);
    assert_eq!(visitor.looks_at(&tea).await.expect_status(200)["available"], 8);
    let found = visitor.looks_round(&[("q", "tea")]).await.expect_status(200);
    assert!(found.items().iter().any(|item| item["id"] == *tea.id), "{found}");
    visitor.signs_up(&ana.email, PASSWORD).unless_busy().await.expect_problem(409, "email-taken");
    there.orders("the-second").await.expect_status(201);
    books_balance(&fleet).await;

    // And back, to look at it, or to work on a copy of it.
    let copy = TempDir::with_prefix("souk-operator-").unwrap();
    let to = copy.path().join("copy");
    let mut backup = fleet.souk();
    backup.args(["backup", "--to"]).arg(&to);
    assert!(done(backup).await.status.success());
    let audited = souk(&["audit", "--data", &to.display().to_string(), "--within", "0"]).await;
    assert!(audited.code == Some(0) && audited.stderr.contains("2 orders"), "{audited:?}");
    is_refused_a_backup_of_nothing(&fleet, copy.path()).await;
}

/// Told in time that nothing would be in it.
async fn is_refused_a_backup_of_nothing(fleet: &OwnFleet, folder: &Path) {
    let mut backup = fleet.souk();
    backup.args(["backup", "--database-prefix", "elsewhere_", "--to"]).arg(folder.join("nothing"));
    let refused = done(backup).await;
    assert!(refused.status.code() == Some(1) && said(&refused).contains("elsewhere_"));
    assert!(!folder.join("nothing").exists());
}

async fn restored(fleet: &OwnFleet, from: &Path) -> String {
    let mut restore = fleet.souk();
    restore.args(["restore", "--from"]).arg(from);
    let restored = done(restore).await;
    assert!(restored.status.success());
    said(&restored)
}
