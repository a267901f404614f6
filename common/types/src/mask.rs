//! Masks texts in JSON that may be personal or secret.

use serde_json::Value;
use uuid::Uuid;

use crate::Timestamp;

/// Stands for a masked text.
const MASK: &str = "•••";

/// Fields whose texts are codes of Souk, and never what a client or a payment provider has written.
const CODES: [&str; 7] = ["currency", "kind", "method", "role", "service", "state", "status"];

/// Masks all texts in a value, except ids, moments, and the codes of some fields. Numbers, truth
/// values and the names of fields stay.
#[must_use]
pub fn mask_texts(value: Value) -> Value {
    match value {
        Value::String(text) if !is_harmless(&text) => MASK.into(),
        Value::Array(values) => values.into_iter().map(mask_texts).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let is_code = value.is_string() && CODES.contains(&name.as_str());
                let value = if is_code { value } else { mask_texts(value) };
                (name, value)
            };
            fields.into_iter().map(field).collect()
        }
        other => other,
    }
}

fn is_harmless(text: &str) -> bool {
    text.parse::<Uuid>().is_ok() || serde_json::from_value::<Timestamp>(text.into()).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_other_than_ids_moments_and_codes_are_masked() {
        let id = "0190b5d2-6c1e-7a53-8b8e-2f0a3c7d9e11";
        let value = json!({
            "id": id, "at": "2026-11-29T09:00:00.000Z", "n": [7, "ana@example.com"], "status": "paid",
            "to": {"name": "Ana", "status": ["Ana"]}, "open": true, "none": null,
        });
        let expected = json!({
            "id": id, "at": "2026-11-29T09:00:00.000Z", "n": [7, MASK], "status": "paid",
            "to": {"name": MASK, "status": [MASK]}, "open": true, "none": null,
        });
        assert_eq!(mask_texts(value), expected);
    }
}
