//! The form of commit subjects: `area: imperative`.

use std::process::Command;

/// Longest subject that git shows in one line of a log.
const MAX_LENGTH: usize = 72;

/// Words that end like a past tense, a participle or a third person, and are imperatives.
const IMPERATIVES: [&str; 8] = ["bring", "embed", "exceed", "feed", "focus", "need", "proceed", "seed"];

pub(crate) fn check(base: &str) -> Result<(), String> {
    let range = format!("{base}..HEAD");
    let mut command = Command::new("git");
    command
        .args(["log", "--no-merges", "--reverse", "--format=%h %s", &range, "--"])
        .current_dir(fleet::workspace_dir());
    let output = command.output().map_err(|error| format!("git log: {error}"))?;
    if !output.status.success() {
        return Err(format!("git log {range}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let log = String::from_utf8_lossy(&output.stdout);
    let commits: Vec<(&str, &str)> = log.lines().filter_map(|line| line.split_once(' ')).collect();
    let bad: Vec<String> = commits
        .iter()
        .filter_map(|(commit, subject)| Some(format!("{commit} \"{subject}\": {}", broken_rule(subject)?)))
        .collect();
    if bad.is_empty() {
        println!("{} commit subjects in {range} are well-formed", commits.len());
        return Ok(());
    }
    Err(format!("{}\n{} of {} commit subjects are malformed", bad.join("\n"), bad.len(), commits.len()))
}

fn broken_rule(subject: &str) -> Option<String> {
    let length = subject.chars().count();
    if length > MAX_LENGTH {
        return Some(format!("has {length} characters; at most {MAX_LENGTH} are allowed"));
    }
    if subject.ends_with('.') {
        return Some("ends with a full stop".to_owned());
    }
    let form = "must have the form `area: imperative`, such as `store: rename once to handle_once`";
    let Some((area, rest)) = subject.split_once(": ") else { return Some(form.to_owned()) };
    let is_area_character =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "-_/, ".contains(character);
    if !area.starts_with(|first: char| first.is_ascii_lowercase()) || !area.chars().all(is_area_character) {
        return Some(format!("the area \"{area}\" must be in lower case"));
    }
    let verb = rest.split_whitespace().next().unwrap_or_default();
    if verb.is_empty() {
        return Some(form.to_owned());
    }
    let is_inflected = verb.ends_with("ed") || verb.ends_with("ing") || (verb.ends_with('s') && !verb.ends_with("ss"));
    (is_inflected && !IMPERATIVES.contains(&verb))
        .then(|| format!("\"{verb}\" is not imperative: write `add`, not `added`, `adding` or `adds`"))
}

#[cfg(test)]
mod tests {
    use super::broken_rule;

    #[test]
    fn subjects_have_an_area_and_an_imperative() {
        for subject in [
            "store: rename once to handle_once",
            "fleet, fault-proxy: name components",
            "docs: embed the diagram",
            "http: pass the request id",
            &format!("bus: {}", "x".repeat(67)),
        ] {
            assert_eq!(broken_rule(subject), None, "{subject}");
        }
        for (subject, rule) in [
            ("rename once", "form"),
            ("store:rename once", "form"),
            ("store: ", "form"),
            ("Store: rename once", "lower case"),
            ("CI: rename once", "lower case"),
            (": rename once", "lower case"),
            ("store: rename once.", "full stop"),
            ("store: renamed once", "not imperative"),
            ("store: renaming once", "not imperative"),
            ("store: renames once", "not imperative"),
            (&*format!("bus: {}", "x".repeat(68)), "73 characters"),
        ] {
            let broken = broken_rule(subject).unwrap_or_default();
            assert!(broken.contains(rule), "{subject}: {broken}");
        }
    }
}
