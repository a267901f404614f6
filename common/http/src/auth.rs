//! Who is asking. Access tokens are JWTs of 10 minutes (RFC 9068 in spirit: `typ` is `at+jwt`), signed with EdDSA by
//! `customer` alone and verified everywhere with the public keys that `customer` hands out, over the bus or by URL. Signing,
//! passwords and refresh tokens are not here but in `customer`.

use std::collections::HashMap;
use std::collections::HashSet;
use std::str::FromStr;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rocket::Request;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::config::HttpUrl;
use souk_bus::{Bus, CALL_TIMEOUT, Delivery, Event};
use souk_contract::customer::{CustomerDeleted, CustomerId, GetKeys, Keys};
use souk_store::{Collection, Database, Document};
use souk_types::{Error, Result, Timestamp};

/// `iss` and `aud` of every token.
pub const ISSUER: &str = "souk";
/// The header's `typ` (RFC 9068, section 2.1): a token of another kind is no access token.
pub const TOKEN_TYPE: &str = "at+jwt";
/// How long an access token lives.
pub const TOKEN_LIFETIME: Duration = Duration::from_mins(10);
/// Clocks of two machines may differ by this many seconds.
const LEEWAY: u64 = 5;
/// Until there are any keys, they are asked for this often.
const KEY_FETCH_RETRY_DELAY: Duration = Duration::from_millis(200);
/// An unknown key id makes us ask for the keys again, but not more often than this: anyone can send unknown ids.
const MIN_KEY_FETCH_INTERVAL: Duration = Duration::from_secs(1);

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Buys.
    Customer,
    /// Buys, and changes the catalogue.
    Admin,
}

/// The claims of an access token.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Whose token it is.
    pub sub: CustomerId,
    /// What they may do.
    pub role: Role,
    /// Always [`ISSUER`].
    pub iss: String,
    /// Always [`ISSUER`].
    pub aud: String,
    /// When it was made, in Unix seconds.
    pub iat: i64,
    /// When it ends, in Unix seconds.
    pub exp: i64,
}

/// Somebody who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub id: CustomerId,
    /// What it may do.
    pub role: Role,
}

impl Identity {
    /// Refuses everyone but admins.
    pub fn require_admin(self) -> Result<Self> {
        match self.role {
            Role::Admin => Ok(self),
            Role::Customer => Err(Error::forbidden("Only an admin may do this.")),
        }
    }
}

/// Where the public keys are to be had.
enum KeySource {
    /// By a call to `customer`.
    Bus(Bus),
    /// At `customer`'s `/.well-known/jwks.json`.
    Url(JwksUrl),
    /// They are all here: this is `customer`.
    Own,
}

/// Where a JSON Web Key Set (RFC 7517) is to be had by HTTP.
#[derive(Clone)]
pub struct JwksUrl(HttpUrl);

/// A key set has some 200 bytes for each key.
const MAX_JWKS: u64 = 64 * 1024;

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
            let body = agent.get(url.as_str()).call()?.into_body().into_with_config().limit(MAX_JWKS).read_to_vec()?;
            serde_json::from_slice(&body).map_err(|error| ureq::Error::Io(error.into()))
        };
        let fetched = tokio::task::spawn_blocking(fetch).await.map_err(Error::internal)?;
        fetched.map(|keys| keys.keys).map_err(|error| Error::unavailable("customer").caused_by(error))
    }
}

/// When the keys were asked for last, and why there was no answer.
struct LastFetch {
    at: Instant,
    failure: Option<Error>,
}

/// Verifies access tokens.
pub struct Verifier {
    source: KeySource,
    keys: RwLock<HashMap<String, DecodingKey>>,
    last_fetch: Mutex<Option<LastFetch>>,
    rules: Validation,
}

impl Verifier {
    /// A verifier that gets its keys over `bus` when it first needs them.
    #[must_use]
    pub fn from_bus(bus: Bus) -> Self {
        Self::new(KeySource::Bus(bus))
    }

    /// A verifier that gets its keys from `url` when it first needs them.
    #[must_use]
    pub fn from_url(url: JwksUrl) -> Self {
        Self::new(KeySource::Url(url))
    }

    /// A verifier that has its keys.
    pub fn from_keys(keys: &[Jwk]) -> Result<Self> {
        let verifier = Self::new(KeySource::Own);
        verifier.store_keys(keys)?;
        Ok(verifier)
    }

