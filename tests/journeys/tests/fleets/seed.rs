//! `souk seed` fills a new fleet with sample products and creates its admin.

use std::fs;

use journeys::{PASSWORD, TestFleet};

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn seed_creates_sample_products_and_an_admin_once() {
    let fleet = TestFleet::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, PASSWORD).unwrap();
    for (samples, admin) in [("74 sample products", "is an admin"), ("no samples", "it stays as it is")] {
        let arguments = ["seed", "--admin", "operator@example.com", "--password-file", file.to_str().unwrap()];
        let output = fleet.run_souk(&arguments).await;
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(output.stdout.contains(samples) && output.stdout.contains(admin), "{output:?}");
    }
    let sign_in = fleet.client().sign_in("operator@example.com", PASSWORD).await.expect_status(200);
    let operator = fleet.client().with_token_of(&sign_in);
    assert_eq!(operator.get("/customer/profile").await.expect_status(200)["role"], "admin");
    assert_eq!(fleet.client().list_all("/products", &[]).await.len(), 74);
}
