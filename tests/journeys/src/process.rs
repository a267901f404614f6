//! The command `souk` as the operating system sees it: where the program is, how it is started and how it ends. Every
//! process ends with its handle, whatever becomes of the test.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock};
use std::{env, io};

use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::ask::Address;
use crate::{PASSWORD, eventually, new_email};

/// So much of the log is shown when a test fails.
const LINES_OF_LOG: usize = 40;

/// `SOUK_BIN`, else what `cargo build -p souk` makes, in the profile of the tests.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(given) = env::var_os("SOUK_BIN") {
            let given = PathBuf::from(given);
            return given.canonicalize().unwrap_or_else(|error| panic!("SOUK_BIN={}: {error}", given.display()));
        }
        // .../target/debug/deps/journey-0123
        let test = env::current_exe().unwrap();
        let directory = test.ancestors().nth(2).unwrap();
        let profile = match directory.file_name().and_then(|name| name.to_str()).unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "souk", "--profile", profile, "--target-dir"])
            .arg(directory.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.is_ok_and(|status| status.success()), "there is no shop to test: `cargo build -p souk` failed");
        directory.join("souk")
    })
}

/// The command without arguments; neither the environment nor the directory of the test must configure it.
fn command() -> Command {
    let mut command = Command::new(program());
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOUK_")) {
        command.env_remove(name);
    }
    command.current_dir(env::temp_dir()).stdin(Stdio::null());
    command
}

/// A process that does not outlive its handle.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program().display())))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    fn is_told_to_stop(&self) {
        let signalled = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.0.id())]).status();
        assert!(signalled.unwrap().success(), "a process can be told to stop");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that has ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// Runs `souk` with these arguments until it ends by itself.
pub async fn souk(arguments: &[&str]) -> Finished {
    Souk::begins(arguments).ends().await
}

/// A command that runs.
pub struct Souk(Running);

impl Souk {
    /// Starts `souk` with these arguments.
    pub fn begins(arguments: &[&str]) -> Self {
        Self(Running::start(command().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped())))
    }

    /// Sends SIGTERM.
    pub fn is_told_to_stop(&self) {
        self.0.is_told_to_stop();
    }

    /// Waits until it ends.
    pub async fn ends(mut self) -> Finished {
        let Self(process) = &mut self;
        let status = eventually("souk to end", async || process.ended().ok_or("it runs")).await;
        Finished {
            code: status.code(),
            stdout: io::read_to_string(process.0.stdout.take().unwrap()).unwrap(),
            stderr: io::read_to_string(process.0.stderr.take().unwrap()).unwrap(),
        }
    }
}

/// The place of one shop: its process, its data, and what it says.
pub(crate) struct Premises {
    // Ends before its directory goes.
    process: Mutex<Option<Running>>,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    pub(crate) address: Address,
    admin: OnceCell<String>,
    pub(crate) data: PathBuf,
    directory: TempDir,
}

impl Premises {
    pub(crate) async fn open(options: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::with_prefix("souk-").unwrap();
        let premises = Self {
            process: Mutex::default(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            environment: environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            address: Address::default(),
            admin: OnceCell::new(),
            data: directory.path().join("data"),
            directory,
        };
        premises.start().await;
        premises
    }

    /// Starts the process and waits until it says where it can be reached.
    pub(crate) async fn start(&self) {
        self.start_with(&[]).await;
    }

    /// The same with variables in its environment.
    pub(crate) async fn start_with(&self, environment: &[(&str, &str)]) {
        let log = OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let mut command = command();
        command
            .args(["up", "--port", "0", "--data"])
            .arg(&self.data)
            .args(&self.options)
            .envs(self.environment.clone());
        // What a shop leaves behind that is killed goes with its premises.
        command.env("TMPDIR", self.directory.path());
        command.envs(environment.iter().copied());
        let mut process = Running::start(command.stdout(File::create(self.stdout()).unwrap()).stderr(log));
        let url = eventually("the shop to open", async || {
            let ended = process.ended();
            assert!(ended.is_none(), "the shop did not open ({ended:?}):\n{}", self.end_of_log());
            url_in(&self.greeting()).ok_or("it has not said where")
        });
        self.address.moves_to(&url.await);
        *self.process.lock().unwrap() = Some(process);
    }

    pub(crate) fn kill(&self) {
        drop(self.process.lock().unwrap().take().expect("the shop is open"));
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn end(&self) {
        eventually("the shop to die", async || {
            self.process.lock().unwrap().as_mut().and_then(Running::ended).ok_or("it lives on")
        })
        .await;
        *self.process.lock().unwrap() = None;
    }

    pub(crate) async fn stop(&self) -> ExitStatus {
        let mut process = self.process.lock().unwrap().take().expect("the shop is open");
        process.is_told_to_stop();
        eventually("the shop to close", async || process.ended().ok_or("it runs")).await
    }

    /// The e-mail address of the admin, who is made when first asked for.
    pub(crate) async fn admin(&self) -> &str {
        let make = async || {
            let email = new_email("admin");
            let made = self.makes_admin(&email, PASSWORD).await;
            assert_eq!(made.code, Some(0), "{made:?}");
            email
        };
        self.admin.get_or_init(make).await
    }

    pub(crate) async fn makes_admin(&self, email: &str, password: &str) -> Finished {
        let file = self.directory.path().join("password");
        fs::write(&file, password).unwrap();
        let (data, file) = (self.data.display().to_string(), file.display().to_string());
        souk(&["admin", "create", email, "--password-file", &file, "--data", &data]).await
    }

    pub(crate) fn greeting(&self) -> String {
        fs::read_to_string(self.stdout()).unwrap()
    }

    pub(crate) fn whole_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub(crate) fn end_of_log(&self) -> String {
        let log = self.whole_log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES_OF_LOG)..].join("\n")
    }

    fn stdout(&self) -> PathBuf {
        self.directory.path().join("stdout")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("stderr")
    }
}

/// The first address in lines that are complete.
fn url_in(text: &str) -> Option<String> {
    let complete = &text[..=text.rfind('\n')?];
    let address = &complete[complete.find("http://")?..];
    address.split(|c: char| c.is_whitespace()).next().map(|url| url.trim_end_matches(['/', '.', ',']).to_owned())
}
