//! What came of a fault, as a row of a table, and whether it is good enough.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::audit::Verdict;
use crate::fault::Fault;
use crate::load::Attempt;

/// Every answer is due within this.
const ANSWERED: Duration = Duration::from_secs(6);
/// The shop is back so long after the part.
const RECOVERED: Duration = Duration::from_secs(5);
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
    pub(crate) verdict: Verdict,
}

impl Row {
    pub(crate) fn of(fault: &Fault, attempts: &[Attempt], recovered: Option<Duration>, verdict: Verdict) -> Self {
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
            recovered,
            verdict,
        };
        for attempt in attempts {
            row.counts(attempt);
        }
        row
    }

    fn counts(&mut self, attempt: &Attempt) {
        let outcome = &attempt.outcome;
        match (outcome.status(), &outcome.answer) {
            (Some(200..400), _) => self.good += 1,
            (Some(400..500), _) => self.conflicts += 1,
            (Some(status), _) => *self.refused.entry(status).or_default() += 1,
            (None, Err(why)) => *self.unanswered.entry(format!("{}: {why}", outcome.asked)).or_default() += 1,
            (None, Ok(_)) => {}
        }
        if let Some(undocumented) = attempt.undocumented() {
            *self.undocumented.entry(undocumented).or_default() += 1;
        }
        if outcome.took > self.longest && outcome.status().is_some() {
            self.longest = outcome.took;
            self.slowest = format!("{} -> {:?}", outcome.asked, outcome.status());
        }
    }

    fn answers_in_time(&self) -> bool {
        self.at_the_door || (self.longest <= ANSWERED && self.unanswered.is_empty())
    }

    fn is_back_in_time(&self) -> bool {
        self.recovered.is_some_and(|recovered| recovered <= RECOVERED)
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
                flagged(recovered, self.is_back_in_time())
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
