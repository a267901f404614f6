//! The key that signs access tokens, and the tokens. The key is made on the first start and kept in one file, as PEM
//! that any tool reads; others get its public half over the bus. What a token says is in `souk_http::auth`, which verifies
//! it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{error, fmt};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use souk_http::auth::{Claims, ISSUER, Identity, TOKEN_LIFETIME, TOKEN_TYPE};
use souk_types::{Error, Result, Timestamp};

/// An Ed25519 key pair.
pub struct SigningKey {
    secret: EncodingKey,
    public: Jwk,
    header: Header,
    /// Of keys that only verify: the one before this, or the one after it, while instances change from one to the other.
    others: Vec<Jwk>,
}

/// Why there is no key: one line for the operator.
#[derive(Debug)]
pub enum KeyError {
    /// The file can be neither read nor made.
    Unusable(PathBuf, io::Error),
    /// Others on this machine can read the file; its mode.
    Exposed(PathBuf, u32),
    /// The file holds something else.
    Foreign(PathBuf),
}

const END_OF_PEM: &str = "-----END PRIVATE KEY-----";

/// The text is something else.
#[derive(Debug)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not an Ed25519 private key in PEM (PKCS#8)")
    }
}

impl FromStr for SigningKey {
    type Err = NotAKey;

    /// The key in a PEM text (PKCS#8), as `openssl genpkey -algorithm ed25519` makes it. More keys may follow; they verify and
    /// do not sign.
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let one = |pem: &str| EncodingKey::from_ed_pem(pem.as_bytes()).and_then(Self::new).map_err(|_| NotAKey);
        let mut keys = text.split_inclusive(END_OF_PEM).filter(|pem| !pem.trim().is_empty()).map(one);
        let first = keys.next().ok_or(NotAKey)??;
        Ok(Self { others: keys.map(|key| Ok(key?.public)).collect::<Result<_, NotAKey>>()?, ..first })
    }
}

/// What stands in front of the 32 secret bytes of an Ed25519 key in PKCS#8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

type Pkcs8 = [u8; 48];

impl SigningKey {
    /// The key in `file`, made when it is not there. A file that others can read is refused: whoever has the key is
    /// everyone.
    pub fn load_or_create(file: &Path) -> Result<Self, KeyError> {
        let unusable = |error| KeyError::Unusable(file.to_owned(), error);
        let mut opened = match File::open(file) {
            Err(missing) if missing.kind() == ErrorKind::NotFound => {
                create(file).and_then(|()| File::open(file)).map_err(unusable)?
            }
            opened => opened.map_err(unusable)?,
        };
        if let Some(mode) = exposed(&opened).map_err(unusable)? {
            return Err(KeyError::Exposed(file.to_owned(), mode));
        }
        let mut pem = Vec::new();
        opened.read_to_end(&mut pem).map_err(unusable)?;
        EncodingKey::from_ed_pem(&pem).and_then(Self::new).map_err(|_| KeyError::Foreign(file.to_owned()))
    }

    /// A key that ends with the process.
    pub fn ephemeral() -> Result<Self> {
        let der = generate().map_err(Error::internal)?;
        Self::new(EncodingKey::from_ed_der(&der)).map_err(Error::internal)
    }

    /// The halves that anyone may have: whatever verifies a token that may still be valid.
    pub(crate) fn publics(&self) -> Vec<Jwk> {
        [&self.public].into_iter().chain(&self.others).cloned().collect()
    }

    /// An access token for somebody who has just proved who they are.
    pub(crate) fn mint(&self, identity: Identity) -> Result<String> {
        let now = Timestamp::now();
        let claims = Claims {
            sub: identity.id,
            role: identity.role,
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            iat: now.unix_seconds(),
            exp: now.after(TOKEN_LIFETIME).unix_seconds(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.secret).map_err(Error::internal)
    }

    fn new(secret: EncodingKey) -> jsonwebtoken::errors::Result<Self> {
        let mut public = Jwk::from_encoding_key(&secret, Algorithm::EdDSA)?;
        // The key names itself (RFC 7638), so that the same key has the same id wherever it is loaded.
        let id = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(id);
        Ok(Self { secret, public, header, others: Vec::new() })
    }
}

fn generate() -> io::Result<Pkcs8> {
    let mut der = [0; 48];
    let (prefix, secret) = der.split_at_mut(PKCS8_PREFIX.len());
    prefix.copy_from_slice(&PKCS8_PREFIX);
    getrandom::fill(secret).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(der)
}

/// Makes a key file that is whole or not there, whenever the power goes: a file beside it, readable by its owner only
/// from its first moment, gets the name when it is on the disk. Whoever comes second leaves the first one's key alone.
fn create(file: &Path) -> io::Result<()> {
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(generate()?));
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new().prefix(".signing-key-").tempfile_in(directory)?;
    draft.write_all(pem.as_bytes())?;
    draft.as_file().sync_all()?;
    match draft.persist_noclobber(file) {
        Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.map(drop).map_err(|refused| refused.error),
    }
}

