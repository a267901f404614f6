//! Typed identifiers: the compiler rejects the id of a product where the id of an order is
//! expected. Ids are UUIDv7 (RFC 9562), which sort by age; ids that must not be guessed are random
//! (`UUIDv4`).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Timestamp;
use crate::{Error, Result};

/// The id of a `T`.
pub struct Id<T>(Uuid, PhantomData<fn() -> T>);

impl<T> Id<T> {
    /// Returns a new id, greater than every earlier one of this process.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "every call returns another id")]
    pub fn new() -> Self {
        Self(Uuid::now_v7(), PhantomData)
    }

    /// Returns a random id (122 random bits), for resources open to every client that knows it.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        Ok(Self(uuid::Builder::from_random_bytes(bytes).into_uuid(), PhantomData))
    }

    /// Returns the smallest id that can be created at this moment. Every id that was created before
    /// is smaller.
    #[must_use]
    pub fn first_at(moment: Timestamp) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(moment.unix_millis(), &[0; 10]).into_uuid(), PhantomData)
    }

    /// Returns the id with these bytes (RFC 9562, section 4).
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes), PhantomData)
    }

    /// Returns the bytes of the id.
    #[must_use]
    pub fn into_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// Returns the time at which the id was created; `None` for a random id.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        Timestamp::from_unix(seconds, nanos)
    }
}

/// The error of `Id::from_str`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a UUID")
    }
}

impl<T> FromStr for Id<T> {
    type Err = InvalidId;

    /// Reads the hyphenated form only, in either case.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() != 36 {
            return Err(InvalidId);
        }
        Uuid::try_parse(text).map(|uuid| Self(uuid, PhantomData)).map_err(|_| InvalidId)
    }
}

impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// Derived traits would require the same traits of `T`.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;

    #[test]
    fn only_hyphenated_uuids_are_ids() {
        let id = Id::<Thing>::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        for bad in
            ["", "x", "../etc/passwd", "018f4b3a5c6d7e8f9a0b1c2d3e4f5a6b", "{018f4b3a-5c6d-7e8f-9a0b-1c2d3e4f5a}"]
        {
            assert_eq!(bad.parse::<Id<Thing>>(), Err(InvalidId), "{bad}");
        }
    }

    #[test]
    fn ids_sort_by_age() {
        let ids: Vec<Id<Thing>> = (0..1000).map(|_| Id::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn the_first_id_of_a_moment_is_between_the_ids_of_the_moments_before_and_after() {
        let id = Id::<Thing>::new();
        let at = id.created_at().unwrap();
        assert!(Id::first_at(at) <= id);
        assert!(id < Id::first_at(at.after(std::time::Duration::from_millis(1))));
        assert!(Id::<Thing>::first_at(at).to_string() <= id.to_string(), "as text too");
        assert_eq!(Id::<Thing>::first_at(at).created_at(), Some(at));
    }

    #[test]
    fn only_a_random_id_has_no_creation_time() {
        let (before, id, after) = (Timestamp::now(), Id::<Thing>::new(), Timestamp::now());
        assert!((before..=after).contains(&id.created_at().unwrap()));
        let (one, other) = (Id::<Thing>::random().unwrap(), Id::<Thing>::random().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.created_at(), one.to_string().parse()), (None, Ok(one)));
    }
}
