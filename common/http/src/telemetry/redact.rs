//! Redaction of texts from drivers and panics, because they may quote documents, URLs and values.

/// Hides words that look like an e-mail address, a URL with credentials, a token, a phone or card.
pub(super) fn redact(text: &str) -> String {
    // Names, quotes and separators around a value stay readable.
    let is_edge = |c: char| {
        c.is_whitespace()
            || matches!(c, '"' | '\'' | '`' | '(' | ')' | '{' | '}' | '[' | ']' | '<' | '>' | ',' | ';' | '=')
    };
    let mut result = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_edge) {
        let word = piece.trim_end_matches(is_edge);
        if is_private(word) {
            result.push_str("[hidden]");
        } else {
            result.push_str(word);
        }
        result.push_str(&piece[word.len()..]);
    }
    result
}

fn is_private(word: &str) -> bool {
    let is_uuid = word.trim_end_matches(['.', ':']).parse::<uuid::Uuid>().is_ok();
    let mut run = 0;
    let digits = word.chars().fold(0, |longest: usize, c| {
        // A phone or card number may be written with separators.
        run = if c.is_ascii_digit() {
            run + 1
        } else if matches!(c, '-' | '.' | '/' | '+') {
            run
        } else {
            0
        };
        longest.max(run)
    });
    let is_token = word.len() >= 40 && !word.contains("::") && !word.contains('/');
    word.contains('@') || (!is_uuid && (digits >= 9 || is_token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_and_secrets_are_redacted() {
        for (text, redacted) in [
            ("disk full", "disk full"),
            ("dup key: { email: \"ana@example.com\" }", "dup key: { email: \"[hidden]\" }"),
            ("amqp://souk:secret@mq:5672/%2f refused", "[hidden] refused"),
            ("call +49-151-2345-6789 now", "call [hidden] now"),
            ("card=4111111111111111,", "card=[hidden],"),
            ("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTkzIn0.abcdefgh is no token", "[hidden] is no token"),
            ("order 0193a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b: gone", "order 0193a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b: gone"),
            ("common/store/src/lib.rs:154:9", "common/store/src/lib.rs:154:9"),
            ("at 127.0.0.1:27017", "at 127.0.0.1:27017"),
        ] {
            assert_eq!(redact(text), redacted, "{text}");
        }
    }
}
