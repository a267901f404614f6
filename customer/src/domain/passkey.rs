//! Passkeys: sign-in by a key of the customer's device, which signs a challenge for the shop's
//! domain only (Web Authentication Level 3). The device verifies its user, so a passkey counts as
//! both steps of a sign-in.
//!
//! An account names itself to its devices by its id, the user handle. A sign-in is looked up by
//! that and then by the credential in the account, so one credential id in two accounts is no
//! way from one to the other.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use souk_contract::customer::{CustomerId, MAX_PASSKEY_NAME, MAX_PASSKEYS};
use souk_types::{Email, Error, Id, Result, Text, Timestamp};
use webauthn_rp::bin::{Decode, Encode};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{
    CredProtect, PublicKeyCredentialCreationOptions, RegistrationVerificationOptions, UserHandle16,
};
use webauthn_rp::request::{PublicKeyCredentialDescriptor, TimedCeremony as _};
use webauthn_rp::response::register::{CompressedPubKey, DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication16, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, Registration, RegistrationServerState,
};

use super::relying_party::RelyingParty;

/// Time to answer a challenge, of a registration or a sign-in.
const CHALLENGE_LIFETIME: Duration = Duration::from_mins(5);

/// The name that a customer gives to a passkey.
pub(crate) type PasskeyName = Text<1, MAX_PASSKEY_NAME>;

/// The passkeys of an account.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Passkeys {
    /// A registration that waits for the answer of a device.
    setup: Option<Setup>,
    /// The oldest first.
    registered: Vec<Passkey>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Setup {
    state: Bytes,
    /// The credentials that the customer has shown to have. Others end the registration.
    generation: u32,
    until: Timestamp,
}

pub(crate) type PasskeyId = Id<Passkey>;

/// A passkey of a customer. The secret half of its key is in the device.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Passkey {
    id: PasskeyId,
    name: PasskeyName,
    /// The id that the device has given to the key.
    credential: Bytes,
    /// How the device can be reached, as a bit set.
    transports: u8,
    /// The public key.
    key: Bytes,
    /// The signature counter, and what else may change.
    state: Bytes,
    last_used: Option<Timestamp>,
}

/// A public key: Ed25519, P-256, P-384 or RSA.
type PublicKey = CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>;

/// Binary data; as text, base64url.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Bytes(Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(|_| "is not base64url")
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        URL_SAFE_NO_PAD.encode(bytes.0)
    }
}

/// The answer of a device to the options of a registration.
pub(crate) struct NewCredential(Registration);

/// The answer of a device to the options of a sign-in.
pub(crate) struct Assertion(DiscoverableAuthentication16);

impl NewCredential {
    /// Reads a `RegistrationResponseJSON`.
    pub(crate) fn read(json: &Value) -> Option<Self> {
        Registration::from_json_relaxed(json.to_string().as_bytes()).map(Self).ok()
    }
}

impl Assertion {
    /// Reads an `AuthenticationResponseJSON`.
    pub(crate) fn read(json: &Value) -> Option<Self> {
        DiscoverableAuthentication16::from_json_relaxed(json.to_string().as_bytes()).map(Self).ok()
    }

    /// Returns the account that the device names.
    pub(crate) fn account(&self) -> CustomerId {
        let Ok(bytes) = self.0.response().user_handle().encode();
        Id::from_bytes(bytes)
    }

    /// Returns the challenge that the device has signed; `None` when it cannot be one of this shop.
    pub(crate) fn challenge(&self) -> Option<ChallengeId> {
        self.0.challenge_relaxed().ok().map(|challenge| Id::from_bytes(challenge.0.to_be_bytes()))
    }
}

/// The challenge of a sign-in. It is deleted when a device has answered.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SignInChallenge {
    id: ChallengeId,
    state: Bytes,
    expires: Timestamp,
}

/// The challenge itself: 128 random bits.
pub(crate) type ChallengeId = Id<SignInChallenge>;

