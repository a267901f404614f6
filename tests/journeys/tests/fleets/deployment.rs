//! The operator's scripts (`scripts/ec2/`) over a fleet: deployment and rollback under load, and
//! the installation of nginx.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use journeys::{CommandOutput, Load, TestFleet, wait_for};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ALL_SERVICES, expect_no_failure, new_load_customers, new_plentiful_product, run, script};

/// A fleet whose processes the operator's scripts replace.
pub(crate) struct Deployment {
    pub(crate) fleet: TestFleet,
    folder: TempDir,
    /// The processes that the fleet itself started and will stop.
    own: BTreeMap<String, u64>,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        let fleet = TestFleet::start().await;
        let folder = TempDir::with_prefix("souk-operator-").unwrap();
        let components = fleet.describe();
        fs::write(folder.path().join("fleet.json"), Value::from(components).to_string()).unwrap();
        let own = processes(&folder.path().join("fleet.json"));
        Self { fleet, folder, own }
    }

    /// Returns the list of processes, for `deploy.sh --fleet`.
    pub(crate) fn description(&self) -> PathBuf {
        self.folder.path().join("fleet.json")
    }

    /// Creates a version of these services: the built programs with other bytes.
    fn new_version(&self, name: &str, services: &[&str]) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        for service in services {
            let program = folder.join(service);
            fs::copy(fleet::target_dir().join("debug").join(service), &program).unwrap();
            // Bytes after the end of a program are ignored.
            fs::File::options().append(true).open(&program).unwrap().write_all(name.as_bytes()).unwrap();
        }
        folder
    }

    fn new_version_of_products(&self, name: &str, script: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let program = folder.join("products");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    async fn deploy(&self, version: &Path, options: &[&str]) -> CommandOutput {
        let mut deploy = script("deploy.sh");
        deploy.args(["--with", "processes", "--binaries"]).arg(version).arg("--fleet").arg(self.description());
        deploy.args(options);
        run(deploy).await
    }

    fn programs(&self) -> BTreeMap<String, PathBuf> {
        let program = |pid: u64| fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        processes(&self.description()).into_iter().map(|(name, pid)| (name, program(pid))).collect()
    }

    fn expect_version(&self, version: &Path) {
        for (name, program) in self.programs() {
            assert_eq!(program.parent(), Some(version), "{name}");
        }
    }
}

impl Drop for Deployment {
    /// Kills the deployed processes, which the fleet does not know.
    fn drop(&mut self) {
        for (name, pid) in processes(&self.description()) {
            if self.own.get(&name) != Some(&pid) {
                let _ = Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]).status();
            }
        }
    }
}

