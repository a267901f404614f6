//! The second step of a sign-in: a one-time code of an authenticator app (RFC 6238), or a recovery
//! code in its place.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use souk_types::{Error, Result, Timestamp, redacted};
use totp_rs::{Builder, Secret, Totp};

/// The size of a secret that RFC 4226 (section 4) recommends, in bytes.
const SECRET_SIZE: usize = 20;
/// Time to enter the secret into an app and to confirm it.
const SETUP_TIME: Duration = Duration::from_mins(15);
const RECOVERY_CODES: usize = 10;
/// 80 bits, which cannot be guessed from a digest either.
const RECOVERY_CODE_SIZE: usize = 10;
/// Characters of a recovery code between two hyphens.
const GROUP: usize = 4;

/// The second step of an account.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct SecondStep {
    /// A secret that the customer has not confirmed yet.
    setup: Option<Setup>,
    active: Option<Active>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Setup {
    secret: TotpSecret,
    until: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
struct Active {
    secret: TotpSecret,
    /// The time step of the last accepted code. Each code is accepted once (RFC 6238, section 5.2).
    last_step: u64,
    /// The unused recovery codes.
    recovery: Vec<RecoveryDigest>,
    /// Of networks where the account has signed in. Strangers cannot make these wait.
    #[serde(rename = "at_home")]
    known_network: Failures,
    /// Of all other networks together.
    #[serde(rename = "elsewhere")]
    unknown_network: Failures,
}

/// Wrong codes in a row, after some of which the next code must wait.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Failures {
    count: u32,
    /// Until then, no code is accepted.
    blocked_until: Option<Timestamp>,
}

/// Wrong codes in a row from unknown networks after which the next one must wait.
const FREE_FAILURES_UNKNOWN_NETWORK: u32 = 5;
/// The same from networks where the account has signed in.
const FREE_FAILURES_KNOWN_NETWORK: u32 = 20;
/// The first wait. Each further wrong code doubles it.
const FIRST_WAIT: Duration = Duration::from_mins(1);
/// A guesser has 96 attempts a day, and finds one of three valid codes in a million with a
/// probability of 1 in 3,500 a day.
const LONGEST_WAIT: Duration = Duration::from_mins(15);

impl Failures {
    fn check_wait(self, now: Timestamp) -> Result<()> {
        match self.blocked_until.filter(|until| *until > now) {
            Some(until) => {
                let detail = "Too many wrong codes. Try again later.";
                Err(Error::too_many_requests("too-many-attempts", detail, until.since(now)))
            }
            None => Ok(()),
        }
    }

    fn count(&mut self, free: u32, now: Timestamp) {
        self.count = self.count.saturating_add(1);
        if let Some(doublings) = self.count.checked_sub(free) {
            let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_WAIT);
            self.blocked_until = Some(now.after(wait));
        }
    }
}

impl Active {
    /// Uses up a code, and returns whether it was valid.
    fn use_up(&mut self, code: &StepCode, now: Timestamp) -> Result<bool> {
        if let Some(step) = self.secret.time_step_of(&code.digits(), now)? {
            let is_new = step > self.last_step;
            self.last_step = self.last_step.max(step);
            return Ok(is_new);
        }
        let (digest, before) = (RecoveryDigest::of(&code.0), self.recovery.len());
        self.recovery.retain(|known| *known != digest);
        Ok(self.recovery.len() < before)
    }
}

/// The secret that the account shares with an app; as text, base32.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TotpSecret(Vec<u8>);

impl TotpSecret {
    fn random() -> Result<Self> {
        let mut bytes = vec![0; SECRET_SIZE];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        Ok(Self(bytes))
    }

    /// Returns the secret as the customer types it into an app.
    pub(crate) fn text(&self) -> String {
        Secret::from(self.0.clone()).to_base32()
    }

    /// Returns the address that an app reads from a QR code. The app shows the shop and the
    /// account.
    pub(crate) fn uri(&self, shop: &str, account: &str) -> Result<String> {
        // The format of these addresses has no colon in names.
        let builder = Builder::new().with_account_name(account.replace(':', "")).with_issuer(Some(shop));
        let totp = builder.with_secret(self.0.clone()).build().map_err(Error::internal)?;
        totp.to_url().map_err(Error::internal)
    }

    fn totp(&self) -> Result<Totp> {
        Builder::new().with_secret(self.0.clone()).build().map_err(Error::internal)
    }

    /// Returns the time step of a code that is valid now, or half a minute before or after.
    fn time_step_of(&self, code: &str, now: Timestamp) -> Result<Option<u64>> {
        let seconds = u64::try_from(now.unix_seconds()).unwrap_or_default();
        Ok(self.totp()?.check(code, seconds))
    }
}

impl TryFrom<String> for TotpSecret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let secret = Secret::try_from_base32(&text).map_err(|_| "is not base32")?;
        Ok(Self(secret.as_ref().to_vec()))
    }
}

