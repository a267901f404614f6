//! Failpoints, at which a test aborts the process like a power cut. There is one before and one
//! after each commit, publish, call, reply and acknowledgement. The environment variable
//! `SOUK_FAILPOINT` selects one, such as `commit.orders.before`; `commit.orders.before@3` aborts
//! when the process reaches it for the third time. Release builds contain no failpoints and ignore
//! the variable.
//!
//! | failpoint | passed by |
//! |---|---|
//! | `commit.<collection>.before`, `.after` | a commit that writes to the collection |
//! | `publish.<event>.before`, `.after` | the relay, when it publishes an event from the outbox |
//! | `outbox.delete.before`, `.after` | the deletion of published events from the outbox |
//! | `ack.<event>.before`, `.after` | a consumer that has handled an event |
//! | `call.<request>.before`, `.after` | a caller; `.after` when it has the reply |
//! | `reply.<request>.before`, `.after` | the service that replies; `.after` when the connection has the reply |
//! | `mail.delivered` | `mail`, between the delivery of a mail and the commit that records it |
//! | `ack.call.before`, `.after` | the service that acknowledges calls, several at a time (over RabbitMQ) |

use std::fmt;

/// Whether this build has failpoints.
pub const BUILT_IN: bool = cfg!(debug_assertions);

/// Passes a failpoint: `failpoint!("commit.{collection}.before")`.
#[macro_export]
macro_rules! failpoint {
    ($($name:tt)+) => {
        $crate::failpoint::pass(::std::format_args!($($name)+))
    };
}

/// Passes a failpoint, or aborts the process there.
#[inline]
pub fn pass(name: fmt::Arguments<'_>) {
    #[cfg(debug_assertions)]
    armed::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod armed {
    use std::fmt;
    use std::str::FromStr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    const VARIABLE: &str = "SOUK_FAILPOINT";

    #[derive(Debug)]
    pub(super) struct Failpoint {
        name: String,
        /// The count of passes at which the process aborts, from 1.
        pass_number: u32,
        passed: AtomicU32,
    }

    pub(super) fn pass(name: fmt::Arguments<'_>) {
        static SELECTED: OnceLock<Option<Failpoint>> = OnceLock::new();
        if let Some(selected) = SELECTED.get_or_init(selected)
            && selected.is_reached(&name.to_string())
        {
            die(name);
        }
    }

    fn selected() -> Option<Failpoint> {
        let text = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty())?;
        // A misspelt value would make a test wait for the abort forever.
        Some(text.parse().unwrap_or_else(|why| die(format_args!("{VARIABLE}={text}: {why}"))))
    }

    /// Aborts at once: nothing is finished or flushed.
    fn die(name: fmt::Arguments<'_>) -> ! {
        eprintln!("failpoint {name}: the process aborts");
        std::process::abort()
    }

    impl FromStr for Failpoint {
        type Err = &'static str;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            let (name, pass_number) = match text.split_once('@') {
                Some((name, pass_number)) => {
                    (name, pass_number.parse().map_err(|_| "the text after @ must be a number")?)
                }
                None => (text, 1),
            };
            if pass_number == 0 {
                return Err("the number after @ must be at least 1");
            }
            Ok(Self { name: name.to_owned(), pass_number, passed: AtomicU32::new(0) })
        }
    }

    impl Failpoint {
        pub(super) fn is_reached(&self, name: &str) -> bool {
            self.name == name && self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.pass_number
        }
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::armed::Failpoint;

    #[test]
    fn a_failpoint_is_reached_at_the_selected_pass() {
        let third: Failpoint = "commit.orders.before@3".parse().unwrap();
        let reached: Vec<bool> = (0..4).map(|_| third.is_reached("commit.orders.before")).collect();
        assert_eq!(reached, [false, false, true, false]);
        let first: Failpoint = "ack.call.after".parse().unwrap();
        assert!(!first.is_reached("ack.call.before"));
        assert!(first.is_reached("ack.call.after"));
    }

    #[test]
    fn a_malformed_value_is_refused() {
        for bad in ["a@", "a@x", "a@0"] {
            assert!(bad.parse::<Failpoint>().is_err(), "{bad}");
        }
    }
}
