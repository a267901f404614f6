//! What an operator of one machine runs (`scripts/ec2/`), over a fleet: versions come and go under load, and a second nginx gets the shop's
//! site. Backups are in `backup.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use journeys::{Load, OwnFleet, eventually};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{SERVICES, done, five_customers, plenty, said, script};

/// A fleet with an operator.
struct Operated {
    fleet: OwnFleet,
    folder: TempDir,
    /// The processes that the fleet itself looks after.
    own: BTreeMap<String, u64>,
}

impl Operated {
    async fn open() -> Self {
        let fleet = OwnFleet::open().await;
        let folder = TempDir::with_prefix("souk-operator-").unwrap();
        let list = fleet.list();
        fs::write(folder.path().join("fleet.json"), Value::from(list).to_string()).unwrap();
        let own = processes(&folder.path().join("fleet.json"));
        Self { fleet, folder, own }
    }

    fn list(&self) -> PathBuf {
        self.folder.path().join("fleet.json")
    }

    /// A version of these services that does what the built one does and is not the same.
    fn version(&self, name: &str, services: &[&str]) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        for service in services {
            let program = folder.join(service);
            fs::copy(fleet::target_dir().join("debug").join(service), &program).unwrap();
            // What follows a program in its file is not looked at.
            fs::File::options().append(true).open(&program).unwrap().write_all(name.as_bytes()).unwrap();
        }
        folder
    }

    /// A version of `products` that is this script.
    fn script_of_products(&self, name: &str, script: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let program = folder.join("products");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    async fn deploys(&self, version: &Path, options: &[&str]) -> Output {
        let mut deploy = script("deploy.sh");
        deploy.args(["--with", "processes", "--binaries"]).arg(version).arg("--fleet").arg(self.list());
        deploy.args(options);
        done(deploy).await
    }

    /// Which program each instance is.
    fn programs(&self) -> BTreeMap<String, PathBuf> {
        let program = |pid: u64| fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        processes(&self.list()).into_iter().map(|(name, pid)| (name, program(pid))).collect()
    }

    fn all_run(&self, version: &Path) {
        for (name, program) in self.programs() {
            assert_eq!(program.parent(), Some(version), "{name}");
        }
    }
}

impl Drop for Operated {
    /// The fleet does not know of those that were deployed.
    fn drop(&mut self) {
        for (name, pid) in processes(&self.list()) {
            if self.own.get(&name) != Some(&pid) {
                let _ = Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]).status();
            }
        }
    }
}

