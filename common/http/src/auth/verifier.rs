//! Verification of access tokens with the public keys of `customer`.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use souk_bus::{Bus, CALL_TIMEOUT};
use souk_contract::customer::{GetKeys, Keys};
use souk_types::{Error, Result};
use tokio::sync::Mutex;

use super::{Claims, ISSUER, Identity, TOKEN_TYPE, TokenHeader, claim_rules, invalid_token, is_issued};
use crate::config::HttpUrl;

/// Delay before the keys are fetched again while there are none.
const KEY_FETCH_RETRY_DELAY: Duration = Duration::from_millis(200);
/// Minimum interval between two fetches because of an unknown key id. Anyone can send unknown ids.
const MIN_KEY_FETCH_INTERVAL: Duration = Duration::from_secs(1);
/// Size limit of a key set fetched over HTTP, in bytes. A key takes about 200.
const MAX_KEY_SET_SIZE: u64 = 64 * 1024;

/// Verifies access tokens.
pub struct Verifier {
    source: KeySource,
    keys: RwLock<HashMap<String, DecodingKey>>,
    last_fetch: Mutex<Option<LastFetch>>,
    validation: Validation,
}

enum KeySource {
    Bus(Bus),
    Url(JwksUrl),
    /// No source: the service is `customer` and has all keys.
    Own,
}

struct LastFetch {
    at: Instant,
    failure: Option<Error>,
}

impl Verifier {
    /// Returns a verifier that fetches its keys over the bus.
    #[must_use]
    pub fn from_bus(bus: Bus) -> Self {
        Self::new(KeySource::Bus(bus))
    }

    /// Returns a verifier that fetches its keys over HTTP.
    #[must_use]
    pub fn from_url(url: JwksUrl) -> Self {
        Self::new(KeySource::Url(url))
    }

    /// Returns a verifier with these keys.
    pub fn from_keys(keys: &[Jwk]) -> Result<Self> {
        let verifier = Self::new(KeySource::Own);
        verifier.store_keys(keys)?;
        Ok(verifier)
    }

    fn new(source: KeySource) -> Self {
        let mut validation = claim_rules(Algorithm::EdDSA, ISSUER);
        validation.required_spec_claims.insert("exp".to_owned());
        Self { source, keys: RwLock::default(), last_fetch: Mutex::default(), validation }
    }

    /// Starts fetching the keys in the background, until there are some: `customer` may be down
    /// when the first token arrives.
    pub fn prefetch_keys(self: &Arc<Self>) {
        let verifier = Arc::clone(self);
        tokio::spawn(async move {
            if let KeySource::Bus(bus) = &verifier.source {
                bus.ready().await;
            }
            while let Err(error) = verifier.fetch_keys().await {
                tracing::debug!(%error, "cannot fetch the keys yet");
                tokio::time::sleep(KEY_FETCH_RETRY_DELAY).await;
            }
        });
    }

    /// Returns the identity in a token. The caller checks that it is not revoked.
    pub async fn verify(&self, token: &str) -> Result<Identity> {
        let header = TokenHeader::of(token).filter(|header| header.is(Algorithm::EdDSA, TOKEN_TYPE));
        let key_id = header.and_then(|header| header.kid).ok_or_else(invalid_token)?;
        let key = self.key(&key_id).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation).map_err(|_| invalid_token())?.claims;
        if !is_issued(claims.iat) {
            return Err(invalid_token());
        }
        Ok(Identity {
            id: claims.sub,
            role: claims.role,
            generation: claims.generation,
            is_email_verified: claims.email_verified,
            language: claims.locale,
        })
    }

    async fn key(&self, id: &str) -> Result<DecodingKey> {
        if let Some(key) = self.cached_key(id) {
            return Ok(key);
        }
        // One caller fetches the keys; the others wait for the lock.
        let mut last_fetch = self.last_fetch.lock().await;
        if let Some(key) = self.cached_key(id) {
            return Ok(key);
        }
        if let Some(recent) = last_fetch.as_ref().filter(|last| last.at.elapsed() < MIN_KEY_FETCH_INTERVAL) {
            return Err(recent.failure.clone().unwrap_or_else(invalid_token));
        }
        let fetched = self.fetch_keys().await;
        *last_fetch = Some(LastFetch { at: Instant::now(), failure: fetched.as_ref().err().cloned() });
        fetched?;
        self.cached_key(id).ok_or_else(invalid_token)
    }

    async fn fetch_keys(&self) -> Result<()> {
        let keys = match &self.source {
            KeySource::Bus(bus) => bus.call(GetKeys {}).await?.keys,
            KeySource::Url(url) => url.fetch().await?,
            KeySource::Own => return Err(invalid_token()),
        };
        self.store_keys(&keys)
    }

    fn cached_key(&self, id: &str) -> Option<DecodingKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn store_keys(&self, keys: &[Jwk]) -> Result<()> {
        let keys = keys
            .iter()
            .filter_map(|jwk| Some((jwk.common.key_id.clone()?, jwk)))
            .map(|(id, jwk)| Ok((id, DecodingKey::from_jwk(jwk).map_err(Error::internal)?)))
            .collect::<Result<_>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

/// The URL of a JSON Web Key Set (RFC 7517).
#[derive(Clone)]
pub struct JwksUrl(HttpUrl);

impl FromStr for JwksUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl JwksUrl {
    async fn fetch(&self) -> Result<Vec<Jwk>> {
        let url = self.0.clone();
        let fetch = move || -> Result<Keys, ureq::Error> {
            let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(CALL_TIMEOUT)).build().into();
            let body = agent.get(url.as_str()).call()?.into_body();
            let body = body.into_with_config().limit(MAX_KEY_SET_SIZE).read_to_vec()?;
            serde_json::from_slice(&body).map_err(|error| ureq::Error::Io(error.into()))
        };
        let fetched = tokio::task::spawn_blocking(fetch).await.map_err(Error::internal)?;
        fetched.map(|keys| keys.keys).map_err(|error| Error::unavailable("customer").caused_by(error))
    }
}