fn processes(file: &Path) -> BTreeMap<String, u64> {
    let components: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let instances = components.as_array().unwrap().iter().filter(|component| component["instance"].is_number());
    instances
        .map(|component| (component["name"].as_str().unwrap().to_owned(), component["pid"].as_u64().unwrap()))
        .collect()
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn deployments_and_rollbacks_fail_no_request() {
    let shop = Deployment::start().await;
    let tea = new_plentiful_product(&shop.fleet).await;
    // The programs are large, and copying them would delay the load.
    let (new, newer) = (shop.new_version("new", &ALL_SERVICES), shop.new_version("newer", &["shopping"]));
    // Less load than in `restart.rs`: a third instance of a service starts beside the others.
    let load = Load::start(40, new_load_customers(&shop.fleet).await, vec![tea]);
    let before_deployment = shop.programs();

    let dry_run = shop.deploy(&new, &["--dry-run"]).await;
    assert_eq!(dry_run.code, Some(0));
    assert_eq!(shop.programs(), before_deployment, "a dry run replaces a process");

    let deployed = shop.deploy(&new, &["--check", "true"]).await;
    assert_eq!(deployed.code, Some(0));
    shop.expect_version(&new);
    let running = processes(&shop.description());
    let repeated = shop.deploy(&new, &[]).await;
    assert!(repeated.code == Some(0) && repeated.text().contains("0 of 9"));
    assert_eq!(processes(&shop.description()), running, "a second deployment of a version changes a process");

    // The new version fails beside the instances: no instance is replaced.
    let broken = shop.new_version_of_products("broken", "#!/bin/sh\necho this is broken >&2\nexit 1\n");
    let rejected = shop.deploy(&broken, &["--service", "products"]).await;
    assert_eq!(rejected.code, Some(1));
    assert!(rejected.text().contains("this is broken"));
    assert_eq!(processes(&shop.description()), running);

    // The second instance fails: the first one is rolled back.
    let real = new.join("products");
    let half_broken = format!("#!/bin/sh\n[ \"$INSTANCE\" != products-2 ] || exit 1\nexec '{}'\n", real.display());
    let half_broken = shop.new_version_of_products("half_broken", &half_broken);
    let rolled_back = shop.deploy(&half_broken, &["--service", "products"]).await;
    assert_eq!(rolled_back.code, Some(1));
    assert_ne!(
        processes(&shop.description())["products-1"],
        running["products-1"],
        "products-1 was not replaced and rolled back"
    );
    shop.expect_version(&new);

    // The check after the deployment fails: both instances are rolled back.
    let unwanted = shop.deploy(&newer, &["--service", "shopping", "--check", "echo no; false"]).await;
    assert_eq!(unwanted.code, Some(1));
    assert_ne!(
        processes(&shop.description())["shopping-2"],
        running["shopping-2"],
        "shopping-2 was not replaced and rolled back"
    );
    shop.expect_version(&new);

    expect_no_failure(&load.stop().await);
}

struct SecondNginx(Child);

impl Drop for SecondNginx {
    fn drop(&mut self) {
        // After SIGTERM nginx stops its workers; after SIGKILL it would not.
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// Returns status, content type and text of a response. Replaces its request id.
async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let response = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    let content_type =
        response.headers().get("Content-Type").map_or("", |content_type| content_type.to_str().unwrap()).to_owned();
    let id = response.headers().get("X-Request-Id").map_or("", |id| id.to_str().unwrap()).to_owned();
    (response.status().as_u16(), content_type, response.text().await.unwrap().replace(&id, "<id>"))
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn an_installed_nginx_serves_as_the_fleets_own() {
    let shop = Deployment::start().await;
    let tea = new_plentiful_product(&shop.fleet).await;
    let site = shop.folder.path().join("site");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let install = || {
        let mut install = script("install-nginx.sh");
        install.arg("--prefix").arg(&site).arg("--fleet").arg(shop.description());
        install.args(["--listen", &port.to_string(), "--sign-in-rate", "10000r/s", "--sign-in-burst", "10000"]);
        install
    };
    fs::create_dir(&site).unwrap();
    run(install()).await.expect_success();

    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(&site).arg("-c").arg(site.join("nginx.conf")).args(["-e", "stderr"]);
    let log = fs::File::create(site.join("log")).unwrap();
    nginx.env("PATH", std::env::var("PATH").unwrap() + ":/usr/sbin").stdin(Stdio::null());
    nginx.stderr(log.try_clone().unwrap()).stdout(log);
    let _nginx = SecondNginx(nginx.spawn().unwrap());
    wait_for("nginx", async || reqwest::get(format!("http://{port}/nginx-health")).await.map(drop)).await;

    let own = shop.fleet.address_of("nginx");
    let product = format!("/products/{}", tea.id);
    for path in [
        "/robots.txt",
        "/nginx-health",
        &product,
        "/products?q=tea&limit=1",
        "/customer/profile",
        "/shopping/cart",
        "/products/nothing",
        "/products//reviews",
        "/products/%2e%2e/customer",
        "/customer/health/ready",
        "/shopping/metrics",
        "/elsewhere",
    ] {
        assert_eq!(get(port, path).await, get(own, path).await, "{path}");
    }

    // A second installation changes nothing. A configuration that nginx rejects is rolled back.
    let repeated = run(install()).await;
    assert!(repeated.code == Some(0) && !repeated.text().contains("write"), "{}", repeated.text());
    let templates = shop.folder.path().join("templates");
    fs::create_dir(&templates).unwrap();
    for file in fs::read_dir(fleet::workspace_dir().join("nginx")).unwrap().map(Result::unwrap) {
        let text = fs::read_to_string(file.path()).unwrap().replace("limit_req_status 429", "limit_req_status never");
        fs::write(templates.join(file.file_name()), text).unwrap();
    }
    let before = fs::read_to_string(site.join("souk.conf")).unwrap();
    let mut rejected_install = install();
    rejected_install.arg("--templates").arg(&templates).args(["--trusted-proxies", "10.0.0.0/8"]);
    assert_eq!(run(rejected_install).await.code, Some(1));
    assert_eq!(fs::read_to_string(site.join("souk.conf")).unwrap(), before);

    let mut changed_install = install();
    changed_install.args(["--servers", "customer=127.0.0.1:9"]);
    run(changed_install).await.expect_success();
    wait_for("nginx to reload", async || match get(port, "/customer/whoami").await {
        (502, content_type, _) if content_type == "application/problem+json" => Ok(()),
        (status, ..) => Err(status),
    })
    .await;
}
