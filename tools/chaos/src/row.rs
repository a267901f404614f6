//! What came of a fault, as a row of a table, and whether it is good enough.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::audit::Verdict;
use crate::fault::Fault;
use crate::load::Attempt;

/// Every answer is due within this.
const ANSWERED: Duration = Duration::from_secs(6);
/// The shop is back so long after the part.
pub(crate) const RECOVERED: Duration = Duration::from_secs(5);
/// Unoptimised, on a machine that tests other things as well, it is given three times that; what is
/// over the target is marked all the same.
pub(crate) const RECOVERED_IN_A_TEST: Duration = Duration::from_secs(15);
/// Examples that are shown of what is wrong.
const SHOWN: usize = 5;

pub(crate) struct Row {
    fault: String,
    /// While nothing can be reached, nobody can be answered; that is no miss.
    at_the_door: bool,
    requests: usize,
    good: usize,
    conflicts: usize,
    refused: BTreeMap<u16, usize>,
    unanswered: BTreeMap<String, usize>,
    undocumented: BTreeMap<String, usize>,
    longest: Duration,
    slowest: String,
    recovered: Option<Duration>,
    recovery: Duration,
    /// What went wrong after the part's return.
    afterwards: BTreeMap<String, usize>,
    pub(crate) verdict: Verdict,
}

/// What is measured of a recovery.
pub(crate) struct Recovery {
    pub(crate) back: Instant,
    pub(crate) took: Option<Duration>,
    /// What it may take.
    pub(crate) within: Duration,
}

impl Row {
    pub(crate) fn of(fault: &Fault, attempts: &[Attempt], recovery: &Recovery, verdict: Verdict) -> Self {
        let mut row = Self {
            fault: fault.name.clone(),
            at_the_door: fault.is_at_the_door(),
            requests: attempts.len(),
            good: 0,
            conflicts: 0,
            refused: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            undocumented: BTreeMap::new(),
            longest: Duration::ZERO,
            slowest: String::new(),
            recovered: recovery.took,
            recovery: recovery.within,
            afterwards: BTreeMap::new(),
            verdict,
        };
        for attempt in attempts {
            row.counts(attempt);
            if attempt.begun >= recovery.back && !attempt.is_good() {
                *row.afterwards.entry(attempt.summary.clone()).or_default() += 1;
            }
        }
        row
    }

    fn counts(&mut self, attempt: &Attempt) {
        match attempt.status {
            Some(200..400) => self.good += 1,
            Some(400..500) => self.conflicts += 1,
            Some(status) => *self.refused.entry(status).or_default() += 1,
            None => *self.unanswered.entry(attempt.summary.clone()).or_default() += 1,
        }
        if !attempt.is_documented {
            *self.undocumented.entry(attempt.summary.clone()).or_default() += 1;
        }
        if attempt.took > self.longest && attempt.status.is_some() {
            self.longest = attempt.took;
            self.slowest.clone_from(&attempt.summary);
        }
    }

    fn answers_in_time(&self) -> bool {
        self.at_the_door || (self.longest <= ANSWERED && self.unanswered.is_empty())
    }

    fn is_back_in_time(&self) -> bool {
        self.recovered.is_some_and(|recovered| recovered <= self.recovery)
    }

    pub(crate) fn meets_its_targets(&self) -> bool {
        let no_breach = !matches!(self.verdict, Verdict::Breaches(_));
        no_breach && self.undocumented.is_empty() && self.answers_in_time() && self.is_back_in_time()
    }

    /// The cells, from the fault to the audit.
    fn cells(&self) -> [String; 9] {
        let refused: Vec<String> = self.refused.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        let count = |of: &BTreeMap<String, usize>| of.values().sum::<usize>().to_string();
        let flagged = |text: String, good: bool| if good { text } else { format!("{text} !") };
        let recovered = self.recovered.map_or_else(|| "never".to_owned(), seconds);
        [
            self.fault.clone(),
            self.requests.to_string(),
            self.good.to_string(),
            self.conflicts.to_string(),
            if refused.is_empty() { "0".to_owned() } else { refused.join(", ") },
            flagged(count(&self.undocumented), self.undocumented.is_empty()),
            flagged(count(&self.unanswered), self.unanswered.is_empty() || self.at_the_door),
            format!(
                "{} / {}",
                flagged(seconds(self.longest), self.at_the_door || self.longest <= ANSWERED),
                flagged(recovered, self.recovered.is_some_and(|recovered| recovered <= RECOVERED))
            ),
            self.verdict.to_string(),
        ]
    }

    /// Examples, for people who ask why.
    pub(crate) fn print_what_is_wrong(&self) {
        if self.meets_its_targets() {
            return;
        }
        println!("{}: longest {} ({})", self.fault, seconds(self.longest), self.slowest);
        let unanswered = self.unanswered.iter().filter(|_| !self.at_the_door);
        for (what, count) in self.undocumented.iter().take(SHOWN).chain(unanswered.take(SHOWN)) {
            println!("  {count} × {what}");
        }
        let mut afterwards: Vec<_> = self.afterwards.iter().collect();
        afterwards.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (what, count) in afterwards.into_iter().filter(|_| !self.is_back_in_time()).take(SHOWN) {
            println!("  after its return: {count} × {what}");
        }
        if let Verdict::Breaches(breaches) = &self.verdict {
            for breach in breaches.iter().take(SHOWN) {
                println!("  {breach}");
            }
        }
    }
}

const HEAD: [&str; 9] =
    ["fault", "requests", "2xx", "4xx", "5xx", "undocumented", "no answer", "longest / recovered", "audit"];
const WIDTHS: [usize; 9] = [32, 9, 7, 6, 30, 13, 10, 20, 0];

pub(crate) fn print_head() {
    println!("{}", laid_out(&HEAD.map(str::to_owned)));
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&laid_out(&self.cells()))
    }
}

fn laid_out(cells: &[String; 9]) -> String {
    cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:<width$} ")).collect::<String>().trim_end().to_owned()
}

/// The table for docs/chaos.md.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head = line(&HEAD.map(str::to_owned)) + &line(&HEAD.map(|_| "---".to_owned()));
    rows.iter().fold(head, |table, row| table + &line(&row.cells()))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
