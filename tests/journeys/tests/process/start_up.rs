//! The operator's first and last minutes: the shop opens on its data and on nobody else's, says in one line why it
//! cannot, shows a newcomer round, and closes when told.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use journeys::{Finished, OwnShop, PASSWORD, Product, euros, new_email, souk};
use serde_json::json;
use tempfile::TempDir;

/// Expects the command to have said in one line, about `topic`, why it cannot start.
#[track_caller]
fn expect_refusal(refused: &Finished, topic: &str) {
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.stderr.trim_end().lines().count(), 1, "{refused:?}");
    assert!(refused.stderr.contains(topic), "{topic} is missing: {refused:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn there_are_no_dead_letters_here_and_the_command_says_so() {
    let shop = OwnShop::open().await;
    expect_refusal(&souk(&["dlq", "list", "--data", text(shop.data())]).await, "one-process shop");
}

#[tokio::test]
async fn a_second_start_on_the_same_data_is_refused() {
    let shop = OwnShop::open().await;
    let data = text(shop.data());
    expect_refusal(&souk(&["up", "--port", "0", "--data", data]).await, data);
    shop.visitor().gets("/products/whoami").await.expect_status(200);
}

#[tokio::test]
async fn data_that_cannot_be_written_is_refused() {
    let directory = TempDir::new().unwrap();
    // Not even root can make a directory below a file.
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let data = file.join("data");
    expect_refusal(&souk(&["up", "--port", "0", "--data", text(&data)]).await, text(&data));
}

#[tokio::test]
async fn a_port_in_use_is_refused() {
    let directory = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data = directory.path().join("data");
    expect_refusal(&souk(&["up", "--port", &port, "--data", text(&data)]).await, &port);
}

#[tokio::test]
async fn an_option_that_does_not_exist_is_refused() {
    let refused = souk(&["up", "--prot", "8000"]).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("--prot"), "{refused:?}");
}

#[tokio::test]
async fn the_help_names_every_option() {
    let help = souk(&["--help"]).await;
    assert_eq!(help.code, Some(0), "{help:?}");
    for said in ["up", "admin", "--port", "--address", "--data", "--memory", "--no-demo"] {
        assert!(help.stdout.contains(said), "{said} is missing:\n{}", help.stdout);
    }
}

#[tokio::test]
async fn the_greeting_says_where_it_is_and_how_to_make_an_admin() {
    let greeting = OwnShop::open().await.greeting();
    assert_eq!(greeting.matches("http://127.0.0.1:").count(), 1, "{greeting}");
    assert!(greeting.contains("souk admin create"), "{greeting}");
}

#[tokio::test]
async fn the_shop_closes_when_told() {
    let shop = OwnShop::open().await;
    let status = shop.stop().await;
    assert_eq!(status.code(), Some(0), "{status}");
}

#[tokio::test]
async fn the_catalogue_is_kept_between_runs() {
    let shop = OwnShop::open().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let before = admin.looks_at(&tea).await.body;
    shop.stop().await;
    shop.restart().await;
    assert_eq!(shop.visitor().looks_at(&tea).await.expect_status(200).body, before);
}

