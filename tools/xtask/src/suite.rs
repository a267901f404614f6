//! Test suites and the table at the end: what ran, what passed, what failed, and what was skipped for want of something.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Some tests that run together.
pub(crate) struct Suite {
    name: &'static str,
    command: Command,
}

impl Suite {
    /// The tests at the foot of each file.
    pub(crate) fn units(name: &'static str) -> Self {
        Self::cargo(name, &["--lib", "--bins"])
    }

    /// The tests under `tests/` that have these names, of whatever package.
    pub(crate) fn files(name: &'static str, files: &[&str]) -> Self {
        Self::cargo(name, &files.iter().flat_map(|file| ["--test", file]).collect::<Vec<_>>())
    }

    /// Always the whole workspace: with fewer packages, their dependencies would have other features and be built anew.
    fn cargo(name: &'static str, arguments: &[&str]) -> Self {
        let mut command = crate::cargo_command(&["test", "--workspace", "--no-fail-fast"]);
        command.args(arguments);
        Self { name, command }
    }

    /// With a variable in its environment, such as where a server is.
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.command.env(variable, value);
        self
    }

    /// So many of its tests at the same time, although there may be fewer cores: for those that mostly wait.
    pub(crate) fn at_once(self, tests: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.with("RUST_TEST_THREADS", &tests.max(cores).to_string())
    }

    /// Without the test of this name; to be said after [`Suite::with_those_that_need_servers`].
    pub(crate) fn without(mut self, test: &str) -> Self {
        self.command.args(["--skip", test]);
        self
    }

    /// Plain `cargo test` ignores these; here are the servers. The last that is said about a suite.
    pub(crate) fn with_those_that_need_servers(mut self) -> Self {
        self.command.args(["--", "--include-ignored"]);
        self
    }
}

/// What came of the suites.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    failures: Vec<String>,
}

struct Row {
    name: &'static str,
    passed: u64,
    failed: u64,
    skipped: u64,
    note: String,
}

impl Report {
    /// Runs a suite and counts its tests; whether none failed. Its output passes through.
    pub(crate) fn run(&mut self, mut suite: Suite) -> bool {
        let started = Instant::now();
        eprintln!("$ {}", shown(&suite.command));
        let mut row = Row { name: suite.name, passed: 0, failed: 0, skipped: 0, note: String::new() };
        let mut failures = Failures::default();
        match count(&mut suite.command, &mut row, &mut failures) {
            Ok(true) => row.note = format!("{:.0} s", started.elapsed().as_secs_f64()),
            Ok(false) => {
                // A suite that does not compile, or dies, fails although no test of it did.
                row.failed = row.failed.max(1);
                "failed".clone_into(&mut row.note);
            }
            Err(error) => {
                row.failed += 1;
                row.note = error.to_string();
            }
        }
        let passed = row.failed == 0;
        self.failures.extend(failures.seen.into_iter().map(|failure| format!("{}: {failure}", row.name)));
        self.rows.push(row);
        passed
    }

    /// Runs a program that is one test by itself: it passes when it ends with 0.
    pub(crate) fn check(&mut self, name: &'static str, command: &mut Command) {
        let started = Instant::now();
        eprintln!("$ {}", shown(command));
        let (passed, note) = match command.status() {
            Ok(status) if status.success() => (1, format!("{:.0} s", started.elapsed().as_secs_f64())),
            Ok(status) => (0, status.to_string()),
            Err(error) => (0, error.to_string()),
        };
        self.rows.push(Row { name, passed, failed: 1 - passed, skipped: 0, note });
    }

    /// Notes a check that passed elsewhere.
    pub(crate) fn pass(&mut self, name: &'static str) {
        self.rows.push(Row { name, passed: 1, failed: 0, skipped: 0, note: String::new() });
    }

    /// Notes something that failed outside of a test.
    pub(crate) fn fail(&mut self, name: &'static str, why: &str) {
        self.rows.push(Row { name, passed: 0, failed: 1, skipped: 0, note: why.to_owned() });
    }

