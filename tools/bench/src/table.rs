//! The table of figures and targets.

use std::fmt::Display;
use std::time::Duration;

#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    None,
}

#[derive(Default)]
pub(crate) struct Table {
    missed: usize,
}

impl Table {
    pub(crate) fn add(&mut self, name: &str, figure: f64, unit: &str, target: Target) {
        let (met, wanted) = match target {
            Target::AtLeast(least) => (figure >= least, format!("at least {least}")),
            Target::AtMost(most) => (figure <= most, format!("at most {most}")),
            Target::None => (true, String::new()),
        };
        let verdict = match (met, wanted.is_empty()) {
            (_, true) => "",
            (true, false) => "met",
            (false, false) => "MISSED",
        };
        let shown = if figure >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.2}") };
        println!("{name:<66}{shown:>10} {unit:<7}{wanted:<15}{verdict}");
        self.missed += usize::from(!met);
    }

    pub(crate) fn close(self) -> bool {
        println!(
            "\n{}",
            if self.missed == 0 { "all targets met".to_owned() } else { format!("{} targets missed", self.missed) }
        );
        self.missed == 0
    }
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Returns the median response time in milliseconds.
pub(crate) fn p50(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// Returns the 99th percentile of response times in milliseconds.
pub(crate) fn p99(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

pub(crate) fn text(error: impl Display) -> String {
    error.to_string()
}
