//! Verifies the signature of Stripe's webhooks. It covers the time of sending, so that an
//! intercepted webhook expires. See <https://docs.stripe.com/webhooks#verify-manually>.

use std::str::FromStr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use souk_types::{Error, Result, Timestamp};

/// Maximum age of a webhook, and maximum clock difference: the default of Stripe's own libraries.
const TOLERANCE: Duration = Duration::from_mins(5);
/// Maximum size of a webhook, in bytes.
pub(crate) const MAX_BODY: u64 = 256 * 1024;

/// The secret that Stripe signs webhooks with: `whsec_...`.
#[derive(Clone)]
pub(crate) struct SigningSecret(String);

impl FromStr for SigningSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = text.strip_prefix("whsec_").is_some_and(|rest| rest.len() >= 16);
        if good { Ok(Self(text.to_owned())) } else { Err("must be the signing secret of a webhook, whsec_...") }
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret")
    }
}

impl SigningSecret {
    /// Errors: `malformed` when Stripe has not signed the body, or not within the last minutes.
    pub(crate) fn verify(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<()> {
        let invalid = |why: &str| Error::malformed("The signature is not valid.").caused_by(why);
        let mut time = None;
        let mut signatures = Vec::new();
        for part in signature.split(',') {
            match part.trim().split_once('=') {
                Some(("t", seconds)) => time = Some(seconds),
                Some(("v1", hex)) => signatures.extend(decode_signature(hex)),
                // The other schemes are not checked: Stripe signs with v0 in test mode only.
                _ => {}
            }
        }
        let time = time.ok_or_else(|| invalid("no time"))?;
        let mut mac = self.mac()?;
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        if !signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok()) {
            return Err(invalid("no signature matches"));
        }
        let signed_at: i64 = time.parse().map_err(|_| invalid("the time is not a number"))?;
        let difference = now.unix_seconds().abs_diff(signed_at);
        if difference <= TOLERANCE.as_secs() {
            return Ok(());
        }
        let detail = if signed_at > now.unix_seconds() {
            format!("The webhook was signed {difference} s in the future: the clocks of the shop and Stripe differ.")
        } else {
            format!("The webhook was signed {difference} s ago, and {} s are allowed.", TOLERANCE.as_secs())
        };
        Err(Error::malformed(detail))
    }

    fn mac(&self) -> Result<Hmac<Sha256>> {
        Hmac::new_from_slice(self.0.as_bytes()).map_err(Error::internal)
    }
}

fn decode_signature(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    (digits.len() == 64).then(|| digits.chunks(2).map(byte).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "whsec_0123456789abcdef";

    fn sign(secret: &str, time: i64, body: &str) -> String {
        let mut mac = SigningSecret(secret.to_owned()).mac().unwrap();
        mac.update(format!("{time}.{body}").as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time},v1={hex}")
    }

    #[test]
    fn a_webhook_needs_a_recent_signature_of_stripe() {
        let (secret, now) = (SECRET.parse::<SigningSecret>().unwrap(), Timestamp::now());
        let (time, body) = (now.unix_seconds(), "{}");
        let good = sign(SECRET, time, body);
        for (case, signature) in [
            ("a good signature", good.clone()),
            ("one of several signatures", format!("{good},v1={}", "0".repeat(64))),
            ("an unknown scheme beside it", format!("{good},v2=x")),
            ("a little old", sign(SECRET, time - 299, body)),
            ("a little ahead", sign(SECRET, time + 299, body)),
        ] {
            secret.verify(&signature, body.as_bytes(), now).expect(case);
        }
        for (case, signature, body, detail) in [
            ("another secret", sign("whsec_fedcba9876543210", time, body), body, "not valid"),
            ("another body", good.clone(), "{ }", "not valid"),
            ("another time", good.replace(&time.to_string(), &(time + 1).to_string()), body, "not valid"),
            ("too old", sign(SECRET, time - 301, body), body, "signed 301 s ago"),
            ("in the future", sign(SECRET, time + 301, body), body, "301 s in the future"),
            ("no time", good.replace("t=", "u="), body, "not valid"),
            ("a time that is no number", sign(SECRET, time, body).replace("t=", "t=x"), body, "not valid"),
            ("no signature", format!("t={time}"), body, "not valid"),
            ("the test scheme", good.replace("v1=", "v0="), body, "not valid"),
            ("two headers in one", format!("{good},{}", good.replace("t=1", "t=2")), body, "not valid"),
            ("nothing", String::new(), body, "not valid"),
        ] {
            let error = secret.verify(&signature, body.as_bytes(), now).expect_err(case);
            assert_eq!(error.kind(), souk_types::ErrorKind::Malformed, "{case}");
            assert!(error.detail().contains(detail), "{case}: {}", error.detail());
        }
    }

    #[test]
    fn a_mutated_signature_is_refused() {
        let (secret, now) = (SECRET.parse::<SigningSecret>().unwrap(), Timestamp::now());
        let (time, body) = (now.unix_seconds(), "{}");
        let good = sign(SECRET, time, body);
        let (_, signature) = good.split_once(',').unwrap();
        proptest!(mutations::config(), |(mutation in mutations::text(&[&good]))| {
            if secret.verify(&mutation, body.as_bytes(), now).is_ok() {
                // Further parts are allowed beside the time and the signature.
                let has = |part: &str| mutation.split(',').any(|given| given.trim().eq_ignore_ascii_case(part));
                prop_assert!(has(&format!("t={time}")), "{}", mutation);
                prop_assert!(has(signature) || mutation.contains('+'), "{}", mutation);
            }
        });
    }
}
