//! Points in time. Always UTC, always milliseconds, always written alike, so that the text sorts as the time does.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A moment in UTC, in milliseconds; written as RFC 3339, `2026-11-21T09:14:29.123Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self::truncated(OffsetDateTime::now_utc())
    }

    /// So long after 1970; `None` for a time that no calendar has.
    #[must_use]
    pub fn from_unix(seconds: u64, nanos: u32) -> Option<Self> {
        let moment = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
        Some(Self::truncated(moment.replace_nanosecond(nanos).ok()?))
    }

    /// From milliseconds since 1970, as messages carry them. `None` for what no calendar has.
    #[must_use]
    pub fn from_unix_millis(millis: u64) -> Option<Self> {
        let nanos = i128::from(millis) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().map(Self)
    }

    /// How long it was after `earlier`; nothing when it was before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).try_into().unwrap_or_default()
    }

    /// Later by `duration`.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self::truncated(self.0 + duration)
    }

    /// Earlier by `duration`.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self::truncated(self.0 - duration)
    }

    /// Seconds since 1970, as JWT claims count them (RFC 7519, `NumericDate`).
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    fn truncated(moment: OffsetDateTime) -> Self {
        let nanos = moment.nanosecond() / 1_000_000 * 1_000_000;
        Self(moment.replace_nanosecond(nanos).unwrap_or(moment))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        f.write_str(&self.0.format(layout).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        OffsetDateTime::parse(&text, &Rfc3339)
            .map(|moment| Self::truncated(moment.to_offset(time::UtcOffset::UTC)))
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_milliseconds_and_read_back() {
        let read: Timestamp = serde_json::from_str("\"2026-11-21T10:14:29.1Z\"").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"2026-11-21T10:14:29.100Z\"");
        let elsewhere: Timestamp = serde_json::from_str("\"2026-11-21T11:14:29.100+01:00\"").unwrap();
        assert_eq!(elsewhere, read);
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    }

    #[test]
    fn milliseconds_become_a_moment() {
        let moment = Timestamp::from_unix_millis(1_763_728_187_123).unwrap();
        assert_eq!(moment.to_string(), "2025-11-21T12:29:47.123Z");
        let later = moment.after(Duration::from_millis(7));
        assert_eq!((later.since(moment), moment.since(later)), (Duration::from_millis(7), Duration::ZERO));
        assert_eq!(Timestamp::from_unix_millis(u64::MAX), None);
    }

    #[test]
    fn text_sorts_as_time_does() {
        let now = Timestamp::now();
        let later = now.after(Duration::from_millis(1));
        assert!(now.to_string() < later.to_string());
    }
}
