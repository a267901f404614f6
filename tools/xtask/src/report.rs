//! The table at the end of a task: passed, failed and skipped tests.

use std::process::Command;
use std::time::Instant;

use crate::command;
use crate::suite::{Outcome, Suite};

#[derive(Default)]
pub(crate) struct Report {
    outcomes: Vec<Outcome>,
}

impl Report {
    pub(crate) fn run(&mut self, suite: Suite) -> bool {
        self.add(suite.run())
    }

    pub(crate) fn add(&mut self, outcome: Outcome) -> bool {
        let passed = outcome.failed == 0;
        self.outcomes.push(outcome);
        passed
    }

    /// Runs a program that is one check: it passes when it exits with 0.
    pub(crate) fn check(&mut self, name: &'static str, command: &mut Command) {
        let started = Instant::now();
        eprintln!("$ {}", command::line(command));
        let (passed, note) = match command.status() {
            Ok(status) if status.success() => (1, format!("{:.0} s", started.elapsed().as_secs_f64())),
            Ok(status) => (0, status.to_string()),
            Err(error) => (0, error.to_string()),
        };
        self.add(Outcome { name, passed, failed: 1 - passed, note, ..Outcome::default() });
    }

    pub(crate) fn pass(&mut self, name: &'static str) {
        self.add(Outcome { name, passed: 1, ..Outcome::default() });
    }

    pub(crate) fn fail(&mut self, name: &'static str, why: &str) {
        self.add(Outcome { name, failed: 1, note: why.to_owned(), ..Outcome::default() });
    }

    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        self.add(Outcome { name, skipped: 1, note: why.to_owned(), ..Outcome::default() });
    }

    pub(crate) fn close(self) -> Result<(), String> {
        println!("\n{:<34}{:>8}{:>8}{:>9}", "suite", "passed", "failed", "skipped");
        for Outcome { name, passed, failed, skipped, note, .. } in &self.outcomes {
            println!("{name:<34}{passed:>8}{failed:>8}{skipped:>9}  {note}");
        }
        let sum = |column: fn(&Outcome) -> u64| self.outcomes.iter().map(column).sum::<u64>();
        let failed = sum(|outcome| outcome.failed);
        println!("\n{} passed, {failed} failed, {} skipped", sum(|row| row.passed), sum(|row| row.skipped));
        for failure in self.outcomes.iter().flat_map(|outcome| &outcome.failures) {
            println!("\n{failure}");
        }
        if failed == 0 { Ok(()) } else { Err(format!("{failed} failed")) }
    }
}
