//! `souk credentials` and `scripts/ec2/rotate.sh` replace the passwords of services under load.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use journeys::{CommandOutput, Load};
use lapin::{Connection, ConnectionProperties};
use mongodb::Client;
use mongodb::bson::doc;

use crate::deployment::Deployment;
use crate::support::{ALL_SERVICES, expect_no_failure, new_load_customers, new_plentiful_product, run, script};

/// The URLs of a service on RabbitMQ and on MongoDB.
#[derive(Debug, Clone, PartialEq)]
struct Urls {
    amqp: String,
    /// `web` has no database.
    mongodb: Option<String>,
}

fn urls_of(directory: &Path, service: &str) -> Urls {
    let read = |file: &str| fs::read_to_string(directory.join(service).join(file));
    Urls { amqp: read("amqp-url").unwrap(), mongodb: read("mongodb-uri").ok() }
}

impl Urls {
    /// Returns of each server whether it accepts the user.
    async fn are_accepted(&self) -> Vec<bool> {
        let connected = Connection::connect(&self.amqp, ConnectionProperties::default()).await;
        let mut accepted = vec![connected.is_ok()];
        if let Some(uri) = &self.mongodb {
            let client = Client::with_uri_str(uri).await.unwrap();
            accepted.push(client.database("admin").run_command(doc! {"listDatabases": 1}).await.is_ok());
        }
        accepted
    }

    fn users(&self) -> Vec<&str> {
        let user = |url: &'_ str| {
            let start = url.find("://").unwrap() + 3;
            start..start + url[start..].find(':').unwrap()
        };
        std::iter::once(&self.amqp).chain(&self.mongodb).map(|url| &url[user(url)]).collect()
    }
}

struct Rotation<'d> {
    shop: &'d Deployment,
    management: SocketAddr,
}

impl Rotation<'_> {
    async fn souk(&self, arguments: &[&str]) -> CommandOutput {
        let mut souk = self.shop.fleet.souk();
        souk.arg("credentials").args(arguments).arg("--urls").arg(self.shop.fleet.urls());
        souk.args(["--management-url", &format!("http://{}", self.management)]);
        run(souk).await
    }

    /// Replaces the passwords of a service with the operator's script.
    async fn rotate(&self, service: &str) {
        let souk = self.shop.fleet.souk();
        let mut rotate = script("rotate.sh");
        rotate.envs(souk.get_envs().filter_map(|(name, value)| Some((name, value?))));
        rotate.args(["--service", service, "--urls"]).arg(self.shop.fleet.urls()).arg("--souk").arg(souk.get_program());
        rotate.args(["--management-url", &format!("http://{}", self.management), "--", "--with", "processes"]);
        rotate.arg("--binaries").arg(fleet::target_dir().join("debug")).arg("--fleet").arg(self.shop.description());
        run(rotate).await.expect_success();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn passwords_of_services_are_replaced_under_load() {
    let shop = Deployment::start().await;
    let rotation = Rotation { shop: &shop, management: shop.fleet.start_rabbitmq_management().await };
    let directory = shop.fleet.urls();
    let tea = new_plentiful_product(&shop.fleet).await;
    let load = Load::start(40, new_load_customers(&shop.fleet).await, vec![tea]);

    for service in ALL_SERVICES {
        let former = urls_of(&directory, service);
        assert!(former.are_accepted().await.into_iter().all(|accepted| accepted), "{service}");
        rotation.rotate(service).await;
        let new = urls_of(&directory, service);
        assert!(new.users().iter().all(|user| *user == format!("{service}.2")), "{service}: {:?}", new.users());
        assert!(new.are_accepted().await.into_iter().all(|accepted| accepted), "{service}");
        assert!(
            !former.are_accepted().await.into_iter().any(|accepted| accepted),
            "{service}: the former password works"
        );
    }
    // The next time, the first name is free again.
    rotation.rotate("products").await;
    assert_eq!(urls_of(&directory, "products").users(), ["products", "products"]);

    expect_no_failure(&load.stop().await);
    shop.fleet.expect_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn a_user_that_is_in_use_is_not_deleted() {
    let shop = Deployment::start().await;
    let rotation = Rotation { shop: &shop, management: shop.fleet.start_rabbitmq_management().await };
    let directory = shop.fleet.urls();

    let only = rotation.souk(&["retire", "mail"]).await;
    assert!(only.code == Some(0) && only.text().contains("mail is the only user of its service"), "{}", only.text());

    let former = urls_of(&directory, "mail");
    rotation.souk(&["add", "mail"]).await.expect_success();
    let added = urls_of(&directory, "mail");
    let again = rotation.souk(&["add", "mail"]).await;
    assert!(again.code == Some(1) && again.text().contains("retire the former one first"), "{}", again.text());
    assert_eq!(urls_of(&directory, "mail"), added, "a refused step writes a URL");

    // The instance still runs with the former password.
    let early = rotation.souk(&["retire", "mail", "--within", "1"]).await;
    assert!(
        early.code == Some(1) && early.text().contains("open connections, and no user was deleted"),
        "{}",
        early.text()
    );
    assert!(former.are_accepted().await.into_iter().all(|accepted| accepted));
    let listed = rotation.souk(&["list", "mail"]).await;
    let rows: Vec<Vec<&str>> = listed.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.iter().filter(|row| row[1] == "mail" && row[2] == "no" && row[3] != "0").count(), 2, "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row[1] == "mail.2" && row[2] == "yes" && row[3] == "0").count(), 2, "{rows:?}");

    shop.fleet.stop_component("mail-1").await;
    shop.fleet.start_component("mail-1").await;
    shop.fleet.wait_until_ready().await;
    rotation.souk(&["retire", "mail"]).await.expect_success();
    assert!(!former.are_accepted().await.into_iter().any(|accepted| accepted));
    assert!(added.are_accepted().await.into_iter().all(|accepted| accepted));
}
