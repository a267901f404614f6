//! Backup and restore of a fleet by the operator's scripts, and the move of a one-process shop into
//! a fleet.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use fleet::Service;
use journeys::{BackupKey, Customer, Load, PASSWORD, TestFleet, TestShop, euros, run_souk};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use tempfile::TempDir;

use crate::support::{ALL_SERVICES, buy_with_retries, new_load_customers, new_plentiful_product, run, script};

fn operator_script(fleet: &TestFleet, name: &str) -> Command {
    let (souk, mut script) = (fleet.souk(), script(name));
    let uri = souk.get_envs().find(|(name, _)| *name == "MONGODB_URI").unwrap().1.unwrap();
    script.env("MONGODB_URI", uri).env_remove("MONGODB_URI_FILE").arg("--souk").arg(souk.get_program());
    script
}

/// Creates a user of MongoDB with these roles on the databases of services. Returns its URI.
async fn new_database_user(fleet: &TestFleet, name: &str, role_of: impl Fn(Service) -> &'static str) -> String {
    let uri = fleet.mongodb_uri(Service::Customer);
    let role = |service: Service| doc! {"role": role_of(service), "db": service.database()};
    let roles: Vec<Document> = Service::WITH_DATABASE.into_iter().map(role).collect();
    let admin = Client::with_uri_str(uri).await.unwrap().database("admin");
    admin.run_command(doc! {"createUser": name, "pwd": "secret", "roles": roles}).await.unwrap();
    let (_, server) = uri.split_once('@').unwrap();
    format!("mongodb://{name}:secret@{server}")
}

/// Adds a bucket to a backup, whose `aws` is a script. Returns the file with its arguments.
fn copy_to_bucket(backup: &mut Command, folder: &Path) -> PathBuf {
    let (programs, arguments) = (folder.join("programs"), folder.join("copied"));
    fs::create_dir(&programs).unwrap();
    let aws = programs.join("aws");
    fs::write(&aws, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >'{}'\n", arguments.display())).unwrap();
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), env::var("PATH").unwrap());
    backup.args(["--s3", "s3://bucket/souk"]).env("PATH", path);
    arguments
}

/// Counts the documents in a collection of `customer`.
async fn count_in_customer(fleet: &TestFleet, collection: &str) -> u64 {
    let client = Client::with_uri_str(fleet.mongodb_uri(Service::Customer)).await.unwrap();
    let database = client.database(&Service::Customer.database());
    database.collection::<Document>(collection).count_documents(doc! {}).await.unwrap()
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_backup_under_load_is_restored() {
    let fleet = TestFleet::start().await;
    let folder = TempDir::with_prefix("souk-operator-").unwrap();
    let tea = new_plentiful_product(&fleet).await;
    let customers = new_load_customers(&fleet).await;
    let ana = customers[0].clone();
    let (backups, recipients) = (folder.path().join("backups"), folder.path().join("recipients"));
    let key = BackupKey::new(folder.path().join("key.txt"));
    fs::write(&recipients, format!("# the key in the safe\n{}\n", key.recipient())).unwrap();
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let session = ana.sign_in_again().await;

    let load = Load::start(40, customers, vec![tea.clone()]);
    ana.wait_for_orders(5).await;
    let mut backup = operator_script(&fleet, "backup.sh");
    backup.arg("--to").arg(&backups).arg("--recipients-file").arg(&recipients).env("TMPDIR", &temporary);
    backup.env("MONGODB_URI", new_database_user(&fleet, "reader", |_| "read").await);
    // A file with a later name, as of a time when the clock was wrong, is not the one to copy.
    let later = backups.join("souk-29990101T000000Z.tar.gz.age");
    fs::create_dir(&backups).unwrap();
    fs::write(&later, "").unwrap();
    let copied = copy_to_bucket(&mut backup, folder.path());
    run(backup).await.expect_success();
    fs::remove_file(&later).unwrap();
    load.stop().await;
    let file = fs::read_dir(&backups).unwrap().next().unwrap().unwrap().path();
    let copied = fs::read_to_string(copied).unwrap();
    assert!(copied.lines().any(|argument| Path::new(argument) == file), "{copied}");
    expect_encryption(&fleet, &key, &file, &ana);
    let zoe = fleet.new_customer().await;
    // After a clean audit the broker has no event that is newer than the backup.
    fleet.expect_clean_audit().await;
    for service in ALL_SERVICES {
        fleet.stop_components(service).await;
    }

    let restore = |options: &[&str]| {
        let mut restore = operator_script(&fleet, "restore.sh");
        restore.arg("--from").arg(&backups).args(options).env("TMPDIR", &temporary);
        restore.args(["--identity", key.identity()]);
        restore
    };
    // A damaged backup is rejected before anything is deleted.
    let intact = fs::read(&file).unwrap();
    let mut damaged = intact.clone();
    damaged[intact.len() / 2] ^= 1;
    for damaged in [&damaged[..], &intact[..intact.len() - 1]] {
        fs::write(&file, damaged).unwrap();
        let rejected = run(restore(&["--force"])).await;
        assert!(rejected.code == Some(1) && rejected.text().contains("nothing was changed"), "{rejected:?}");
    }
    fs::write(&file, &intact).unwrap();
    run(restore(&["--force", "--dry-run"])).await.expect_success();
    // A user who may not write to all databases changes none of them.
    let writes_to_one = |service: Service| if service == Service::Customer { "readWrite" } else { "read" };
    let mut limited = restore(&["--force"]);
    limited.env("MONGODB_URI", new_database_user(&fleet, "limited", writes_to_one).await);
    let accounts = count_in_customer(&fleet, "accounts").await;
    let rejected = run(limited).await;
    assert!(rejected.code == Some(1) && rejected.text().contains("nothing was changed"), "{rejected:?}");
    assert!(accounts > 0 && count_in_customer(&fleet, "accounts").await == accounts, "an account is lost");
    let rejected = run(restore(&[])).await;
    assert_eq!(rejected.code, Some(1), "a restore overwrites data without --force");
    assert!(rejected.text().contains("--force"));
    run(restore(&["--force"])).await.expect_success();
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "files that are not encrypted remain");
    for service in ALL_SERVICES {
        fleet.start_components(service).await;
    }
    fleet.wait_until_ready().await;

    let client = fleet.client();
    // The fleet has its signing key, so that a session of the backup continues.
    session.get_profile().await.expect_status(200);
    client.refresh_session(&session.refresh_token).await.expect_status(200);
    client.refresh_session(&zoe.refresh_token).await.expect_unauthenticated();
    client.sign_in(&ana.email, PASSWORD).retry_while_busy().await.expect_status(200);
    client.sign_in(&zoe.email, PASSWORD).retry_while_busy().await.expect_unauthenticated();
    // Orders that were in checkout at the time of the backup reach a final state, and every event
    // is handled.
    fleet.expect_clean_audit().await;
    buy_with_retries(&fleet, &tea).await;
}

