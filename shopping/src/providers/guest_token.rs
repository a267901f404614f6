//! Guest tokens. Each is a JWT that names a guest cart, signed with HMAC-SHA256. Its `typ` is
//! `guest+jwt`, so that no service accepts it as an access token, and no access token is accepted
//! as a guest token. The first instance that needs the signing key creates it; all instances share
//! it through the database. Backups leave it out, so that a restored shop creates another one.
//!
//! The key in the link to a guest's order derives from the order's id and the signing key, so that
//! it is stored nowhere. Another signing key makes other links; those that were sent stop working.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use souk_contract::shopping::OrderId;
use souk_http::auth::{ISSUER, TokenHeader, claim_rules, is_issued};
use souk_store::{Collection, Database, Document, KEYS};
use souk_types::{Error, Id, Result, Timestamp};
use tokio::sync::OnceCell;

use crate::domain::guest_cart::{Guest, GuestId};

const TOKEN_TYPE: &str = "guest+jwt";
const AUDIENCE: &str = "souk-cart";
/// The document id of the signing key.
const CURRENT: &str = "current";

/// The signing key. Deleting it invalidates all guest tokens at the next start of each instance.
#[derive(Clone, Serialize, Deserialize)]
struct GuestKey {
    /// 32 random bytes in base64.
    secret: String,
}

/// Opens the collection of the signing key.
pub(crate) fn open_key(database: &Database) -> Result<()> {
    database.collection::<GuestKey>().map(drop)
}

impl Document for GuestKey {
    type Id = &'static str;
    const COLLECTION: &'static str = KEYS;
}

impl GuestKey {
    fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        Ok(Self { secret: BASE64_STANDARD.encode(bytes) })
    }
}

/// The claims of a guest token. There is no `exp`, because the cart's own expiry moves with every
/// use.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: GuestId,
    iss: String,
    aud: String,
    /// Issued at, in Unix seconds.
    iat: i64,
}

/// The keys that derive from the signing key.
struct DerivedKeys {
    signing: EncodingKey,
    verifying: DecodingKey,
    /// Signs the links to orders. Derived, so that no link is a part of a token.
    links: Hmac<Sha256>,
}

impl DerivedKeys {
    fn from_secret(secret: &[u8]) -> Result<Self> {
        let derive = |label: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(Error::internal)?;
            mac.update(label);
            Hmac::new_from_slice(&mac.finalize().into_bytes()).map_err(Error::internal)
        };
        Ok(Self {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            links: derive(b"souk order link")?,
        })
    }

    fn link_of(&self, order: OrderId) -> Hmac<Sha256> {
        let mut mac = self.links.clone();
        mac.update(order.to_string().as_bytes());
        mac
    }
}

pub(crate) struct GuestTokens {
    keys: Collection<GuestKey>,
    derived: OnceCell<DerivedKeys>,
    rules: Validation,
}

impl GuestTokens {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        let rules = claim_rules(Algorithm::HS256, AUDIENCE);
        Ok(Self { keys: database.collection()?, derived: OnceCell::new(), rules })
    }

    pub(crate) async fn issue(&self) -> Result<String> {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TOKEN_TYPE.to_owned());
        let iat = Timestamp::now().unix_seconds();
        let claims = Claims { sub: Id::new(), iss: ISSUER.to_owned(), aud: AUDIENCE.to_owned(), iat };
        jsonwebtoken::encode(&header, &claims, &self.derived().await?.signing).map_err(Error::internal)
    }

    /// Returns the key in the link to an order.
    pub(crate) async fn order_key(&self, order: OrderId) -> Result<String> {
        Ok(BASE64_URL_SAFE_NO_PAD.encode(self.derived().await?.link_of(order).finalize().into_bytes()))
    }

    /// Whether this is the key in the link to an order. Takes the same time for every wrong key.
    pub(crate) async fn opens(&self, order: OrderId, key: &str) -> Result<bool> {
        let Ok(key) = BASE64_URL_SAFE_NO_PAD.decode(key) else { return Ok(false) };
        Ok(self.derived().await?.link_of(order).verify_slice(&key).is_ok())
    }

    /// Returns the guest of a token. The guest's cart may have expired.
    pub(crate) async fn verify(&self, token: &str) -> Result<Guest> {
        let invalid = || Error::unauthenticated("The guest token is not valid.");
        if !TokenHeader::of(token).is_some_and(|header| header.is(Algorithm::HS256, TOKEN_TYPE)) {
            return Err(invalid());
        }
        let verifying = &self.derived().await?.verifying;
        let claims = jsonwebtoken::decode::<Claims>(token, verifying, &self.rules).map_err(|_| invalid())?.claims;
        let issued = Some(claims.iat).filter(|iat| is_issued(*iat)).and_then(|iat| u64::try_from(iat).ok());
        let since = issued.and_then(|iat| Timestamp::from_unix(iat, 0)).ok_or_else(invalid)?;
        Ok(Guest { id: claims.sub, since })
    }

    async fn derived(&self) -> Result<&DerivedKeys> {
        let load = || async {
            let new = GuestKey::random()?;
            // When two instances create a key, both get the one that is stored first.
            let key = self.keys.upsert(CURRENT, move |slot, _| Ok(slot.get_or_insert(new.clone()).clone())).await?;
            DerivedKeys::from_secret(&BASE64_STANDARD.decode(key.secret).map_err(Error::internal)?)
        };
        self.derived.get_or_try_init(load).await
    }
}

