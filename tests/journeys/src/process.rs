//! The command `souk` as a process. Dropping a handle kills its process.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::{env, io};

use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::fixtures::{PASSWORD, new_email};
use crate::request::BaseUrl;
use crate::wait::wait_for;

const LOG_TAIL_LINES: usize = 40;

/// Returns the program at `SOUK_BIN`, or builds it in the profile of the tests.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(given) = env::var_os("SOUK_BIN") {
            let given = PathBuf::from(given);
            return given.canonicalize().unwrap_or_else(|error| panic!("SOUK_BIN={}: {error}", given.display()));
        }
        // .../target/debug/deps/shop-0123
        let test = env::current_exe().unwrap();
        let directory = test.ancestors().nth(2).unwrap();
        let profile = match directory.file_name().and_then(|name| name.to_str()).unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "-p", "souk", "--profile", profile, "--target-dir"])
            .arg(directory.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.is_ok_and(|status| status.success()), "`cargo build -p souk` failed");
        directory.join("souk")
    })
}

/// Returns the command, isolated from the environment and the directory of the test.
fn command() -> Command {
    isolated(Command::new(program()))
}

/// Returns the command with a limit of open files, which it cannot raise.
fn command_with_open_files(limit: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]).arg(program());
    isolated(shell)
}

fn isolated(mut command: Command) -> Command {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOUK_")) {
        command.env_remove(name);
    }
    command.current_dir(env::temp_dir()).stdin(Stdio::null());
    command
}

struct KillOnDrop(Child);

impl KillOnDrop {
    fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program().display())))
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    fn terminate(&self) {
        let signalled = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.0.id())]).status();
        assert!(signalled.unwrap().success(), "SIGTERM was not sent");
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The exit code and the output of a command.
#[derive(Debug)]
pub struct CommandOutput {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl CommandOutput {
    /// Returns standard output followed by standard error.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Expects exit code 0 and returns standard output.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// Runs `souk` with these arguments until it ends.
pub async fn run_souk(arguments: &[&str]) -> CommandOutput {
    RunningCommand::start(arguments).wait().await
}

/// A running `souk` command.
pub struct RunningCommand(KillOnDrop);

impl RunningCommand {
    /// Starts `souk` with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_in(&env::temp_dir(), arguments)
    }

    /// Starts `souk` with these arguments and this directory for temporary files.
    pub fn start_in(temporary: &Path, arguments: &[&str]) -> Self {
        let mut command = command();
        command.args(arguments).env("TMPDIR", temporary).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(KillOnDrop::spawn(&mut command))
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.0.terminate();
    }

    /// Waits until the command ends.
    pub async fn wait(mut self) -> CommandOutput {
        let Self(process) = &mut self;
        let status = wait_for("souk to end", async || process.exit_status().ok_or("it runs")).await;
        CommandOutput {
            code: status.code(),
            stdout: io::read_to_string(process.0.stdout.take().unwrap()).unwrap(),
            stderr: io::read_to_string(process.0.stderr.take().unwrap()).unwrap(),
        }
    }
}

pub(crate) struct ShopProcess {
    // Dropped before the directory that it writes to.
    process: Mutex<Option<KillOnDrop>>,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    open_files: Option<u32>,
    pub(crate) url: BaseUrl,
    admin_email: OnceCell<String>,
    pub(crate) data: PathBuf,
    directory: TempDir,
}

impl ShopProcess {
    pub(crate) async fn new(options: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::with_open_files(None, options, environment).await
    }

    pub(crate) async fn with_open_files(
        open_files: Option<u32>,
        options: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let directory = TempDir::with_prefix("souk-").unwrap();
        let shop = Self {
            process: Mutex::default(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            environment: environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            open_files,
            url: BaseUrl::default(),
            admin_email: OnceCell::new(),
            data: directory.path().join("data"),
            directory,
        };
        shop.start(&[]).await;
        shop
    }

    pub(crate) async fn start(&self, environment: &[(&str, &str)]) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = self.open_files.map_or_else(command, command_with_open_files);
        command
            .args(["up", "--port", "0", "--data"])
            .arg(&self.data)
            .args(&self.options)
            // A journey about a limit sets or clears its variable.
            .envs(fleet::UNLIMITED_RATES)
            .envs(self.environment.clone());
        // Temporary files of a killed shop are deleted with the directory.
        command.env("TMPDIR", self.directory.path());
        command.envs(environment.iter().copied());
        let mut process = KillOnDrop::spawn(command.stdout(File::create(self.stdout_file()).unwrap()).stderr(log));
        let url = wait_for("the shop to print its URL", async || {
            let status = process.exit_status();
            assert!(status.is_none(), "the shop did not start ({status:?}):\n{}", self.log_tail());
            first_url(&self.stdout()).ok_or("no URL in its output")
        });
        self.url.set(&url.await);
        *self.process.lock().unwrap() = Some(process);
    }

    pub(crate) fn kill(&self) {
        drop(self.process.lock().unwrap().take().expect("a running shop"));
    }

    pub(crate) async fn wait_for_exit(&self) {
        wait_for("the shop to exit", async || {
            self.process.lock().unwrap().as_mut().and_then(KillOnDrop::exit_status).ok_or("it runs")
        })
        .await;
        *self.process.lock().unwrap() = None;
    }

    pub(crate) async fn stop(&self) -> ExitStatus {
        let mut process = self.process.lock().unwrap().take().expect("a running shop");
        process.terminate();
        wait_for("the shop to stop", async || process.exit_status().ok_or("it runs")).await
    }

    /// Returns the admin's e-mail address. The first call creates the admin.
    pub(crate) async fn admin_email(&self) -> &str {
        let create = async || {
            let email = new_email("admin");
            self.create_admin(&email, PASSWORD).await.expect_success();
            email
        };
        self.admin_email.get_or_init(create).await
    }

    pub(crate) async fn create_admin(&self, email: &str, password: &str) -> CommandOutput {
        let file = self.directory.path().join("password");
        fs::write(&file, password).unwrap();
        self.run_souk(&["admin", "create", email, "--password-file", file.to_str().unwrap()]).await
    }

    pub(crate) async fn run_souk(&self, arguments: &[&str]) -> CommandOutput {
        run_souk(&[arguments, &["--data", self.data.to_str().unwrap()]].concat()).await
    }

    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.stdout_file()).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    fn stdout_file(&self) -> PathBuf {
        self.directory.path().join("stdout")
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("stderr")
    }
}

/// Returns the first URL in the complete lines of `text`.
fn first_url(text: &str) -> Option<String> {
    let complete = &text[..=text.rfind('\n')?];
    let url = &complete[complete.find("http://")?..];
    url.split(|c: char| c.is_whitespace()).next().map(|url| url.trim_end_matches(['/', '.', ',']).to_owned())
}