impl SignInChallenge {
    /// Makes a challenge, and the options for `navigator.credentials.get`.
    pub(crate) fn new(relying_party: &RelyingParty, now: Timestamp) -> Result<(Self, Value)> {
        let options = DiscoverableCredentialRequestOptions::passkey(relying_party.id());
        let (server, client) = options.start_ceremony().map_err(Error::internal)?;
        let id = Id::from_bytes(server.sent_challenge().0.to_be_bytes());
        let state = Bytes(server.encode().map_err(Error::internal)?);
        let challenge = Self { id, state, expires: now.after(CHALLENGE_LIFETIME) };
        Ok((challenge, serde_json::to_value(client).map_err(Error::internal)?))
    }

    pub(crate) fn id(&self) -> ChallengeId {
        self.id
    }

    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }
}

impl Passkey {
    pub(crate) fn id(&self) -> PasskeyId {
        self.id
    }

    pub(crate) fn name(&self) -> &PasskeyName {
        &self.name
    }

    pub(crate) fn created_at(&self) -> Option<Timestamp> {
        self.id.created_at()
    }

    pub(crate) fn last_used_at(&self) -> Option<Timestamp> {
        self.last_used
    }

    fn descriptor(&self) -> Result<PublicKeyCredentialDescriptor<Vec<u8>>> {
        let id = CredentialId::<Vec<u8>>::decode(self.credential.0.clone()).map_err(Error::internal)?;
        let transports = AuthTransports::decode(self.transports).map_err(Error::internal)?;
        Ok(PublicKeyCredentialDescriptor { id, transports })
    }

    /// Checks an answer to a challenge, and counts it. Errors: `Unauthenticated`.
    fn check(
        &mut self,
        relying_party: &RelyingParty,
        challenge: &SignInChallenge,
        assertion: &DiscoverableAuthentication16,
        now: Timestamp,
    ) -> Result<()> {
        let server = DiscoverableAuthenticationServerState::decode(&challenge.state.0).map_err(Error::internal)?;
        let key = StaticState::<PublicKey>::decode(&self.key.0).map_err(Error::internal)?;
        let state = self.state.0.as_slice().try_into().map_err(Error::internal)?;
        let state = DynamicState::decode(state).map_err(Error::internal)?;
        let user = assertion.response().user_handle();
        let mut credential =
            AuthenticatedCredential::new(assertion.raw_id(), user, key, state).map_err(Error::internal)?;
        let origins = [relying_party.origin()];
        // By default, a counter that has not gone up is refused, unless it is always 0.
        let options = AuthenticationVerificationOptions::<_, &str> {
            allowed_origins: &origins,
            // Browsers add extensions of their own.
            error_on_unsolicited_extensions: false,
            ..AuthenticationVerificationOptions::default()
        };
        let checked = server.verify(relying_party.id(), assertion, &mut credential, &options);
        checked.map_err(|reason| sign_in_refused().caused_by(reason))?;
        let Ok(state) = credential.dynamic_state().encode();
        self.state = Bytes(state.to_vec());
        self.last_used = Some(now);
        Ok(())
    }
}

impl Passkeys {
    /// Returns the passkeys, the oldest first.
    pub(crate) fn list(&self) -> &[Passkey] {
        &self.registered
    }

    /// Begins a registration, and returns the options for `navigator.credentials.create`. It ends
    /// after five minutes, and with `generation`. Errors: `too-many-passkeys`.
    pub(crate) fn begin_setup(
        &mut self,
        relying_party: &RelyingParty,
        (account, generation): (CustomerId, u32),
        email: &Email,
        now: Timestamp,
    ) -> Result<Value> {
        self.check_limit()?;
        let Ok(user) = UserHandle16::decode(account.into_bytes());
        let known = self.registered.iter().map(Passkey::descriptor).collect::<Result<_>>()?;
        let mut options = PublicKeyCredentialCreationOptions::passkey(relying_party.id(), (&user).into(), known);
        // A device that does not know this extension would refuse. Each sign-in verifies the user
        // anyway.
        options.extensions.cred_protect = CredProtect::None;
        let (server, client) = options.start_ceremony().map_err(Error::internal)?;
        let mut options = serde_json::to_value(client).map_err(Error::internal)?;
        // The device shows them to its user, who may have several accounts.
        options["user"]["name"] = email.as_str().into();
        options["user"]["displayName"] = email.as_str().into();
        let state = Bytes(server.encode().map_err(Error::internal)?);
        self.setup = Some(Setup { state, generation, until: now.after(CHALLENGE_LIFETIME) });
        Ok(options)
    }