#[tokio::test]
async fn in_memory_nothing_is_kept() {
    let shop = OwnShop::open_with(&["--memory", "--no-demo"]).await;
    let ana = shop.new_customer("Ana").await;
    assert!(!shop.data().exists(), "{} is left alone", shop.data().display());
    shop.stop().await;
    shop.restart().await;
    shop.visitor().signs_in(&ana.email, PASSWORD).await.expect_problem(401, "unauthenticated");
    ana.profile().await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_admin_can_be_made_while_the_shop_is_open() {
    let shop = OwnShop::open().await;
    let email = new_email("boss");
    let made = shop.makes_admin(&email, PASSWORD).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let sign_in = shop.visitor().signs_in(&email, PASSWORD).await.expect_status(200);
    let boss = shop.visitor().presenting(sign_in["token"].as_str().unwrap());
    assert_eq!(boss.gets("/customer/profile").await["role"], "admin");
}

#[tokio::test]
async fn an_admin_can_be_made_while_the_shop_is_closed() {
    let shop = OwnShop::open().await;
    let email = new_email("boss");
    shop.stop().await;
    let made = shop.makes_admin(&email, PASSWORD).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    shop.restart().await;
    shop.visitor().signs_in(&email, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn an_admin_needs_a_password_worth_the_name() {
    let shop = OwnShop::open().await;
    let email = new_email("boss");
    let refused = shop.makes_admin(&email, "short").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    shop.visitor().signs_in(&email, "short").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_signing_key_is_for_its_owner_only() {
    let shop = OwnShop::open().await;
    shop.new_customer("Ana").await;
    let keys: Vec<PathBuf> = files_below(shop.data()).into_iter().filter(|file| holds_a_key(file)).collect();
    assert!(!keys.is_empty(), "there is a key somewhere below {}", shop.data().display());
    for key in keys {
        let mode = fs::metadata(&key).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{} has mode {mode:o}", key.display());
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn holds_a_key(file: &Path) -> bool {
    let named = file.file_name().is_some_and(|name| name.to_string_lossy().contains("key"));
    named || fs::read(file).is_ok_and(|bytes| bytes.windows(11).any(|window| window == b"PRIVATE KEY"))
}

#[tokio::test]
async fn a_new_shop_has_something_to_look_at() {
    let shop = OwnShop::open_with(&[]).await;
    let visitor = shop.visitor();
    let products = visitor.walks_through("/products", &[]).await;
    assert!(products.len() >= 60, "{} products", products.len());
    let categories = visitor.walks_through("/products/categories", &[]).await;
    assert!(categories.len() >= 6, "{categories:?}");
    let names: BTreeSet<String> = products.iter().map(|product| product["name"].to_string()).collect();
    assert_eq!(names.len(), products.len(), "no two have the same name");
    for product in &products {
        assert!(product["description"].as_str().is_some_and(|text| text.len() >= 20), "{product}");
        assert!(product["price"]["amount"].as_u64().is_some_and(|cents| cents > 0), "{product}");
        assert!(product["available"].is_u64(), "{product}");
    }
}

#[tokio::test]
async fn every_sample_has_a_picture() {
    let shop = OwnShop::open_with(&[]).await;
    let visitor = shop.visitor();
    for product in visitor.walks_through("/products", &[]).await {
        let image = product["image"].as_str().unwrap_or_else(|| panic!("{product} has no picture"));
        let picture = visitor.gets(image).await.expect_status(200);
        assert_eq!(picture.header("Content-Type"), "image/svg+xml", "{image}");
        assert!(picture.body.as_str().is_some_and(|svg| svg.contains("<svg")), "{image}");
    }
}

#[tokio::test]
async fn the_samples_come_once() {
    let shop = OwnShop::open_with(&[]).await;
    let before = shop.visitor().walks_through("/products", &[]).await;
    shop.stop().await;
    shop.restart().await;
    assert_eq!(shop.visitor().walks_through("/products", &[]).await, before);
}

#[tokio::test]
async fn an_empty_shop_stays_empty_when_asked() {
    let shop = OwnShop::open().await;
    let list = shop.visitor().looks_round(&[]).await.expect_status(200);
    assert_eq!(list.body, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn a_browser_sees_a_page() {
    let shop = OwnShop::open_with(&[]).await;
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = shop.visitor().gets("/").header("Accept", accept).await.expect_status(200);
    assert!(page.header("Content-Type").starts_with("text/html"), "{page:?}");
    let html = page.body.as_str().unwrap();
    for shown in ["<html", "/products/images/", "curl"] {
        assert!(html.contains(shown), "{shown} is missing:\n{html}");
    }
}

#[tokio::test]
async fn a_program_sees_json() {
    let shop = OwnShop::open().await;
    let answer = shop.visitor().gets("/").header("Accept", "application/json").await.expect_status(200);
    assert_eq!(answer.header("Content-Type"), "application/json");
    assert!(answer.body.is_object(), "{answer}");
}

#[tokio::test]
async fn an_operator_bounds_what_an_import_may_take() {
    let shop = OwnShop::open_in(&["--no-demo"], &[("IMPORT_BYTES", "100"), ("IMPORT_ROWS", "2")]).await;
    let admin = shop.admin().await;
    let imports = async |file: &str| admin.imports("text/csv", file, &[("category", "Tea"), ("available", "1")]).await;
    let header = "key,name,price";
    let refused = imports(&format!("{header}\na,A,1\nb,B,1\nc,C,1\n")).await.expect_problem(422, "validation");
    assert!(refused["detail"].as_str().unwrap().contains("2 rows"), "{refused}");
    imports(&format!("{header}\na,{},1\n", "A".repeat(100))).await.expect_problem(413, "too-large");
    let report = imports(&format!("{header}\na,A,1\nb,B,1\n")).await.expect_status(200);
    assert_eq!(report["created"], 2);
}

/// Anybody can sign up with any address. Whoever did so first must not become the admin that the operator means.
#[tokio::test]
async fn a_stranger_who_took_the_address_does_not_become_the_admin() {
    let shop = OwnShop::open().await;
    let stranger = shop.new_customer("Boss").await;
    let refused = shop.makes_admin(&stranger.email, "the operator's own password").await;
    expect_refusal(&refused, "--promote");
    let sign_in = shop.visitor().signs_in(&stranger.email, PASSWORD).await.expect_status(200);
    let stranger = shop.visitor().presenting(sign_in["token"].as_str().unwrap());
    assert_eq!(stranger.gets("/customer/profile").await["role"], "customer");
}

#[tokio::test]
async fn a_directory_without_a_shop_does_not_become_one() {
    let directory = TempDir::new().unwrap();
    let mistyped = directory.path().join("daat");
    let refused = souk(&["admin", "create", "boss@example.com", "--data", text(&mistyped)]).await;
    expect_refusal(&refused, text(&mistyped));
    assert!(!mistyped.exists());
}

#[tokio::test]
async fn samples_that_were_withdrawn_do_not_come_back() {
    let shop = OwnShop::open_with(&[]).await;
    let admin = shop.admin().await;
    for sample in admin.walks_through("/products", &[]).await {
        admin.withdraws(&Product::of(&sample)).await.expect_status(204);
    }
    shop.stop().await;
    shop.restart().await;
    assert!(shop.visitor().gets("/products").await.items().is_empty());
}

#[tokio::test]
async fn the_databases_are_for_their_owner_only() {
    let shop = OwnShop::open().await;
    for file in fs::read_dir(shop.data()).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_str().unwrap().contains(".db") {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
        }
    }
}
