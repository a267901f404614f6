//! What a guest shows: a token that names a cart, signed with HMAC-SHA256 (a JWT whose `typ` is `guest+jwt`, so that it is taken for no access
//! token, nor one for it). The key is made by whichever instance needs it first and kept in this service's database, where the carts
//! are: all instances have it, and nobody has to hand it round.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use souk_http::auth::ISSUER;
use souk_store::{Collection, Database};
use souk_types::{Error, Id, Result, Timestamp};
use tokio::sync::OnceCell;

use crate::domain::guest_cart::{Guest, GuestId};

/// The header's `typ`.
const TOKEN_TYPE: &str = "guest+jwt";
/// `aud`: good for carts and nothing else.
const AUDIENCE: &str = "souk-cart";
/// The one key there is.
pub(crate) const CURRENT: &str = "current";

/// A key as it is kept. Without it, no token is good any more: to delete it is to send all guests away, at the next start of each
/// instance.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct GuestKey {
    /// 32 random bytes in base64.
    secret: String,
}

impl GuestKey {
    fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        Ok(Self { secret: BASE64_STANDARD.encode(bytes) })
    }
}

/// `exp` is missing on purpose: how long a cart is kept is written on the cart, and grows when it is used.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: GuestId,
    iss: String,
    aud: String,
    /// When it was made, in Unix seconds.
    iat: u64,
}

/// Signs and verifies the tokens of guests.
pub(crate) struct Tokens {
    keys: Collection<GuestKey>,
    known: OnceCell<(EncodingKey, DecodingKey)>,
    rules: Validation,
}

impl Tokens {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_required_spec_claims(&["iss", "aud", "sub"]);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.validate_exp = false;
        Ok(Self { keys: database.collection()?, known: OnceCell::new(), rules })
    }

    /// A token for a new guest.
    pub(crate) async fn issue(&self) -> Result<String> {
        let (signing, _) = self.keys().await?;
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TOKEN_TYPE.to_owned());
        let iat = u64::try_from(Timestamp::now().unix_seconds()).map_err(Error::internal)?;
        let claims = Claims { sub: Id::new(), iss: ISSUER.to_owned(), aud: AUDIENCE.to_owned(), iat };
        jsonwebtoken::encode(&header, &claims, signing).map_err(Error::internal)
    }

    /// The guest of a token. Whether the cart is still kept is another question.
    pub(crate) async fn verify(&self, token: &str) -> Result<Guest> {
        let refused = || Error::unauthenticated("The guest's token is not valid.");
        if !is_guests(token) {
            return Err(refused());
        }
        let (_, verifying) = self.keys().await?;
        let claims = jsonwebtoken::decode::<Claims>(token, verifying, &self.rules).map_err(|_| refused())?.claims;
        let since = Timestamp::from_unix(claims.iat, 0).ok_or_else(refused)?;
        Ok(Guest { id: claims.sub, since })
    }

    async fn keys(&self) -> Result<&(EncodingKey, DecodingKey)> {
        let load = || async {
            let fresh = GuestKey::random()?;
            // Of two instances that make one, both get the first.
            let kept = self.keys.upsert(CURRENT, move |slot, _| Ok(slot.get_or_insert(fresh.clone()).clone())).await?;
            let secret = BASE64_STANDARD.decode(kept.secret).map_err(Error::internal)?;
            Ok((EncodingKey::from_secret(&secret), DecodingKey::from_secret(&secret)))
        };
        self.known.get_or_try_init(load).await
    }
}

/// Whether a token says that it is a guest's; anybody can say so.
pub(crate) fn is_guests(token: &str) -> bool {
    jsonwebtoken::decode_header(token).is_ok_and(|header| header.typ.as_deref() == Some(TOKEN_TYPE))
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
    async fn a_token_is_good_in_every_instance_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (Tokens::open(&database(&directory)).unwrap(), Tokens::open(&database(&directory)).unwrap());
        let (before, (first, second)) = (Timestamp::now(), tokio::join!(one.issue(), other.issue()));
        let (first, second) = (first.unwrap(), second.unwrap());
        let (guest, stranger) = (other.verify(&first).await.unwrap(), one.verify(&second).await.unwrap());
        assert_ne!(guest.id, stranger.id);
        assert!(guest.since.unix_seconds() >= before.unix_seconds());
        let later = Tokens::open(&database(&directory)).unwrap();
        assert_eq!(later.verify(&first).await.unwrap().id, guest.id);
    }

    #[tokio::test]
    async fn what_is_not_quite_a_token_is_refused() {
        type Spoil = fn(&mut Header, &mut Claims);
        let directory = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(&database(&directory)).unwrap();
        let (signing, _) = tokens.keys().await.unwrap();
        let foreign = EncodingKey::from_secret(&[7; 32]);
        let cases: [(&str, Spoil, &EncodingKey); 6] = [
            ("another typ", |header, _| header.typ = Some("at+jwt".to_owned()), signing),
            ("no typ", |header, _| header.typ = None, signing),
            ("another algorithm", |header, _| header.alg = Algorithm::HS512, signing),
            ("another issuer", |_, claims| claims.iss = "bazaar".to_owned(), signing),
            ("another audience", |_, claims| claims.aud = ISSUER.to_owned(), signing),
            ("another key", |_, _| {}, &foreign),
        ];
        for (what, spoil, key) in cases {
            let mut header = Header::new(Algorithm::HS256);
            header.typ = Some(TOKEN_TYPE.to_owned());
            let mut claims = Claims { sub: Id::new(), iss: ISSUER.to_owned(), aud: AUDIENCE.to_owned(), iat: 1 };
            spoil(&mut header, &mut claims);
            let token = jsonwebtoken::encode(&header, &claims, key).unwrap();
            assert_eq!(tokens.verify(&token).await.unwrap_err().kind(), ErrorKind::Unauthenticated, "{what}");
        }
        let good = tokens.issue().await.unwrap();
        let unsigned = good.rsplit_once('.').unwrap().0.to_owned() + ".";
        for bad in [unsigned.as_str(), "", "x", "a.b.c"] {
            assert_eq!(tokens.verify(bad).await.unwrap_err().kind(), ErrorKind::Unauthenticated, "{bad}");
        }
        assert!(tokens.verify(&good).await.is_ok());
    }
}