    /// Adds the passkey that a device has made, and ends the registration with it. Errors:
    /// `passkey-not-begun`, `passkey-refused`, `too-many-passkeys`.
    pub(crate) fn finish_setup(
        &mut self,
        relying_party: &RelyingParty,
        generation: u32,
        new: &NewCredential,
        name: PasskeyName,
        now: Timestamp,
    ) -> Result<Passkey> {
        let setup = self.setup.take().filter(|setup| setup.until > now && setup.generation == generation);
        let setup = setup.ok_or_else(not_begun)?;
        self.check_limit()?;
        let server = RegistrationServerState::<16>::decode(&setup.state.0).map_err(Error::internal)?;
        let origins = [relying_party.origin()];
        let options = RegistrationVerificationOptions::<_, &str> {
            allowed_origins: &origins,
            error_on_unsolicited_extensions: false,
            ..RegistrationVerificationOptions::default()
        };
        let verified = server.verify(relying_party.id(), &new.0, &options);
        let verified = verified.map_err(|reason| registration_refused().caused_by(reason))?;
        let (credential, transports, _, key, state, _) = verified.into_parts();
        let credential = Bytes(credential.as_ref().to_vec());
        if self.registered.iter().any(|known| known.credential == credential) {
            return Err(registration_refused().caused_by("the account has the credential already"));
        }
        let (Ok(transports), Ok(key), Ok(state)) = (transports.encode(), key.encode(), state.encode());
        let (key, state) = (Bytes(key), Bytes(state.to_vec()));
        let passkey = Passkey { id: Id::new(), name, credential, transports, key, state, last_used: None };
        self.registered.push(passkey.clone());
        Ok(passkey)
    }

    /// Checks the answer of a device to a challenge of a sign-in. Errors: `Unauthenticated`, with
    /// the reason as its cause.
    pub(crate) fn sign_in(
        &mut self,
        relying_party: &RelyingParty,
        challenge: &SignInChallenge,
        assertion: &Assertion,
        now: Timestamp,
    ) -> Result<()> {
        let credential = assertion.0.raw_id();
        let passkey = self.registered.iter_mut().find(|passkey| passkey.credential.0 == credential.as_ref());
        let unknown = || sign_in_refused().caused_by("the account does not have this passkey");
        passkey.ok_or_else(unknown)?.check(relying_party, challenge, &assertion.0, now)
    }

    /// Removes a passkey. Errors: `NotFound`.
    pub(crate) fn remove(&mut self, id: PasskeyId) -> Result<()> {
        let before = self.registered.len();
        self.registered.retain(|passkey| passkey.id != id);
        if self.registered.len() < before { Ok(()) } else { Err(Error::not_found("passkey")) }
    }

    /// Removes all passkeys, and ends a registration.
    pub(crate) fn remove_all(&mut self) {
        *self = Self::default();
    }

    fn check_limit(&self) -> Result<()> {
        if self.registered.len() < MAX_PASSKEYS {
            return Ok(());
        }
        let detail = format!("An account has at most {MAX_PASSKEYS} passkeys; remove one first.");
        Err(Error::conflict("too-many-passkeys", detail))
    }
}

/// Returns the error of every sign-in that is refused, whatever the reason.
pub(crate) fn sign_in_refused() -> Error {
    Error::unauthenticated("The passkey was refused. Try again, or sign in with your password.")
}

fn registration_refused() -> Error {
    Error::conflict("passkey-refused", "The answer of the device was refused. Ask for new options.")
}

fn not_begun() -> Error {
    Error::conflict("passkey-not-begun", "There are no options for a passkey, or they are older than 5 minutes.")
}

#[cfg(test)]
pub(crate) mod tests {
    use authenticator::Authenticator;

    use super::*;

    pub(crate) const ORIGIN: &str = "https://shop.example";

    pub(crate) fn shop() -> RelyingParty {
        RelyingParty::at(ORIGIN).unwrap()
    }

    /// An account with its devices.
    struct Ana {
        id: CustomerId,
        passkeys: Passkeys,
    }

