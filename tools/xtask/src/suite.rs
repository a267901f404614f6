//! A test suite: one `cargo test` command, and the counts of its tests.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::command;

pub(crate) struct Suite {
    name: &'static str,
    command: Command,
    filters: Vec<String>,
    prints: Prints,
}

enum Prints {
    AtOnce,
    /// As a whole at its end, so that suites that run at the same time do not mix their lines.
    AtTheEnd,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) note: String,
    pub(crate) failures: Vec<String>,
}

impl Suite {
    pub(crate) fn units(name: &'static str) -> Self {
        Self::cargo(name, &["--lib", "--bins"])
    }

    pub(crate) fn files(name: &'static str, files: &[&str]) -> Self {
        Self::cargo(name, &files.iter().flat_map(|file| ["--test", file]).collect::<Vec<_>>())
    }

    /// Always with `--workspace`: a single package would select other features of its dependencies
    /// and compile them again.
    fn cargo(name: &'static str, arguments: &[&str]) -> Self {
        let mut command = command::cargo_command(&["test", "--workspace", "--no-fail-fast"]);
        command.args(arguments);
        Self { name, command, filters: Vec::new(), prints: Prints::AtOnce }
    }

    pub(crate) fn env(mut self, variable: &str, value: &str) -> Self {
        self.command.env(variable, value);
        self
    }

    /// Runs this many tests at the same time, or as many as there are cores: for tests that mostly
    /// wait.
    pub(crate) fn concurrency(self, tests: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.env("RUST_TEST_THREADS", &tests.max(cores).to_string())
    }

    /// Runs exactly this many tests at the same time, also where there are more cores: for tests
    /// that need much of the machine.
    pub(crate) fn at_a_time(self, tests: usize) -> Self {
        self.env("RUST_TEST_THREADS", &tests.to_string())
    }

    pub(crate) fn only(mut self, test: &str) -> Self {
        self.filters.push(test.to_owned());
        self
    }

    pub(crate) fn without(mut self, test: &str) -> Self {
        self.filters.extend(["--skip".to_owned(), test.to_owned()]);
        self
    }

    /// Includes the tests that need servers, which plain `cargo test` ignores.
    pub(crate) fn include_ignored(mut self) -> Self {
        self.filters.push("--include-ignored".to_owned());
        self
    }

    pub(crate) fn in_background(mut self) -> Self {
        self.prints = Prints::AtTheEnd;
        self
    }

    pub(crate) fn run(mut self) -> Outcome {
        let started = Instant::now();
        if !self.filters.is_empty() {
            self.command.arg("--").args(&self.filters);
        }
        eprintln!("$ {}", command::line(&self.command));
        let mut outcome = Outcome { name: self.name, ..Outcome::default() };
        match self.count(&mut outcome) {
            Ok(true) if outcome.passed + outcome.skipped == 0 => outcome.fail("has no tests"),
            Ok(true) => outcome.note = format!("{:.0} s", started.elapsed().as_secs_f64()),
            // The suite may not compile, or a test may end its process.
            Ok(false) => outcome.fail("failed"),
            Err(error) => outcome.fail(&error.to_string()),
        }
        outcome
    }

    fn count(&mut self, outcome: &mut Outcome) -> std::io::Result<bool> {
        let background = matches!(self.prints, Prints::AtTheEnd);
        let mut child = self.command.stdout(Stdio::piped()).spawn()?;
        let (mut failures, mut printed) = (Failures::default(), String::new());
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).lines() {
                let line = line?;
                failures.read(&line);
                outcome.read(&line);
                if background {
                    printed.push_str(&line);
                    printed.push('\n');
                } else {
                    println!("{line}");
                }
            }
        }
        print!("{printed}");
        outcome.failures = failures.seen.into_iter().map(|failure| format!("{}: {failure}", self.name)).collect();
        Ok(child.wait()?.success())
    }
}

impl Outcome {
    fn fail(&mut self, why: &str) {
        self.failed = self.failed.max(1);
        why.clone_into(&mut self.note);
    }

    /// Adds a closing line of a test program: `test result: ok. 12 passed; 0 failed; 1 ignored;
    /// ...`.
    fn read(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        let count = |outcome| {
            let pair = words.windows(2).find(|pair| pair[1] == outcome);
            pair.and_then(|pair| pair[0].parse::<u64>().ok()).unwrap_or(0)
        };
        self.passed += count("passed");
        self.failed += count("failed");
        self.skipped += count("ignored");
    }
}

/// The output of failed tests, from the lines of `cargo test`: `---- a_test stdout ----` and those
/// that follow.
#[derive(Default)]
struct Failures {
    seen: Vec<String>,
    /// Lines of the last failure that may still be added.
    room: usize,
}

impl Failures {
    /// Enough for the expected and the actual value; the rest is in the output of the test.
    const MAX_LINES: usize = 8;
    /// A single line may print a whole catalogue.
    const MAX_CHARACTERS: usize = 1_000;

    fn read(&mut self, line: &str) {
        if let Some(test) = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----")) {
            self.seen.push(test.to_owned());
            self.room = Self::MAX_LINES;
        } else if line == "failures:" {
            self.room = 0;
        } else if let Some(last) = self.seen.last_mut().filter(|_| self.room > 0 && !line.trim().is_empty()) {
            last.push_str("\n    ");
            last.extend(line.chars().take(Self::MAX_CHARACTERS));
            self.room -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failures, Outcome};

    #[test]
    fn closing_lines_are_added_up() {
        let mut outcome = Outcome::default();
        for line in [
            "running 16 tests",
            "test result: ok. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED.",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured",
        ] {
            outcome.read(line);
        }
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (13, 3, 1));
    }

    #[test]
    fn first_lines_of_each_failure_are_kept() {
        let mut failures = Failures::default();
        let first = "---- cart::one stdout ----\n\nthread 'cart::one' panicked at cart.rs:7:5:\nassertion failed";
        let second = "\n1\n2\n3\n4\n5\n6\n7\n---- cart::two stdout ----\n";
        let output = ["test cart::one ... FAILED\n\nfailures:\n\n", first, second, &"x".repeat(2_000)].concat();
        output.lines().chain(["", "failures:", "    cart::one", "    cart::two"]).for_each(|line| failures.read(line));
        let one = "cart::one\n    thread 'cart::one' panicked at cart.rs:7:5:\n    assertion failed";
        let one = format!("{one}\n    1\n    2\n    3\n    4\n    5\n    6");
        assert_eq!(failures.seen, [one, format!("cart::two\n    {}", "x".repeat(1_000))]);
    }
}