/// The instances in a list, and their processes.
fn processes(list: &Path) -> BTreeMap<String, u64> {
    let list: Value = serde_json::from_slice(&fs::read(list).unwrap()).unwrap();
    let instances = list.as_array().unwrap().iter().filter(|part| part["instance"].is_number());
    instances.map(|part| (part["name"].as_str().unwrap().to_owned(), part["pid"].as_u64().unwrap())).collect()
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn versions_come_and_go_and_nobody_notices() {
    let shop = Operated::open().await;
    let tea = plenty(&shop.fleet).await;
    // Before the load begins, which has this thread to itself then: files are large.
    let (new, newer) = (shop.version("new", &SERVICES), shop.version("newer", &["shopping"]));
    // Less than in restart.rs, because a third instance of a service starts up beside the others.
    let load = Load::of(40, five_customers(&shop.fleet).await, vec![tea]);
    let first = shop.programs();

    let dry = shop.deploys(&new, &["--dry-run"]).await;
    assert!(dry.status.success());
    assert_eq!(shop.programs(), first, "a dry run changes nothing");

    let deployed = shop.deploys(&new, &["--check", "true"]).await;
    assert_eq!(deployed.status.code(), Some(0));
    shop.all_run(&new);
    let running = processes(&shop.list());
    let again = shop.deploys(&new, &[]).await;
    assert!(again.status.success() && said(&again).contains("0 of 6"));
    assert_eq!(processes(&shop.list()), running, "the same version again changes nothing");

    // Found out aside: no instance is touched.
    let broken = shop.script_of_products("broken", "#!/bin/sh\necho this is broken >&2\nexit 1\n");
    let refused = shop.deploys(&broken, &["--service", "products"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("this is broken"));
    assert_eq!(processes(&shop.list()), running);

    // Found out in the middle: the first instance is new by then.
    let real = new.join("products");
    let lame = format!("#!/bin/sh\n[ \"$INSTANCE\" != products-2 ] || exit 1\nexec '{}'\n", real.display());
    let lame = shop.script_of_products("lame", &lame);
    let rolled_back = shop.deploys(&lame, &["--service", "products"]).await;
    assert_eq!(rolled_back.status.code(), Some(1));
    assert_ne!(processes(&shop.list())["products-1"], running["products-1"], "products-1 was new for a while");
    shop.all_run(&new);

    // Found out at the end.
    let unwanted = shop.deploys(&newer, &["--service", "shopping", "--check", "echo no; false"]).await;
    assert_eq!(unwanted.status.code(), Some(1));
    assert_ne!(processes(&shop.list())["shopping-2"], running["shopping-2"], "shopping-2 was new for a while");
    shop.all_run(&new);

    let outcomes = load.ends().await;
    let failed: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.status().is_none_or(|status| status >= 500)).collect();
    let ordered = outcomes.iter().filter(|outcome| outcome.status() == Some(201)).count();
    println!("{} requests, {ordered} of them orders, {} failed", outcomes.len(), failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

/// An nginx that ends with its handle.
struct OtherNginx(Child);

impl Drop for OtherNginx {
    fn drop(&mut self) {
        // Its workers end with it when it is asked to.
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// Status, sort and text of an answer, but for its request id.
async fn asked(address: SocketAddr, path: &str) -> (u16, String, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    let sort = answer.headers().get("Content-Type").map_or("", |sort| sort.to_str().unwrap()).to_owned();
    let id = answer.headers().get("X-Request-Id").map_or("", |id| id.to_str().unwrap()).to_owned();
    (answer.status().as_u16(), sort, answer.text().await.unwrap().replace(&id, "<id>"))
}

#[tokio::test]
#[ignore = "needs RabbitMQ, MongoDB and nginx: cargo xtask test"]
async fn the_installed_site_is_the_fleets() {
    let shop = Operated::open().await;
    let tea = plenty(&shop.fleet).await;
    let site = shop.folder.path().join("site");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let install = || {
        let mut install = script("install-nginx.sh");
        install.arg("--prefix").arg(&site).arg("--fleet").arg(shop.list());
        install.args(["--listen", &port.to_string(), "--sign-in-rate", "10000r/s", "--sign-in-burst", "10000"]);
        install
    };
    fs::create_dir(&site).unwrap();
    assert!(done(install()).await.status.success());

    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(&site).arg("-c").arg(site.join("nginx.conf")).args(["-e", "stderr"]);
    let log = fs::File::create(site.join("log")).unwrap();
    nginx.env("PATH", std::env::var("PATH").unwrap() + ":/usr/sbin").stdin(Stdio::null());
    nginx.stderr(log.try_clone().unwrap()).stdout(log);
    let _nginx = OtherNginx(nginx.spawn().unwrap());
    eventually("nginx", async || reqwest::get(format!("http://{port}/nginx-health")).await.map(drop)).await;

    let own = shop.fleet.address_of("nginx");
    let product = format!("/products/{}", tea.id);
    for path in [
        "/",
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
        assert_eq!(asked(port, path).await, asked(own, path).await, "{path}");
    }

    // The same again: nothing to do. What nginx does not take is put back, and nginx goes on.
    let again = done(install()).await;
    assert!(again.status.success() && !said(&again).contains("write"), "{}", said(&again));
    let templates = shop.folder.path().join("templates");
    fs::create_dir(&templates).unwrap();
    for file in fs::read_dir(fleet::workspace_dir().join("nginx")).unwrap().map(Result::unwrap) {
        let text = fs::read_to_string(file.path()).unwrap().replace("limit_req_status 429", "limit_req_status never");
        fs::write(templates.join(file.file_name()), text).unwrap();
    }
    let before = fs::read_to_string(site.join("souk.conf")).unwrap();
    let mut bad = install();
    bad.arg("--templates").arg(&templates).args(["--trusted-proxies", "10.0.0.0/8"]);
    assert_eq!(done(bad).await.status.code(), Some(1));
    assert_eq!(fs::read_to_string(site.join("souk.conf")).unwrap(), before);

    // And nginx is told of what it does take.
    let mut other = install();
    other.args(["--servers", "customer=127.0.0.1:9"]);
    assert!(done(other).await.status.success());
    eventually("nginx to have read it", async || match asked(port, "/customer/whoami").await {
        (502, sort, _) if sort == "application/problem+json" => Ok(()),
        (status, ..) => Err(status),
    })
    .await;
}
