//! Passwords and their hashes (Argon2id).

use std::str::FromStr;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use souk_types::{Email, Error, Result, opaque_string, redacted};
use zxcvbn::{Score, zxcvbn};

/// A password that a customer may choose, as an [`opaque_string`]: 8 to 128 characters (Unicode
/// scalar values). There are no composition rules (NIST SP 800-63B, section 3.1.1.2). An
/// account accepts it unless it is easy to guess.
pub struct Password(String);

impl FromStr for Password {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = opaque_string(text)?;
        match text.chars().count() {
            8..=128 => Ok(Self(text)),
            _ => Err("must have 8 to 128 characters"),
        }
    }
}

/// The score that zxcvbn gives a password which takes at least a million guesses. Passwords below
/// are in the lists of common ones, or are words, dates, repetitions and rows of keys.
const MIN_SCORE: Score = Score::Two;
/// Characters that are judged at each end of a password: a long one with many substitutions would
/// take zxcvbn a second.
const JUDGED_LENGTH: usize = 16;

impl Password {
    /// Whether attackers try this password early (NIST SP 800-63B, section 3.1.1.2): it is common,
    /// it derives from the customer's e-mail address or the shop's name, or it repeats one
    /// character. Takes about a millisecond, and tens of them for a contrived password.
    pub(crate) fn is_easy_to_guess(&self, email: &Email) -> bool {
        let address = email.as_str();
        let local_part = address.split('@').next().unwrap_or(address);
        let lower_case = self.0.trim().to_lowercase();
        let characters: Vec<char> = self.0.chars().collect();
        let repeats_one = characters.iter().all(|character| Some(character) == characters.first());
        if repeats_one || lower_case.is_empty() || lower_case == address || lower_case == local_part {
            return true;
        }
        let is_weak =
            |part: &[char]| zxcvbn(&String::from_iter(part), &[address, local_part, "souk"]).score() < MIN_SCORE;
        let judged = characters.len().min(JUDGED_LENGTH);
        is_weak(&characters[..judged]) && is_weak(&characters[characters.len() - judged..])
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        redacted::string(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A password that a client presents: any text.
pub(crate) struct PasswordGuess(String);

impl PasswordGuess {
    /// Returns the guess as passwords are hashed, and as it was typed if that differs: a hash by
    /// other software, or by an earlier build, may be of text that is not normalised.
    fn spellings(&self) -> Vec<String> {
        let normalised = opaque_string(&self.0).ok();
        let typed = Some(&self.0).filter(|typed| normalised.as_ref() != Some(*typed)).cloned();
        normalised.into_iter().chain(typed).collect()
    }
}

impl<'de> Deserialize<'de> for PasswordGuess {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        redacted::string(deserializer).map(Self)
    }
}

pub(crate) enum PasswordCheck {
    Wrong,
    Right,
    /// Right, but the stored hash has weaker parameters than new hashes, or is of text that is not
    /// normalised. Contains a new hash.
    Outdated(PasswordHash),
}

/// A password's hash as a PHC string: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
#[derive(Clone, Serialize)]
pub(crate) struct PasswordHash(String);

/// Memory of one hash in KiB. `MEMORY_KIB`, `PASSES` and `LANES` are OWASP's minimum for Argon2id
/// (Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// 128 bits, so that no two passwords share a salt (RFC 9106, section 3.1).
const SALT_BYTES: usize = 16;

/// Blocks of 1 KiB that are allocated for a hash. The hash itself needs fewer.
///
/// glibc keeps a freed allocation for reuse in each thread unless it is larger than 32 MiB: after
/// 40 hashes, two at a time, a process held 300 MiB. A larger allocation goes back to the system,
/// and its untouched pages cost nothing (`tests/memory.rs`).
const ALLOCATED_BLOCKS: usize = 33 * 1024;

impl PasswordHash {
    pub(crate) fn of(password: &Password) -> Result<Self> {
        Self::of_text(&password.0)
    }

    /// Hashes a guess and discards the hash, so that a sign-in without an account takes as long as
    /// one with a wrong password.
    pub(crate) fn hash_and_discard(guess: &PasswordGuess) -> Result<()> {
        guess.spellings().iter().try_for_each(|spelling| Self::of_text(spelling).map(drop))
    }

    pub(crate) fn check(&self, guess: &PasswordGuess) -> Result<PasswordCheck> {
        let Parts { algorithm, version, params, salt, output } = Parts::of(&self.0).map_err(Error::internal)?;
        let is_outdated = algorithm != Algorithm::Argon2id
            || version != Version::V0x13
            || params.m_cost() < MEMORY_KIB
            || params.t_cost() < PASSES;
        let argon2 = Argon2::new(algorithm, version, params);
        let spellings = guess.spellings();
        for spelling in &spellings {
            // `Output` compares in constant time.
            if derive(&argon2, spelling, &salt)? != output {
                continue;
            }
            return match spellings.first().filter(|first| is_outdated || *first != spelling) {
                Some(normalised) => Self::of_text(normalised).map(PasswordCheck::Outdated),
                None => Ok(PasswordCheck::Right),
            };
        }
        Ok(PasswordCheck::Wrong)
    }

    fn of_text(password: &str) -> Result<Self> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(Error::internal)?;
        let salt = Salt::new(&salt).map_err(Error::internal)?;
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(Error::internal)?;
        let phc = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(Error::internal)?,
            salt: Some(salt),
            hash: Some(derive(&Argon2::new(Algorithm::Argon2id, Version::V0x13, params), password, &salt)?),
        };
        Ok(Self(phc.to_string()))
    }
}

