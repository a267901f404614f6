//! Configuration of a service from environment variables, which `.env.example` explains. All
//! problems are collected and reported together.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// Marks a sample value of `.env.example`. Such values are rejected.
const SAMPLE: &str = "change-me";

/// Environment variables, and the problems found with them so far.
pub struct Environment {
    variables: HashMap<String, String>,
    problems: Vec<String>,
}

impl Environment {
    /// Returns the environment of this process.
    #[must_use]
    pub fn from_process() -> Self {
        let mut environment = Self { variables: HashMap::new(), problems: Vec::new() };
        for (name, value) in std::env::vars_os() {
            // A value that is not Unicode fails where it is parsed.
            if let Ok(name) = name.into_string() {
                environment.variables.insert(name, value.to_string_lossy().into_owned());
            }
        }
        environment
    }

    /// Returns an environment of these variables, for tests.
    pub fn from_pairs<'v>(variables: impl IntoIterator<Item = (&'v str, &'v str)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { variables, problems: Vec::new() }
    }

    /// Reads a required variable. Adds a problem and returns `None` when it is missing or invalid.
    pub fn required<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        match self.text(name) {
            Ok(Some(text)) => self.parse(name, &text),
            Ok(None) => {
                self.add_problem(format!("{name} is missing"));
                None
            }
            Err(()) => None,
        }
    }

    /// Reads an optional variable; empty means missing. Adds a problem when it is invalid.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name).ok()??;
        self.parse(name, &text)
    }

    /// Whether a variable is set and not empty, directly or by a file.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let is_set = |name: &str| self.variables.get(name).is_some_and(|text| !text.is_empty());
        is_set(name) || is_set(&format!("{name}_FILE"))
    }

    /// Adds a problem when a variable is set under the name that it had in an earlier release, and
    /// not under its name of today: it would have no effect.
    pub fn refuse_former_name(&mut self, former: &str, name: &str) {
        if self.has(former) && !self.has(name) {
            self.add_problem(format!("{former} is named {name} now"));
        }
    }

    /// Adds a problem that the caller found.
    pub fn add_problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Returns the problems found so far, in the order in which they were found.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Fails with [`Self::report`] when any problem was found.
    pub fn check(&self) -> Result<(), String> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.report()) }
    }

    /// Returns the message for the operator: one line for each problem.
    #[must_use]
    pub fn report(&self) -> String {
        let list: String = self.problems.iter().map(|problem| format!("\n  {problem}")).collect();
        format!("invalid configuration (.env.example explains each variable):{list}")
    }

    /// Reads the variable, or the file that `NAME_FILE` names (a mounted secret).
    fn text(&mut self, name: &str) -> Result<Option<String>, ()> {
        let given = |name: &str| self.variables.get(name).filter(|value| !value.trim().is_empty()).cloned();
        let by_file = format!("{name}_FILE");
        let text = match (given(name), given(&by_file)) {
            (Some(_), Some(_)) => return self.fail(format!("{name} and {by_file} are both set: choose one")),
            (None, Some(file)) => match std::fs::read_to_string(&file) {
                Ok(text) if text.trim().is_empty() => return self.fail(format!("{by_file}: {file} is empty")),
                Ok(text) => Some(text.trim().to_owned()),
                Err(error) => return self.fail(format!("{by_file}: {file} cannot be read: {error}")),
            },
            (value, None) => value.map(|value| value.trim().to_owned()),
        };
        match text {
            Some(text) if text.contains(SAMPLE) => {
                self.fail(format!("{name} still has the sample value of .env.example"))
            }
            text => Ok(text),
        }
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, name: &str, text: &str) -> Option<T> {
        // The problem does not quote the value, because it may be a secret.
        text.parse().map_err(|error| self.add_problem(format!("{name}: {error}"))).ok()
    }

    fn fail<T>(&mut self, problem: String) -> Result<T, ()> {
        self.add_problem(problem);
        Err(())
    }
}

/// An `http://` or `https://` URL.
#[derive(Debug, Clone)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Returns the URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HttpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let has_host = |rest: &str| rest.chars().next().is_some_and(char::is_alphanumeric);
        match text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
            Some(rest) if has_host(rest) => Ok(Self(text.to_owned())),
            _ => Err("must be an http:// or https:// URL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn values_are_trimmed_and_parsed() {
        let mut environment = Environment::from_pairs([("PORT", " 8001 "), ("LOG", ""), ("NAME", "a")]);
        assert_eq!(environment.required::<u16>("PORT"), Some(8001));
        assert_eq!(environment.optional::<String>("LOG"), None);
        assert_eq!(environment.optional::<String>("NAME").as_deref(), Some("a"));
        assert!(environment.problems().is_empty());
    }

    #[test]
    fn a_secret_is_read_from_a_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "amqp://here").unwrap();
        let path = file.path().to_str().unwrap();
        let mut environment = Environment::from_pairs([("AMQP_URL_FILE", path)]);
        assert_eq!(environment.required::<String>("AMQP_URL").as_deref(), Some("amqp://here"));
        assert!(environment.problems().is_empty());
    }

    #[test]
    fn all_problems_are_reported_without_values() {
        let mut environment = Environment::from_pairs([
            ("PORT", "s3cret"),
            ("AMQP_URL", "amqp://souk:change-me@mq"),
            ("SIGNING_KEY", "s3cret"),
            ("SIGNING_KEY_FILE", "/nowhere"),
            ("OTHER_FILE", "/nowhere/at/all"),
        ]);
        assert_eq!(environment.required::<u16>("PORT"), None);
        assert_eq!(environment.required::<String>("AMQP_URL"), None);
        assert_eq!(environment.required::<String>("MONGODB_URI"), None);
        assert_eq!(environment.required::<String>("SIGNING_KEY"), None);
        assert_eq!(environment.optional::<String>("OTHER"), None);
        let problems = environment.problems();
        assert_eq!(problems.len(), 5, "{problems:?}");
        for (problem, words) in problems.iter().zip([
            "PORT: invalid digit",
            "AMQP_URL still has the sample value",
            "MONGODB_URI is missing",
            "SIGNING_KEY and SIGNING_KEY_FILE are both set",
            "OTHER_FILE: /nowhere/at/all cannot be read",
        ]) {
            assert!(problem.contains(words) && !problem.contains("s3cret"), "{problem}");
        }
    }
}