    /// Notes a suite that cannot run, and what would help.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        self.rows.push(Row { name, passed: 0, failed: 0, skipped: 1, note: why.to_owned() });
    }

    /// Prints the table, and after it again how each failure began; an error when anything failed.
    pub(crate) fn close(self) -> Result<(), String> {
        println!("\n{:<34}{:>8}{:>8}{:>9}", "suite", "passed", "failed", "skipped");
        for row in &self.rows {
            println!("{:<34}{:>8}{:>8}{:>9}  {}", row.name, row.passed, row.failed, row.skipped, row.note);
        }
        let sum = |column: fn(&Row) -> u64| self.rows.iter().map(column).sum::<u64>();
        let failed = sum(|row| row.failed);
        println!("\n{} passed, {failed} failed, {} skipped", sum(|row| row.passed), sum(|row| row.skipped));
        for failure in &self.failures {
            println!("\n{failure}");
        }
        if failed == 0 { Ok(()) } else { Err(format!("{failed} failed")) }
    }
}

/// What tests that failed had printed, from the lines of `cargo test`: `---- a_test stdout ----`, and what follows it.
#[derive(Default)]
struct Failures {
    seen: Vec<String>,
    /// Lines of the last one that may still be kept.
    room: usize,
}

impl Failures {
    /// Enough for what was expected and what there was; the rest is where the test ran.
    const LINES: usize = 8;
    /// A whole shop may be in one line.
    const CHARACTERS: usize = 1_000;

    fn read(&mut self, line: &str) {
        if let Some(test) = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----")) {
            self.seen.push(test.to_owned());
            self.room = Self::LINES;
        } else if line == "failures:" {
            self.room = 0;
        } else if let Some(last) = self.seen.last_mut().filter(|_| self.room > 0 && !line.trim().is_empty()) {
            last.push_str("\n    ");
            last.extend(line.chars().take(Self::CHARACTERS));
            self.room -= 1;
        }
    }
}

/// Runs `cargo test` and adds up its closing lines: `test result: ok. 12 passed; 0 failed; 1 ignored; ...`.
fn count(command: &mut Command, row: &mut Row, failures: &mut Failures) -> std::io::Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            failures.read(&line);
            if let Some(counts) = line.strip_prefix("test result: ") {
                row.passed += counted(counts, "passed");
                row.failed += counted(counts, "failed");
                row.skipped += counted(counts, "ignored");
            }
        }
    }
    Ok(child.wait()?.success())
}

fn counted(counts: &str, what: &str) -> u64 {
    let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
    let pair = words.windows(2).find(|pair| pair[1] == what);
    pair.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    format!("{program} {}", arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::{Failures, counted};

    #[test]
    fn closing_lines_are_counted() {
        let line = "ok. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!((counted(line, "passed"), counted(line, "failed"), counted(line, "ignored")), (12, 3, 1));
        assert_eq!(counted("FAILED.", "passed"), 0);
    }

    #[test]
    fn the_beginning_of_each_failure_is_kept() {
        let mut failures = Failures::default();
        let begins = "---- cart::one stdout ----\n\nthread 'cart::one' panicked at cart.rs:7:5:\nassertion failed";
        let goes_on = "\n1\n2\n3\n4\n5\n6\n7\n---- cart::two stdout ----\n";
        let output = ["test cart::one ... FAILED\n\nfailures:\n\n", begins, goes_on, &"x".repeat(2_000)].concat();
        output.lines().chain(["", "failures:", "    cart::one", "    cart::two"]).for_each(|line| failures.read(line));
        let one = "cart::one\n    thread 'cart::one' panicked at cart.rs:7:5:\n    assertion failed";
        let one = format!("{one}\n    1\n    2\n    3\n    4\n    5\n    6");
        assert_eq!(failures.seen, [one, format!("cart::two\n    {}", "x".repeat(1_000))]);
    }
}