/// The backup has the customer's data and not the fleet's key, and nothing of it can be read.
fn expect_encryption(fleet: &TestFleet, key: &BackupKey, file: &Path, customer: &Customer) {
    let (encrypted, decrypted) = (fs::read(file).unwrap(), key.decrypt(file));
    let contains = |content: &[u8], part: &str| content.windows(part.len()).any(|window| window == part.as_bytes());
    assert!(contains(&decrypted, &customer.email) && !contains(&encrypted, &customer.email));
    let pem = fleet.signing_key();
    let signing_key = pem.lines().find(|line| !line.starts_with("-----")).unwrap();
    assert!(!contains(&decrypted, signing_key), "the backup has the signing key");
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_one_process_shop_moves_into_a_fleet_and_back() {
    let shop = TestShop::start().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order("first").await.expect_status(201);
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    assert!(shop.stop().await.success());

    let fleet = TestFleet::prepare().await;
    for server in ["rabbitmq", "mongodb"] {
        fleet.start_component(server).await;
    }
    let restored = fleet.run_souk(&["restore", "--from", shop.data().to_str().unwrap()]).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert!(restored.text().contains("documents"), "{restored:?}");
    for service in ALL_SERVICES {
        fleet.start_components(service).await;
    }
    fleet.start_component("nginx").await;
    fleet.wait_until_ready().await;

    let client = fleet.client();
    let sign_in = client.sign_in(&ana.email, PASSWORD).retry_while_busy().await.expect_status(200);
    let moved = Customer::from_sign_in(&client, &ana.email, PASSWORD, &sign_in);
    assert_eq!(moved.id, ana.id);
    assert_eq!(moved.list_orders().await.expect_status(200).items()[0]["id"], order["id"]);
    let replay = moved.place_order("first").await.expect_status(201);
    assert_eq!(replay["id"], order["id"], "the fleet does not know the key");
    assert_eq!(moved.get_cart().await.expect_status(200).items()[0]["quantity"], 1);
    assert_eq!(client.get_product(&tea).await.expect_status(200)["available"], 8);
    let found = client.list_products(&[("q", "tea")]).await.expect_status(200);
    assert!(found.items().iter().any(|item| item["id"] == *tea.id), "{found}");
    client.sign_up(&ana.email, PASSWORD).retry_while_busy().await.expect_problem(409, "email-taken");
    moved.place_order("second").await.expect_status(201);
    fleet.expect_clean_audit().await;

    let folder = TempDir::with_prefix("souk-operator-").unwrap();
    let copy = folder.path().join("copy");
    fleet.run_souk(&["backup", "--to", copy.to_str().unwrap()]).await.expect_success();
    let audit = run_souk(&["audit", "--data", copy.to_str().unwrap(), "--within", "0"]).await;
    assert!(audit.code == Some(0) && audit.stderr.contains("2 orders"), "{audit:?}");
    expect_backup_of_missing_databases_to_fail(&fleet, folder.path()).await;
}

async fn expect_backup_of_missing_databases_to_fail(fleet: &TestFleet, folder: &Path) {
    let to = folder.join("nothing");
    let rejected = fleet.run_souk(&["backup", "--database-prefix", "elsewhere_", "--to", to.to_str().unwrap()]).await;
    assert!(rejected.code == Some(1) && rejected.text().contains("elsewhere_"), "{rejected:?}");
    assert!(!to.exists());
}