impl From<TotpSecret> for String {
    fn from(secret: TotpSecret) -> Self {
        secret.text()
    }
}

/// The digest of a recovery code; as text, hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RecoveryDigest(String);

impl RecoveryDigest {
    /// Case, spaces and hyphens of the code do not matter.
    fn of(code: &str) -> Self {
        let normal: String =
            code.chars().filter(char::is_ascii_alphanumeric).map(|character| character.to_ascii_lowercase()).collect();
        Self(Sha256::digest(normal).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// A code as the customer has typed it: six digits, or a recovery code.
#[derive(Clone)]
pub(crate) struct StepCode(String);

/// Longer text cannot be a code.
const MAX_CODE_LENGTH: usize = 40;

impl<'de> Deserialize<'de> for StepCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = redacted::string(deserializer)?;
        if text.len() > MAX_CODE_LENGTH { Err(D::Error::custom("is too long for a code")) } else { Ok(Self(text)) }
    }
}

impl StepCode {
    /// Returns the digits, which many apps show in two groups.
    fn digits(&self) -> String {
        self.0.chars().filter(|character| !character.is_whitespace()).collect()
    }
}

impl SecondStep {
    /// Whether a sign-in needs a code.
    pub(crate) fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// Returns the number of unused recovery codes.
    pub(crate) fn recovery_codes_left(&self) -> usize {
        self.active.as_ref().map_or(0, |active| active.recovery.len())
    }

    /// Makes a new secret, which counts when it is confirmed. Errors: `totp-active`.
    pub(crate) fn begin_setup(&mut self, now: Timestamp) -> Result<TotpSecret> {
        if self.is_active() {
            return Err(Error::conflict("totp-active", "The account asks for codes already; turn that off first."));
        }
        let secret = TotpSecret::random()?;
        self.setup = Some(Setup { secret: secret.clone(), until: now.after(SETUP_TIME) });
        Ok(secret)
    }

    /// Activates the secret that was set up, and returns the recovery codes, which are not shown
    /// again. Errors: `totp-not-begun`; `Invalid` for `code`.
    pub(crate) fn confirm_setup(&mut self, code: &StepCode, now: Timestamp) -> Result<Vec<String>> {
        let setup = self.setup.as_ref().filter(|setup| setup.until > now);
        let not_begun = || Error::conflict("totp-not-begun", "There is no new secret, or it is older than 15 minutes.");
        let secret = setup.ok_or_else(not_begun)?.secret.clone();
        let step = secret.time_step_of(&code.digits(), now)?;
        let last_step = step.ok_or_else(|| Error::invalid_field("code", "is not the code that the app shows now"))?;
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect::<Result<_>>()?;
        let recovery = codes.iter().map(|code| RecoveryDigest::of(code)).collect();
        let active = Active {
            secret,
            last_step,
            recovery,
            known_network: Failures::default(),
            unknown_network: Failures::default(),
        };
        (self.setup, self.active) = (None, Some(active));
        Ok(codes)
    }

    /// Uses up a code, and returns whether it was valid. Without a second step, every code is.
    /// Wrong codes make the next one wait: those from known networks, where the account has signed
    /// in, and those from unknown networks are counted apart. Errors: `too-many-attempts`.
    pub(crate) fn accept(&mut self, code: &StepCode, is_known_network: bool, now: Timestamp) -> Result<bool> {
        let Some(active) = &mut self.active else { return Ok(true) };
        // Before the code is looked at: a guess that must wait gets no answer.
        if is_known_network { active.known_network } else { active.unknown_network }.check_wait(now)?;
        let is_valid = active.use_up(code, now)?;
        let (failures, free) = if is_known_network {
            (&mut active.known_network, FREE_FAILURES_KNOWN_NETWORK)
        } else {
            (&mut active.unknown_network, FREE_FAILURES_UNKNOWN_NETWORK)
        };
        if is_valid {
            *failures = Failures::default();
        } else {
            failures.count(free, now);
        }
        Ok(is_valid)
    }