/// Whether a token claims to be a guest token. The claim is not verified.
pub(crate) fn is_guest_token(token: &str) -> bool {
    TokenHeader::of(token).is_some_and(|header| header.typ == TOKEN_TYPE)
}

#[cfg(test)]
mod tests {
    use souk_store::Durability;
    use souk_types::ErrorKind;
    use tempfile::TempDir;

    use super::*;

    fn database(directory: &TempDir) -> Database {
        Database::sqlite("shopping", &directory.path().join("s.db"), Durability::Process).unwrap()
    }

    #[tokio::test]
    async fn a_token_is_valid_in_every_instance_and_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) =
            (GuestTokens::open(&database(&directory)).unwrap(), GuestTokens::open(&database(&directory)).unwrap());
        let (before, (first, second)) = (Timestamp::now(), tokio::join!(one.issue(), other.issue()));
        let (first, second) = (first.unwrap(), second.unwrap());
        let (guest, other_guest) = (other.verify(&first).await.unwrap(), one.verify(&second).await.unwrap());
        assert_ne!(guest.id, other_guest.id);
        assert!(guest.since.unix_seconds() >= before.unix_seconds());
        let later = GuestTokens::open(&database(&directory)).unwrap();
        assert_eq!(later.verify(&first).await.unwrap().id, guest.id);
    }

    #[tokio::test]
    async fn the_key_in_a_link_opens_one_order_in_every_instance() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) =
            (GuestTokens::open(&database(&directory)).unwrap(), GuestTokens::open(&database(&directory)).unwrap());
        let (order, another) = (OrderId::new(), OrderId::new());
        let key = one.order_key(order).await.unwrap();
        assert_eq!(key.len(), 43);
        assert!(other.opens(order, &key).await.unwrap());
        assert!(!other.opens(another, &key).await.unwrap());
        let changed = key.replace(&key[..1], if key.starts_with('A') { "B" } else { "A" });
        for wrong in ["", "x", &key[..42], &format!("{key}A"), &changed, &one.order_key(another).await.unwrap()] {
            assert!(!one.opens(order, wrong).await.unwrap(), "{wrong}");
        }
        let restored = tempfile::tempdir().unwrap();
        let restored = GuestTokens::open(&database(&restored)).unwrap();
        assert!(!restored.opens(order, &key).await.unwrap(), "with another signing key");
    }

    #[tokio::test]
    async fn tokens_with_a_wrong_claim_or_key_are_refused() {
        type Change = fn(&mut Header, &mut Claims);
        let directory = tempfile::tempdir().unwrap();
        let tokens = GuestTokens::open(&database(&directory)).unwrap();
        let signing = &tokens.derived().await.unwrap().signing;
        let foreign = EncodingKey::from_secret(&[7; 32]);
        let cases: [(&str, Change, &EncodingKey); 8] = [
            ("another typ", |header, _| header.typ = Some("at+jwt".to_owned()), signing),
            ("no typ", |header, _| header.typ = None, signing),
            ("another algorithm", |header, _| header.alg = Algorithm::HS512, signing),
            ("another issuer", |_, claims| claims.iss = "bazaar".to_owned(), signing),
            ("another audience", |_, claims| claims.aud = ISSUER.to_owned(), signing),
            ("critical extensions", |header, _| header.crit = Some(vec!["b64".to_owned()]), signing),
            ("issued later", |_, claims| claims.iat = Timestamp::now().unix_seconds() + 60, signing),
            ("another key", |_, _| {}, &foreign),
        ];
        for (case, change, key) in cases {
            let mut header = Header::new(Algorithm::HS256);
            header.typ = Some(TOKEN_TYPE.to_owned());
            let mut claims = Claims { sub: Id::new(), iss: ISSUER.to_owned(), aud: AUDIENCE.to_owned(), iat: 1 };
            change(&mut header, &mut claims);
            let token = jsonwebtoken::encode(&header, &claims, key).unwrap();
            assert_eq!(tokens.verify(&token).await.unwrap_err().kind(), ErrorKind::Unauthenticated, "{case}");
        }
        let good = tokens.issue().await.unwrap();
        let unsigned = good.rsplit_once('.').unwrap().0.to_owned() + ".";
        for bad in [unsigned.as_str(), "", "x", "a.b.c"] {
            assert_eq!(tokens.verify(bad).await.unwrap_err().kind(), ErrorKind::Unauthenticated, "{bad}");
        }
        assert!(tokens.verify(&good).await.is_ok());
    }
}