impl FromStr for PasswordHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Parts::of(text).map(|_| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        redacted::string(deserializer)?.parse().map_err(D::Error::custom)
    }
}

struct Parts {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Parts {
    fn of(text: &str) -> Result<Self, &'static str> {
        let parts = || {
            let phc = phc::PasswordHash::new(text).ok()?;
            Some(Self {
                algorithm: Algorithm::try_from(phc.algorithm.as_str()).ok()?,
                version: phc.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?,
                params: Params::try_from(&phc).ok()?,
                salt: phc.salt?,
                output: phc.hash?,
            })
        };
        parts().ok_or("is not a complete Argon2 hash")
    }
}

fn derive(argon2: &Argon2<'_>, password: &str, salt: &Salt) -> Result<Output> {
    let blocks = argon2.params().block_count();
    let mut memory = Vec::with_capacity(blocks.max(ALLOCATED_BLOCKS));
    memory.resize(blocks, Block::new());
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut memory).map_err(Error::internal)?;
    Output::new(output).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl PasswordGuess {
        pub(crate) fn new(text: &str) -> Self {
            Self(text.to_owned())
        }
    }

    fn check(hash: &PasswordHash, guess: &str) -> PasswordCheck {
        hash.check(&PasswordGuess::new(guess)).unwrap()
    }

    #[test]
    fn passwords_have_8_to_128_characters() {
        for good in ["password", "        ", "ünïçødé!", &"x".repeat(128), &"🐫".repeat(128)] {
            assert!(good.parse::<Password>().is_ok_and(|password| password.0 == *good), "{good}");
        }
        for bad in ["", "seven77", "🐫🐫🐫🐫🐫🐫🐫", &"x".repeat(129), "pass\tword", "password\0"] {
            assert!(bad.parse::<Password>().is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_that_attackers_try_early_are_refused() {
        let email = "anabela.silva@example.com".parse().unwrap();
        let easy = |text: &str| text.parse::<Password>().unwrap().is_easy_to_guess(&email);
        for refused in [
            "12345678",
            "password",
            "Password1!",
            "P@ssw0rd",
            "qwertyuiop",
            "1q2w3e4r5t",
            "iloveyou",
            "sunshine1",
            "letmein123",
            "Welcome2024",
            "abcdefgh",
            "12341234",
            "20001231",
            "        ",
            "  \u{3000} \u{a0}  \u{3000}",
            "aaaaaaaa",
            &"x".repeat(128),
            &"🐫".repeat(128),
            &"12345678".repeat(16),
            "anabela.silva@example.com",
            " Anabela.Silva@Example.com ",
            "anabela.silva",
            "Anabela.Silva1",
            "souksouk",
        ] {
            assert!(easy(refused), "{refused}");
        }
        for accepted in [
            "correct horse",
            "battery staple",
            "a long password",
            "ünïçødé!",
            "xK9#mQ2$",
            "passwordpassword, and then three other words",
            "c1d9ab6f2f1f4b0e9a3c",
            "монастырь на горе",
        ] {
            assert!(!easy(accepted), "{accepted}");
        }
    }

    #[test]
    fn only_the_same_password_is_right() {
        let password = "  Correct horse ".parse().unwrap();
        let hash = PasswordHash::of(&password).unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        for (guess, is_right) in
            [("  Correct horse ", true), ("Correct horse", false), ("  correct horse ", false), ("", false)]
        {
            assert_eq!(matches!(check(&hash, guess), PasswordCheck::Right), is_right, "{guess:?}");
        }
        assert_ne!(hash.0, PasswordHash::of(&password).unwrap().0, "each hash has its own salt");
    }

    #[test]
    fn the_spelling_of_a_letter_does_not_matter() {
        let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
        for (chosen, guess) in [(composed, decomposed), (decomposed, composed), (composed, "crème\u{a0}brûlée")] {
            let hash = PasswordHash::of(&chosen.parse().unwrap()).unwrap();
            assert!(matches!(check(&hash, guess), PasswordCheck::Right), "{guess:?}");
        }
    }

    #[test]
    fn a_hash_of_text_that_is_not_normalised_is_accepted_and_renewed() {
        for stored in ["cre\u{300}me bru\u{302}le\u{301}e", "with\ttab"] {
            let hash = PasswordHash::of_text(stored).unwrap();
            assert!(matches!(check(&hash, "something else e\u{301}"), PasswordCheck::Wrong));
            match check(&hash, stored) {
                PasswordCheck::Outdated(renewed) => {
                    assert!(matches!(check(&renewed, "crème brûlée"), PasswordCheck::Right), "{stored:?}");
                }
                // A control character has no normalised form.
                PasswordCheck::Right => assert!(stored.contains('\t'), "{stored:?}"),
                PasswordCheck::Wrong => panic!("{stored:?} is right"),
            }
        }
    }

    #[test]
    fn a_hash_by_other_software_is_accepted_and_a_weak_one_renewed() {
        // From the tests of the reference implementation: the password is "password", the memory
        // 256 KiB.
        let weak = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let weak: PasswordHash = weak.parse().unwrap();
        assert!(matches!(check(&weak, "passwort"), PasswordCheck::Wrong));
        let PasswordCheck::Outdated(renewed) = check(&weak, "password") else {
            panic!("the hash is weak");
        };
        assert!(matches!(check(&renewed, "password"), PasswordCheck::Right));
    }

    #[test]
    fn an_incomplete_or_foreign_hash_is_refused() {
        for bad in [
            "",
            "password",
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=1,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$md5$c29tZXNhbHQ$c29tZXNhbHQ",
        ] {
            assert!(bad.parse::<PasswordHash>().is_err(), "{bad}");
        }
    }
}