    impl Ana {
        fn new() -> Self {
            Self { id: Id::new(), passkeys: Passkeys::default() }
        }

        fn begin(&mut self) -> Value {
            let email = "ana@example.com".parse().unwrap();
            self.passkeys.begin_setup(&shop(), (self.id, 1), &email, Timestamp::now()).unwrap()
        }

        fn finish(&mut self, answer: &Value) -> Result<Passkey> {
            let new = NewCredential::read(answer).unwrap();
            self.passkeys.finish_setup(&shop(), 1, &new, name("Phone"), Timestamp::now())
        }

        fn with_phone() -> (Self, Authenticator) {
            let (mut ana, mut phone) = (Self::new(), Authenticator::new(ORIGIN));
            let answer = phone.create(&ana.begin());
            ana.finish(&answer).unwrap();
            (ana, phone)
        }

        /// Signs in, and returns the reason of a refusal.
        fn sign_in(&mut self, phone: &mut Authenticator) -> Option<String> {
            let (challenge, options) = SignInChallenge::new(&shop(), Timestamp::now()).unwrap();
            self.answer(&challenge, &phone.get(&options))
        }

        fn answer(&mut self, challenge: &SignInChallenge, answer: &Value) -> Option<String> {
            let assertion = Assertion::read(answer).unwrap();
            let refused = self.passkeys.sign_in(&shop(), challenge, &assertion, Timestamp::now()).err()?;
            assert_eq!((refused.code(), refused.detail()), ("unauthenticated", sign_in_refused().detail()));
            refused.cause().map(ToOwned::to_owned)
        }
    }

