//! Start-up and shutdown of a one-process shop: data directory, options, errors, admin creation,
//! sample products.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use journeys::{CommandOutput, PASSWORD, Product, TestShop, euros, new_email, run_souk};
use serde_json::json;
use tempfile::TempDir;

#[track_caller]
fn expect_error(rejected: &CommandOutput, topic: &str) {
    assert_eq!(rejected.code, Some(1), "{rejected:?}");
    assert_eq!(rejected.stderr.trim_end().lines().count(), 1, "{rejected:?}");
    assert!(rejected.stderr.contains(topic), "{topic} is missing: {rejected:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn dlq_is_rejected_for_a_one_process_shop() {
    let shop = TestShop::start().await;
    expect_error(&shop.run_souk(&["dlq", "list"]).await, "one-process shop");
}

#[tokio::test]
async fn a_second_start_on_the_same_data_is_rejected() {
    let shop = TestShop::start().await;
    let data = text(shop.data());
    expect_error(&run_souk(&["up", "--port", "0", "--data", data]).await, data);
    shop.client().get("/products/whoami").await.expect_status(200);
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_created_is_rejected() {
    let directory = TempDir::new().unwrap();
    // Root cannot create a directory below a file either.
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let data = file.join("data");
    expect_error(&run_souk(&["up", "--port", "0", "--data", text(&data)]).await, text(&data));
}

#[tokio::test]
async fn a_port_in_use_is_rejected() {
    let directory = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let data = directory.path().join("data");
    expect_error(&run_souk(&["up", "--port", &port, "--data", text(&data)]).await, &port);
}

#[tokio::test]
async fn an_unknown_option_is_rejected() {
    let rejected = run_souk(&["up", "--prot", "8000"]).await;
    assert_ne!(rejected.code, Some(0), "{rejected:?}");
    assert!(rejected.stderr.contains("--prot"), "{rejected:?}");
}

#[tokio::test]
async fn the_help_names_every_option() {
    let help = run_souk(&["--help"]).await;
    assert_eq!(help.code, Some(0), "{help:?}");
    for word in ["up", "admin", "--port", "--address", "--data", "--memory", "--no-demo"] {
        assert!(help.stdout.contains(word), "{word} is missing:\n{}", help.stdout);
    }
}

#[tokio::test]
async fn the_output_shows_the_url_and_how_to_create_an_admin() {
    let output = TestShop::start().await.stdout();
    assert_eq!(output.matches("http://127.0.0.1:").count(), 1, "{output}");
    assert!(output.contains("souk admin create"), "{output}");
}

#[tokio::test]
async fn the_shop_exits_with_0_after_sigterm() {
    let shop = TestShop::start().await;
    let status = shop.stop().await;
    assert_eq!(status.code(), Some(0), "{status}");
}

#[tokio::test]
async fn the_catalogue_survives_a_restart() {
    let shop = TestShop::start().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let before = admin.get_product(&tea).await.body;
    shop.stop().await;
    shop.restart().await;
    assert_eq!(shop.client().get_product(&tea).await.expect_status(200).body, before);
}

/// Every command refuses the data, and changes nothing.
#[tokio::test]
async fn data_of_another_version_is_rejected() {
    let shop = TestShop::start().await;
    shop.stop().await;
    let file = shop.data().join("customer.db");
    let set_version = |version: u32| {
        // SQLite's `user_version` has four bytes in the header of a file.
        let mut bytes = fs::read(&file).unwrap();
        let before = u32::from_be_bytes(bytes[60..64].try_into().unwrap());
        bytes[60..64].copy_from_slice(&version.to_be_bytes());
        fs::write(&file, bytes).unwrap();
        before
    };
    let before = set_version(4_711);
    let (data, backup) = (text(shop.data()), shop.data().with_extension("backup"));
    for arguments in [vec!["up", "--port", "0"], vec!["audit"], vec!["backup", "--to", text(&backup)]] {
        let rejected = run_souk(&[&arguments[..], &["--data", data]].concat()).await;
        expect_error(&rejected, "has format version 4711, and this build reads");
    }
    let copy = shop.data().with_extension("copy");
    expect_error(&run_souk(&["restore", "--from", data, "--data", text(&copy)]).await, "format version 4711");
    assert_eq!(set_version(before), 4_711);
    shop.restart().await;
}

#[tokio::test]
async fn a_shop_in_memory_loses_everything_on_restart() {
    let shop = TestShop::start_with(&["--memory", "--no-demo"]).await;
    let ana = shop.new_customer().await;
    assert!(!shop.data().exists(), "{} exists", shop.data().display());
    shop.stop().await;
    shop.restart().await;
    shop.client().sign_in(&ana.email, PASSWORD).await.expect_unauthenticated();
    ana.get_profile().await.expect_unauthenticated();
}

#[tokio::test]
async fn an_admin_can_be_created_while_the_shop_runs() {
    let shop = TestShop::start().await;
    let email = new_email("operator");
    let created = shop.create_admin(&email, PASSWORD).await;
    assert_eq!(created.code, Some(0), "{created:?}");
    let sign_in = shop.client().sign_in(&email, PASSWORD).await.expect_status(200);
    let admin = shop.client().with_token_of(&sign_in);
    assert_eq!(admin.get("/customer/profile").await["role"], "admin");
}

#[tokio::test]
async fn an_admin_can_be_created_while_the_shop_is_stopped() {
    let shop = TestShop::start().await;
    let email = new_email("operator");
    shop.stop().await;
    let created = shop.create_admin(&email, PASSWORD).await;
    assert_eq!(created.code, Some(0), "{created:?}");
    shop.restart().await;
    shop.client().sign_in(&email, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn an_admin_with_a_short_password_is_rejected() {
    let shop = TestShop::start().await;
    let email = new_email("operator");
    let rejected = shop.create_admin(&email, "short").await;
    assert_eq!(rejected.code, Some(1), "{rejected:?}");
    shop.client().sign_in(&email, "short").await.expect_unauthenticated();
}

#[tokio::test]
async fn the_signing_key_is_readable_by_its_owner_only() {
    let shop = TestShop::start().await;
    shop.new_customer().await;
    let keys: Vec<PathBuf> = files_below(shop.data()).into_iter().filter(|file| holds_a_key(file)).collect();
    assert!(!keys.is_empty(), "no key below {}", shop.data().display());
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
async fn a_new_shop_has_sample_products() {
    let shop = TestShop::start_with(&[]).await;
    let client = shop.client();
    let products = client.list_all("/products", &[]).await;
    assert!(products.len() >= 60, "{} products", products.len());
    let categories = client.list_all("/products/categories", &[]).await;
    assert!(categories.len() >= 6, "{categories:?}");
    let names: BTreeSet<String> = products.iter().map(|product| product["name"].to_string()).collect();
    assert_eq!(names.len(), products.len(), "two products have the same name");
    for product in &products {
        assert!(product["description"].as_str().is_some_and(|text| text.len() >= 20), "{product}");
        assert!(product["price"]["amount"].as_u64().is_some_and(|cents| cents > 0), "{product}");
        assert!(product["available"].is_u64(), "{product}");
    }
}

#[tokio::test]
async fn every_sample_product_has_an_image() {
    let shop = TestShop::start_with(&[]).await;
    let client = shop.client();
    for product in client.list_all("/products", &[]).await {
        let image = product["image"].as_str().unwrap_or_else(|| panic!("{product} has no image"));
        let image_response = client.get(image).await.expect_status(200);
        assert_eq!(image_response.header("Content-Type"), "image/svg+xml", "{image}");
        assert!(image_response.body.as_str().is_some_and(|svg| svg.contains("<svg")), "{image}");
    }
}

#[tokio::test]
async fn sample_products_are_created_once() {
    let shop = TestShop::start_with(&[]).await;
    let before = shop.client().list_all("/products", &[]).await;
    shop.stop().await;
    shop.restart().await;
    assert_eq!(shop.client().list_all("/products", &[]).await, before);
}

#[tokio::test]
async fn no_demo_starts_without_products() {
    let shop = TestShop::start().await;
    let list = shop.client().list_products(&[]).await.expect_status(200);
    assert_eq!(list.body, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn the_root_leads_a_browser_to_the_pages_in_its_language() {
    let shop = TestShop::start_with(&[]).await;
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (languages, home) in [("de-AT,de;q=0.9,en;q=0.8", "/de"), ("fr", "/en")] {
        let root = shop.client().get("/").header("Accept", accept).header("Accept-Language", languages);
        let root = root.await.expect_status(303);
        assert_eq!((root.header("Location"), root.header("Vary")), (home, "Accept, Accept-Language, Cookie"));
    }
    let page = shop.client().get("/en").header("Accept", accept).await.expect_status(200);
    assert!(page.header("Content-Type").starts_with("text/html"), "{page:?}");
    let html = page.body.as_str().unwrap();
    for word in ["<html lang=\"en\">", "/products/images/"] {
        assert!(html.contains(word), "{word} is missing:\n{html}");
    }
}

#[tokio::test]
async fn the_root_is_json_for_a_program() {
    let shop = TestShop::start().await;
    let response = shop.client().get("/").header("Accept", "application/json").await.expect_status(200);
    assert_eq!(response.header("Content-Type"), "application/json");
    assert!(response.body.is_object(), "{response}");
}

#[tokio::test]
async fn import_limits_are_configurable() {
    let shop = TestShop::start_in(&["--no-demo"], &[("MAX_IMPORT_BYTES", "100"), ("MAX_IMPORT_ROWS", "2")]).await;
    let admin = shop.admin().await;
    let import =
        async |file: &str| admin.import_products("text/csv", file, &[("category", "Tea"), ("available", "1")]).await;
    let header = "key,name,price";
    let rejected = import(&format!("{header}\na,A,1\nb,B,1\nc,C,1\n")).await.expect_problem(422, "too-many-rows");
    assert!(rejected["detail"].as_str().unwrap().contains("2 rows"), "{rejected}");
    import(&format!("{header}\na,{},1\n", "A".repeat(100))).await.expect_problem(413, "too-large");
    let report = import(&format!("{header}\na,A,1\nb,B,1\n")).await.expect_status(200);
    assert_eq!(report["created"], 2);
}

/// Sign-up does not verify addresses, so an account with the address of the operator may belong to
/// an attacker.
#[tokio::test]
async fn an_existing_account_is_not_promoted_by_admin_create() {
    let shop = TestShop::start().await;
    let existing = shop.new_customer().await;
    let rejected = shop.create_admin(&existing.email, "the operator's own password").await;
    expect_error(&rejected, "--promote");
    let sign_in = shop.client().sign_in(&existing.email, PASSWORD).await.expect_status(200);
    let existing = shop.client().with_token_of(&sign_in);
    assert_eq!(existing.get("/customer/profile").await["role"], "customer");
}

#[tokio::test]
async fn admin_create_does_not_create_a_shop() {
    let directory = TempDir::new().unwrap();
    let mistyped = directory.path().join("daat");
    let rejected = run_souk(&["admin", "create", "operator@example.com", "--data", text(&mistyped)]).await;
    expect_error(&rejected, text(&mistyped));
    assert!(!mistyped.exists());
}

#[tokio::test]
async fn deleted_sample_products_are_not_created_again() {
    let shop = TestShop::start_with(&[]).await;
    let admin = shop.admin().await;
    for sample in admin.list_all("/products", &[]).await {
        admin.delete_product(&Product::from_json(&sample)).await.expect_status(204);
    }
    shop.stop().await;
    shop.restart().await;
    assert!(shop.client().get("/products").await.items().is_empty());
}

#[tokio::test]
async fn the_databases_are_readable_by_their_owner_only() {
    let shop = TestShop::start().await;
    for file in fs::read_dir(shop.data()).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_str().unwrap().contains(".db") {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
        }
    }
}
