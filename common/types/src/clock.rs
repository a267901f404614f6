//! Points in time in UTC, in milliseconds, with one text format that sorts by time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::macros::{datetime, format_description};
use time::{OffsetDateTime, UtcOffset};

/// A moment in UTC, in milliseconds, as RFC 3339: `2026-11-21T09:14:29.123Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

/// RFC 3339 has four digits for a year.
const FIRST: OffsetDateTime = datetime!(0000-01-01 00:00 UTC);
const LAST: OffsetDateTime = datetime!(9999-12-31 23:59:59.999 UTC);

impl Timestamp {
    /// Returns the current time.
    #[must_use]
    pub fn now() -> Self {
        Self::clamped(OffsetDateTime::now_utc())
    }

    /// Returns the moment `seconds` and `nanos` after 1970; `None` when it is after the year 9999.
    #[must_use]
    pub fn from_unix(seconds: u64, nanos: u32) -> Option<Self> {
        let moment = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
        Some(Self::clamped(moment.replace_nanosecond(nanos).ok()?))
    }

    /// Returns the moment `millis` milliseconds after 1970; `None` when it is after the year 9999.
    #[must_use]
    pub fn from_unix_millis(millis: u64) -> Option<Self> {
        let nanos = i128::from(millis) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().map(Self)
    }

    /// Returns the time that has passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).try_into().unwrap_or_default()
    }

    /// Returns the moment `duration` later, at most the end of the year 9999.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let duration = time::Duration::try_from(duration).unwrap_or(time::Duration::MAX);
        Self::clamped(self.0.saturating_add(duration))
    }

    /// Returns the moment `duration` earlier, at least the beginning of the year 0.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let duration = time::Duration::try_from(duration).unwrap_or(time::Duration::MAX);
        Self::clamped(self.0.saturating_sub(duration))
    }

    /// Returns the seconds since 1970, as JWT claims have them (RFC 7519, `NumericDate`).
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// Returns the milliseconds since 1970, and 0 for an earlier moment.
    #[must_use]
    pub fn unix_millis(self) -> u64 {
        u64::try_from(self.0.unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
    }

    fn clamped(moment: OffsetDateTime) -> Self {
        let moment = moment.clamp(FIRST, LAST);
        Self(moment.truncate_to_millisecond())
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
        let moment = OffsetDateTime::parse(&text, &Rfc3339).map_err(serde::de::Error::custom)?;
        // An offset may move the time out of the years 0 to 9999.
        let utc = moment
            .checked_to_offset(UtcOffset::UTC)
            .filter(|utc| (FIRST..=LAST).contains(&utc.truncate_to_millisecond()));
        utc.map(Self::clamped).ok_or_else(|| serde::de::Error::custom("must be in the years 0 to 9999"))
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
        for bad in ["yesterday", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "10000-01-01T00:00:00Z"] {
            assert!(serde_json::from_value::<Timestamp>(bad.into()).is_err(), "{bad}");
        }
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
    fn durations_are_clamped_to_the_calendar() {
        let now = Timestamp::now();
        assert_eq!(now.after(Duration::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(now.before(Duration::MAX).to_string(), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn texts_sort_in_the_order_of_time() {
        let now = Timestamp::now();
        let later = now.after(Duration::from_millis(1));
        assert!(now.to_string() < later.to_string());
    }
}
