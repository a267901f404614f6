//! JSON as a text that people edit: an object or a list without others inside is one line.

use serde_json::Value;

/// Returns the text of a document.
pub(super) fn of(document: &Value) -> String {
    let mut text = String::new();
    write(document, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let (open, close, parts) = match value {
        Value::Object(members) if members.values().any(is_container) => {
            let members = members.iter().map(|(name, value)| (Some(name), value));
            ('{', '}', members.collect::<Vec<_>>())
        }
        Value::Array(items) if items.iter().any(is_container) => {
            ('[', ']', items.iter().map(|value| (None, value)).collect())
        }
        _ => return text.push_str(&value.to_string()),
    };
    text.push(open);
    for (at, (name, value)) in parts.into_iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.push_str(&"  ".repeat(depth + 1));
        if let Some(name) = name {
            text.push_str(&Value::from(name.as_str()).to_string());
            text.push_str(": ");
        }
        write(value, depth + 1, text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}

fn is_container(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_read_again() {
        let document = json!({"note": "a \"note\"", "rates": [{"country": "DE", "rate_bp": 1900}, {"country": "FR"}], "empty": []});
        let text = of(&document);
        assert!(text.contains("\n    {\"country\":\"DE\",\"rate_bp\":1900},\n"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(document));
    }
}
