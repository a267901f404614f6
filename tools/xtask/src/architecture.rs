//! The rules of ARCHITECTURE.md that a machine can check: layers inside a service, the direction
//! between crates, and the width of comments. Each violation names a file, a line and the rule.

mod crates;
mod imports;
mod layers;

use std::fmt;
use std::fs;

use crate::files;

/// Comments wrap here; code may be wider (`rustfmt.toml`).
const COMMENT_WIDTH: usize = 100;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

pub(crate) fn check() -> Result<(), String> {
    let crates = crates::read()?;
    let mut violations = crates::against_the_direction(&crates)?;
    for service in crates.iter().filter(|package| package.is_service()) {
        violations.extend(layers::check(&service.sources()?));
    }
    report(violations)
}

pub(crate) fn check_comments() -> Result<(), String> {
    let mut violations = Vec::new();
    for file in files::list(files::is_rust)? {
        let source =
            fs::read_to_string(fleet::workspace_dir().join(&file)).map_err(|error| format!("{file}: {error}"))?;
        violations.extend(wide_comments(&file, &source));
    }
    report(violations)
}

fn report(mut violations: Vec<Violation>) -> Result<(), String> {
    violations.sort();
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    if lines.is_empty() { Ok(()) } else { Err(format!("{}\n{} violations", lines.join("\n"), lines.len())) }
}

/// Tables and single words, such as URLs, cannot be wrapped.
fn wide_comments(file: &str, source: &str) -> Vec<Violation> {
    let is_too_wide = |line: &str| {
        let Some(comment) = line.trim_start().strip_prefix("//") else { return false };
        let text = comment.trim_start_matches(['/', '!']).trim_start();
        line.chars().count() > COMMENT_WIDTH && !text.starts_with('|') && text.contains(' ')
    };
    let lines = source.lines().zip(1..).filter(|(line, _)| is_too_wide(line));
    let rule = format!("a comment is wider than {COMMENT_WIDTH} columns");
    lines.map(|(_, line)| Violation { file: file.to_owned(), line, rule: rule.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::wide_comments;

    #[test]
    fn comments_are_at_most_100_columns_wide() {
        let text = "word ".repeat(30);
        for (is_wide, line) in [
            (true, format!("    // {text}")),
            (true, format!("//! {text}")),
            (true, format!("/// - {text}")),
            (false, format!("let text = \"// {text}\";")),
            (false, format!("/// | {text}|")),
            (false, format!("// https://example.com/{}", "a".repeat(90))),
            (false, format!("// {}", "é ".repeat(48))),
        ] {
            let found = wide_comments("a.rs", &format!("\n{line}\n"));
            assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), vec![2; usize::from(is_wide)]);
        }
    }
}
