//! Passwords: what may be one, how they are kept, and who may hash at what time. Hashing takes a core for some
//! hundredths of a second and 19 MiB, by design, so it runs off the async threads, a few at a time, with a short line
//! in front; whoever finds the line full is told to come back.

use std::num::NonZero;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use souk_types::{Error, Result};
use tokio::sync::Semaphore;

use crate::domain::secret_text as private;

/// A password that somebody chose: 8 to 128 characters (Unicode scalar values), taken as it is. No rules of
/// composition: they make passwords worse (NIST SP 800-63B, section 3.1.1.2).
pub struct Password(String);

impl FromStr for Password {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.chars().count() {
            8..=128 => Ok(Self(text.to_owned())),
            _ => Err("must have 8 to 128 characters"),
        }
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        private::text(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What somebody says is their password: any text.
pub(crate) struct Guess(String);

impl<'de> Deserialize<'de> for Guess {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        private::text(deserializer).map(Self)
    }
}

/// What a guess turned out to be.
pub(crate) enum Verdict {
    Wrong,
    Right,
    /// Right, and kept by weaker rules than today's: to be replaced by this.
    Outdated(Hash),
}

/// Turns passwords into hashes, a bounded number at a time. Cheap to clone; clones share the bounds.
#[derive(Clone)]
pub(crate) struct Hasher {
    /// A place here or in the line.
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

/// How many may wait. The last of them waits about a second for one worker, which is as long as a sign-in may take.
const LINE: usize = 32;

impl Hasher {
    /// Half the cores hash, so that sign-ins, however many, leave the other half to the shop.
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self::bounded((cores / 2).max(1), LINE)
    }

    fn bounded(workers: usize, line: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(workers + line)), workers: Arc::new(Semaphore::new(workers)) }
    }

    /// What to keep of a password.
    pub(crate) async fn hash(&self, password: Password) -> Result<Hash> {
        self.work(move || Hash::of(&password.0)).await
    }

    /// Compares a guess with what is kept. With nothing to compare it takes as long and is wrong: the time it takes to
    /// refuse a sign-in must not tell which addresses have an account.
    pub(crate) async fn verify(&self, guess: Guess, kept: Option<Hash>) -> Result<Verdict> {
        self.work(move || match kept {
            None => Hash::of(&guess.0).map(|_| Verdict::Wrong),
            Some(kept) => kept.judge(&guess.0),
        })
        .await
    }

    async fn work<R: Send + 'static>(&self, work: impl FnOnce() -> Result<R> + Send + 'static) -> Result<R> {
        let full = |_| Error::busy("Too many people sign in at this moment; try again.");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(full)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(Error::internal)?;
        // What has begun is carried out though its client went away, so the permits stay with it.
        let hashing = tokio::task::spawn_blocking(move || {
            let _held = (place, worker);
            work()
        });
        hashing.await.map_err(Error::internal)?
    }
}

/// What is kept of a password: a PHC string, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Hash(String);

/// OWASP's minimum for Argon2id (Password Storage Cheat Sheet): 19 MiB, ...
const MEMORY_KIB: u32 = 19_456;
/// ... two passes, ...
const PASSES: u32 = 2;
/// ... one lane.
const LANES: u32 = 1;
/// 128 bits: no two passwords will share a salt (RFC 9106, section 3.1).
const SALT_BYTES: usize = 16;

/// The allocator of glibc keeps a freed block for the next time unless it is larger than 32 MiB, and does so for each
/// thread: after 40 hashes, two at a time, a process held 300 MiB. So room for this many blocks of 1 KiB is asked for, of
/// which those that are never touched are never real, and all of it goes back (`tests/memory.rs`).
const GIVEN_BACK: usize = 33 * 1024;

impl Hash {
    fn of(password: &str) -> Result<Self> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(Error::internal)?;
        let salt = Salt::new(&salt).map_err(Error::internal)?;
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(Error::internal)?;
        let phc = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(Error::internal)?,
            salt: Some(salt),
            hash: Some(derive(Argon2::new(Algorithm::Argon2id, Version::V0x13, params), password, &salt)?),
        };
        Ok(Self(phc.to_string()))
    }

    fn judge(&self, guess: &str) -> Result<Verdict> {
        let phc = PasswordHash::new(&self.0).map_err(Error::internal)?;
        let (Some(salt), Some(kept)) = (phc.salt, phc.hash) else {
            return Err(Error::internal("a stored password hash is not complete"));
        };
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(Error::internal)?;
        let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(Error::internal)?;
        let params = Params::try_from(&phc).map_err(Error::internal)?;
        let is_outdated = algorithm != Algorithm::Argon2id
            || version != Version::V0x13
            || params.m_cost() < MEMORY_KIB
            || params.t_cost() < PASSES;
        // Outputs are compared in constant time.
        if derive(Argon2::new(algorithm, version, params), guess, &salt)? != kept {
            return Ok(Verdict::Wrong);
        }
        if is_outdated { Self::of(guess).map(Verdict::Outdated) } else { Ok(Verdict::Right) }
    }
}

