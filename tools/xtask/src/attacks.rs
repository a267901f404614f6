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
/// several; too few rows.
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
        if source.contains(&format!("fn {name}(")) { Ok(()) } else { Err(format!("{path} has no such test")) }
    };
    let (count, mut problems) = problems(&page, has_test);
    if count < MIN_ATTACKS {
        problems.push(format!("{PAGE}: has {count} attacks; {MIN_ATTACKS} are promised"));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// Returns the number of attacks, and what is wrong with them.
fn problems(page: &str, has_test: impl Fn(&str) -> Result<(), String>) -> (usize, Vec<String>) {
    let (mut count, mut problems) = (0, Vec::new());
    for (line, row) in (1..).zip(page.lines()) {
        let Some(row) = row.strip_prefix("| ") else { continue };
        let cells: Vec<&str> = row.trim_end_matches(['|', ' ']).split(" | ").map(str::trim).collect();
        let Ok(number) = cells[0].parse::<usize>() else { continue };
        count += 1;
        let mut report = |problem: &str| problems.push(format!("{PAGE}:{line}: {problem}"));
        if number != count {
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
    use super::problems;

    #[test]
    fn each_attack_has_its_number_and_a_test() {
        let found = |row: &str| {
            let page =
                format!("| # | attack | source | must happen | test |\n|---|---|---|---|---|\n{row}\n| a | b |\n");
            problems(&page, |test| if test == "a.rs::b" { Ok(()) } else { Err("there is none".to_owned()) })
        };
        for (row, problem) in [
            ("| 1 | guess | RFC 1 | refused | `a.rs::b` |", None),
            ("| 1 | guess | RFC 1 | refused | `a.rs::b`, `a.rs::b` |", None),
            ("| 2 | guess | RFC 1 | refused | `a.rs::b` |", Some("must be number 1")),
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
}
