//! docs/security.md: each attack of its tables names tests that exist, so that a reviewer can run
//! every row.

use std::fs;

use crate::files;

const PAGE: &str = "docs/security.md";
/// The page promises at least this many attacks.
const MIN_ATTACKS: usize = 120;
/// Number, attack, source, what must happen, tests.
const CELLS: usize = 5;

/// Errors: a row with a wrong number, another number of cells, or a test that is in no file or in
/// several, or that no attribute makes a test; too few rows.
pub(crate) fn check() -> Result<(), String> {
    let page = fs::read_to_string(fleet::workspace_dir().join(PAGE)).map_err(|error| format!("{PAGE}: {error}"))?;
    let sources = files::list(files::is_rust)?;
    let has_test = |test: &str| {
        let (file, name) = test.split_once("::").ok_or("is not `file::test_name`")?;
        let is_file =
            |path: &&String| path.strip_suffix(file).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
        let found: Vec<&String> = sources.iter().filter(is_file).collect();
        let [path] = found[..] else { return Err(format!("{} files have this name", found.len())) };
        let source =
            fs::read_to_string(fleet::workspace_dir().join(path)).map_err(|error| format!("{path}: {error}"))?;
        if is_test(&source, name) { Ok(()) } else { Err(format!("{path} has no such test")) }
    };
    let (count, mut problems) = problems(&page, has_test);
    if count < MIN_ATTACKS {
        problems.push(format!("{PAGE}: has {count} attacks; {MIN_ATTACKS} are promised"));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// Returns whether a function of the source has `#[test]`, `#[tokio::test]` or the like, with
/// arguments or without.
fn is_test(source: &str, name: &str) -> bool {
    let (declaration, mut has_attribute) = (format!("fn {name}("), false);
    for line in source.lines().map(str::trim_start) {
        let item = line.trim_start_matches("pub ").trim_start_matches("async ");
        if item.starts_with(&declaration) && has_attribute {
            return true;
        }
        if line.starts_with("#[") {
            has_attribute |= line.contains("test]") || line.contains("test(");
        } else if !line.starts_with("//") {
            has_attribute = false;
        }
    }
    false
}

/// Returns the number of attacks, and what is wrong with them. Attacks are the rows of tables whose
/// first column is `#`.
fn problems(page: &str, has_test: impl Fn(&str) -> Result<(), String>) -> (usize, Vec<String>) {
    let (mut count, mut problems, mut is_in_table) = (0_usize, Vec::new(), false);
    for (line, text) in (1..).zip(page.lines()) {
        let Some(row) = text.strip_prefix("| ") else {
            // The line below the names of the columns begins with `|-`.
            is_in_table &= text.starts_with('|');
            continue;
        };
        if row.starts_with("# |") {
            is_in_table = true;
            continue;
        }
        if !is_in_table {
            continue;
        }
        let cells: Vec<&str> = row.trim_end_matches(['|', ' ']).split(" | ").map(str::trim).collect();
        count += 1;
        let number = cells[0];
        let mut report = |problem: &str| problems.push(format!("{PAGE}:{line}: {problem}"));
        if number != count.to_string() {
            report(&format!("attack {number} must be number {count}"));
        }
        if cells.len() != CELLS {
            report(&format!("attack {number} has {} cells instead of {CELLS}", cells.len()));
            continue;
        }
        let tests: Vec<&str> = cells[CELLS - 1].split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            report(&format!("attack {number} names no test"));
        }
        for test in tests {
            if let Err(problem) = has_test(test) {
                report(&format!("attack {number}, {test}: {problem}"));
            }
        }
    }
    (count, problems)
}

#[cfg(test)]
mod tests {
    use super::{is_test, problems};

    #[test]
    fn each_attack_has_its_number_and_a_test() {
        let found = |row: &str| {
            let head = "| # | attack | source | must happen | test |\n|---|---|---|---|---|";
            let page = format!("{head}\n{row}\n\n| gap | consequence |\n|---|---|\n| a | b |\n");
            problems(&page, |test| if test == "a.rs::b" { Ok(()) } else { Err("there is none".to_owned()) })
        };
        for (row, problem) in [
            ("| 1 | guess | RFC 1 | refused | `a.rs::b` |", None),
            ("| 1 | guess | RFC 1 | refused | `a.rs::b`, `a.rs::b` |", None),
            ("| 2 | guess | RFC 1 | refused | `a.rs::b` |", Some("must be number 1")),
            ("| 1a | guess | RFC 1 | refused | `a.rs::b` |", Some("1a must be number 1")),
            ("| 1 | guess | refused | `a.rs::b` |", Some("4 cells")),
            ("| 1 | guess | RFC 1 | refused | by hand |", Some("names no test")),
            ("| 1 | guess | RFC 1 | refused | `a.rs::b`, `a.rs::c` |", Some("a.rs::c: there is none")),
        ] {
            let (count, problems) = found(row);
            assert_eq!((count, problems.len()), (1, usize::from(problem.is_some())), "{row}: {problems:?}");
            let expected = problem.is_none_or(|words| problems[0].contains(words) && problems[0].contains(":3: "));
            assert!(expected, "{row}: {problems:?}");
        }
    }

    #[test]
    fn a_function_without_an_attribute_is_no_test() {
        for (source, expected) in [
            ("#[test]\nfn guess() {", true),
            ("    #[test]\n    #[ignore = \"slow\"]\n    /// Says more.\n    fn guess() {", true),
            ("#[tokio::test(flavor = \"multi_thread\")]\nasync fn guess() {", true),
            ("#[rocket::async_test]\nasync fn guess() {", true),
            ("fn guess() {", false),
            ("#[test]\nfn other() {}\n\nfn guess() {", false),
            ("#[test]\nfn guesses() {", false),
            ("#[cfg(unix)]\nasync fn guess() {", false),
        ] {
            assert_eq!(is_test(source, "guess"), expected, "{source}");
        }
    }
}
