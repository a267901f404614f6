//! The outcome of a fault: counts of responses, recovery, audit, and whether the targets are met.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::audit::Audit;
use crate::fault::Fault;
use crate::load::Attempt;

const RESPONSE_TARGET: Duration = Duration::from_secs(6);
/// Target for the recovery of release builds.
pub(crate) const RECOVERY_TARGET: Duration = Duration::from_secs(5);
/// Target for the recovery of debug builds on a machine that runs other tests. The table also marks
/// times over [`RECOVERY_TARGET`].
pub(crate) const SHORT_RECOVERY_TARGET: Duration = Duration::from_secs(15);
const MAX_EXAMPLES: usize = 5;

pub(crate) struct FaultOutcome {
    fault: String,
    /// Without nginx no response is possible, so response times and missing responses do not count.
    affects_nginx: bool,
    requests: usize,
    successful: usize,
    client_errors: usize,
    server_errors: BTreeMap<u16, usize>,
    unanswered: BTreeMap<String, usize>,
    undocumented: BTreeMap<String, usize>,
    longest: Duration,
    slowest: String,
    recovery: Option<Duration>,
    recovery_target: Duration,
    /// Unsuccessful requests that began after the end of the fault.
    failed_afterwards: BTreeMap<String, usize>,
    audit: Audit,
}

pub(crate) struct Recovery {
    pub(crate) ended: Instant,
    pub(crate) time: Option<Duration>,
    pub(crate) target: Duration,
}

impl FaultOutcome {
    pub(crate) fn new(fault: &Fault, attempts: &[Attempt], recovery: &Recovery, audit: Audit) -> Self {
        let mut outcome = Self {
            fault: fault.name.clone(),
            affects_nginx: fault.affects_nginx(),
            requests: attempts.len(),
            successful: 0,
            client_errors: 0,
            server_errors: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            undocumented: BTreeMap::new(),
            longest: Duration::ZERO,
            slowest: String::new(),
            recovery: recovery.time,
            recovery_target: recovery.target,
            failed_afterwards: BTreeMap::new(),
            audit,
        };
        for attempt in attempts {
            outcome.count(attempt);
            if attempt.begun >= recovery.ended && !attempt.is_successful() {
                *outcome.failed_afterwards.entry(attempt.summary.clone()).or_default() += 1;
            }
        }
        outcome
    }

    fn count(&mut self, attempt: &Attempt) {
        match attempt.status {
            Some(200..400) => self.successful += 1,
            Some(400..500) => self.client_errors += 1,
            Some(status) => *self.server_errors.entry(status).or_default() += 1,
            None => *self.unanswered.entry(attempt.summary.clone()).or_default() += 1,
        }
        if !attempt.is_documented {
            *self.undocumented.entry(attempt.summary.clone()).or_default() += 1;
        }
        if attempt.elapsed > self.longest && attempt.status.is_some() {
            self.longest = attempt.elapsed;
            self.slowest.clone_from(&attempt.summary);
        }
    }

    pub(crate) fn meets_targets(&self) -> bool {
        let has_passed = matches!(self.audit, Audit::Passed);
        has_passed && self.undocumented.is_empty() && self.meets_response_target() && self.meets_recovery_target()
    }

    fn meets_response_target(&self) -> bool {
        self.affects_nginx || (self.longest <= RESPONSE_TARGET && self.unanswered.is_empty())
    }

    fn meets_recovery_target(&self) -> bool {
        self.recovery.is_some_and(|time| time <= self.recovery_target)
    }

    fn cells(&self) -> [String; 9] {
        let errors: Vec<String> =
            self.server_errors.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        let count = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>().to_string();
        let marked = |text: String, is_good: bool| if is_good { text } else { format!("{text} !") };
        let recovery = self.recovery.map_or_else(|| "never".to_owned(), seconds);
        [
            self.fault.clone(),
            self.requests.to_string(),
            self.successful.to_string(),
            self.client_errors.to_string(),
            if errors.is_empty() { "0".to_owned() } else { errors.join(", ") },
            marked(count(&self.undocumented), self.undocumented.is_empty()),
            marked(count(&self.unanswered), self.unanswered.is_empty() || self.affects_nginx),
            format!(
                "{} / {}",
                marked(seconds(self.longest), self.affects_nginx || self.longest <= RESPONSE_TARGET),
                marked(recovery, self.recovery.is_some_and(|time| time <= RECOVERY_TARGET))
            ),
            self.audit.to_string(),
        ]
    }

    pub(crate) fn print_examples(&self) {
        if self.meets_targets() {
            return;
        }
        println!("{}: longest {} ({})", self.fault, seconds(self.longest), self.slowest);
        let unanswered = self.unanswered.iter().filter(|_| !self.affects_nginx);
        for (summary, count) in self.undocumented.iter().take(MAX_EXAMPLES).chain(unanswered.take(MAX_EXAMPLES)) {
            println!("  {count} × {summary}");
        }
        if !self.meets_recovery_target() {
            let mut failed: Vec<_> = self.failed_afterwards.iter().collect();
            failed.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (summary, count) in failed.into_iter().take(MAX_EXAMPLES) {
                println!("  after the fault: {count} × {summary}");
            }
        }
        if let Audit::Violations(violations) = &self.audit {
            for violation in violations.iter().take(MAX_EXAMPLES) {
                println!("  {violation}");
            }
        }
    }
}

const HEAD: [&str; 9] =
    ["fault", "requests", "2xx", "4xx", "5xx", "undocumented", "no answer", "longest / recovered", "audit"];
const WIDTHS: [usize; 9] = [42, 9, 7, 6, 30, 13, 10, 20, 0];

pub(crate) fn print_head() {
    println!("{}", aligned(&HEAD.map(str::to_owned)));
}

impl fmt::Display for FaultOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&aligned(&self.cells()))
    }
}

fn aligned(cells: &[String; 9]) -> String {
    cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:<width$} ")).collect::<String>().trim_end().to_owned()
}

pub(crate) fn markdown(outcomes: &[FaultOutcome]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head = line(&HEAD.map(str::to_owned)) + &line(&HEAD.map(|_| "---".to_owned()));
    outcomes.iter().fold(head, |table, outcome| table + &line(&outcome.cells()))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