    fn new(source: KeySource) -> Self {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[ISSUER]);
        rules.leeway = LEEWAY;
        Self { source, keys: RwLock::default(), last_fetch: Mutex::default(), rules }
    }

    /// The identity of the request's bearer token. Whether the account still exists is the caller's to ask.
    pub async fn identify(&self, request: &Request<'_>) -> Result<Identity> {
        self.verify(bearer(request)?).await
    }

    /// The identity in a token.
    pub async fn verify(&self, token: &str) -> Result<Identity> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| refused())?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(TOKEN_TYPE) {
            return Err(refused());
        }
        let key = self.key(&header.kid.ok_or_else(refused)?).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.rules).map_err(|_| refused())?.claims;
        Ok(Identity { id: claims.sub, role: claims.role })
    }

    async fn key(&self, id: &str) -> Result<DecodingKey> {
        if let Some(key) = self.cached_key(id) {
            return Ok(key);
        }
        // One caller asks; the others wait for the lock and find the key, or why there is none.
        let mut last_fetch = self.last_fetch.lock().await;
        if let Some(key) = self.cached_key(id) {
            return Ok(key);
        }
        if let Some(lately) = last_fetch.as_ref().filter(|last_fetch| last_fetch.at.elapsed() < MIN_KEY_FETCH_INTERVAL)
        {
            return Err(lately.failure.clone().unwrap_or_else(refused));
        }
        let learned = self.fetch_keys().await;
        *last_fetch = Some(LastFetch { at: Instant::now(), failure: learned.as_ref().err().cloned() });
        learned?;
        self.cached_key(id).ok_or_else(refused)
    }

    /// Asks for the keys now, and again until there are some, instead of at the first token: by then, whoever has them may be away.
    pub fn prefetch_keys(self: &Arc<Self>) {
        let verifier = Arc::clone(self);
        tokio::spawn(async move {
            if let KeySource::Bus(bus) = &verifier.source {
                bus.ready().await;
            }
            while let Err(error) = verifier.fetch_keys().await {
                tracing::debug!(%error, "the keys are not there yet");
                tokio::time::sleep(KEY_FETCH_RETRY_DELAY).await;
            }
        });
    }

    async fn fetch_keys(&self) -> Result<()> {
        let keys = match &self.source {
            KeySource::Bus(bus) => bus.call(GetKeys {}).await?.keys,
            KeySource::Url(url) => url.fetch().await?,
            KeySource::Own => return Err(refused()),
        };
        self.store_keys(&keys)
    }

    fn cached_key(&self, id: &str) -> Option<DecodingKey> {
        self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(id).cloned()
    }

    fn store_keys(&self, keys: &[Jwk]) -> Result<()> {
        let keys = keys
            .iter()
            .filter_map(|jwk| Some((jwk.common.key_id.clone()?, jwk)))
            .map(|(id, jwk)| Ok((id, DecodingKey::from_jwk(jwk).map_err(Error::internal)?)))
            .collect::<Result<_>>()?;
        *self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
        Ok(())
    }
}

/// The request's bearer token (RFC 6750), whatever it may be.
pub fn bearer<'r>(request: &'r Request<'_>) -> Result<&'r str> {
    let header = crate::header(request, "Authorization")?.ok_or_else(|| invalid("Send an access token."))?;
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(invalid("Send the access token as a bearer token.")),
    }
}

fn invalid(detail: &'static str) -> Error {
    Error::unauthenticated(detail)
}

/// Which rule a token breaks is of use only to who forges one.
fn refused() -> Error {
    invalid("The access token is not valid, or no longer.")
}

/// The accounts that were deleted while tokens of theirs may still be about. Each service keeps its own list, from
/// `customer.deleted`, in its own database: in a fleet the event reaches one instance and the list serves all.
#[derive(Clone)]
pub struct ClosedAccounts(Collection<Closed>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Closed {
    at: Timestamp,
    /// When all that this service had about the person was erased, the last time it was asked to.
    #[serde(default)]
    erased_at: Option<Timestamp>,
}

impl Closed {
    fn now() -> Self {
        Self { at: Timestamp::now(), erased_at: None }
    }
}

impl Document for Closed {
    type Id = CustomerId;
    const COLLECTION: &'static str = "closed_accounts";
}

impl ClosedAccounts {
    /// The list of this service.
    pub fn open(database: &Database) -> Result<Self> {
        Ok(Self(database.collection()?))
    }

    /// The accounts of which this service has erased all that it had; for whoever checks the books.
    pub async fn erased_customers(&self) -> Result<HashSet<CustomerId>> {
        let mut erased = HashSet::new();
        let tell = |id: &str, closed: Closed| {
            let id: Option<CustomerId> = id.parse().ok();
            erased.extend(id.filter(|_| closed.erased_at.is_some()));
        };
        self.0.scan(tell).await?;
        Ok(erased)
    }

    /// Passes on an identity whose account is open.
    pub async fn require_open(&self, identity: Identity) -> Result<Identity> {
        match self.0.get(identity.id).await? {
            Some(_) => Err(refused()),
            None => Ok(identity),
        }
    }

    /// Notes that an account is closed. Doing it twice does no harm.
    pub async fn close(&self, deletion: &Delivery<CustomerDeleted>) -> Result<()> {
        self.0
            .upsert(deletion.event.id, |slot, _| {
                slot.get_or_insert_with(Closed::now);
                Ok(())
            })
            .await
    }

    /// Notes that nothing is left of somebody here, and announces it, in one write; the account is closed from then on, if it was not.
    /// Whoever is asked again says it again.
    pub async fn record_erasure<E: Event>(&self, customer: CustomerId, announcement: E) -> Result<()> {
        self.0
            .upsert(customer, move |slot, events| {
                slot.get_or_insert_with(Closed::now).erased_at = Some(Timestamp::now());
                events.publish(&announcement).map(drop)
            })
            .await
    }
}
