//! A headless Chromium (Debian's `chromium`), driven through `ChromeDriver` by the `WebDriver`
//! protocol of the W3C.

use std::path::{Path, PathBuf};

use crate::component::Component;
use crate::error::Result;
use crate::folder::TempFolder;
use crate::port;
use crate::process::Program;
use crate::{http, install};

/// A driver, and a folder for the profiles of its browsers.
pub struct ChromeDriver {
    component: Component,
    chromium: PathBuf,
    folder: TempFolder,
}

impl ChromeDriver {
    /// Installs Chromium and its driver if necessary.
    pub fn ensure_installed() -> Result<()> {
        programs().map(drop)
    }

    /// Starts a driver and waits until it accepts commands.
    pub fn start() -> Result<Self> {
        let (driver, chromium) = programs()?;
        let folder = TempFolder::new("souk-browser-")?;
        let address = port::local(port::free()?);
        let program = Program::new(driver, folder.path().join("chromedriver.log"))
            .argument(format!("--port={}", address.port()))
            .variable("HOME", folder.path())
            // The driver would leave its sockets in the system's temporary folder.
            .variable("TMPDIR", folder.path());
        let component = Component::program("chromedriver", address, program, |address| {
            http::status(address, "/status") == Some(200)
        });
        component.start()?;
        Ok(Self { component, chromium, folder })
    }

    /// Returns the URL of the driver.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.component.address())
    }

    /// Returns the browser's program.
    #[must_use]
    pub fn chromium(&self) -> &Path {
        &self.chromium
    }

    /// Returns the arguments for the browser.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let profile = format!("--user-data-dir={}", self.folder.path().join("profile").display());
        // With a pipe the browser ends when its driver does, even if that is killed.
        let mut arguments = vec![profile, "--headless".to_owned(), "--remote-debugging-pipe".to_owned()];
        let quiet = ["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"];
        arguments.extend(quiet.map(str::to_owned));
        if rustix::process::geteuid().is_root() {
            // Chromium refuses to run as root with its sandbox. It opens only pages of the test.
            arguments.push("--no-sandbox".to_owned());
        }
        arguments
    }
}

fn programs() -> Result<(PathBuf, PathBuf)> {
    let find = || {
        install::find_program("chromedriver")
            .zip(install::find_program("chromium").or_else(|| install::find_program("google-chrome")))
    };
    install::find_or_install("a browser (Chromium and its driver)", &["chromium", "chromium-driver"], find)
}
