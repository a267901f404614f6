//! An operator fills a new fleet with samples, and becomes its admin: `souk seed`.

use std::fs;

use journeys::{OwnFleet, PASSWORD};
use tokio::task::spawn_blocking;

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_new_fleet_gets_samples_and_an_admin_once() {
    let fleet = OwnFleet::open().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, PASSWORD).unwrap();
    for (samples, admin) in [("72 sample products", "is an admin"), ("no samples", "it stays as it is")] {
        let mut souk = fleet.souk();
        souk.args(["seed", "--admin", "operator@example.com", "--password-file"]).arg(&file);
        let said = spawn_blocking(move || souk.output().unwrap()).await.unwrap();
        let told = String::from_utf8_lossy(&said.stdout);
        assert!(said.status.success() && told.contains(samples) && told.contains(admin), "{said:?}");
    }
    let sign_in = fleet.visitor().signs_in("operator@example.com", PASSWORD).await.expect_status(200);
    let operator = fleet.visitor().presenting(sign_in["token"].as_str().unwrap());
    assert_eq!(operator.gets("/customer/profile").await.expect_status(200)["role"], "admin");
    assert_eq!(fleet.visitor().walks_through("/products", &[]).await.len(), 72);
}
