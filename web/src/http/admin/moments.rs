//! Days and moments in UTC, as fields of forms have them.

use serde_json::Value;
use souk_types::Timestamp;

use crate::fields::{Field, Kind};

/// The length of a day: `2026-12-01`.
const DAY: usize = 10;
/// The length of a moment without seconds, which browsers leave out when they are 0.
const MINUTE: usize = 16;

/// Writes a moment in UTC as a field has it: `2026-12-01T00:00:00`; empty when there is none.
pub(super) fn typed_moment(moment: Option<Timestamp>) -> String {
    let text = moment.map(|moment| moment.to_string()).unwrap_or_default();
    let text = text.trim_end_matches('Z');
    text.strip_suffix(".000").unwrap_or(text).to_owned()
}

/// Writes the moment at which a day begins as that day: `2026-12-01`; another one as a moment.
pub(super) fn typed_day(moment: Option<Timestamp>) -> String {
    let text = typed_moment(moment);
    text.strip_suffix("T00:00:00").map(ToOwned::to_owned).unwrap_or(text)
}

/// Reads a day or a moment in UTC as JSON; what the service refuses, if it cannot be read.
pub(super) fn moment(typed: &str) -> Value {
    match typed.len() {
        0 => Value::Null,
        DAY => format!("{typed}T00:00:00Z").into(),
        MINUTE => format!("{typed}:00Z").into(),
        _ => format!("{}Z", typed.trim_end_matches('Z')).into(),
    }
}

/// Makes the field one of a day, or of a moment if it has the time of one.
pub(super) fn day_field(field: Field) -> Field {
    let is_day = field.value.len() <= DAY;
    if is_day { field.short(Kind::Date, DAY) } else { field.short(Kind::Moment, 23) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_moment_is_read_as_it_is_written() {
        for (stored, day) in [
            ("2026-12-01T00:00:00Z", "2026-12-01"),
            ("2026-12-01T00:00:01Z", "2026-12-01T00:00:01"),
            ("2025-07-01T00:00:00+03:00", "2025-06-30T21:00:00"),
            ("2026-12-01T23:59:59.999Z", "2026-12-01T23:59:59.999"),
        ] {
            let stored: Timestamp = serde_json::from_value(json!(stored)).unwrap();
            assert_eq!(typed_day(Some(stored)), day);
            for typed in [typed_day(Some(stored)), typed_moment(Some(stored))] {
                assert_eq!(serde_json::from_value::<Timestamp>(moment(&typed)).unwrap(), stored, "{typed}");
            }
        }
        assert_eq!((typed_day(None), moment("")), (String::new(), Value::Null));
        assert_eq!(moment("2026-12-01T08:30"), json!("2026-12-01T08:30:00Z"));
        assert!(serde_json::from_value::<Timestamp>(moment("1.12.2026")).is_err());
    }
}