    fn name(text: &str) -> PasskeyName {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn a_passkey_signs_in_and_its_counter_must_go_up() {
        let (mut ana, mut phone) = Ana::with_phone();
        assert_eq!((ana.passkeys.list()[0].name(), ana.passkeys.list()[0].last_used_at()), (&name("Phone"), None));
        assert_eq!(ana.sign_in(&mut phone), None);
        assert!(ana.passkeys.list()[0].last_used_at().is_some());
        let before = phone.counter;
        assert_eq!(ana.sign_in(&mut phone), None);
        // A copy of the device has counted less.
        phone.counter = before;
        assert!(ana.sign_in(&mut phone).is_some_and(|reason| reason.contains("counter")));
        assert_eq!(ana.sign_in(&mut phone), None, "the device itself is one further");
    }

    #[test]
    fn a_device_without_a_counter_signs_in() {
        let (mut ana, mut phone) = (Ana::new(), Authenticator::new(ORIGIN));
        phone.counter = 0;
        let answer = phone.create(&ana.begin());
        ana.finish(&answer).unwrap();
        for _ in 0..2 {
            phone.counter = 0;
            assert_eq!(ana.sign_in(&mut phone), None);
        }
    }

    #[test]
    fn wrong_answers_to_a_sign_in_are_refused_alike() {
        type Change = fn(&mut Authenticator);
        let changes: [(&str, Change); 7] = [
            ("another site", |phone| phone.origin = "https://shop.example.evil.test".to_owned()),
            ("a part of the site", |phone| phone.origin = "https://www.shop.example".to_owned()),
            ("another port", |phone| phone.origin = "https://shop.example:444".to_owned()),
            ("another scheme", |phone| phone.origin = "http://shop.example".to_owned()),
            ("another domain", |phone| phone.rp_id = "example".to_owned()),
            ("an unverified user", |phone| phone.is_user_verified = false),
            ("an unknown credential", |phone| phone.credential_id = vec![7; 16]),
        ];
        for (what, change) in changes {
            let (mut ana, mut phone) = Ana::with_phone();
            change(&mut phone);
            assert!(ana.sign_in(&mut phone).is_some(), "{what}");
            assert_eq!(ana.passkeys.list()[0].last_used_at(), None, "{what}");
        }
    }

    #[test]
    fn a_passkey_of_another_account_is_refused() {
        let ((mut ana, mut phone), (_, mut eve)) = (Ana::with_phone(), Ana::with_phone());
        // Eve names Ana's account, and then Ana's credential as well.
        eve.user_handle.clone_from(&phone.user_handle);
        assert!(ana.sign_in(&mut eve).is_some());
        eve.credential_id.clone_from(&phone.credential_id);
        assert!(ana.sign_in(&mut eve).is_some());
        assert_eq!(ana.sign_in(&mut phone), None);
    }

    #[test]
    fn an_answer_to_another_challenge_is_refused() {
        let (mut ana, mut phone) = Ana::with_phone();
        let (challenge, options) = SignInChallenge::new(&shop(), Timestamp::now()).unwrap();
        let (other, _) = SignInChallenge::new(&shop(), Timestamp::now()).unwrap();
        let answer = phone.get(&options);
        assert!(Assertion::read(&answer).unwrap().challenge() == Some(challenge.id()));
        assert!(ana.answer(&other, &answer).is_some());
        // The challenge of a registration.
        let registration = ana.begin();
        assert!(ana.answer(&challenge, &phone.get(&registration)).is_some());
        let (challenge, options) = SignInChallenge::new(&shop(), Timestamp::now()).unwrap();
        assert!(Assertion::read(&phone.create(&registration)).is_none(), "it has no signature");
        assert_eq!(ana.answer(&challenge, &phone.get(&options)), None);
        assert!(!challenge.is_expired(Timestamp::now()));
        assert!(challenge.is_expired(Timestamp::now().after(CHALLENGE_LIFETIME)));
    }

    #[test]
    fn wrong_answers_to_a_registration_are_refused() {
        let code = |outcome: Result<Passkey>| outcome.err().map(|error| error.code().to_owned());
        let (mut ana, mut phone) = (Ana::new(), Authenticator::new("https://evil.test"));
        let answer = phone.create(&ana.begin());
        assert_eq!(code(ana.finish(&answer)).as_deref(), Some("passkey-refused"), "another site");
        phone.origin = ORIGIN.to_owned();
        assert_eq!(code(ana.finish(&answer)).as_deref(), Some("passkey-not-begun"));
        let answer = phone.create(&ana.begin());
        ana.begin();
        assert_eq!(code(ana.finish(&answer)).as_deref(), Some("passkey-refused"), "earlier options");
        phone.is_user_verified = false;
        let answer = phone.create(&ana.begin());
        assert_eq!(code(ana.finish(&answer)).as_deref(), Some("passkey-refused"), "an unverified user");
        phone.is_user_verified = true;
        let answer = phone.create(&ana.begin());
        let new = NewCredential::read(&answer).unwrap();
        for (generation, now) in [(2, Timestamp::now()), (1, Timestamp::now().after(CHALLENGE_LIFETIME))] {
            let mut passkeys = ana.passkeys.clone();
            let late = passkeys.finish_setup(&shop(), generation, &new, name("Phone"), now);
            assert_eq!(code(late).as_deref(), Some("passkey-not-begun"));
        }
        assert_eq!(code(ana.finish(&answer)), None);
        assert_eq!(code(ana.finish(&answer)).as_deref(), Some("passkey-not-begun"), "a second time");
        let options = ana.begin();
        assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(1));
        assert_eq!(options["user"]["name"], "ana@example.com");
        let again = phone.create(&options);
        assert_eq!(code(ana.finish(&again)).as_deref(), Some("passkey-refused"), "the same credential");
        assert_eq!(ana.passkeys.list().len(), 1);
    }

    #[test]
    fn an_account_has_at_most_ten_passkeys() {
        let (mut ana, _) = Ana::with_phone();
        for _ in 1..MAX_PASSKEYS {
            let answer = Authenticator::new(ORIGIN).create(&ana.begin());
            ana.finish(&answer).unwrap();
        }
        let email = "ana@example.com".parse().unwrap();
        let refused = ana.passkeys.begin_setup(&shop(), (ana.id, 1), &email, Timestamp::now());
        assert_eq!(refused.err().unwrap().code(), "too-many-passkeys");
        let first = ana.passkeys.list()[0].id();
        ana.passkeys.remove(first).unwrap();
        assert!(ana.passkeys.remove(first).is_err());
        assert_eq!(ana.passkeys.list().len(), MAX_PASSKEYS - 1);
    }
}
