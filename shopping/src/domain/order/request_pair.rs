//! Stores the request of a shipment or a refund as `[key, fingerprint]`, the form that every
//! release reads and writes. For `#[serde(with)]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use souk_types::{Fingerprint, IdempotencyKey, KeyedRequest};

#[expect(clippy::ref_option, reason = "serde passes the field")]
pub(super) fn serialize<S: Serializer>(request: &Option<KeyedRequest>, serializer: S) -> Result<S::Ok, S::Error> {
    request.as_ref().map(|KeyedRequest { key, fingerprint }| (key, fingerprint)).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KeyedRequest>, D::Error> {
    let pair = Option::<(IdempotencyKey, Fingerprint)>::deserialize(deserializer)?;
    Ok(pair.map(|(key, fingerprint)| KeyedRequest { key, fingerprint }))
}
