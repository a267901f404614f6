//! Pages of lists. A cursor has the sort key and the id of the last item (keyset pagination), so
//! pages neither repeat nor skip items when the list changes meanwhile.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::input::{Fields, Input};

/// A page of a list, with the cursor of the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The `after` of the next page; `None` on the last page.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Returns a list that has only this page.
    #[must_use]
    pub fn single(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// Converts the items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

/// The number of items of a list, counted up to a limit, so that a long list costs no more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CappedCount {
    /// The number, at most [`CappedCount::MAX`].
    pub count: usize,
    /// Whether there are more.
    pub more: bool,
}

impl CappedCount {
    /// The largest number that is counted.
    pub const MAX: usize = 1_000;

    /// Returns the count of a list of which `found` items were counted.
    #[must_use]
    pub fn of(found: usize) -> Self {
        Self { count: found.min(Self::MAX), more: found > Self::MAX }
    }
}

/// The position after the last item of a page; opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The index by which the list is sorted. The cursor is valid only for lists of this index.
    pub index: String,
    /// The sort key of the last item.
    pub key: Value,
    /// The id of the last item.
    pub id: String,
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = serde_json::to_vec(&(&self.index, &self.key, &self.id)).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&BASE64_URL_SAFE_NO_PAD.encode(plain))
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|plain| serde_json::from_slice(&plain).ok())
            .filter(|(_, key, _): &(String, Value, String)| !key.is_array() && !key.is_object())
            .map(|(index, key, id)| Self { index, key, id })
            .ok_or_else(|| serde::de::Error::custom("is not a cursor of this list"))
    }
}

/// The number of items on a page: 1 to 100, by default 20.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct PageLimit(usize);

impl PageLimit {
    /// The most items on a page.
    pub const MAX: usize = 100;
    /// The largest page.
    pub const MOST: Self = Self(Self::MAX);

    /// Returns the number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(20)
    }
}

impl TryFrom<u64> for PageLimit {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        match usize::try_from(number) {
            Ok(limit @ 1..=Self::MAX) => Ok(Self(limit)),
            _ => Err("must be between 1 and 100"),
        }
    }
}

/// The requested page: `?after=...&limit=...`.
#[derive(Debug, Clone, Default)]
pub struct Paging {
    /// The `next` of the previous page.
    pub after: Option<Cursor>,
    /// The most items.
    pub limit: PageLimit,
}

impl Input for Paging {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { after: fields.optional("after"), limit: fields.optional("limit").unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_round_trips_and_a_forged_one_is_refused() {
        let cursor = Cursor { index: "by_name".into(), key: "tea".into(), id: "7".into() };
        let text = serde_json::to_string(&cursor).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
        for bad in ["\"\"", "\"!!\"", "\"e30\"", "\"WyJhIix7IiRuZSI6MX0sImIiXQ\"", "7"] {
            assert!(serde_json::from_str::<Cursor>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_count_ends_at_its_limit() {
        for (found, count, more) in [(0, 0, false), (1_000, 1_000, false), (1_001, 1_000, true)] {
            assert_eq!(CappedCount::of(found), CappedCount { count, more });
        }
    }

    #[test]
    fn limits_are_1_to_100() {
        assert_eq!(PageLimit::default().get(), 20);
        assert!(PageLimit::try_from(100).is_ok());
        assert!(PageLimit::try_from(0).is_err());
        assert!(PageLimit::try_from(101).is_err());
    }

    proptest! {
        #![proptest_config(mutations::config())]

        // The seeds are `["by_price",499,"7"]` and `["by_name","tea","7"]`.
        #[test]
        fn any_text_is_a_cursor_or_refused(
            text in mutations::text(&["WyJieV9wcmljZSIsNDk5LCI3Il0", "WyJieV9uYW1lIiwidGVhIiwiNyJd"])
        ) {
            if let Ok(cursor) = serde_json::from_value::<Cursor>(text.into()) {
                prop_assert!(!cursor.key.is_array() && !cursor.key.is_object());
                let again = serde_json::to_value(&cursor).unwrap();
                prop_assert_eq!(serde_json::from_value::<Cursor>(again).unwrap(), cursor);
            }
        }
    }
}
