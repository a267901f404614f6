//! Finds the paths that a Rust file names, with their lines. A small tokenizer is enough: it skips
//! comments and literals, resolves `crate`, `self` and `super`, and expands groups in `use`.

use std::iter::Peekable;
use std::vec::IntoIter;

/// A path that a file names, such as `crate::domain::order` or `tokio::time::sleep`, or the keyword
/// `async`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// Its segments, from the crate root or from the name of another crate.
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    pub(super) in_tests: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

pub(super) fn imports(module: &[String], source: &str) -> Vec<Import> {
    let mut reader = Reader {
        tokens: tokens(source).into_iter().peekable(),
        module: module.to_vec(),
        inline: Vec::new(),
        depth: 0,
        found: Vec::new(),
    };
    reader.read();
    reader.found
}

struct Reader {
    tokens: Peekable<IntoIter<Token>>,
    module: Vec<String>,
    /// The depths of braces at which the inline modules began.
    inline: Vec<usize>,
    depth: usize,
    found: Vec<Import>,
}

impl Reader {
    fn read(&mut self) {
        let mut previous = String::new();
        while let Some(token) = self.tokens.next() {
            match token.text.as_str() {
                "{" => self.depth += 1,
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.inline.last() == Some(&self.depth) {
                        self.inline.pop();
                        self.module.pop();
                    }
                }
                "mod" => self.module_begins(),
                "use" => self.tree(&[]),
                "async" => self.find(vec![token.text.clone()], token.line),
                text if is_name(text) && previous != "." => self.path(&token),
                _ => {}
            }
            previous = token.text;
        }
    }

    fn module_begins(&mut self) {
        if let Some(name) = self.tokens.next()
            && self.tokens.next_if(|token| token.text == "{").is_some()
        {
            self.module.push(name.text);
            self.inline.push(self.depth);
            self.depth += 1;
        }
    }

    /// Reads a path in an expression or a type. A single name is not a path.
    fn path(&mut self, first: &Token) {
        let (mut path, mut line) = (vec![first.text.clone()], first.line);
        while self.tokens.next_if(|token| token.text == "::").is_some() {
            let Some(next) = self.tokens.next_if(|token| is_name(&token.text)) else { break };
            path.push(next.text);
            line = next.line;
        }
        if path.len() > 1 {
            self.add(&path, line);
        }
    }

    fn tree(&mut self, before: &[String]) {
        let (mut path, mut line) = (before.to_vec(), 0);
        while let Some(token) = self.tokens.next_if(|token| !matches!(&*token.text, "," | ";" | "}")) {
            match token.text.as_str() {
                "{" => {
                    while self.tokens.next_if(|token| token.text == "}").is_none() && self.tokens.peek().is_some() {
                        self.tree(&path);
                        self.tokens.next_if(|token| token.text == ",");
                    }
                    return;
                }
                "::" => {}
                "as" => drop(self.tokens.next()),
                _ => {
                    path.push(token.text);
                    line = token.line;
                }
            }
        }
        self.add(&path, line);
    }

    fn add(&mut self, path: &[String], line: usize) {
        let mut from = self.module.clone();
        let mut rest = path;
        let is_relative = matches!(path.first().map(String::as_str), Some("self" | "super"));
        while let [first, others @ ..] = rest {
            match first.as_str() {
                "super" => drop(from.pop()),
                "self" => {}
                _ => break,
            }
            rest = others;
        }
        let path = if is_relative { [&["crate".to_owned()], &from[..], rest].concat() } else { path.to_vec() };
        self.find(path, line);
    }

    fn find(&mut self, path: Vec<String>, line: usize) {
        let in_tests = !self.inline.is_empty() && self.module.last().is_some_and(|module| module == "tests");
        self.found.push(Import { path, line, in_tests });
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn tokens(source: &str) -> Vec<Token> {
    let (mut tokens, mut line) = (Vec::new(), 1);
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = length_of_token(rest, first);
        let (text, after) = rest.split_at(length);
        let is_skipped = first.is_whitespace()
            || first.is_ascii_digit()
            || text.starts_with("//")
            || text.starts_with("/*")
            || text.ends_with(['"', '\'']) && length > 1
            || text.ends_with('#') && length > 2;
        if !is_skipped {
            tokens.push(Token { text: text.trim_start_matches("r#").to_owned(), line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

fn length_of_token(rest: &str, first: char) -> usize {
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    if rest.starts_with("::") {
        return 2;
    }
    let quoted = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - quoted.len();
    if prefix <= 1 {
        let raw = quoted.strip_prefix('r').unwrap_or_default();
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), prefix + 1 + hashes + 1);
        }
        if quoted.starts_with('"') {
            return prefix + literal(quoted, '"');
        }
        if let Some(inside) = quoted.strip_prefix('\'') {
            // A character, or else a lifetime.
            let mut inside = inside.chars();
            let is_character = inside.next() == Some('\\') || inside.next() == Some('\'');
            return if is_character { prefix + literal(quoted, '\'') } else { prefix + 1 };
        }
    }
    if let Some(raw) = rest.strip_prefix("r#").filter(|raw| is_name(raw)) {
        return 2 + name(raw);
    }
    if is_name(rest) || first.is_ascii_digit() { name(rest) } else { first.len_utf8() }
}

fn name(text: &str) -> usize {
    text.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len())
}

/// Returns the length of a literal with its quotes; a backslash escapes the next character.
fn literal(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::imports;

    fn of(source: &str) -> Vec<(String, usize)> {
        let module = ["domain".to_owned(), "order".to_owned()];
        imports(&module, source).into_iter().map(|import| (import.path.join("::"), import.line)).collect()
    }

    #[test]
    fn groups_are_expanded_and_relative_paths_resolved() {
        let source = "use crate::{http, application::{self, orders as o}};\nuse super::\n    quote::Quote;\nuse self::line::*;\n\
                      mod tests {\n    use super::*;\n}\nuse tokio::time;\n";
        let expected = [
            ("crate::http", 1),
            ("crate::application::self", 1),
            ("crate::application::orders", 1),
            ("crate::domain::quote::Quote", 3),
            ("crate::domain::order::line::*", 4),
            ("crate::domain::order::*", 6),
            ("tokio::time", 8),
        ];
        assert_eq!(of(source), expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn paths_in_code_count_and_comments_and_literals_do_not() {
        let source = "// crate::http\n/* crate::jobs */ fn a<'a>(_: &'a crate::App) {\n    let _ = (\"crate::http \\\" x::y\", 'x', '\\'', b'\"', r#\"a\"::b\"#);\n\
                      \x20   x.y::<u8>();\n    super::super::http::f();\n    async move { 1 };\n}\n";
        let expected = [("crate::App", 2), ("crate::http::f", 5), ("async", 6)];
        assert_eq!(of(source), expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
