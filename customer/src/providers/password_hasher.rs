//! Password hashing with bounded parallelism. A hash takes a core for tens of milliseconds and
//! 19 MiB. The hasher runs a few hashes at a time, each on a thread of its own with a low priority,
//! with a short queue that is fair between networks.

use std::num::NonZero;
use std::thread::{self, available_parallelism};

use souk_types::{Email, Error, Result};
use tokio::sync::oneshot;

use crate::domain::password::{Password, PasswordCheck, PasswordGuess, PasswordHash};
use crate::providers::fair_queue::{Caller, FairQueue};

/// Hashes passwords, a bounded number at a time. Cheap to clone; clones share the bounds.
#[derive(Clone)]
pub(crate) struct PasswordHasher(FairQueue);

/// The least niceness of a thread that hashes. While the processors are busy, it gets a tenth of
/// the time of another thread (sched(7)). In a container, that counts among the threads of the
/// container only.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;
/// Callers that may wait. With one worker the last of them waits for about a second, and for longer
/// while the processors are busy.
const QUEUE_LENGTH: usize = 32;

impl PasswordHasher {
    /// Uses half the cores, so that sign-ins leave the other half to the shop.
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self(FairQueue::new((cores / 2).max(1), QUEUE_LENGTH))
    }

    /// Hashes the new password of the account with this e-mail address. Errors: `Invalid` for
    /// `field` when the password is easy to guess.
    pub(crate) async fn hash(
        &self,
        password: Password,
        email: Email,
        field: &'static str,
        caller: Caller,
    ) -> Result<PasswordHash> {
        self.run(caller, move || {
            if password.is_easy_to_guess(&email) {
                let problem = "is easy to guess: choose several unrelated words, for example";
                return Err(Error::invalid_field(field, problem));
            }
            PasswordHash::of(&password)
        })
        .await
    }

    /// Compares a guess with a stored hash. Without a hash the result is `Wrong` after the same
    /// time, so that response times do not reveal which e-mail addresses have an account.
    pub(crate) async fn check(
        &self,
        guess: PasswordGuess,
        stored: Option<PasswordHash>,
        caller: Caller,
    ) -> Result<PasswordCheck> {
        self.run(caller, move || match stored {
            None => PasswordHash::hash_and_discard(&guess).map(|()| PasswordCheck::Wrong),
            Some(stored) => stored.check(&guess),
        })
        .await
    }

    async fn run<R: Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce() -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let busy = || Error::busy("Too many sign-ins at this moment. Try again shortly.");
        let permit = self.0.wait(caller).await.ok_or_else(busy)?;
        let (sender, result) = oneshot::channel();
        // The thread owns the permit: hashing continues when the client disconnects.
        let hash = move || {
            lower_priority();
            let hashed = work();
            drop(permit);
            // Nobody waits for the result after a disconnection.
            let _ = sender.send(hashed);
        };
        let thread = thread::Builder::new().name("password-hash".to_owned()).spawn(hash);
        thread.map_err(|error| busy().caused_by(error))?;
        result.await.map_err(Error::internal)?
    }
}

/// Lowers the priority of this thread. Elsewhere than on Linux, it would be that of the process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let lowered = getpriority_process(None).and_then(|own| setpriority_process(None, own.max(NICENESS)));
        if let Err(error) = lowered {
            tracing::debug!(%error, "passwords are hashed with normal priority");
        }
    }
}

#[cfg(test)]
mod tests {
    use souk_types::ErrorKind;
    use tokio::task::JoinSet;

    use super::*;
    use crate::testing::home;

    async fn hash(hasher: &PasswordHasher, password: &str) -> Result<PasswordHash> {
        hasher.hash(password.parse().unwrap(), "ana@example.com".parse().unwrap(), "new", Caller::owner(home())).await
    }

    #[tokio::test]
    async fn an_easy_password_is_not_hashed() {
        let refusal = hash(&PasswordHasher::new(), "12345678").await.err().unwrap();
        assert_eq!((refusal.kind(), &*refusal.fields()[0].field), (ErrorKind::Invalid, "new"));
    }

    #[tokio::test]
    async fn a_guess_is_compared_with_the_stored_hash_if_there_is_one() {
        let hasher = PasswordHasher::new();
        let stored = hash(&hasher, "correct horse").await.unwrap();
        let check = |guess: &str, stored: Option<&PasswordHash>| {
            hasher.check(PasswordGuess::new(guess), stored.cloned(), Caller::owner(home()))
        };
        assert!(matches!(check("correct horse", Some(&stored)).await.unwrap(), PasswordCheck::Right));
        assert!(matches!(check("wrong horse", Some(&stored)).await.unwrap(), PasswordCheck::Wrong));
        assert!(matches!(check("correct horse", None).await.unwrap(), PasswordCheck::Wrong));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_has_a_low_priority_and_the_rest_of_the_process_has_not() {
        let priority = || rustix::process::getpriority_process(None).map_err(Error::internal);
        let before = priority().unwrap();
        let of_hash = PasswordHasher::new().run(Caller::owner(home()), priority).await.unwrap();
        assert_eq!((of_hash, priority().unwrap()), (before.max(NICENESS), before));
    }

    #[tokio::test]
    async fn callers_beyond_the_queue_are_refused() {
        let hasher = PasswordHasher(FairQueue::new(1, 2));
        let worker = hasher.0.wait(Caller::owner(home())).await.unwrap();
        let mut callers = JoinSet::new();
        for _ in 0..5 {
            let hasher = hasher.clone();
            callers.spawn(async move { hash(&hasher, "correct horse").await.err().map(|error| error.kind()) });
        }
        for _ in 0..3 {
            assert_eq!(callers.join_next().await.unwrap().unwrap(), Some(ErrorKind::Busy));
        }
        drop(worker);
        for outcome in callers.join_all().await {
            assert_eq!(outcome, None, "an admitted caller is served");
        }
    }
}
