//! An SMTP server that stores what it accepts: `aiosmtpd` from `PyPI`.

use std::fs;
use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::component::Component;
use crate::error::{Error, Result};
use crate::folder::TempFolder;
use crate::process::Program;
use crate::{cache, install, port};

const SERVER: &str = include_str!("smtp/server.py");
/// The packages with the checksums of their wheels, which are the same for every machine.
const REQUIREMENTS: &str = "\
aiosmtpd==1.4.6 --hash=sha256:72c99179ba5aa9ae0abbda6994668239b64a5ce054471955fe75f581d2592475
atpublic==9.0.0 --hash=sha256:449c3c4f0c74df79749d6fe225ba55e2a2fce34b303f0329211e4d6989ed6f6e
attrs==26.1.0 --hash=sha256:c647aa4a12dfbad9333ca4e71fe62ddc36f4e63b2d260a37a8b83d2f043ac309
";
const CACHED: &str = "aiosmtpd-1.4.6";
const GREETING_TIMEOUT: Duration = Duration::from_millis(500);

/// An SMTP server on 127.0.0.1, without TLS. It keeps its mails over restarts.
pub struct SmtpServer {
    component: Component,
    folder: TempFolder,
}

/// A mail that the server has accepted.
#[derive(Debug, Clone)]
pub struct AcceptedMail {
    /// The recipients of its envelope.
    pub to: Vec<String>,
    /// The message as it came.
    pub message: String,
}

impl SmtpServer {
    /// Installs the server if necessary.
    pub fn ensure_installed() -> Result<()> {
        packages().map(drop)
    }

    /// Starts a server and waits until it answers.
    pub fn start() -> Result<Self> {
        let packages = packages()?;
        let python = install::find_program("python3").ok_or_else(|| missing("python3 is not on the PATH"))?;
        let folder = TempFolder::new("souk-smtp-")?;
        let script = folder.path().join("server.py");
        fs::write(&script, SERVER).map_err(Error::context(script.display()))?;
        let port = port::free()?;
        let program = Program::new(python, folder.path().join("smtp.log"))
            .argument(script)
            .argument(port.to_string())
            .argument(folder.path())
            .variable("PYTHONPATH", packages)
            .variable("PYTHONDONTWRITEBYTECODE", "1");
        let component = Component::program("smtp", port::local(port), program, greets);
        component.start()?;
        Ok(Self { component, folder })
    }

    /// Returns the value for `SMTP_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.component.address())
    }

    /// Returns the component, which can stop and come back.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// Answers every recipient with this line, such as `450 later`; `None` accepts mails again.
    pub fn answer(&self, line: Option<&str>) -> Result<()> {
        let file = self.folder.path().join("answer");
        let changed = match line {
            Some(line) => fs::write(&file, line),
            None => fs::remove_file(&file),
        };
        changed.map_err(Error::context(file.display()))
    }

    /// Returns the accepted mails, oldest first.
    pub fn mails(&self) -> Result<Vec<AcceptedMail>> {
        let folder = self.folder.path();
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut files: Vec<PathBuf> =
            entries.map_err(Error::context(folder.display()))?.iter().map(fs::DirEntry::path).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        files.iter().map(|file| read(file)).collect()
    }
}

fn read(file: &Path) -> Result<AcceptedMail> {
    let text = fs::read_to_string(file).map_err(Error::context(file.display()))?;
    let mail: Value = serde_json::from_str(&text).map_err(Error::context(file.display()))?;
    let recipients = mail["to"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(AcceptedMail {
        to: recipients.map(str::to_owned).collect(),
        message: mail["message"].as_str().unwrap_or_default().to_owned(),
    })
}

fn greets(address: SocketAddr) -> bool {
    let greeting = || -> io::Result<[u8; 3]> {
        let mut stream = TcpStream::connect_timeout(&address, GREETING_TIMEOUT)?;
        stream.set_read_timeout(Some(GREETING_TIMEOUT))?;
        let mut status = [0; 3];
        stream.read_exact(&mut status)?;
        Ok(status)
    };
    greeting().is_ok_and(|status| &status == b"220")
}

fn missing(why: &str) -> Error {
    Error::Missing { what: "the SMTP server aiosmtpd", help: format!("{why}; pip needs access to PyPI") }
}

/// Returns the folder of the installed packages.
fn packages() -> Result<PathBuf> {
    cache::folder(CACHED, fetch).map_err(|why| missing(&why))
}

fn fetch(draft: &Path) -> std::result::Result<PathBuf, String> {
    let requirements = draft.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(|error| error.to_string())?;
    let packages = draft.join("packages");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--require-hashes", "--requirement"]).arg(&requirements).arg("--target").arg(&packages);
    cache::run(&mut pip)?;
    Ok(packages)
}