fn derive(argon2: Argon2<'_>, password: &str, salt: &Salt) -> Result<Output> {
    let blocks = argon2.params().block_count();
    let mut memory = Vec::with_capacity(blocks.max(GIVEN_BACK));
    memory.resize(blocks, Block::new());
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut memory).map_err(Error::internal)?;
    Output::new(output).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use souk_types::ErrorKind;
    use tokio::task::JoinSet;

    use super::*;

    impl Guess {
        pub(crate) fn new(text: &str) -> Self {
            Self(text.to_owned())
        }
    }

    fn password(text: &str) -> Password {
        text.parse().unwrap()
    }

    #[test]
    fn passwords_have_8_to_128_characters_and_no_other_rule() {
        for good in ["password", "        ", "ünïçødé!", &"x".repeat(128), &"🐫".repeat(128)] {
            assert!(good.parse::<Password>().is_ok_and(|kept| kept.0 == *good), "{good}");
        }
        for bad in ["", "seven77", "🐫🐫🐫🐫🐫🐫🐫", &"x".repeat(129)] {
            assert!(bad.parse::<Password>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn only_the_same_password_is_right() {
        let hasher = Hasher::new();
        let kept = hasher.hash(password("  Correct horse ")).await.unwrap();
        assert!(kept.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", kept.0);
        for (guess, right) in
            [("  Correct horse ", true), ("Correct horse", false), ("  correct horse ", false), ("", false)]
        {
            let verdict = hasher.verify(Guess::new(guess), Some(kept.clone())).await.unwrap();
            assert_eq!(matches!(verdict, Verdict::Right), right, "{guess:?}");
        }
        let again = hasher.hash(password("  Correct horse ")).await.unwrap();
        assert_ne!(kept.0, again.0, "each has a salt of its own");
        assert!(matches!(hasher.verify(Guess::new("anything"), None).await.unwrap(), Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_hash_that_other_software_made_is_read_and_a_weak_one_renewed() {
        // From the tests of the reference implementation: the password is "password", the memory 256 KiB.
        let weak = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let (hasher, weak) = (Hasher::new(), Hash(weak.to_owned()));
        let wrong = hasher.verify(Guess::new("passwort"), Some(weak.clone())).await.unwrap();
        assert!(matches!(wrong, Verdict::Wrong));
        let Verdict::Outdated(renewed) = hasher.verify(Guess::new("password"), Some(weak)).await.unwrap() else {
            panic!("a weak hash passes for a strong one");
        };
        assert!(matches!(hasher.verify(Guess::new("password"), Some(renewed)).await.unwrap(), Verdict::Right));
    }

    #[tokio::test]
    async fn a_broken_hash_is_our_fault_and_nobody_gets_in() {
        for broken in ["", "password", "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ", "$md5$c29tZXNhbHQ$c29tZXNhbHQ"] {
            let verdict = Hasher::new().verify(Guess::new("password"), Some(Hash(broken.to_owned()))).await;
            assert_eq!(verdict.err().unwrap().kind(), ErrorKind::Internal, "{broken}");
        }
    }

    #[tokio::test]
    async fn beyond_the_line_it_is_busy() {
        let hasher = Hasher::bounded(1, 2);
        let working = Arc::clone(&hasher.workers).acquire_owned().await.unwrap();
        let mut arriving = JoinSet::new();
        for _ in 0..5 {
            let hasher = hasher.clone();
            arriving.spawn(async move { hasher.hash(password("correct horse")).await.err().map(|error| error.kind()) });
        }
        for _ in 0..2 {
            assert_eq!(arriving.join_next().await.unwrap().unwrap(), Some(ErrorKind::Busy));
        }
        drop(working);
        for outcome in arriving.join_all().await {
            assert_eq!(outcome, None, "who had a place is served");
        }
    }
}
