//! nginx with the configuration templates in `nginx/`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::component::Component;
use crate::error::{Error, Result};
use crate::folder::TempFolder;
use crate::process::Program;
use crate::service::workspace_dir;
use crate::{http, install, port, template};

const INCLUDED: [&str; 5] = ["headers.conf", "pages.conf", "proxy.conf", "problems.conf", "error-pages.conf"];
const TEMPLATES: [&str; 2] = ["nginx.conf", "souk.conf"];

/// Values of the templates.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Port; 0 takes any free one.
    pub port: u16,
    /// Addresses of the instances. nginx responds with 502 for a service without instances.
    pub customer: Vec<SocketAddr>,
    /// See `customer`.
    pub products: Vec<SocketAddr>,
    /// See `customer`.
    pub shopping: Vec<SocketAddr>,
    /// See `customer`.
    pub web: Vec<SocketAddr>,
    /// Limit of sign-ins and sign-ups for each client address.
    pub sign_in: SignInRate,
    /// Addresses or networks of load balancers whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<String>,
}

/// A rate of nginx's `limit_req`.
#[derive(Debug, Clone, Copy)]
pub struct SignInRate {
    /// Sustained rate.
    pub per_minute: u32,
    /// Requests above the rate that are accepted at once.
    pub burst: u32,
}

impl Default for SignInRate {
    /// Enough for an office behind one address; allows an attacker 43,000 guesses a day.
    fn default() -> Self {
        Self { per_minute: 30, burst: 20 }
    }
}

impl SignInRate {
    /// For tests and benchmarks, whose clients share one address.
    pub const UNLIMITED: Self = Self { per_minute: 600_000, burst: 100_000 };
}

/// An nginx in front of services.
pub struct Nginx {
    component: Component,
    _folder: TempFolder,
}

impl Nginx {
    /// Installs nginx if necessary.
    pub fn ensure_installed() -> Result<()> {
        program().map(drop)
    }

    /// Starts nginx and waits until it responds.
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
        // Until nginx has read its configuration, it logs into the system's folder by default.
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

    /// Returns the component.
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
        ("WEB_SERVERS", servers(&settings.web)),
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

/// Renders the servers of an upstream. After a failure, nginx does not use a server for 2 s.
fn servers(addresses: &[SocketAddr]) -> String {
    if addresses.is_empty() {
        // An upstream needs at least one server; this one is marked as down.
        return "server 127.0.0.1:9 down;".to_owned();
    }
    addresses.iter().map(|address| format!("server {address} max_fails=1 fail_timeout=2s; ")).collect()
}