    /// Turns the second step off.
    pub(crate) fn turn_off(&mut self) {
        *self = Self::default();
    }
}

fn recovery_code() -> Result<String> {
    let mut bytes = [0; RECOVERY_CODE_SIZE];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    let text = Secret::from(bytes.to_vec()).to_base32().to_ascii_lowercase();
    let groups: Vec<&str> = text.as_bytes().chunks(GROUP).filter_map(|group| str::from_utf8(group).ok()).collect();
    Ok(groups.join("-"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns the code that an app with this secret shows.
    pub(crate) fn code_of(secret: &TotpSecret, at: Timestamp) -> StepCode {
        let seconds = u64::try_from(at.unix_seconds()).unwrap();
        StepCode(secret.totp().unwrap().generate(seconds).to_string())
    }

    fn code(text: &str) -> StepCode {
        StepCode(text.to_owned())
    }

    fn active(now: Timestamp) -> (SecondStep, TotpSecret, Vec<String>) {
        let mut step = SecondStep::default();
        let secret = step.begin_setup(now).unwrap();
        let codes = step.confirm_setup(&code_of(&secret, now), now).unwrap();
        (step, secret, codes)
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six digits.
        let secret = TotpSecret(b"12345678901234567890".to_vec());
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(secret.totp().unwrap().generate(seconds).to_string(), code);
        }
        let uri = secret.uri("shop.example", "ana@example.com").unwrap();
        assert!(uri.starts_with("otpauth://totp/shop.example:ana%40example.com?secret=GEZDGNBVGY3TQOJQ"), "{uri}");
    }

    #[test]
    fn a_code_is_accepted_once_and_for_a_minute() {
        let now = Timestamp::now();
        let (mut step, secret, _) = active(now);
        assert!(!step.accept(&code_of(&secret, now), true, now).unwrap(), "the set-up has used the code");
        let later = now.after(Duration::from_mins(1));
        let code = code_of(&secret, later);
        assert!(step.accept(&code, true, later.after(Duration::from_secs(30))).unwrap());
        assert!(!step.accept(&code, true, later).unwrap());
        let old = code_of(&secret, later.after(Duration::from_mins(2)));
        assert!(!step.accept(&old, true, later.after(Duration::from_mins(4))).unwrap());
        assert!(!step.accept(&self::code("000000x"), true, later).unwrap());
    }

    #[test]
    fn a_recovery_code_is_accepted_once() {
        let now = Timestamp::now();
        let (mut step, _, codes) = active(now);
        assert_eq!((codes.len(), codes[0].len()), (10, 19), "{codes:?}");
        let typed = codes[3].to_uppercase().replace('-', " ");
        assert!(step.accept(&code(&typed), true, now).unwrap());
        assert!(!step.accept(&code(&codes[3]), true, now).unwrap());
        assert_eq!(step.recovery_codes_left(), 9);
        assert!(!step.accept(&code(""), true, now).unwrap());
    }

    #[test]
    fn wrong_codes_from_unknown_networks_do_not_delay_known_networks() {
        let begin = Timestamp::now();
        let (mut step, secret, _) = active(begin);
        let mut now = begin.after(Duration::from_secs(90));
        for _ in 0..FREE_FAILURES_UNKNOWN_NETWORK {
            assert!(!step.accept(&code("000000x"), false, now).unwrap());
        }
        for minutes in [1, 2, 4, 8, 15, 15] {
            let refused = step.accept(&code_of(&secret, now), false, now).err().unwrap();
            assert_eq!(refused.code(), "too-many-attempts");
            now = now.after(Duration::from_mins(minutes));
            assert!(!step.accept(&code("000000x"), false, now).unwrap());
        }
        assert!(step.accept(&code_of(&secret, now), true, now).unwrap(), "a known network does not wait");
        now = now.after(Duration::from_mins(1));
        assert!(
            step.accept(&code_of(&secret, now), false, now).is_err(),
            "a sign-in from a known network does not end the wait"
        );
        now = now.after(Duration::from_mins(15));
        assert!(step.accept(&code_of(&secret, now), false, now).unwrap(), "a valid code ends it");
        assert!(!step.accept(&code("000000x"), false, now).unwrap());
    }

    #[test]
    fn guesses_from_known_networks_wait_after_more_failures() {
        let begin = Timestamp::now();
        let (mut step, secret, _) = active(begin);
        let now = begin.after(Duration::from_secs(90));
        for _ in 0..FREE_FAILURES_KNOWN_NETWORK {
            assert!(!step.accept(&code("000000x"), true, now).unwrap());
        }
        let code = code_of(&secret, now);
        assert_eq!(step.accept(&code, true, now).err().unwrap().code(), "too-many-attempts");
        assert!(step.accept(&code, false, now).unwrap());
    }

    #[test]
    fn a_secret_counts_when_it_is_confirmed_in_time() {
        let now = Timestamp::now();
        let mut step = SecondStep::default();
        assert_eq!(step.confirm_setup(&code("123456"), now).err().unwrap().code(), "totp-not-begun");
        let secret = step.begin_setup(now).unwrap();
        assert!(!step.is_active());
        assert_eq!(step.confirm_setup(&code("no"), now).err().unwrap().fields()[0].field, "code");
        let late = now.after(SETUP_TIME);
        assert_eq!(step.confirm_setup(&code_of(&secret, late), late).err().unwrap().code(), "totp-not-begun");
        step.confirm_setup(&code_of(&secret, now), now).unwrap();
        assert_eq!(step.begin_setup(now).err().unwrap().code(), "totp-active");
        step.turn_off();
        assert!(step.accept(&code("anything"), true, now).unwrap());
    }
}
