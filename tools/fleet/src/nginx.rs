//! nginx with the configuration in `nginx/`, filled for this machine.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::component::Component;
use crate::error::{Error, Result};
use crate::folder::TempFolder;
use crate::process::Program;
use crate::service::workspace_dir;
use crate::{http, install, port, template};

/// Files that nginx includes as they are.
const INCLUDED: [&str; 4] = ["headers.conf", "proxy.conf", "problems.conf", "error-pages.conf"];
/// Files with variables, which lose this ending.
const TEMPLATES: [&str; 2] = ["nginx.conf", "souk.conf"];

/// What may differ from one nginx to the next.
#[derive(Debug, Clone)]
pub struct Settings {
    /// 0 is any free one.
    pub port: u16,
    /// The instances of each service. A service without any is answered for with 502.
    pub customer: Vec<SocketAddr>,
    /// See `customer`.
    pub products: Vec<SocketAddr>,
    /// See `customer`.
    pub shopping: Vec<SocketAddr>,
    /// How often one address may try to sign in or up.
    pub sign_in: SignInRate,
    /// Load balancers in front, whose `X-Forwarded-For` is believed: addresses or networks.
    pub trusted_proxies: Vec<String>,
}

/// A rate of nginx's `limit_req`.
#[derive(Debug, Clone, Copy)]
pub struct SignInRate {
    /// In the long run.
    pub per_minute: u32,
    /// At once.
    pub burst: u32,
}

impl Default for SignInRate {
    /// A household or an office behind one address, and 43,000 guesses a day for an attacker.
    fn default() -> Self {
        Self { per_minute: 30, burst: 20 }
    }
}

impl SignInRate {
    /// For tests and benchmarks, in which one address is many people.
    pub const UNLIMITED: Self = Self { per_minute: 600_000, burst: 100_000 };
}

/// An nginx in front of services.
pub struct Nginx {
    component: Component,
    _folder: TempFolder,
}

impl Nginx {
    /// Makes sure that one can be started.
    pub fn ensure_installed() -> Result<()> {
        program().map(drop)
    }

    /// Starts one and waits until it answers.
    pub fn start(settings: &Settings) -> Result<Self> {
        let nginx = Self::prepare(settings)?;
        nginx.component.start()?;
        Ok(nginx)
    }

    pub(crate) fn prepare(settings: &Settings) -> Result<Self> {
        let nginx = program()?;
        let folder = TempFolder::new("souk-nginx-")?;
        let address = port::local(if settings.port == 0 { port::free()? } else { settings.port });
        configure(folder.path(), address, settings)?;
        // Until it has read its configuration it would complain into a file of the system's.
        let program = Program::new(nginx, folder.path().join("nginx.log"))
            .arguments(["-e", "stderr", "-p"])
            .argument(folder.path())
            .argument("-c")
            .argument(folder.path().join("nginx.conf"));
        let component = Component::program("nginx", address, program, |address| {
            http::status(address, "/nginx-health") == Some(200)
        });
        Ok(Self { component, _folder: folder })
    }

    /// To be stopped, killed, paused and started again.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.component
    }
}

fn program() -> Result<PathBuf> {
    install::find_or_install("nginx", &["nginx-light"], || install::find_program("nginx"))
}

fn configure(folder: &Path, address: SocketAddr, settings: &Settings) -> Result<()> {
    let templates = workspace_dir().join("nginx");
    let included = folder.join("souk");
    fs::create_dir(&included).map_err(Error::context(included.display()))?;
    for name in INCLUDED {
        let from = templates.join(name);
        fs::copy(&from, included.join(name)).map_err(Error::context(from.display()))?;
    }
    let trusted = settings.trusted_proxies.iter().map(|proxy| format!("set_real_ip_from {proxy}; ")).collect();
    let values = [
        ("NGINX_FOLDER", folder.display().to_string()),
        ("NGINX_WORKERS", "auto".to_owned()),
        ("NGINX_LISTEN", address.to_string()),
        ("NGINX_TRUSTED_PROXIES", trusted),
        ("SIGN_IN_RATE", format!("{}r/m", settings.sign_in.per_minute)),
        ("SIGN_IN_BURST", settings.sign_in.burst.to_string()),
        ("CUSTOMER_SERVERS", servers(&settings.customer)),
        ("PRODUCTS_SERVERS", servers(&settings.products)),
        ("SHOPPING_SERVERS", servers(&settings.shopping)),
    ];
    for name in TEMPLATES {
        let from = templates.join(format!("{name}.template"));
        let template = fs::read_to_string(&from).map_err(Error::context(from.display()))?;
        let filled = template::fill(&template, &values).map_err(Error::context(from.display()))?;
        let to = folder.join(name);
        fs::write(&to, filled).map_err(Error::context(to.display()))?;
    }
    Ok(())
}

/// An instance that failed once is left alone for 2 s, in which the others are asked.
fn servers(addresses: &[SocketAddr]) -> String {
    if addresses.is_empty() {
        // nginx wants at least one; this one says that there is none.
        return "server 127.0.0.1:9 down;".to_owned();
    }
    addresses.iter().map(|address| format!("server {address} max_fails=1 fail_timeout=2s; ")).collect()
}