/// The file's mode, when others than its owner can do anything with it.
#[cfg(unix)]
fn exposed(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt;
    let mode = file.metadata()?.mode() & 0o777;
    Ok(Some(mode).filter(|mode| mode & 0o077 != 0))
}

/// Elsewhere, a file in the user's own directory is theirs.
#[cfg(not(unix))]
fn exposed(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(file, error) => write!(f, "the signing key {} cannot be used: {error}", file.display()),
            Self::Exposed(file, mode) => {
                let file = file.display();
                write!(f, "the signing key {file} is open to others (mode {mode:o}): run `chmod 600 {file}`, ")?;
                f.write_str("or delete it for a fresh one if others may have seen it")
            }
            Self::Foreign(file) => {
                write!(f, "the signing key {} is not an Ed25519 key in PEM (PKCS#8)", file.display())
            }
        }
    }
}

impl error::Error for KeyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unusable(_, error) => Some(error),
            Self::Exposed(..) | Self::Foreign(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use souk_bus::Bus;
    use souk_contract::customer::{GetKeys, Keys};
    use souk_http::auth::{Role, Verifier};
    use souk_types::ErrorKind;
    use souk_types::Id;

    use super::*;

    fn somebody() -> Identity {
        Identity { id: Id::new(), role: Role::Admin }
    }

    fn verifier_of(key: &SigningKey) -> Verifier {
        let (bus, publics) = (Bus::local(), key.publics());
        bus.serve(move |_: GetKeys| {
            let keys = Keys { keys: publics.clone() };
            async move { Ok(keys) }
        });
        Verifier::from_bus(bus)
    }

    fn claims_of(identity: Identity) -> Claims {
        let now = Timestamp::now().unix_seconds();
        let (iss, aud) = (ISSUER.to_owned(), ISSUER.to_owned());
        Claims { sub: identity.id, role: identity.role, iss, aud, iat: now, exp: now + 600 }
    }

    #[tokio::test]
    async fn a_token_proves_who_it_was_made_for() {
        let (key, identity) = (SigningKey::ephemeral().unwrap(), somebody());
        let token = key.mint(identity).unwrap();
        assert_eq!(verifier_of(&key).verify(&token).await.unwrap(), identity);
    }

    #[tokio::test]
    async fn a_key_can_be_changed_while_tokens_of_the_other_are_about() {
        let pem = || {
            let file = tempfile::tempdir().unwrap();
            create(&file.path().join("key.pem")).unwrap();
            std::fs::read_to_string(file.path().join("key.pem")).unwrap()
        };
        let (old, new) = (pem(), pem());
        let (before, after) = (format!("{old}\n{new}"), format!("{new}{old}"));
        let [alone, before, after] = [&old, &before, &after].map(|text| text.parse::<SigningKey>().unwrap());
        assert_eq!((before.header.kid.clone(), after.others.len()), (alone.header.kid.clone(), 1));
        let identity = somebody();
        let by_either = Verifier::from_keys(&before.publics()).unwrap();
        for token in [alone.mint(identity).unwrap(), after.mint(identity).unwrap()] {
            assert_eq!(by_either.verify(&token).await.unwrap(), identity);
        }
        for bad in [String::new(), format!("{old}x"), old.replace("BEGIN", "END")] {
            assert!(bad.parse::<SigningKey>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn keys_may_come_by_url() {
        let (key, identity) = (SigningKey::ephemeral().unwrap(), somebody());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
        let keys = serde_json::to_string(&Keys { keys: key.publics() }).unwrap();
        std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = connection.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /.well-known/jwks.json "));
            write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{keys}", keys.len()).unwrap();
        });
        let verifier = Verifier::from_url(url.parse().unwrap());
        assert_eq!(verifier.verify(&key.mint(identity).unwrap()).await.unwrap(), identity);
        // Nobody listens any more, and nobody asks for a key that is known.
        assert_eq!(verifier.verify(&key.mint(identity).unwrap()).await.unwrap(), identity);
        let other = SigningKey::ephemeral().unwrap().mint(identity).unwrap();
        let unknown = Verifier::from_url(url.parse().unwrap()).verify(&other).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn what_is_not_quite_a_token_is_refused() {
        type Spoil = fn(&mut Header, &mut Claims);
        let cases: [(&str, Spoil); 8] = [
            ("another typ", |header, _| header.typ = Some("JWT".to_owned())),
            ("no typ", |header, _| header.typ = None),
            ("an unknown key", |header, _| header.kid = Some("other".to_owned())),
            ("no key", |header, _| header.kid = None),
            ("another issuer", |_, claims| claims.iss = "bazaar".to_owned()),
            ("another audience", |_, claims| claims.aud = "bazaar".to_owned()),
            ("expired", |_, claims| claims.exp = claims.iat - 60),
            ("ages ago", |_, claims| claims.exp = 0),
        ];
        let key = SigningKey::ephemeral().unwrap();
        let verifier = verifier_of(&key);
        for (what, spoil) in cases {
            let (mut header, mut claims) = (key.header.clone(), claims_of(somebody()));
            spoil(&mut header, &mut claims);
            let token = jsonwebtoken::encode(&header, &claims, &key.secret).unwrap();
            assert_eq!(verifier.verify(&token).await.unwrap_err().kind(), ErrorKind::Unauthenticated, "{what}");
        }
    }

    #[tokio::test]
    async fn a_token_of_another_algorithm_or_key_is_refused() {
        let key = SigningKey::ephemeral().unwrap();
        let verifier = verifier_of(&key);
        // The public key taken for a shared secret: the classic confusion.
        let header = Header { alg: Algorithm::HS256, ..key.header.clone() };
        let public = serde_json::to_vec(&key.publics()[0]).unwrap();
        let confused =
            jsonwebtoken::encode(&header, &claims_of(somebody()), &EncodingKey::from_secret(&public)).unwrap();
        let foreign = SigningKey { header: key.header.clone(), ..SigningKey::ephemeral().unwrap() };
        let foreign = foreign.mint(somebody()).unwrap();
        let good = key.mint(somebody()).unwrap();
        let unsigned = good.rsplit_once('.').unwrap().0.to_owned() + ".";
        for (what, token) in [("confused", confused), ("foreign", foreign), ("unsigned", unsigned)] {
            assert_eq!(verifier.verify(&token).await.unwrap_err().kind(), ErrorKind::Unauthenticated, "{what}");
        }
        assert!(verifier.verify(&good).await.is_ok());
    }

    #[test]
    fn a_key_is_made_once_and_kept_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("signing-key.pem");
        let made = SigningKey::load_or_create(&file).unwrap_or_else(|error| panic!("{error}"));
        let read = SigningKey::load_or_create(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(made.publics(), read.publics());
        assert_eq!(made.header.kid.as_ref().map(String::len), Some(43));
        create(&file).unwrap();
        let again = SigningKey::load_or_create(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(made.publics(), again.publics(), "a second maker leaves the first key alone");
        assert_eq!(directory.path().read_dir().unwrap().count(), 1, "no draft is left behind");
    }

    #[cfg(unix)]
    #[test]
    fn an_exposed_key_is_refused() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("signing-key.pem");
        assert!(SigningKey::load_or_create(&file).is_ok());
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        for mode in [0o644, 0o640, 0o602] {
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let refusal = SigningKey::load_or_create(&file).err().unwrap();
            assert!(matches!(refusal, KeyError::Exposed(_, exposed) if exposed == mode), "{mode:o}: {refusal}");
            assert!(refusal.to_string().contains("chmod 600"));
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing").join("signing-key.pem");
        assert!(matches!(SigningKey::load_or_create(&missing), Err(KeyError::Unusable(..))));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        assert!(matches!(SigningKey::load_or_create(file.path()), Err(KeyError::Foreign(_))));
        assert!(std::fs::read_to_string(file.path()).unwrap().contains("AAAA"));
    }
}
